/** Finds the owner of a directory, by registry and mark, and the directory of an item. */
import { Effect } from "effect"
import {
  componentsBelow,
  type Directory,
  type DirectoryStatus,
  namesIn,
  openBelow,
  openChild,
  statusOf,
} from "../disk/directory.ts"
import { readMark } from "../disk/mark.ts"
import { Conflict, type DriverError, type Item, type Observed, type Trashed } from "./driver.ts"
import { placeOf } from "./quotas.ts"
import { directoryAt, type Found, type OpenRoot, type Root, type Step, unlessClaim } from "./root.ts"

/** The item that owns a directory: by the registry, else by its mark. */
export const ownerOf = (
  { registry }: Root,
  directory: Directory,
  { identity }: DirectoryStatus,
): Effect.Effect<string | null, DriverError> => {
  const known = registry.byIdentity(identity)
  return known === undefined ? readMark(directory) : Effect.succeed(known.itemId)
}

/** Whether a directory may be changed as this item's: neither registry nor mark may name another item, and one must name this. */
export const isOf = Effect.fnUntraced(function* ({ registry }: Root, directory: Directory, itemId: string) {
  const { identity } = yield* statusOf(directory)
  const known = registry.byIdentity(identity)?.itemId
  const mark = yield* readMark(directory)
  return (known === undefined || known === itemId) && (mark === null ? known === itemId : mark === itemId)
})

/** The directory of this item at a path. `Conflict` if there is none, or if it is another item's. */
export const ownDirectory = Effect.fnUntraced(function* (root: OpenRoot, { itemId, path }: Item, step: string) {
  const directory = yield* directoryAt(root, path)
  if (directory === null) return yield* new Conflict({ step, detail: "there is no directory" })
  if (!(yield* isOf(root, directory, itemId)))
    return yield* new Conflict({ step, detail: `the directory is not that of ${itemId}` })
  // Without the status, which is of before the change that the caller makes.
  return directory as Directory
})

/** The item's directory in the trash, or `null`. */
export const findInTrash = Effect.fnUntraced(function* (root: OpenRoot, itemId: string) {
  const { trash } = root
  if (trash === null) return null
  for (const one of (yield* namesIn(trash)).map(trashedOf)) {
    if (one?.itemId !== itemId) continue
    const directory = yield* openChild(trash, one.name)
    if (directory !== null && (yield* ownerOf(root, directory, yield* statusOf(directory))) === itemId)
      return { ...one, directory }
  }
  return null
})

/** Parses `<itemId>.<order>.<day>`, the name that `trash` gives; `null` for any other. */
const trashedOf = (name: string): Trashed | null => {
  const [itemId = "", order = "", since = "", rest] = name.split(".")
  return since === "" || rest !== undefined ? null : { name, itemId, order, since }
}

export const trashed = ({ trash }: OpenRoot): Effect.Effect<ReadonlyArray<Trashed>, DriverError> =>
  Effect.map(trash === null ? Effect.succeed([]) : namesIn(trash), (names) =>
    names.map(trashedOf).filter((one) => one !== null),
  )

/** Whether the directory at a path is this item's. Not if something other than a directory is there. */
export const isAt = Effect.fnUntraced(function* (root: OpenRoot, path: string, itemId: string) {
  const directory = yield* directoryAt(root, path).pipe(Effect.catchTag("Conflict", () => Effect.succeed(null)))
  return directory !== null && (yield* ownerOf(root, directory, directory.status)) === itemId
})

/** Where an item's directory is: looks at its last known path, then at `candidate`, then in the trash. */
export const whereabouts = Effect.fnUntraced(function* (root: OpenRoot, itemId: string, candidate?: string) {
  for (const path of new Set([root.registry.get(itemId)?.path, candidate])) {
    if (path === undefined) continue
    if (yield* isAt(root, path, itemId)) return { at: "path", path } as const
  }
  const removed = yield* findInTrash(root, itemId)
  if (removed === null) return { at: "nowhere" } as const
  const { name, order, since } = removed
  return { at: "trash", name, order, since } as const
})

const observed = Effect.fnUntraced(function* (root: Root, directory: Found, item: Item) {
  const { system, registry } = root
  const { uid, gid, mode } = directory.status
  const itemId = yield* ownerOf(root, directory, directory.status)
  // Without its project ID in the registry, reading the quotas would assign one.
  const hasQuotas = itemId === item.itemId && (!system.projectIds || registry.get(itemId)?.projectId !== undefined)
  const quotas = hasQuotas ? yield* system.readQuotas(yield* placeOf(root, directory, item)) : {}
  return { uid, gid, mode, itemId, quotas } satisfies Observed
})

export const readBack = Effect.fnUntraced(function* (root: OpenRoot, item: Item) {
  const directory = yield* directoryAt(root, item.path)
  return directory === null ? null : yield* observed(root, directory, item)
})

/**
 * Where the item's directory is, and what is at `item.path`. Changes nothing.
 *
 * @param openShared opens `item.path` from directories that concurrent calls hold open; `null`: opens every directory anew
 */
export const look = Effect.fnUntraced(function* (
  root: OpenRoot,
  item: Item,
  openShared: ((path: string) => Step<Directory | null>) | null,
) {
  const { itemId, path } = item
  const components = yield* componentsBelow(root.path, path)
  const directory = openShared === null ? yield* openBelow(root.top, components) : yield* openShared(path)
  const found = directory === null ? null : yield* unlessClaim(directory)
  const atPath = found === null ? null : yield* observed(root, found, item)
  // A copy of a directory has the same mark: the path in the registry takes precedence.
  const isThere = atPath?.itemId === itemId && (root.registry.get(itemId)?.path ?? path) === path
  return { whereabouts: isThere ? ({ at: "path", path } as const) : yield* whereabouts(root, itemId, path), atPath }
})
