import { Result } from "effect"
import type { StorageEntry } from "../entry/storage-entry.ts"
import type { StorageNames } from "../entry/storage-names.ts"
import { type Problem, problem, type Warn } from "../report/finding.ts"
import type { Note } from "../report/note.ts"
import { callbackUrlsOf } from "../rules/callback-urls.ts"
import { type DataType, dataTypeOf, targetTypeOf } from "../rules/data-type.ts"
import { isRemoval, lacksRemovalOrder, providerView, statusOf } from "../rules/lifecycle.ts"
import { invalidComponent } from "../rules/mount-path.ts"
import { permissionsOf } from "../rules/permissions.ts"
import { quotasOf } from "../rules/quotas.ts"
import { badData, ofOneRecord, type Refusal, refuse } from "../rules/refusal.ts"
import { type GidRange, isGid, itemFromWaldur, projectTarget, userTarget, wantedGid } from "../rules/target.ts"
import type { ModelSettings } from "../settings.ts"
import type { DecodedResources, WaldurOrder, WaldurResource } from "../waldur/resource.ts"
import type { LivePaths } from "./occupancy.ts"
import type { Located } from "./place.ts"

/** What is known of a project's GID. */
export type GidAnswer =
  | {
      readonly status: "known"
      readonly gid: number
      /** Where the GID is from, where it is not the HPC User API; in words, for whoever asks why. */
      readonly from?: string
    }
  /** The HPC User API answered, and has no usable GID; `reason` in words. */
  | { readonly status: "unknown"; readonly reason: string }
  /** The HPC User API could not be asked; `reason` in words. */
  | { readonly status: "unavailable"; readonly reason: string }

/** The slugs of the projects whose GID the tree needs: all but those whose target item Waldur holds itself. */
export const projectsWithoutItem = (decoded: DecodedResources, settings: ModelSettings): ReadonlySet<string> => {
  const slugs = new Set<string>()
  for (const resource of decoded.resources) {
    const needed = ofOneRecord(() => Result.succeed(needsGid(resource, settings)))
    if (Result.isSuccess(needed) && needed.success) slugs.add(resource.project_slug)
  }
  return slugs
}

const needsGid = (resource: WaldurResource, settings: ModelSettings): boolean => {
  const dataType = dataTypeOf(resource)
  if (!providerView(resource.state, resource.order_in_progress).visible || Result.isFailure(dataType)) return false
  return ownItem(resource, dataType.success, settings, () => {}) === undefined
}

/** The entry of a resource in its place, or why there is none. */
export const resourceEntry = (
  member: Located,
  about: {
    readonly live: LivePaths
    readonly gids: ReadonlyMap<string, GidAnswer>
    readonly settings: ModelSettings
    readonly names: StorageNames
    readonly parentItemId: string
    readonly warn: Warn
    readonly note: Note | undefined
  },
): Result.Result<StorageEntry, Refusal> => {
  const { resource, state } = member
  const dataType = { name: member.dataType, field: member.dataTypeField }
  const { settings, warn, note } = about
  if (Result.isFailure(member.path)) return Result.fail(badData(member.path.failure))
  const mountPoint = member.path.success
  const permission = permissionsOf(resource, warn, note)
  if (Result.isFailure(permission)) return Result.fail(badData(permission.failure))

  const field = member.pathFromWaldur ? "backend_id" : "project_slug"
  if (isRemoval(state)) {
    const order = resource.order_in_progress
    if (lacksRemovalOrder(state, order)) {
      return refuse("removal-without-order", missingOrder(state, order))
    }
    const against = about.live.against(mountPoint)
    if (against !== undefined) return refuse("removal-of-live-path", problem(field, mountPoint, against))
    const around = about.live.around(mountPoint)
    if (around !== undefined)
      warn("nested-mount-point", problem(field, mountPoint, `is being removed inside ${around}`))
    const asked = state === "Terminated" ? "it is gone in Waldur" : "its order at the provider asks for it"
    note?.("removal", mountPoint, field, `${asked}, and nothing at its mount point or below it is or may be live`)
  } else {
    const others = about.live.othersAt(mountPoint, resource.uuid)
    if (others !== undefined) {
      warn("shared-mount-point", problem(field, mountPoint, `is also the mount point of ${others}`))
    }
  }

  const known = targetTypeOf(dataType, note)
  if (known === undefined) {
    warn("unknown-data-type", problem(dataType.field, dataType.name, "not a known type; served as a project's"))
  }
  const status = statusOf(state, note)
  const targetType = known ?? "project"
  const item = ownItem(resource, dataType, settings, warn, note)
  const invalidSlug = item === undefined ? servedSlugProblem(resource, targetType) : undefined
  if (invalidSlug !== undefined) return Result.fail(badData(invalidSlug))
  const target =
    item !== undefined
      ? Result.succeed({ targetType, targetItem: item })
      : Result.flatMap(gidOf(resource, about.gids, settings, note), (gid) =>
          targetType === "project"
            ? Result.mapError(projectTarget(resource, status, gid, note), badData)
            : Result.succeed(userTarget(resource, status, gid, note)),
        )
  const quotas = quotasOf(resource, settings, warn, note)
  if (Result.isFailure(quotas)) return Result.fail(badData(quotas.failure))
  return Result.map(target, (made) => ({
    itemId: resource.uuid,
    status,
    mountPoint: { default: mountPoint },
    permission: { permissionType: "octal", value: permission.success },
    ...quotas.success,
    target: made,
    storageSystem: about.names.storageSystem,
    storageFileSystem: about.names.storageFileSystem,
    storageDataType: about.names.storageDataType,
    parentItemId: about.parentItemId,
    ...callbackUrlsOf(resource, state, settings, warn, note),
  }))
}

/** What is wrong with the order of a resource that is being removed and may not be. */
const missingOrder = (state: string, order: WaldurOrder | null | undefined): Problem => {
  const because = (reason: string) => `${state}, but ${reason}; held back`
  if (order === undefined || order === null) {
    return problem("order_in_progress", null, because("no order in progress asks for it"))
  }
  if (order.type !== "Terminate") {
    return problem("order_in_progress.type", order.type, because("its order is no Terminate"))
  }
  const reason = because("its order is in no state of pending-provider and executing")
  return problem("order_in_progress.state", order.state, reason)
}

/** What is wrong with the slugs that a target item which the model makes would carry. */
const servedSlugProblem = (resource: WaldurResource, targetType: "project" | "user"): Problem | undefined =>
  invalidComponent("project_slug", resource.project_slug) ??
  (targetType === "user" ? invalidComponent("slug", resource.slug) : undefined)

const ownItem = (resource: WaldurResource, dataType: DataType, settings: ModelSettings, warn: Warn, note?: Note) =>
  settings.useMockTargetItems
    ? undefined
    : itemFromWaldur(resource, targetTypeOf(dataType) ?? "project", settings, warn, note)

const gidOf = (
  resource: WaldurResource,
  gids: ReadonlyMap<string, GidAnswer>,
  range: GidRange,
  note: Note | undefined,
): Result.Result<number, Refusal> => {
  const slug = resource.project_slug
  const answer = gids.get(slug) ?? { status: "unavailable", reason: "not asked for" }
  if (answer.status === "known") {
    if (!isGid(answer.gid, range)) {
      const reason = `no GID: ${String(answer.gid)}; expected ${wantedGid(range)}`
      return refuse("gid-unknown", problem("project_slug", slug, reason))
    }
    note?.("gid", answer.gid, answer.from ?? "HPC User API", `of the project ${slug}, asked for by project_slug`)
    return Result.succeed(answer.gid)
  }
  const code = answer.status === "unknown" ? "gid-unknown" : "gid-unavailable"
  return refuse(code, problem("project_slug", slug, `no GID: ${answer.reason}`))
}
