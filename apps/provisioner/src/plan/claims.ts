/** Which directories entries claim, so that no act on one entry touches the directory of another. */
import type { NotUnderstood } from "@cscs/storage-client"
import { isOfResource, type StorageEntry } from "@cscs/storage-model"
import { decide } from "./decide.ts"

export interface Claims {
  /** Whether the directory of another entry has the same path or itemId. No act on this entry is allowed then. */
  readonly isDoubled: (entry: StorageEntry) => boolean
  /** A directory of another item below a path, if there may be one: it would be renamed along. */
  readonly otherBelow: (path: string, itemId: string) => string | undefined
}

/**
 * @param entries the whole list: entries that are out of scope have claims, too
 * @param notUnderstood of the same list; they claim the mount points that they are known to have
 */
export const claimsOf = (
  entries: ReadonlyArray<StorageEntry>,
  notUnderstood: ReadonlyArray<Pick<NotUnderstood, "itemId" | "mountPoint">>,
): Claims => {
  const present = [
    ...entries.filter(mayHaveDirectory).map(({ itemId, mountPoint }) => ({ itemId, path: mountPoint.default })),
    ...notUnderstood.map(({ itemId, mountPoint }) => ({ itemId, path: mountPoint })),
  ]
  const byPath = countsOf(present.map(({ path }) => path))
  const byItem = countsOf(present.map(({ itemId }) => itemId))
  return {
    isDoubled: (entry) => {
      const own = mayHaveDirectory(entry) ? 1 : 0
      return (byPath.get(entry.mountPoint.default) ?? 0) > own || (byItem.get(entry.itemId) ?? 0) > own
    },
    otherBelow: (above, itemId) =>
      present.find(({ itemId: other, path }) => other !== itemId && path?.startsWith(`${above}/`))?.path,
  }
}

/** Whether an entry's directory may be on the disk, or is about to be made. */
const mayHaveDirectory = (entry: StorageEntry): boolean =>
  isOfResource(entry) && entry.status !== "removed" && (entry.status !== "pending" || decide(entry).kind === "keep")

const countsOf = (values: ReadonlyArray<string | undefined>) => {
  const counts = new Map<string | undefined, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}
