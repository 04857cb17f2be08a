/** Compares two lists. */
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
 * customer, whose `itemId` occurs at several mount points, by `itemId` and mount point, so it is never `moved`. An entry that
 * `next` lists but that is not understood is not `gone`.
 *
 * @param previous `undefined` for none: everything is `added`
 */
export const changes = (_previous: EntryList | undefined, _next: EntryList): EntryChanges => {
  throw new Error("not implemented yet")
}
