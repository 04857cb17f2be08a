/** The target item of a directory (its owner and Unix group): an item from Waldur, or a generated one. */
import { deepestItem, type ProjectItem, type UserItem } from "../entry/storage-entry.ts"
import { problem, remark } from "../report/finding.ts"
import { isJsonObject, jsonPrefix, property } from "../waldur/json-object.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { dashedUuid, deterministicId, stableHash } from "../waldur/uuid.ts"
import type { TargetType } from "./data-type.ts"
import { type GidRange, isGid, wantedGid } from "./gid.ts"
import type { EntryStatus } from "./lifecycle.ts"
import { badData, type Derived, isRefusal, none, type Refusal, type Ruling, ruling } from "./ruling.ts"

/** A project's mock GID for development, 30000 to 39999; deterministic. */
export const mockGid = (projectSlug: string): number => 30_000 + (stableHash(projectSlug) % 10_000)

const itemKeys = { project: "project_item", user: "user_item" } as const

/** Maximum size of an item from Waldur in bytes of JSON in UTF-8. It is served unchanged; a usual one has some 300. */
const largestItem = 64_000

type Item = Readonly<Record<string, unknown>>
const noItem: Derived<undefined> = { value: undefined, rulings: none, remarks: none }

/** The target item in Waldur's `backend_metadata`, if it is complete; unchanged, except that its UUID is dashed. */
export const itemFromWaldur = (
  resource: WaldurResource,
  targetType: TargetType,
  range: GidRange,
): Derived<Item | undefined> => {
  const key = itemKeys[targetType]
  const source = `backend_metadata.${key}`
  const item = property(resource.backend_metadata, key)
  if (item === undefined || item === null) return noItem
  const ignored = (reason: string): Derived<undefined> => ({
    ...noItem,
    remarks: [remark("ignored-value", source, item, `ignored ${reason}`)],
  })
  const { text, isWhole, levels } = jsonPrefix(item, largestItem)
  if (levels > deepestItem) return ignored(`due to its depth; expected at most ${deepestItem} levels`)
  if (!isWhole || Buffer.byteLength(text) > largestItem) {
    return ignored(`due to its size; expected at most ${largestItem} bytes of JSON`)
  }
  const ids: ReadonlyArray<readonly ["gid" | "uid", string, unknown]> =
    targetType === "project"
      ? [["gid", "unixGid", property(item, "unixGid")]]
      : [
          ["uid", "unixUid", property(item, "unixUid")],
          ["gid", "primaryProject.unixGid", property(property(item, "primaryProject"), "unixGid")],
        ]
  const itemId = dashedUuid(property(item, "itemId"))
  const wrong = itemId === undefined ? "itemId" : ids.find(([, , id]) => !isGid(id, range))?.[1]
  if (wrong !== undefined || !isJsonObject(item)) {
    const wanted = `a UUID in itemId and, in ${ids.map(([, name]) => name).join(" and ")}, ${wantedGid(range)}`
    return ignored(`due to its ${wrong}; expected an object with ${wanted}`)
  }
  const value = { ...item, itemId }
  const rulings = [
    ruling("target item", value, source, "target-item/waldur"),
    ...ids.map(([decides, name, id]) => ruling(decides, id, `${source}.${name}`, "id/waldur-item")),
  ]
  return { value, rulings, remarks: none }
}

/** The generated target item of a project's directory (`store`, `archive`, ...). */
export const projectItem = (
  resource: WaldurResource,
  status: EntryStatus,
  gid: Ruling<number> | Refusal,
): Derived<ProjectItem> | Refusal => {
  // Before the GID: a record that is bad data anyway must not fail the refresh because its GID is unavailable.
  if (resource.project_name === undefined || resource.project_name === null) {
    return badData(problem("project_name", resource.project_name, "missing; expected a string"))
  }
  if (isRefusal(gid)) return gid
  const value: ProjectItem = {
    itemId: deterministicId("project", resource.slug),
    key: resource.project_slug,
    name: resource.project_name,
    status,
    unixGid: gid.value,
    active: status === "active",
  }
  return { value, rulings: [gid, ruling("target item", value, "slug", "target-item/project")], remarks: none }
}

const mockUids = { least: 20_000, count: 10_000 }
/** Whether a value can be the mock UID of a generated item. */
export const isMockUid = (value: unknown): boolean =>
  typeof value === "number" &&
  Number.isInteger(value) &&
  value >= mockUids.least &&
  value < mockUids.least + mockUids.count

/** The generated target item of a user's directory (`users`, `scratch`). UID and address are mocks: no API provides them. */
export const userItem = (
  resource: WaldurResource,
  status: EntryStatus,
  gid: Ruling<number> | Refusal,
): Derived<UserItem> | Refusal => {
  if (isRefusal(gid)) return gid
  const active = status === "active"
  const value: UserItem = {
    itemId: deterministicId("user", resource.slug),
    status,
    email: `user-${resource.slug}@example.com`,
    unixUid: mockUids.least + (stableHash(resource.slug) % mockUids.count),
    primaryProject: { name: resource.project_slug, unixGid: gid.value, active },
    active,
  }
  const rulings = [
    gid,
    ruling("target item", value, "slug", "target-item/user"),
    ruling("uid", value.unixUid, "slug", "uid/mock"),
  ]
  return { value, rulings, remarks: none }
}
