/** The whole list of entries, and when it was read. */
import type { StorageEntry } from "@cscs/storage-model"

/**
 * An entry that this version of the client does not understand: an unknown status or target type, or a value that is not safe
 * to act on (a relative path, a GID that is not positive, ...). **Leave its directory alone, and alert a person.**
 */
export interface NotUnderstood {
  /** Its position in the list, from 0. */
  readonly index: number
  /** Absent if the entry has none that is a UUID. */
  readonly itemId: string | undefined
  /** As listed, however unsafe; for messages only. Absent if it is not a string. */
  readonly mountPoint: string | undefined
  /** The fields that are wrong, what was expected, and what was found. */
  readonly reason: string
}

/** All entries that a query selects, known to be complete. */
export interface EntryList {
  /**
   * The entries that are understood, in the proxy's order: a parent precedes what is below it. If the proxy reports that
   * nothing has changed (304), it is the same array as in the last list.
   */
  readonly entries: ReadonlyArray<StorageEntry>
  readonly notUnderstood: ReadonlyArray<NotUnderstood>
  /** Number of entries in the list, understood or not (`X-Total-Count`). */
  readonly total: number
  /** Identifies the content: the `ETag`, or, of a list that was read page by page, the id of its snapshot. */
  readonly etag: string
  /** The age of the list's oldest part in whole seconds, rounded down, when the proxy sent it (`Age`). */
  readonly age: number
  /** When it was received, in milliseconds since 1970. */
  readonly receivedAt: number
  /**
   * The list shows the state of Waldur at this moment or later, in milliseconds of `elapsedMillis` (monotonic; meaningless in
   * another process): when the request was sent, less `age` and the second by which it is rounded.
   */
  readonly readAfter: number
}

/**
 * Whether a list was read from Waldur after a report, so that it shows the report's effect. Until then, leave the entry alone.
 *
 * @param reportedAt when Waldur's response to the report arrived, in milliseconds of `elapsedMillis`
 */
export const isReadAfter = ({ readAfter }: EntryList, reportedAt: number): boolean => readAfter >= reportedAt
