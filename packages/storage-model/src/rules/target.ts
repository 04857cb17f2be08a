import { Result } from "effect"
import type { ProjectItem, Target, UserItem } from "../entry/storage-entry.ts"
import { type Problem, problem, type Warn } from "../report/finding.ts"
import type { Note } from "../report/note.ts"
import { isJsonObject, jsonPrefix, property } from "../waldur/json-object.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { dashedUuid, deterministicId, stableHash } from "../waldur/uuid.ts"
import type { EntryStatus } from "./lifecycle.ts"

/** Which Unix group ids may be served. */
export interface GidRange {
  readonly minGid: number
  readonly maxGid: number
}

/** `nobody` and the -1 of 16 bits: `chown` and NFS read these as nobody's or as "leave it as it is". */
const reservedGids: ReadonlySet<number> = new Set([65_534, 65_535])

/** Whether `value` is a Unix group id that may be served: an integer from `minGid` to `maxGid`, not 65534 or 65535. */
export const isGid = (value: unknown, { minGid, maxGid }: GidRange): value is number =>
  typeof value === "number" &&
  Number.isSafeInteger(value) &&
  value >= minGid &&
  value <= maxGid &&
  !reservedGids.has(value)

/** What `isGid` wants, in words. */
export const wantedGid = ({ minGid, maxGid }: GidRange): string =>
  `an integer from ${minGid} to ${maxGid}, not 65534 or 65535`

/** A project's GID for development, 30000 to 39999: made up, and the same wherever it is made. */
export const mockGid = (projectSlug: string): number => 30_000 + (stableHash(projectSlug) % 10_000)

const targetTypes = { project: "project_item", user: "user_item" } as const

/** How deep an item of Waldur's may nest, the item itself being the first level: one has two. */
const deepestItem = 20
/** How many bytes of JSON in UTF-8 an item of Waldur's may be: it is served as it stands, and one has some 300. */
const largestItem = 64_000

/** The target item that Waldur's `backend_metadata` holds, where it is complete: as it stands, its UUID dashed. */
export const itemFromWaldur = (
  resource: WaldurResource,
  targetType: "project" | "user",
  range: GidRange,
  warn: Warn,
  note?: Note,
): Readonly<Record<string, unknown>> | undefined => {
  const key = targetTypes[targetType]
  const source = `backend_metadata.${key}`
  const item = property(resource.backend_metadata, key)
  if (item === undefined || item === null) return undefined
  const ignored = (reason: string) => {
    warn("ignored-value", problem(source, item, `ignored ${reason}`))
    return undefined
  }
  const { text, isWhole, levels } = jsonPrefix(item, largestItem)
  if (levels > deepestItem) return ignored(`for its depth; expected at most ${deepestItem} levels`)
  if (!isWhole || Buffer.byteLength(text) > largestItem) {
    return ignored(`for its size; expected at most ${largestItem} bytes of JSON`)
  }
  const gids =
    targetType === "project"
      ? [["unixGid", property(item, "unixGid")] as const]
      : [
          ["unixUid", property(item, "unixUid")] as const,
          ["primaryProject.unixGid", property(property(item, "primaryProject"), "unixGid")] as const,
        ]
  const itemId = dashedUuid(property(item, "itemId"))
  const wrong = itemId === undefined ? "itemId" : gids.find(([, gid]) => !isGid(gid, range))?.[0]
  if (wrong !== undefined || !isJsonObject(item)) {
    const wanted = `a UUID itemId and as ${gids.map(([name]) => name).join(", ")} ${wantedGid(range)}`
    return ignored(`for its ${wrong}; expected an object with ${wanted}`)
  }
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
