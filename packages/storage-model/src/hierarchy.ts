import { Result } from "effect"
import { callbackUrlsOf } from "./callback-urls.ts"
import { customerDirectory, type OfferingCustomer } from "./customer-directory.ts"
import { type Problem, problem, type SkipCode, type Skipped, type Warn, type Warning } from "./finding.ts"
import { microsecondsOf } from "./instant.ts"
import { jsonText } from "./json-object.ts"
import { isLiveState, providerView, stateOf, statusOf } from "./lifecycle.ts"
import { type LivePaths, livePathOf, livePathsOf } from "./live-path.ts"
import { backendMountPath, invalidComponent, mountPath, parentDirectory } from "./mount-path.ts"
import { defaultPermissions, permissionsOf } from "./permissions.ts"
import { quotasOf } from "./quotas.ts"
import type { ModelSettings } from "./settings.ts"
import { dataTypeOf, targetTypeOf } from "./storage-data-type.ts"
import type { StorageEntry, StorageName } from "./storage-entry.ts"
import { isGid, itemFromWaldur, projectTarget, userTarget } from "./target-item.ts"
import { deterministicId } from "./uuid.ts"
import type { DecodedResources, WaldurResource } from "./waldur-resource.ts"

/** What is known of a project's GID. */
export type GidAnswer =
  | { readonly status: "known"; readonly gid: number }
  /** The HPC User API answered, and has no usable GID; `reason` in words. */
  | { readonly status: "unknown"; readonly reason: string }
  /** The HPC User API could not be asked; `reason` in words. */
  | { readonly status: "unavailable"; readonly reason: string }

/** All that the tree is made of. */
export interface HierarchyInput {
  readonly decoded: DecodedResources
  /** Each offering's own list of customers, by the offering's dashed UUID; without a key where it could not be read. */
  readonly customers: ReadonlyMap<string, ReadonlyArray<OfferingCustomer>>
  /** By project slug; see `projectsWithoutItem` for which are needed. */
  readonly gids: ReadonlyMap<string, GidAnswer>
  readonly settings: ModelSettings
}

/** An entry and what filters ask of it. */
export interface PlacedEntry {
  readonly entry: StorageEntry
  readonly offeringSlug: string
  /** The Waldur states of the resource, or of all resources below a tenant or customer, those left out included. */
  readonly states: ReadonlySet<string>
}

/** The tree as a list, a parent right before what is below it; and what was left out or is odd. */
export interface Hierarchy {
  readonly entries: ReadonlyArray<PlacedEntry>
  readonly skipped: ReadonlyArray<Skipped>
  readonly warnings: ReadonlyArray<Warning>
}

/** The slugs of the projects whose GID the tree needs: all but those whose target item Waldur holds itself. */
export const projectsWithoutItem = (decoded: DecodedResources, settings: ModelSettings): ReadonlySet<string> => {
  const slugs = new Set<string>()
  for (const resource of decoded.resources) {
    const dataType = dataTypeOf(resource.attributes)
    if (!providerView(resource.state, resource.order_in_progress).visible || Result.isFailure(dataType)) continue
    if (ownItem(resource, dataType.success, settings, () => {}) === undefined) slugs.add(resource.project_slug)
  }
  return slugs
}

/**
 * Builds the tree tenant, customer, project of every storage system from all resources of Waldur.
 *
 * A record that cannot be served is left out with its reason and costs no other its place; the tenant and customer above
 * it stay, as far as it names them well. The result depends on the content of the input alone, never on its order, and
 * nothing makes it throw.
 */
export const buildHierarchy = ({ decoded, customers, gids, settings }: HierarchyInput): Hierarchy => {
  const skipped: Array<Skipped> = [...decoded.skipped]
  const warnings: Array<Warning> = []
  const skip = (resource: WaldurResource, code: SkipCode, found: Problem) => {
    skipped.push({ code, ...identityOf(resource), ...found })
  }
  const warnOf =
    (resource: WaldurResource): Warn =>
    (code, found) => {
      warnings.push({ code, ...identityOf(resource), ...found })
    }

  const badButLive = [...decoded.malformed]
  const located = distinct(decoded.resources, skip).flatMap((resource) => {
    const place = locate(resource, settings, warnOf(resource))
    if (Result.isSuccess(place)) return [place.success]
    skip(resource, place.failure.code, place.failure.problem)
    if (place.failure.code === "bad-data") badButLive.push(resource)
    return []
  })
  located.sort(byPlace)

  const customerOf = customerDirectory(customers)
  const live = livePathsOf(occupants(located, badButLive))
  const entries: Array<PlacedEntry> = []

  for (const tenant of consecutive(located, sameTenant)) {
    const names = storageNames(tenant.first, settings)
    const { resource } = tenant.first
    const tenantKey = resource.provider_slug
    const pushParent = (
      members: ReadonlyArray<Located>,
      targetType: "tenant" | "customer",
      targetItem: { readonly itemId: string; readonly key: string; readonly name: string },
      mountPoint: string,
      parentItemId: string | null,
    ) =>
      entries.push({
        offeringSlug: resource.offering_slug,
        states: new Set(members.map((member) => stateOf(member.resource.state))),
        entry: {
          itemId: targetItem.itemId,
          status: "pending",
          mountPoint: { default: mountPoint },
          permission: { permissionType: "octal", value: defaultPermissions },
          quotas: null,
          target: { targetType, targetItem },
          ...names,
          parentItemId,
        },
      })

    const tenantItem = {
      itemId: resource.offering_uuid,
      key: tenantKey,
      name:
        tenant.members.find((member) => member.resource.provider_name)?.resource.provider_name ??
        tenantKey.toUpperCase(),
    }
    const tenantPath = `/${resource.offering_slug}/${tenant.first.dataType}/${tenantKey}`
    const grandparent = (path: string) => parentDirectory(parentDirectory(path))
    pushParent(tenant.members, "tenant", tenantItem, sharedDirectory(tenant.members, grandparent) ?? tenantPath, null)

    for (const group of consecutive(tenant.members, sameCustomer)) {
      const invalidSlug = invalidComponent("customer_slug", group.first.resource.customer_slug)
      const customer =
        invalidSlug === undefined ? customerOf(group.members.map((member) => member.resource)) : undefined
      if (customer === undefined || Result.isFailure(customer)) {
        const wrong = customer === undefined ? invalidSlug : customer.failure
        for (const member of group.members) if (wrong !== undefined) skip(member.resource, "bad-data", wrong)
        continue
      }
      const { itemId, name, warning } = customer.success
      if (warning !== undefined) warnOf(group.first.resource)(warning.code, warning.problem)
      const key = group.first.resource.customer_slug
      const path = sharedDirectory(group.members, parentDirectory) ?? `${tenantPath}/${key}`
      pushParent(group.members, "customer", { itemId, key, name }, path, tenantItem.itemId)

      for (const member of group.members) {
        const made = entryOf(member, {
          live,
          gids,
          settings,
          names,
          parentItemId: itemId,
          warn: warnOf(member.resource),
        })
        if (Result.isFailure(made)) skip(member.resource, made.failure.code, made.failure.problem)
        else {
          const states = new Set([stateOf(member.resource.state)])
          entries.push({ offeringSlug: member.resource.offering_slug, states, entry: made.success })
        }
      }
    }
  }
  return { entries, skipped: skipped.sort(byIdentity), warnings: warnings.sort(byIdentity) }
}

interface Refusal {
  readonly code: SkipCode
  readonly problem: Problem
}
const refuse = (code: SkipCode, problem: Problem) => Result.fail<Refusal>({ code, problem })
const badData = (problem: Problem): Refusal => ({ code: "bad-data", problem })

/** A resource whose tenant is known. */
interface Located {
  readonly resource: WaldurResource
  /** The Waldur state as the provider sees it. */
  readonly state: string
  readonly system: number
  readonly dataType: string
  /** Microseconds since 1970; infinity where Waldur gives no time. */
  readonly created: number
  readonly path: Result.Result<string, Problem>
  /** Whether the path is an absolute one that Waldur's `backend_id` gave. */
  readonly pathFromWaldur: boolean
}

const locate = (resource: WaldurResource, settings: ModelSettings, warn: Warn): Result.Result<Located, Refusal> => {
  const system = settings.storageSystems.findIndex(({ offeringSlug }) => offeringSlug === resource.offering_slug)
  if (system < 0) {
    const wanted = settings.storageSystems.map(({ offeringSlug }) => offeringSlug).join(", ")
    return refuse("foreign-offering", problem("offering_slug", resource.offering_slug, `expected one of: ${wanted}`))
  }
  const view = providerView(resource.state, resource.order_in_progress)
  if (!view.visible) {
    const state = resource.order_in_progress?.state
    return refuse("order-not-approved", problem("order_in_progress.state", state, "has not reached the provider yet"))
  }
  const dataType = dataTypeOf(resource.attributes)
  if (Result.isFailure(dataType)) return Result.fail(badData(dataType.failure))
  const tenantPath = mountPath(
    ["offering_slug", resource.offering_slug],
    ["attributes.storage_data_type", dataType.success],
    ["provider_slug", resource.provider_slug],
  )
  if (Result.isFailure(tenantPath)) return Result.fail(badData(tenantPath.failure))
  const fromWaldur = backendMountPath(resource.backend_id, settings.mountRoots, warn)
  const pathFromWaldur = Result.isSuccess(fromWaldur) && fromWaldur.success !== undefined
  return Result.succeed({
    resource,
    state: view.state,
    system,
    dataType: dataType.success,
    created: microsecondsOf(resource.created ?? "") ?? Number.POSITIVE_INFINITY,
    pathFromWaldur,
    path: Result.flatMap(fromWaldur, (path) =>
      path !== undefined
        ? Result.succeed(path)
        : mountPath(
            ["offering_slug", resource.offering_slug],
            ["attributes.storage_data_type", dataType.success],
            ["provider_slug", resource.provider_slug],
            ["customer_slug", resource.customer_slug],
            ["project_slug", resource.project_slug],
          ),
    ),
  })
}

/** Who lives where. Judged over all records: also what is left out, or too bad to locate, is data on a disk. */
const occupants = (
  located: ReadonlyArray<Located>,
  badButLive: ReadonlyArray<unknown>,
): ReadonlyArray<readonly [path: string, who: string]> => [
  ...located.flatMap((one) =>
    isLiveState(one.state) && Result.isSuccess(one.path) ? [[one.path.success, one.resource.uuid] as const] : [],
  ),
  ...badButLive
    .flatMap((record) => livePathOf(record) ?? [])
    .sort(compare)
    .map((path) => [path, "a resource whose record is bad"] as const),
]

const entryOf = (
  member: Located,
  about: {
    readonly live: LivePaths
    readonly gids: ReadonlyMap<string, GidAnswer>
    readonly settings: ModelSettings
    readonly names: StorageNames
    readonly parentItemId: string
    readonly warn: Warn
  },
): Result.Result<StorageEntry, Refusal> => {
  const { resource, state, dataType } = member
  const { settings, warn } = about
  if (Result.isFailure(member.path)) return Result.fail(badData(member.path.failure))
  const mountPoint = member.path.success
  const permission = permissionsOf(resource.attributes, resource.options, warn)
  if (Result.isFailure(permission)) return Result.fail(badData(permission.failure))

  const field = member.pathFromWaldur ? "backend_id" : "project_slug"
  const others = about.live.othersAt(mountPoint, resource.uuid)
  if (isLiveState(state)) {
    if (others !== undefined) {
      warn("shared-mount-point", problem(field, mountPoint, `is also the mount point of ${others}`))
    }
  } else {
    const held = others ?? about.live.below(mountPoint)
    if (held !== undefined) {
      const what = others === undefined ? "holds the mount point" : "is the mount point of"
      return refuse("removal-of-live-path", problem(field, mountPoint, `${what} ${held}, which is live`))
    }
  }

  const known = targetTypeOf(dataType)
  if (known === undefined) {
    warn(
      "unknown-data-type",
      problem("attributes.storage_data_type", dataType, "not a known type; served as a project's"),
    )
  }
  const status = statusOf(state)
  const targetType = known ?? "project"
  const item = ownItem(resource, dataType, settings, warn)
  const target =
    item !== undefined
      ? Result.succeed({ targetType, targetItem: item })
      : Result.flatMap(gidOf(resource, about.gids, settings.minGid), (gid) =>
          targetType === "project"
            ? Result.mapError(projectTarget(resource, status, gid), badData)
            : Result.succeed(userTarget(resource, status, gid)),
        )
  return Result.map(target, (made) => ({
    itemId: resource.uuid,
    status,
    mountPoint: { default: mountPoint },
    permission: { permissionType: "octal", value: permission.success },
    ...quotasOf(resource, settings, warn),
    target: made,
    ...about.names,
    parentItemId: about.parentItemId,
    ...callbackUrlsOf(resource, state, warn),
  }))
}

const ownItem = (resource: WaldurResource, dataType: string, settings: ModelSettings, warn: Warn) =>
  settings.useMockTargetItems
    ? undefined
    : itemFromWaldur(resource, targetTypeOf(dataType) ?? "project", settings.minGid, warn)

const gidOf = (
  resource: WaldurResource,
  gids: ReadonlyMap<string, GidAnswer>,
  minGid: number,
): Result.Result<number, Refusal> => {
  const slug = resource.project_slug
  const answer = gids.get(slug) ?? { status: "unavailable", reason: "not asked for" }
  if (answer.status === "known") {
    return isGid(answer.gid, minGid)
      ? Result.succeed(answer.gid)
      : refuse(
          "gid-unknown",
          problem("project_slug", slug, `no GID: ${answer.gid} is no integer of at least ${minGid}`),
        )
  }
  const code = answer.status === "unknown" ? "gid-unknown" : "gid-unavailable"
  return refuse(code, problem("project_slug", slug, `no GID: ${answer.reason}`))
}

/** The directory that all members' paths have in common at a level, where Waldur gave every one of the paths. */
const sharedDirectory = (
  members: ReadonlyArray<Located>,
  directoryOf: (path: string) => string,
): string | undefined => {
  let shared: string | undefined
  for (const { path, pathFromWaldur } of members) {
    if (!pathFromWaldur || Result.isFailure(path)) return undefined
    const directory = directoryOf(path.success)
    if (directory === "/" || (shared !== undefined && directory !== shared)) return undefined
    shared = directory
  }
  return shared
}

interface StorageNames {
  readonly storageSystem: StorageName
  readonly storageFileSystem: StorageName
  readonly storageDataType: StorageName & { readonly path: string }
}

const storageNames = ({ resource, dataType }: Located, settings: ModelSettings): StorageNames => ({
  storageSystem: storageName("storage_system", resource.offering_slug),
  storageFileSystem: storageName("storage_file_system", settings.storageFileSystem),
  storageDataType: { ...storageName("storage_data_type", dataType), path: dataType },
})

const storageName = (scope: string, name: string): StorageName => ({
  itemId: deterministicId(scope, name),
  key: name.toLowerCase(),
  name: name.toUpperCase(),
  active: true,
})

const identityOf = (resource: WaldurResource) => ({
  uuid: resource.uuid,
  slug: resource.slug,
  offering_slug: resource.offering_slug,
})

// Code units, not a locale's order: the same on every machine.
const compare = <A extends string | number>(a: A, b: A) => (a < b ? -1 : a > b ? 1 : 0)

const byPlace = (a: Located, b: Located): number =>
  a.system - b.system ||
  compare(a.dataType, b.dataType) ||
  compare(a.resource.provider_slug, b.resource.provider_slug) ||
  compare(a.resource.customer_slug, b.resource.customer_slug) ||
  compare(a.created, b.created) ||
  compare(a.resource.uuid, b.resource.uuid)

const sameTenant = (a: Located, b: Located) =>
  a.system === b.system && a.dataType === b.dataType && a.resource.provider_slug === b.resource.provider_slug

const sameCustomer = (a: Located, b: Located) => a.resource.customer_slug === b.resource.customer_slug

const byIdentity = (a: Skipped | Warning, b: Skipped | Warning): number =>
  compare(a.uuid ?? "", b.uuid ?? "") ||
  compare(a.slug ?? "", b.slug ?? "") ||
  compare(a.offering_slug ?? "", b.offering_slug ?? "") ||
  compare(a.field, b.field) ||
  compare(a.code, b.code) ||
  compare(jsonText(a.found), jsonText(b.found)) ||
  compare(a.reason, b.reason)

/** Runs of neighbours that belong together, in their order. */
const consecutive = (
  items: ReadonlyArray<Located>,
  together: (a: Located, b: Located) => boolean,
): ReadonlyArray<{ readonly first: Located; readonly members: ReadonlyArray<Located> }> => {
  const runs: Array<{ first: Located; members: Array<Located> }> = []
  for (const item of items) {
    const last = runs.at(-1)
    if (last !== undefined && together(last.first, item)) last.members.push(item)
    else runs.push({ first: item, members: [item] })
  }
  return runs
}

/** One record for each uuid. Where records of one uuid differ, the choice depends on their content alone. */
const distinct = (
  resources: ReadonlyArray<WaldurResource>,
  skip: (resource: WaldurResource, code: SkipCode, found: Problem) => void,
): ReadonlyArray<WaldurResource> => {
  const byUuid = new Map<string, WaldurResource>()
  for (const resource of resources) {
    const other = byUuid.get(resource.uuid)
    if (other === undefined) {
      byUuid.set(resource.uuid, resource)
      continue
    }
    const [kept, dropped] = jsonText(other) <= jsonText(resource) ? [other, resource] : [resource, other]
    byUuid.set(resource.uuid, kept)
    skip(dropped, "duplicate", problem("uuid", dropped.uuid, "Waldur sent this resource more than once"))
  }
  return [...byUuid.values()]
}
