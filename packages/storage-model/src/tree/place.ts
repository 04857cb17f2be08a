/** Places a resource in the tree: its storage system, data type and directories, or why it has no place. */
import { Result } from "effect"
import { getOrMake } from "../get-or-make.ts"
import { type Problem, problem } from "../report/finding.ts"
import { dataTypeOf } from "../rules/data-type.ts"
import { stateRuling } from "../rules/lifecycle.ts"
import { namingFields, type PathRule, resourceMountPath, tenantMountPath } from "../rules/mount-path.ts"
import { badData, isRefusal, type Refusal, type Ruling, refuse, ruling } from "../rules/ruling.ts"
import type { ModelSettings } from "../settings.ts"
import { microsecondsOf } from "../waldur/instant.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import { compare } from "./order.ts"

/** A resource whose tenant is known. */
export interface PlacedResource {
  readonly resource: WaldurResource
  /** The index of its storage system in the configuration. */
  readonly system: number
  readonly storageSystem: Ruling<string>
  /** The Waldur state as the provider sees it. */
  readonly state: Ruling<string>
  readonly dataType: Ruling<string>
  /** Its mount point. */
  readonly path: Ruling<string> | Refusal
  /** Microseconds since 1970; infinity if Waldur returns no valid time. */
  readonly created: number
  /** The tenant's directory, built from data type and provider slug, never from a `backend_id`. */
  readonly tenantPath: string
}

/** Whether a path comes from Waldur's `backend_id`. */
export const isFromWaldur = (path: Ruling<string> | Refusal): path is Ruling<string> =>
  !isRefusal(path) && path.rule === "path/backend-id"

/** The decisions made when placing a resource. */
export const placementRulings = ({ storageSystem, state, dataType, path }: PlacedResource): ReadonlyArray<Ruling> => [
  storageSystem,
  state,
  dataType,
  ...(isRefusal(path) ? [] : [path]),
]

// There can be many systems and offerings; a finding names a few.
const namesInFinding = 5

const few = (names: ReadonlyArray<string>) =>
  names.length > namesInFinding
    ? `${names.slice(0, namesInFinding).join(", ")} and ${names.length - namesInFinding} more`
    : names.join(", ")

/** A configured storage system and its offerings. */
interface OwnSystem {
  readonly at: number
  /** UUIDs of its offerings, dashed; `undefined` if any offering with its slug is accepted. */
  readonly uuids: ReadonlySet<string> | undefined
  /** The same for findings, as text; built once, not once for each resource. */
  readonly expectedUuids: string
  readonly ruling: Ruling<string>
  /** The data types that its resources have, by field, rule and name. */
  readonly dataTypes: Map<string, OwnDataType>
}

/** What the resources of a storage system with the same data type share: kept in memory once. */
interface OwnDataType {
  readonly ruling: Ruling<string>
  readonly namingFields: string
  /** The directories of its tenants, by provider. */
  readonly tenantPaths: Map<string, Result.Result<string, Problem>>
}

const systemsBySlug = (
  { storageSystems }: ModelSettings,
  offerings: ReadonlyMap<string, ReadonlySet<string>> | undefined,
): ReadonlyMap<string, OwnSystem> => {
  const systems = new Map<string, OwnSystem>()
  for (const [at, { name, offeringSlug: slug, offeringUuid }] of storageSystems.entries()) {
    if (systems.has(slug)) continue
    const own = offeringUuid === undefined ? offerings && (offerings.get(slug) ?? []) : [offeringUuid]
    const uuids = own && new Set(Array.from(own, (uuid) => dashedUuid(uuid) ?? uuid))
    const expectedUuids = uuids?.size === 0 ? "none provided by the token's user" : few([...(uuids ?? [])].toSorted())
    const by = uuids === undefined ? "offering_slug" : "offering_uuid"
    const rule = uuids === undefined ? "storage-system/offering-slug" : "storage-system/offering-uuid"
    systems.set(slug, {
      at,
      uuids,
      expectedUuids,
      dataTypes: new Map(),
      ruling: ruling("storage system", name, by, rule, { slug }),
    })
  }
  return systems
}

/**
 * Returns the function that places a resource.
 *
 * @param offerings the UUIDs, dashed or not, of the offerings that the token's user provides, by slug; ignored for a storage
 *   system with a configured offering UUID; if `undefined`, any offering with a configured slug is accepted
 * @param rule which paths may be served
 */
export const resourcePlacer = (
  settings: ModelSettings,
  offerings: ReadonlyMap<string, ReadonlySet<string>> | undefined,
  rule: PathRule,
): ((resource: WaldurResource) => PlacedResource | Refusal) => {
  const systems = systemsBySlug(settings, offerings)
  const configured = few([...systems.keys()])
  return (resource) => {
    const { offering_slug: slug, offering_uuid: uuid } = resource
    const system = systems.get(slug)
    if (system === undefined) {
      return refuse("foreign-offering", problem("offering_slug", slug, `expected one of: ${configured}`))
    }
    if (system.uuids?.has(uuid) === false) {
      const reason = `another offering with the slug ${slug}; expected: ${system.expectedUuids}`
      return refuse("foreign-offering", problem("offering_uuid", uuid, reason))
    }
    return placeResource(resource, system, rule)
  }
}

const placeResource = (resource: WaldurResource, system: OwnSystem, rule: PathRule): PlacedResource | Refusal => {
  const storageSystem = system.ruling
  const state = stateRuling(resource)
  if (isRefusal(state)) return { ...state, rulings: [storageSystem] }
  const found = dataTypeOf(resource)
  if (isRefusal(found)) return { ...found, rulings: [storageSystem, state] }
  const shared = getOrMake<OwnDataType>(system.dataTypes, `${found.field} ${found.rule} ${found.value}`, () => ({
    ruling: found,
    namingFields: namingFields(found.field),
    tenantPaths: new Map(),
  }))
  const dataType = shared.ruling
  const tenantPath = getOrMake(shared.tenantPaths, resource.provider_slug, () =>
    tenantMountPath(resource, dataType.value),
  )
  if (Result.isFailure(tenantPath)) return badData(tenantPath.failure, [storageSystem, state, dataType])
  return {
    resource,
    system: system.at,
    storageSystem,
    state,
    dataType,
    path: resourceMountPath(resource, tenantPath.success, shared.namingFields, rule),
    created: microsecondsOf(resource.created ?? "") ?? Number.POSITIVE_INFINITY,
    tenantPath: tenantPath.success,
  }
}

/** The order of tenants in the list: system, data type, tenant. */
export const byTenant = (a: PlacedResource, b: PlacedResource): number =>
  a.system - b.system ||
  compare(a.dataType.value, b.dataType.value) ||
  compare(a.resource.provider_slug, b.resource.provider_slug)

/** The order of a customer's resources: oldest first, then by uuid. */
export const byAge = (a: PlacedResource, b: PlacedResource): number =>
  compare(a.created, b.created) || compare(a.resource.uuid, b.resource.uuid)
