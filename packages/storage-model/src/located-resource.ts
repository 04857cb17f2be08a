import { Result } from "effect"
import { compare } from "./code-unit-order.ts"
import { type Problem, problem, type Warn } from "./finding.ts"
import { microsecondsOf } from "./instant.ts"
import { providerView } from "./lifecycle.ts"
import { backendMountPath, projectMountPath, tenantMountPath } from "./mount-path.ts"
import type { Note } from "./note.ts"
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
export const locate = (
  resource: WaldurResource,
  settings: ModelSettings,
  warn: Warn,
  note?: Note,
): Result.Result<Located, Refusal> => {
  const system = settings.storageSystems.findIndex(({ offeringSlug }) => offeringSlug === resource.offering_slug)
  if (system < 0) {
    const wanted = settings.storageSystems.map(({ offeringSlug }) => offeringSlug).join(", ")
    return refuse("foreign-offering", problem("offering_slug", resource.offering_slug, `expected one of: ${wanted}`))
  }
  note?.(
    "storage system",
    settings.storageSystems[system]?.name ?? "",
    "offering_slug",
    `storage_systems names ${resource.offering_slug} as its offering`,
  )
  const view = providerView(resource.state, resource.order_in_progress, note)
  if (!view.visible) {
    const state = resource.order_in_progress?.state
    return refuse("order-not-approved", problem("order_in_progress.state", state, "has not reached the provider yet"))
  }
  const dataType = dataTypeOf(resource, note)
  if (Result.isFailure(dataType)) return Result.fail(badData(dataType.failure))
  const tenantPath = tenantMountPath(resource, dataType.success.name)
  if (Result.isFailure(tenantPath)) return Result.fail(badData(tenantPath.failure))
  const fromWaldur = backendMountPath(resource.backend_id, settings.mountRoots, warn, note)
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
        : projectMountPath(tenantPath.success, resource, dataType.success.field, note),
    ),
  })
}

/** The order of tenants in the list: system, data type, tenant. */
export const byTenant = (a: Located, b: Located): number =>
  a.system - b.system || compare(a.dataType, b.dataType) || compare(a.resource.provider_slug, b.resource.provider_slug)

/** The order of a customer's resources: age, and where it is the same, the uuid. */
export const byAge = (a: Located, b: Located): number =>
  compare(a.created, b.created) || compare(a.resource.uuid, b.resource.uuid)
