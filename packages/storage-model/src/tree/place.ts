import { Result } from "effect"
import { type Problem, problem, type Warn } from "../report/finding.ts"
import type { Note } from "../report/note.ts"
import { dataTypeOf } from "../rules/data-type.ts"
import { providerView } from "../rules/lifecycle.ts"
import { backendMountPath, namedMountPath, type PathRule, tenantMountPath } from "../rules/mount-path.ts"
import { badData, type Refusal, refuse } from "../rules/refusal.ts"
import type { ModelSettings } from "../settings.ts"
import { microsecondsOf } from "../waldur/instant.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import { compare } from "./code-unit-order.ts"

/** A resource whose tenant is known. */
export interface Located {
  readonly resource: WaldurResource
  /** The Waldur state as the provider sees it. */
  readonly state: string
  readonly system: number
  readonly dataType: string
  /** The field that names the data type. */
  readonly dataTypeField: string
  /** Microseconds since 1970; infinity where Waldur gives no time. */
  readonly created: number
  /** The tenant's directory, as its names make it. */
  readonly tenantPath: string
  readonly path: Result.Result<string, Problem>
  /** Whether the path is an absolute one that Waldur's `backend_id` gave. */
  readonly pathFromWaldur: boolean
}

/** Finds a resource's place in the tree, or why it has none. */
export type Locate = (resource: WaldurResource, warn: Warn, note?: Note) => Result.Result<Located, Refusal>

// A configuration may name any number of systems, and a user provide any number of offerings; a finding names a few.
const namesInFinding = 5

const few = (names: ReadonlyArray<string>) =>
  names.length > namesInFinding
    ? `${names.slice(0, namesInFinding).join(", ")} and ${names.length - namesInFinding} more`
    : names.join(", ")

/**
 * @param offerings the dashed UUIDs of the offerings that the token's user provides, by slug; a storage system whose
 *   offering the configuration names by its UUID is that one alone
 */
export const locator = (
  settings: ModelSettings,
  offerings: ReadonlyMap<string, ReadonlySet<string>> | undefined,
  rule: PathRule,
): Locate => {
  const systems = new Map<string, { at: number; uuids: ReadonlySet<string> | undefined; ours: string }>()
  for (const [at, { offeringSlug, offeringUuid }] of settings.storageSystems.entries()) {
    if (systems.has(offeringSlug)) continue
    const named = offeringUuid === undefined ? undefined : new Set([offeringUuid])
    const own = named ?? (offerings && (offerings.get(offeringSlug) ?? new Set<string>()))
    const uuids = own && new Set(Array.from(own, (uuid) => dashedUuid(uuid) ?? uuid))
    // Once, not for each of any number of resources.
    const ours = uuids?.size === 0 ? "none that the token's user provides" : few([...(uuids ?? [])].toSorted())
    systems.set(offeringSlug, { at, uuids, ours })
  }
  const configured = few([...systems.keys()])
  return (resource, warn, note) => {
    const slug = resource.offering_slug
    const system = systems.get(slug)
    if (system === undefined) {
      return refuse("foreign-offering", problem("offering_slug", slug, `expected one of: ${configured}`))
    }
    if (system.uuids?.has(resource.offering_uuid) === false) {
      return refuse(
        "foreign-offering",
        problem(
          "offering_uuid",
          resource.offering_uuid,
          `another offering with the slug ${slug}; ours is: ${system.ours}`,
        ),
      )
    }
    const name = settings.storageSystems[system.at]?.name ?? ""
    if (system.uuids === undefined) {
      note?.("storage system", name, "offering_slug", `storage_systems names ${slug} as its offering`)
    } else note?.("storage system", name, "offering_uuid", `the offering of storage_systems with the slug ${slug}`)
    return locate(resource, system.at, rule, warn, note)
  }
}

const locate = (
  resource: WaldurResource,
  system: number,
  rule: PathRule,
  warn: Warn,
  note: Note | undefined,
): Result.Result<Located, Refusal> => {
  const view = providerView(resource.state, resource.order_in_progress, note)
  if (!view.visible) {
    const state = resource.order_in_progress?.state
    return refuse("order-not-approved", problem("order_in_progress.state", state, "has not reached the provider yet"))
  }
  const dataType = dataTypeOf(resource, note)
  if (Result.isFailure(dataType)) return Result.fail(badData(dataType.failure))
  const tenantPath = tenantMountPath(resource, dataType.success.name)
  if (Result.isFailure(tenantPath)) return Result.fail(badData(tenantPath.failure))
  const fromWaldur = backendMountPath(resource.backend_id, rule, warn, note)
  const pathFromWaldur = Result.isSuccess(fromWaldur) && fromWaldur.success !== undefined
  return Result.succeed({
    resource,
    state: view.state,
    system,
    dataType: dataType.success.name,
    dataTypeField: dataType.success.field,
    created: microsecondsOf(resource.created ?? "") ?? Number.POSITIVE_INFINITY,
    pathFromWaldur,
    tenantPath: tenantPath.success,
    path: Result.flatMap(fromWaldur, (path) =>
      path !== undefined
        ? Result.succeed(path)
        : namedMountPath(tenantPath.success, resource, dataType.success.field, rule, note),
    ),
  })
}

/** The order of tenants in the list: system, data type, tenant. */
export const byTenant = (a: Located, b: Located): number =>
  a.system - b.system || compare(a.dataType, b.dataType) || compare(a.resource.provider_slug, b.resource.provider_slug)

/** The order of a customer's resources: age, and where it is the same, the uuid. */
export const byAge = (a: Located, b: Located): number =>
  compare(a.created, b.created) || compare(a.resource.uuid, b.resource.uuid)
