/** Builds the entry of a placed resource, or explains why there is none. */

import { Result } from "effect"
import type { StorageEntry, Target } from "../entry/storage-entry.ts"
import type { StorageNames } from "../entry/storage-names.ts"
import { type Problem, problem, type Remark, remark } from "../report/finding.ts"
import { callbackUrlsOf } from "../rules/callback-urls.ts"
import { dataTypeOf, type TargetType, targetTypeOf } from "../rules/data-type.ts"
import { type GidRange, isGid, wantedGid } from "../rules/gid.ts"
import { type EntryStatus, isRemoval, lacksRemovalOrder, providerView, statusRuling } from "../rules/lifecycle.ts"
import { invalidComponent } from "../rules/mount-path.ts"
import { permissionsOf } from "../rules/permissions.ts"
import { quotasOf } from "../rules/quotas.ts"
import {
  badData,
  type Derived,
  isRefusal,
  none,
  ofOneRecord,
  type Refusal,
  type Ruling,
  refuse,
  ruling,
} from "../rules/ruling.ts"
import { brokenFolders, ownPlaces } from "../rules/storage-folder.ts"
import { itemFromWaldur, projectItem, userItem } from "../rules/target.ts"
import type { ModelSettings } from "../settings.ts"
import type { DecodedResources, WaldurOrder, WaldurResource } from "../waldur/resource.ts"
import type { Occupancy } from "./occupancy.ts"
import { isFromWaldur, type PlacedResource } from "./place.ts"

/** The result of looking up a project's GID. */
export type ProjectGid =
  | {
      readonly status: "known"
      readonly gid: number
      /** The source of the GID as text, if it is not the HPC User API. */
      readonly from?: string
    }
  /** The HPC User API responded and has no usable GID. */
  | { readonly status: "unknown"; readonly reason: string }
  /** The HPC User API is unavailable. */
  | { readonly status: "unavailable"; readonly reason: string }

/** The slugs of the projects whose GID the tree needs: all except those whose target item comes from Waldur. */
export const projectsWithoutItem = (decoded: DecodedResources, settings: ModelSettings): ReadonlySet<string> => {
  const slugs = new Set<string>()
  for (const resource of decoded.resources) {
    const needed = ofOneRecord(() => needsGid(resource, settings))
    if (needed === true) slugs.add(resource.project_slug)
  }
  return slugs
}

const needsGid = (resource: WaldurResource, settings: ModelSettings): boolean => {
  if (!providerView(resource.state, resource.order_in_progress).visible) return false
  const dataType = dataTypeOf(resource)
  return !isRefusal(dataType) && ownItem(resource, targetTypeOf(dataType).value, settings).value === undefined
}

/** What a resource's entry depends on besides the resource itself. */
export interface EntryContext {
  readonly settings: ModelSettings
  readonly gids: ReadonlyMap<string, ProjectGid>
  readonly occupancy: Occupancy
}

/** The entry of a placed resource, or the reason for skipping it. */
export const resourceEntry = (
  { resource, state: { value: state }, path, dataType }: PlacedResource,
  { settings, gids, occupancy }: EntryContext,
  above: { readonly names: StorageNames; readonly itemId: string },
): Derived<StorageEntry> | Refusal => {
  if (isRefusal(path)) return badData(path.problem)
  const places = ownPlaces(resource)
  if (Result.isFailure(places)) return badData(places.failure)
  const decided: Docket = { rulings: [], remarks: [...brokenFolders(resource)] }
  const permission = permissionsOf(places.success)
  enter(decided, isRefusal(permission) ? permission : { rulings: [permission], remarks: permission.remarks })
  if (isRefusal(permission)) return refused(permission, decided)
  const claim = claimOnPath(resource, state, path, occupancy)
  enter(decided, claim)
  if (isRefusal(claim)) return refused(claim, decided)

  const targetType = targetTypeOf(dataType)
  const status = statusRuling(state)
  enter(decided, { rulings: [targetType, status], remarks: targetType.remarks })
  const own = ownItem(resource, targetType.value, settings)
  enter(decided, own)
  const invalidSlug = own.value === undefined ? servedSlugProblem(resource, targetType.value) : undefined
  if (invalidSlug !== undefined) return refused(badData(invalidSlug), decided)
  const item = own.value !== undefined ? own : madeItem(resource, targetType.value, status.value, gids, settings)
  if (item !== own) enter(decided, item)
  const quotas = quotasOf(resource, places.success, settings)
  enter(decided, quotas)
  if (isRefusal(quotas)) return refused(quotas, decided)
  // After the quotas, since bad data takes precedence over a missing GID.
  if (isRefusal(item)) return refused(item, decided)
  const urls = callbackUrlsOf(resource, state, settings)
  enter(decided, { rulings: [urls], remarks: urls.remarks })
  const value: StorageEntry = {
    itemId: resource.uuid,
    status: status.value,
    mountPoint: { default: path.value },
    permission: { permissionType: "octal", value: permission.value },
    ...quotas.value,
    target: { targetType: targetType.value, targetItem: item.value } as Target,
    storageSystem: above.names.storageSystem,
    storageFileSystem: above.names.storageFileSystem,
    storageDataType: above.names.storageDataType,
    parentItemId: above.itemId,
    ...urls.value,
  }
  return { value, ...decided }
}

/** The decisions so far. */
interface Docket {
  readonly rulings: Array<Ruling>
  readonly remarks: Array<Remark>
}

const enter = (decided: Docket, { rulings, remarks }: Pick<Derived<unknown>, "rulings" | "remarks">): void => {
  for (const one of rulings) decided.rulings.push(one)
  for (const one of remarks) decided.remarks.push(one)
}

const refused = ({ code, problem }: Refusal, { rulings, remarks }: Docket): Refusal =>
  refuse(code, problem, rulings, remarks)

const nothing: Derived<undefined> = { value: undefined, rulings: none, remarks: none }

/** Checks a resource's mount point against other data at, below and above it: a removal of live data is refused. */
const claimOnPath = (
  resource: WaldurResource,
  state: string,
  path: Ruling<string>,
  occupancy: Occupancy,
): Derived<undefined> | Refusal => {
  const mountPoint = path.value
  const field = isFromWaldur(path) ? "backend_id" : "project_slug"
  if (!isRemoval(state)) {
    const others = occupancy.othersAt(mountPoint, resource.uuid)
    if (others === undefined) return nothing
    const shared = remark("shared-mount-point", field, mountPoint, `is also the mount point of ${others}`)
    return { ...nothing, remarks: [shared] }
  }
  const order = resource.order_in_progress
  if (lacksRemovalOrder(state, order)) return refuse("removal-without-order", missingOrder(state, order))
  const against = occupancy.against(mountPoint)
  if (against !== undefined) return refuse("removal-of-live-path", problem(field, mountPoint, against))
  const around = occupancy.around(mountPoint)
  return {
    value: undefined,
    rulings: [ruling("removal", mountPoint, field, state === "Terminated" ? "removal/gone" : "removal/ordered")],
    remarks:
      around === undefined
        ? none
        : [remark("nested-mount-point", field, mountPoint, `is being removed inside ${around}`)],
  }
}

/** Why the order of a resource that is being removed does not allow the removal. */
const missingOrder = (state: string, order: WaldurOrder | null | undefined): Problem => {
  const because = (reason: string) => `${state}, but ${reason}; held back`
  if (order === undefined || order === null) {
    return problem("order_in_progress", null, because("no order in progress requests it"))
  }
  if (order.type !== "Terminate") {
    return problem("order_in_progress.type", order.type, because("its order is not a Terminate order"))
  }
  const reason = because("its order is neither pending-provider nor executing")
  return problem("order_in_progress.state", order.state, reason)
}

/** What is wrong with the slugs that a generated target item would contain. */
const servedSlugProblem = (resource: WaldurResource, targetType: TargetType): Problem | undefined =>
  invalidComponent("project_slug", resource.project_slug) ??
  (targetType === "user" ? invalidComponent("slug", resource.slug) : undefined)

const ownItem = (resource: WaldurResource, targetType: TargetType, settings: ModelSettings) =>
  settings.useMockTargetItems ? nothing : itemFromWaldur(resource, targetType, settings)

/** A generated target item with the project's GID. */
const madeItem = (
  resource: WaldurResource,
  targetType: TargetType,
  status: EntryStatus,
  gids: ReadonlyMap<string, ProjectGid>,
  range: GidRange,
): Derived<object> | Refusal => {
  const gid = gidOf(resource.project_slug, gids, range)
  return targetType === "project" ? projectItem(resource, status, gid) : userItem(resource, status, gid)
}

const gidOf = (slug: string, gids: ReadonlyMap<string, ProjectGid>, range: GidRange): Ruling<number> | Refusal => {
  const found = gids.get(slug) ?? { status: "unavailable", reason: "not looked up" }
  if (found.status === "known") {
    if (isGid(found.gid, range)) {
      return ruling("gid", found.gid, found.from ?? "HPC User API", "gid/looked-up", { project: slug })
    }
    const reason = `no GID: ${String(found.gid)}; expected ${wantedGid(range)}`
    return refuse("gid-unknown", problem("project_slug", slug, reason))
  }
  const code = found.status === "unknown" ? "gid-unknown" : "gid-unavailable"
  return refuse(code, problem("project_slug", slug, `no GID: ${found.reason}`))
}
