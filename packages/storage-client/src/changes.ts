/** Compares two lists. */
import { isEqualJson, isOfResource, keyOf, pairLists, type StorageEntry } from "@cscs/storage-model"
import type { EntryList } from "./entry-list.ts"

/** An entry in two lists. */
export interface EntryChange {
  readonly before: StorageEntry
  readonly after: StorageEntry
}

/** The differences between two lists. Informational: each entry's status determines what to do, and **gone is not a removal**. */
export interface EntryChanges {
  /** Also an entry that the previous list had without being understood, if it is understood now. */
  readonly added: ReadonlyArray<StorageEntry>
  /** At the same mount point, with other fields. */
  readonly changed: ReadonlyArray<EntryChange>
  /** The entry of a resource at another mount point, possibly with other fields too: the same data. */
  readonly moved: ReadonlyArray<EntryChange>
  /** No longer listed. Never a reason to remove anything. */
  readonly gone: ReadonlyArray<StorageEntry>
}

/**
 * The differences between two lists of the same query. The entry of a resource is identified by its `itemId`; that of a tenant or
 * customer, whose `itemId` occurs at several mount points, by `itemId`, mount point and data type, so it is never `moved`.
 *
 * An entry that `next` lists without being understood is not `gone`; if the `itemId` of one is unreadable, none is.
 *
 * @param previous `undefined` for none: everything is `added`
 */
export const changes = (previous: EntryList | undefined, next: EntryList): EntryChanges => {
  const { pairs, unpaired } = pairLists(next.entries, previous?.entries ?? [], identityOf)
  const added: Array<StorageEntry> = []
  const changed: Array<EntryChange> = []
  const moved: Array<EntryChange> = []
  for (const { item: after, other: before } of pairs) {
    if (before === undefined) added.push(after)
    else if (before.mountPoint.default !== after.mountPoint.default) moved.push({ before, after })
    else if (!isEqualJson(before, after)) changed.push({ before, after })
  }
  const unclear = new Set(next.notUnderstood.map(({ itemId }) => itemId))
  const gone = unclear.has(undefined) ? [] : unpaired.filter(({ itemId }) => !unclear.has(itemId))
  return { added, changed, moved, gone }
}

const identityOf = (entry: StorageEntry): string =>
  isOfResource(entry)
    ? entry.itemId
    : JSON.stringify([keyOf(entry), entry.storageSystem.key, entry.storageDataType.key])
