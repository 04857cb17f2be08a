/** Compares two lists. */
import { isDeepStrictEqual } from "node:util"
import type { StorageEntry } from "@cscs/storage-model"
import type { EntryList } from "./entry-list.ts"

/** An entry in two lists. */
export interface EntryChange {
  readonly before: StorageEntry
  readonly after: StorageEntry
}

/** The differences of two lists. For information: what to do follows from each entry's status, and **gone is no removal**. */
export interface EntryChanges {
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
  const before = new Map((previous?.entries ?? []).map((entry) => [keyOf(entry), entry]))
  const added: Array<StorageEntry> = []
  const changed: Array<EntryChange> = []
  const moved: Array<EntryChange> = []
  for (const after of next.entries) {
    const key = keyOf(after)
    const old = before.get(key)
    before.delete(key)
    if (old === undefined) added.push(after)
    else if (old.mountPoint.default !== after.mountPoint.default) moved.push({ before: old, after })
    else if (!isDeepStrictEqual(old, after)) changed.push({ before: old, after })
  }
  const unclear = new Set(next.notUnderstood.map(({ itemId }) => itemId))
  const gone = unclear.has(undefined) ? [] : [...before.values()].filter(({ itemId }) => !unclear.has(itemId))
  return { added, changed, moved, gone }
}

/** Whether an entry belongs to a resource, which has one directory; a tenant or customer has one at each mount point. */
export const isOfResource = ({ target: { targetType } }: StorageEntry): boolean =>
  targetType === "project" || targetType === "user"

const keyOf = (entry: StorageEntry): string =>
  isOfResource(entry)
    ? entry.itemId
    : JSON.stringify([entry.itemId, entry.mountPoint.default, entry.storageSystem.key, entry.storageDataType.key])
