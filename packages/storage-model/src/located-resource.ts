import { Result } from "effect"
import { compare } from "./code-unit-order.ts"
import { type Problem, problem, type Warn } from "./finding.ts"
import { microsecondsOf } from "./instant.ts"
import { isLiveState, providerView } from "./lifecycle.ts"
import { livePathOf } from "./live-path.ts"
import { backendMountPath, projectMountPath, tenantMountPath } from "./mount-path.ts"
import { badData, type Refusal, refuse } from "./refusal.ts"
import type { ModelSettings } from "./settings.ts"
import { dataTypeOf } from "./storage-data-type.ts"
import type { WaldurResource } from "./waldur-resource.ts"

/** A resource whose tenant is known. */
export interface Located {
  readonly resource: WaldurResource
  /** The Waldur state as the provider sees it. */
  readonly state: string
  readonly system: number
  readonly dataType: string
  /** Microseconds since 1970; infinity where Waldur gives no time. */
  readonly created: number
  /** The tenant's directory, as its names make it. */
  readonly tenantPath: string
  readonly path: Result.Result<string, Problem>
  /** Whether the path is an absolute one that Waldur's `backend_id` gave. */
  readonly pathFromWaldur: boolean
}

/** Finds a resource's place in the tree, or why it has none. */
export const locate = (
  resource: WaldurResource,
  settings: ModelSettings,
  warn: Warn,
): Result.Result<Located, Refusal> => {
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
  const tenantPath = tenantMountPath(resource, dataType.success)
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
    tenantPath: tenantPath.success,
    path: Result.flatMap(fromWaldur, (path) =>
      path !== undefined ? Result.succeed(path) : projectMountPath(resource, dataType.success),
    ),
  })
}

/** Who lives where. Judged over all records: also what is left out, or too bad to locate, is data on a disk. */
export const occupants = (
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

/** The directory that all members' paths have in common at a level, where Waldur gave every one of the paths. */
export const sharedDirectory = (
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

/** The order of the list: system, data type, tenant, customer, then age. */
export const byPlace = (a: Located, b: Located): number =>
  a.system - b.system ||
  compare(a.dataType, b.dataType) ||
  compare(a.resource.provider_slug, b.resource.provider_slug) ||
  compare(a.resource.customer_slug, b.resource.customer_slug) ||
  compare(a.created, b.created) ||
  compare(a.resource.uuid, b.resource.uuid)

export const sameTenant = (a: Located, b: Located) =>
  a.system === b.system && a.dataType === b.dataType && a.resource.provider_slug === b.resource.provider_slug

export const sameCustomer = (a: Located, b: Located) => a.resource.customer_slug === b.resource.customer_slug

/** Runs of neighbours that belong together, in their order. */
export const consecutive = (
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
