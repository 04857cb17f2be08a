import { Result } from "effect"
import { type Problem, problem, type Warn } from "./finding.ts"
import { isJsonObject, property } from "./json-object.ts"
import type { EntryStatus } from "./lifecycle.ts"
import type { Note } from "./note.ts"
import type { ProjectItem, Target, UserItem } from "./storage-entry.ts"
import { dashedUuid, deterministicId, stableHash } from "./uuid.ts"
import type { WaldurResource } from "./waldur-resource.ts"

/** The GIDs that may be served, both ends included. */
export interface GidRange {
  readonly minGid: number
  readonly maxGid: number
}

// "nobody" and (gid_t) -1 in 16 bits.
const reservedGids = new Set([65_534, 65_535])

/** Whether `value` is a Unix group id that may be served: an integer in the range that is not reserved. */
export const isGid = (value: unknown, { minGid, maxGid }: GidRange): value is number =>
  typeof value === "number" &&
  Number.isSafeInteger(value) &&
  value >= minGid &&
  value <= maxGid &&
  !reservedGids.has(value)

/** A project's GID for development, 30000 to 39999: made up, and the same wherever it is made. */
export const mockGid = (projectSlug: string): number => 30_000 + (stableHash(projectSlug) % 10_000)

const targetTypes = { project: "project_item", user: "user_item" } as const

/** The target item that Waldur's `backend_metadata` holds, where it is complete: as it stands, its UUID dashed. */
export const itemFromWaldur = (
  resource: WaldurResource,
  targetType: "project" | "user",
  range: GidRange,
  warn: Warn,
  note?: Note,
): Readonly<Record<string, unknown>> | undefined => {
  const key = targetTypes[targetType]
  const item = property(resource.backend_metadata, key)
  if (item === undefined || item === null) return undefined
  const gids =
    targetType === "project"
      ? [["unixGid", property(item, "unixGid")] as const]
      : [
          ["unixUid", property(item, "unixUid")] as const,
          ["primaryProject.unixGid", property(property(item, "primaryProject"), "unixGid")] as const,
        ]
  const itemId = dashedUuid(property(item, "itemId"))
  const wrong = itemId === undefined ? "itemId" : gids.find(([, gid]) => !isGid(gid, range))?.[0]
  if (wrong === undefined && isJsonObject(item)) {
    const source = `backend_metadata.${key}`
    note?.("target item", itemId ?? null, source, "a whole item of Waldur's is served as it stands, its UUID dashed")
    for (const [name, gid] of gids) {
      note?.(
        name === "unixUid" ? "uid" : "gid",
        gid as number,
        `${source}.${name}`,
        "of Waldur's own item: the HPC User API is not asked",
      )
    }
    return { ...item, itemId }
  }
  warn(
    "ignored-value",
    problem(
      `backend_metadata.${key}`,
      item,
      `ignored for its ${wrong}; expected an object with a UUID itemId and ${gids.map(([name]) => name).join(", ")} from ${range.minGid} to ${range.maxGid}`,
    ),
  )
  return undefined
}

/** The target of a project's directory (`store`, `archive`, ...), as the model makes it. */
export const projectTarget = (
  resource: WaldurResource,
  status: EntryStatus,
  unixGid: number,
  note?: Note,
): Result.Result<Target, Problem> => {
  if (resource.project_name === undefined || resource.project_name === null) {
    return Result.fail(problem("project_name", resource.project_name, "missing; expected a text"))
  }
  const targetItem: ProjectItem = {
    itemId: deterministicId("project", resource.slug),
    key: resource.project_slug,
    name: resource.project_name,
    status,
    unixGid,
    active: status === "active",
  }
  note?.(
    "target item",
    targetItem.itemId,
    "slug",
    "made: a UUID v5 of the resource's slug, with the project's slug and name",
  )
  return Result.succeed({ targetType: "project", targetItem })
}

/** The target of a user's directory (`users`, `scratch`). No API gives a user's UID or address: both are made up. */
export const userTarget = (resource: WaldurResource, status: EntryStatus, unixGid: number, note?: Note): Target => {
  const active = status === "active"
  const targetItem: UserItem = {
    itemId: deterministicId("user", resource.slug),
    status,
    email: `user-${resource.slug}@example.com`,
    unixUid: 20_000 + (stableHash(resource.slug) % 10_000),
    primaryProject: { name: resource.project_slug, unixGid, active },
    active,
  }
  note?.("target item", targetItem.itemId, "slug", "made: a UUID v5 of the resource's slug, and an address of it")
  note?.("uid", targetItem.unixUid, "slug", "made up of the resource's slug, 20000 to 29999: no API gives a user's UID")
  return { targetType: "user", targetItem }
}
