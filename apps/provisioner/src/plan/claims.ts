/** Which directories entries claim, so that no act on one entry touches the directory of another. */
import type { NotUnderstood } from "@cscs/storage-client"
import { isOfResource, type StorageEntry } from "@cscs/storage-model"
import type { ItemRecord } from "../journal/journal.ts"
import { decide } from "./decide.ts"

export interface Claims {
  /** Which other directory has the same path or itemId, as a sentence, if one has. No act on this entry is allowed then. */
  readonly conflictOf: (entry: StorageEntry) => string | undefined
  /** A directory of another item below a path, if there may be one: it would be renamed along. */
  readonly otherBelow: (path: string, itemId: string) => string | undefined
}

/**
 * @param entries the whole list: entries that are out of scope have claims, too
 * @param notUnderstood of the same list; they claim the mount points that they are known to have
 * @param journal by item: a directory that is listed elsewhere, or not at all, may still be where it was last
 */
export const claimsOf = (
  entries: ReadonlyArray<StorageEntry>,
  notUnderstood: ReadonlyArray<Pick<NotUnderstood, "itemId" | "mountPoint">>,
  journal: ReadonlyMap<string, ItemRecord>,
): Claims => {
  const present = [
    ...entries.filter(mayHaveDirectory).map(({ itemId, mountPoint }) => ({ itemId, path: mountPoint.default })),
    ...notUnderstood.map(({ itemId, mountPoint }) => ({ itemId, path: mountPoint })),
  ]
  const removed = new Set(entries.filter(({ status }) => status === "removed").map(({ itemId }) => itemId))
  const remembered = [...journal].flatMap(([itemId, { path, trash }]) =>
    trash === undefined && !removed.has(itemId) ? [{ itemId, path }] : [],
  )
  const places = [...present, ...remembered]
  const byPath = Map.groupBy(present, ({ path }) => path)
  const byItem = Map.groupBy(present, ({ itemId }) => itemId)
  return {
    conflictOf: (entry) => {
      const { itemId, mountPoint } = entry
      const own = mayHaveDirectory(entry) ? 1 : 0
      const atPath = byPath.get(mountPoint.default) ?? []
      if (atPath.length > own) {
        const other = atPath.find((one) => one.itemId !== itemId)
        if (other === undefined) return "another entry has the same directory and the same itemId"
        return `the entry ${other.itemId ?? "that is not understood"} has the same directory`
      }
      const ofItem = byItem.get(itemId) ?? []
      if (ofItem.length <= own) return undefined
      const other = ofItem.find(({ path }) => path !== mountPoint.default)?.path
      return `the entry ${other === undefined ? "that is not understood" : `of ${other}`} has the same itemId`
    },
    otherBelow: (above, itemId) =>
      places.find(({ itemId: other, path }) => other !== itemId && path?.startsWith(`${above}/`))?.path,
  }
}

/** Whether an entry's directory may be on the disk, or is about to be made. */
const mayHaveDirectory = (entry: StorageEntry): boolean =>
  isOfResource(entry) && entry.status !== "removed" && (entry.status !== "pending" || decide(entry).kind === "keep")
