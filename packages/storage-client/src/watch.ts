/** Polls for changes. */
import { Duration, Effect, Option, Random, Stream } from "effect"
import { changes, type EntryChanges } from "./changes.ts"
import type { EntryList } from "./entry-list.ts"
import type { StorageClientError } from "./errors.ts"
import { isSameTag } from "./read-list.ts"

/** How often `watch` polls. */
export interface WatchOptions {
  /** From when the consumer asks for more to the next poll. Default 1 minute, as the proxy's documents recommend. */
  readonly every?: Duration.Input
  /** Each wait is longer or shorter by up to this fraction of `every`, so that programs do not poll in step. Default 0.1. */
  readonly jitter?: number
  /** Called for each failed poll, which the next poll repeats. Default: logs a warning. */
  readonly onFailure?: (error: StorageClientError) => Effect.Effect<void>
}

/** A new list, and how it differs from the one before. */
export interface ListUpdate {
  readonly list: EntryList
  readonly changes: EntryChanges
}

/** Polls with `entries`, and emits each list whose tag differs from the one before: the entity tag, or the snapshot id. */
export const watch = (
  entries: (last?: EntryList) => Effect.Effect<EntryList, StorageClientError>,
  { every = "1 minute", jitter = 0.1, onFailure = logFailure }: WatchOptions = {},
): Stream.Stream<ListUpdate> => {
  const wait = Effect.flatMap(Random.nextBetween(1 - jitter, 1 + jitter), (factor) =>
    Effect.sleep(Duration.times(Duration.fromInputUnsafe(every), factor)),
  )
  const poll = (last: EntryList | undefined): Poll =>
    entries(last).pipe(
      Effect.catch((error) => Effect.as(onFailure(error), last)),
      Effect.map((list) => [
        // By tag, not by identity: a list that was read page by page is a new array each time.
        list === undefined || (last !== undefined && isSameTag(list.etag, last.etag))
          ? []
          : [{ list, changes: changes(last, list) }],
        Option.some(Effect.flatMap(wait, () => poll(list))),
      ]),
    )
  return Stream.paginate(poll(undefined), (next) => next)
}

/** The updates of a poll, and the next poll. */
type Poll = Effect.Effect<readonly [ReadonlyArray<ListUpdate>, Option.Option<Poll>]>

const logFailure = (error: StorageClientError) =>
  Effect.logWarning(`The list could not be read; the next poll tries again: ${error.message}`).pipe(
    Effect.annotateLogs({ event: "storage-list-unreadable" }),
  )
