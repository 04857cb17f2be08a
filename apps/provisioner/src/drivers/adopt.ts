/** The steps that take over directories of other programs. */
import { Effect } from "effect"
import { statusOf } from "../disk/directory.ts"
import { readMark, writeMark } from "../disk/mark.ts"
import { checkedListed } from "./create.ts"
import { Conflict, type Listed, Refused } from "./driver.ts"
import { whereabouts } from "./find.ts"
import { placeOf } from "./quotas.ts"
import { directoryAt, type OpenRoot } from "./root.ts"

/** The directory of another program, if this item may take it over. */
export const directoryToAdopt = Effect.fnUntraced(function* (root: OpenRoot, listed: Listed) {
  yield* checkedListed(listed)
  const { system, registry } = root
  const { itemId, path, gid } = listed
  const about = `adopt ${path} for ${itemId}`
  const conflict = (detail: string) => new Conflict({ step: about, detail })
  const directory = yield* directoryAt(root, path)
  if (directory === null) return yield* conflict("there is no directory")
  const { identity, gid: found } = directory.status
  const owner = registry.byIdentity(identity)?.itemId ?? itemId
  const mark = (yield* readMark(directory)) ?? itemId
  if (owner !== itemId || mark !== itemId)
    return yield* conflict(`it is the directory of ${owner === itemId ? mark : owner}`)
  const elsewhere = yield* whereabouts(root, itemId)
  if (elsewhere.at !== "nowhere" && !(elsewhere.at === "path" && elsewhere.path === path))
    return yield* conflict(`its directory is ${elsewhere.at === "path" ? elsewhere.path : "in the trash"}`)
  if (found !== gid) return yield* conflict(`its group is ${found}, not ${gid}`)
  if (system.projectIds === undefined) {
    // Fails if another program manages its quota, or if it cannot have one.
    yield* system.readQuotas(yield* placeOf(root, directory, listed))
    return directory
  }
  const projectId = yield* system.tiedTo?.(directory) ?? Effect.succeed(0)
  const { first, last: highest } = system.projectIds
  if (projectId < first || projectId > highest)
    return yield* new Refused({
      step: about,
      detail: `its project ID is ${projectId}, not one from ${first} to ${highest}: give it, and everything below it, one of its own`,
    })
  const other = registry.byProjectId(projectId)?.itemId ?? itemId
  return other === itemId ? directory : yield* conflict(`its project ID ${projectId} is that of ${other}`)
})

export const adopt = Effect.fnUntraced(function* (root: OpenRoot, listed: Listed) {
  const { system, registry } = root
  const { itemId, path } = listed
  const directory = yield* directoryToAdopt(root, listed)
  const { identity } = yield* statusOf(directory)
  if (registry.byIdentity(identity)?.path === path && (yield* readMark(directory)) !== null) return "unchanged"
  yield* system.readQuotas(yield* placeOf(root, directory, listed))
  yield* writeMark(directory, itemId)
  yield* registry.put(itemId, { identity, path })
  return "changed"
})
