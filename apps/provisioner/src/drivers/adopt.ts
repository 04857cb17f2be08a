/** The steps that take over directories of other programs. */
import { Effect } from "effect"
import { readMark, writeMark } from "../disk/mark.ts"
import { checkedListed } from "./create.ts"
import { Conflict, type Listed, Refused } from "./driver.ts"
import { whereabouts } from "./find.ts"
import { nothingReleased } from "./quotas.ts"
import { directoryAt, type OpenRoot } from "./root.ts"

/** The directory of another program, its project ID and mark, if this item may take it over. */
export const directoryToAdopt = Effect.fnUntraced(function* (root: OpenRoot, listed: Listed) {
  yield* checkedListed(listed)
  const { system, registry } = root
  const { itemId, path, gid } = listed
  const step = `adopt ${path} for ${itemId}`
  const conflict = (detail: string) => new Conflict({ step, detail })
  const directory = yield* directoryAt(root, path)
  if (directory === null) return yield* conflict("there is no directory")
  const { status } = directory
  const mark = yield* readMark(directory)
  for (const owner of [registry.byIdentity(status.identity)?.itemId, mark])
    if ((owner ?? itemId) !== itemId) return yield* conflict(`it is the directory of ${owner}`)
  const elsewhere = yield* whereabouts(root, itemId)
  if (elsewhere.at !== "nowhere" && !(elsewhere.at === "path" && elsewhere.path === path))
    return yield* conflict(`its directory is ${elsewhere.at === "path" ? elsewhere.path : "in the trash"}`)
  if (status.gid !== gid) return yield* conflict(`its group is ${status.gid}, not ${gid}`)
  const projectId = yield* system.tiedTo?.(directory) ?? Effect.succeed(0)
  if (system.projectIds !== undefined) {
    const { first, last } = system.projectIds
    if (projectId < first || projectId > last)
      return yield* new Refused({
        step,
        detail: `its project ID is ${projectId}, not one from ${first} to ${last}: give it, and everything below it, one of its own`,
      })
    const other = registry.byProjectId(projectId)?.itemId ?? itemId
    if (other !== itemId) return yield* conflict(`its project ID ${projectId} is that of ${other}`)
    const known = registry.get(itemId)?.projectId ?? projectId
    if (known !== projectId) return yield* conflict(`its project ID is ${projectId}; ${known} is remembered`)
  }
  // Fails unless the quota is its own. Not `placeOf`, which would remember the project ID even if this fails.
  yield* system.readQuotas({ itemId, directory, path, projectId, registry })
  return { directory, projectId, mark }
})

export const adopt = Effect.fnUntraced(function* (root: OpenRoot, listed: Listed) {
  const { system, registry } = root
  const { itemId, path } = listed
  const { directory, projectId, mark } = yield* directoryToAdopt(root, listed)
  const { identity } = directory.status
  // Where file systems keep no marks, it is missing each time: setting it again does not count as a change.
  if (mark === null) yield* writeMark(directory, itemId)
  if (registry.byIdentity(identity)?.path === path) return "unchanged"
  // Limits that a rename removed were those of the item's earlier directory.
  const isNewToItem = registry.get(itemId)?.identity !== identity
  yield* registry.put(itemId, {
    identity,
    path,
    ...(system.projectIds === undefined ? {} : { projectId }),
    ...(isNewToItem ? nothingReleased(root) : {}),
  })
  return "changed"
})
