/** The steps that make directories, each under a hidden name until it is complete. */
import { Effect } from "effect"
import { checkedQuotas } from "../disk/amounts.ts"
import {
  componentsBelow,
  type Directory,
  isClaim,
  makeChild,
  namesIn,
  openChild,
  renameInto,
  setOwnerAndMode,
  statusOf,
  sync,
} from "../disk/directory.ts"
import { writeMark } from "../disk/mark.ts"
import { Conflict, type DriverError, type Listed, type Outcome, Refused, UnknownOutcome } from "./driver.ts"
import { ownDirectory, whereabouts } from "./find.ts"
import type { Place } from "./quota-system.ts"
import { applyQuotas, nothingReleased, placeOf } from "./quotas.ts"
import { directoryAt, type OpenRoot, type Root } from "./root.ts"

/** UUIDs of items and orders, which become file names: without a slash, a dot or a NUL. */
export const idPattern = /^[0-9A-Za-z-]{1,64}$/
const maxGid = 2 ** 32 - 2

export const checkedListed = ({ itemId, path, gid, mode, quotas }: Listed): Effect.Effect<void, Refused> => {
  const refused = (detail: string) => Effect.fail(new Refused({ step: `entry ${itemId} at ${path}`, detail }))
  if (!idPattern.test(itemId)) return refused("its itemId is not a UUID")
  if (!Number.isInteger(gid) || gid < 1 || gid > maxGid) return refused(`the GID ${gid} is not from 1 to ${maxGid}`)
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o7777) return refused("the mode is not one of four octal digits")
  return Effect.asVoid(checkedQuotas(quotas ?? {}))
}

/** Makes a directory under a hidden name, completes it, and renames it into place. Reuses what a crash left. */
const build = Effect.fnUntraced(function* (
  uid: number,
  parent: Directory,
  [hidden, name]: readonly [string, string],
  make: (parent: Directory, name: string) => Effect.Effect<void, DriverError>,
  complete: (directory: Directory) => Effect.Effect<unknown, DriverError>,
) {
  const step = `make ${parent.path}/${hidden}`
  if ((yield* openChild(parent, hidden)) === null) yield* make(parent, hidden)
  const made = yield* openChild(parent, hidden)
  if (made === null) return yield* new UnknownOutcome({ step, detail: "it has disappeared" })
  if ((yield* statusOf(made)).uid !== uid || (yield* namesIn(made)).length > 0)
    return yield* new Conflict({ step, detail: "something that is not an unfinished directory has its name" })
  yield* complete(made)
  yield* sync(made)
  yield* renameInto(made, [parent, hidden], [parent, name])
  return made
})

/** The directory above a path, made if it is missing, and the last component of the path. */
export const parentOf = Effect.fnUntraced(function* (root: OpenRoot, path: string) {
  const components = yield* componentsBelow(root.path, path)
  let parent = root.top
  for (const name of components.slice(0, -1)) parent = yield* root.mutex.withPermit(folderIn(root, parent, name, 0o755))
  return [parent, last(components)] as const
})

export const last = (components: ReadonlyArray<string>): string => components[components.length - 1] ?? ""

const folderIn = Effect.fnUntraced(function* ({ uid }: Root, parent: Directory, name: string, mode: number) {
  const there = yield* openChild(parent, name)
  if (there !== null && !isClaim(yield* statusOf(there))) return there
  const { gid } = yield* statusOf(parent)
  return yield* build(uid, parent, [".new-folder", name], makeChild, (made) =>
    setOwnerAndMode(made, { uid, gid: uid === 0 ? 0 : gid, mode }),
  )
})

export const ensureFolder = Effect.fnUntraced(function* (root: OpenRoot, path: string, mode: number) {
  if ((yield* directoryAt(root, path)) !== null) return "unchanged"
  const [parent, name] = yield* parentOf(root, path)
  yield* root.mutex.withPermit(folderIn(root, parent, name, mode & 0o7777))
  return "made"
})

const created = Effect.fnUntraced(function* (root: OpenRoot, { itemId, path, gid, mode, quotas }: Listed) {
  const { uid, system, registry } = root
  const [parent, name] = yield* parentOf(root, path)
  const open = Effect.fnUntraced(function* (directory: Directory, place: Place) {
    if (quotas !== null) yield* applyQuotas(root, place, quotas)
    yield* setOwnerAndMode(directory, { uid, gid, mode })
  })
  const complete = Effect.fnUntraced(function* (directory: Directory) {
    const place = yield* placeOf(root, directory, { itemId, path })
    yield* writeMark(directory, itemId)
    yield* system.tie?.(place) ?? Effect.void
    if (system.release === undefined) yield* open(directory, place)
    // Before the rename: after a crash in between, the registry knows the directory.
    yield* registry.put(itemId, { identity: (yield* statusOf(directory)).identity, path, ...nothingReleased(root) })
  })
  const made = yield* build(uid, parent, [`.new-${itemId}`, name], system.make ?? makeChild, complete)
  if (system.release !== undefined) yield* open(made, yield* placeOf(root, made, { itemId, path }))
  return "made" as Outcome
})

export const ensureDirectory = Effect.fnUntraced(function* (root: OpenRoot, listed: Listed) {
  yield* checkedListed(listed)
  const { uid, registry } = root
  const { itemId, path, gid, mode, quotas } = listed
  const about = `directory of ${itemId} at ${path}`
  if ((yield* directoryAt(root, path)) === null) {
    const elsewhere = yield* whereabouts(root, itemId)
    if (elsewhere.at === "nowhere") return yield* created(root, listed)
    const place = elsewhere.at === "path" ? elsewhere.path : "in the trash"
    return yield* new Conflict({ step: about, detail: `its directory is ${place}` })
  }
  const directory = yield* ownDirectory(root, listed, about)
  yield* registry.put(itemId, { identity: (yield* statusOf(directory)).identity, path })
  // Quotas first: a directory whose quota could not be set in an earlier cycle is still closed.
  const place = yield* placeOf(root, directory, listed)
  const ofQuotas = yield* applyQuotas(root, place, quotas ?? {})
  const ofOwner = yield* setOwnerAndMode(directory, { uid, gid, mode })
  return ofQuotas === "changed" ? ofQuotas : ofOwner
})
