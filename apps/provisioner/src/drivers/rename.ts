/** The steps that rename a directory: into the trash, out of it, from one path to another. */
import { DateTime, Effect } from "effect"
import { componentsBelow, type Directory, openBelow, renameInto, statusOf } from "../disk/directory.ts"
import { recordedQuotas } from "../disk/registry.ts"
import { idPattern, last, parentOf } from "./create.ts"
import { Conflict, type Item, type Outcome, Refused, UnknownOutcome } from "./driver.ts"
import { findInTrash, isAt, isOf, ownDirectory } from "./find.ts"
import type { Place } from "./quota-system.ts"
import { applyQuotas, isEmpty, placeOf, releasedQuotas, setLimits } from "./quotas.ts"
import { directoryAt, type OpenRoot, type WritableRoot } from "./root.ts"

/** The directory of this item, and where it is: the directory above, and its name there. */
const ownPlace = Effect.fnUntraced(function* (root: OpenRoot, item: Item, step: string) {
  const components = yield* componentsBelow(root.path, item.path)
  const directory = yield* ownDirectory(root, item, step)
  const parent = yield* openBelow(root.top, components.slice(0, -1))
  if (parent === null) return yield* new UnknownOutcome({ step, detail: "the directory above is gone" })
  return { directory, from: [parent, last(components)] as const }
})

/** Renames, without the quota if that is tied to the old path, and records the new path, which is `null` in the trash. */
const renamed = Effect.fnUntraced(function* (
  root: OpenRoot,
  directory: Directory,
  item: Item,
  from: readonly [Directory, string],
  to: readonly [Directory, string],
  path: string | null,
) {
  const { system, registry } = root
  const rename = renameInto(directory, from, to)
  if (system.release === undefined) yield* rename
  else {
    const place = yield* placeOf(root, directory, item)
    const found = yield* system.readQuotas(place)
    const released = releasedQuotas(root, item.itemId)
    // Out of the trash: what is found at the new path is not of this directory.
    const [quotas, others] = path === item.path ? [released, found] : [found, released]
    // Before the release: after a crash, the next step that sets quotas sets these, too.
    yield* registry.put(item.itemId, { quotas: recordedQuotas(isEmpty(quotas) ? others : quotas) })
    // A request of unknown outcome may have left a quota at the new path: there it would count for the directory.
    if (path !== null && path !== item.path) yield* system.release({ ...place, path })
    // Afterwards they stay remembered: VAST may still carry out a deletion of unknown outcome.
    yield* Effect.tapError(system.release(place), () => setAgain(root, place, setLimits))
    yield* Effect.tapError(rename, () => setAgain(root, place, applyQuotas))
  }
  yield* registry.put(item.itemId, { identity: (yield* statusOf(directory)).identity, path })
  return "changed" as Outcome
})

/** After a rename that failed: sets the quotas again if the directory is still there. The first error is the one to report. */
const setAgain = (root: OpenRoot, place: Place, set: typeof setLimits) =>
  Effect.ignore(
    Effect.gen(function* () {
      const there = yield* directoryAt(root, place.path)
      if (there !== null && (yield* isOf(root, there, place.itemId))) yield* set(root, place, {})
    }),
  )

export const trash = Effect.fnUntraced(function* (root: WritableRoot, item: Item, order: string) {
  const about = `trash ${item.itemId} at ${item.path}`
  if (!idPattern.test(order) || !idPattern.test(item.itemId))
    return yield* new Refused({ step: about, detail: "the itemId or the order is not a UUID" })
  if ((yield* findInTrash(root, item.itemId)) !== null) {
    if (!(yield* isAt(root, item.path, item.itemId))) return "unchanged"
    return yield* new Conflict({
      step: about,
      detail: "an earlier directory of this item is in the trash: move that elsewhere first",
    })
  }
  const { directory, from } = yield* ownPlace(root, item, about)
  const since = DateTime.formatIsoDateUtc(yield* DateTime.now)
  const name = `${item.itemId}.${order}.${since}`
  return yield* renamed(root, directory, item, from, [root.trash, name], null)
})

export const restore = Effect.fnUntraced(function* (root: WritableRoot, item: Item) {
  const about = `restore ${item.itemId} to ${item.path}`
  const there = yield* directoryAt(root, item.path)
  if (there !== null && (yield* isOf(root, there, item.itemId))) {
    yield* root.registry.put(item.itemId, { path: item.path })
    return "unchanged"
  }
  const found = yield* findInTrash(root, item.itemId)
  if (found === null) return yield* new Conflict({ step: about, detail: "it is not in the trash" })
  const to = yield* parentOf(root, item.path)
  return yield* renamed(root, found.directory, item, [root.trash, found.name], to, item.path)
})

export const move = Effect.fnUntraced(function* (root: OpenRoot, item: Item, from: string) {
  const about = `move ${item.itemId} from ${from} to ${item.path}`
  const there = yield* directoryAt(root, item.path)
  if (there !== null && (yield* isOf(root, there, item.itemId))) {
    yield* root.registry.put(item.itemId, { path: item.path })
    return "unchanged"
  }
  if (item.path.startsWith(`${from}/`))
    return yield* new Conflict({ step: about, detail: "the new path is inside the directory itself" })
  const old = { ...item, path: from }
  const own = yield* ownPlace(root, old, about)
  const to = yield* parentOf(root, item.path)
  return yield* renamed(root, own.directory, old, own.from, to, item.path)
})
