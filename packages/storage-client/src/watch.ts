/** Polls for changes. */
import { Duration, Effect, Option, Random, Stream } from "effect"
import { changes, type EntryChanges } from "./changes.ts"
import type { EntryList } from "./entry-list.ts"
import type { StorageClientError } from "./errors.ts"

/** How often `watch` polls. */
export interface WatchOptions {
  /** From the end of one poll to the start of the next. Default 1 minute, as the proxy's documents recommend. */
  readonly every?: Duration.Input
  /** Each wait is longer or shorter by up to this fraction of `every`, so that programs do not poll in step. Default 0.1. */
  readonly jitter?: number
  /** Called for each failed poll, which is then tried again. Default: logs a warning. */
  readonly onFailure?: (error: StorageClientError) => Effect.Effect<void>
}

/** A new list, and how it differs from the one before. */
export interface ListUpdate {
  readonly list: EntryList
  readonly changes: EntryChanges
}

/** Polls with `entries`, and emits each list whose content has changed. */
export const watch = (
  entries: (last?: EntryList) => Effect.Effect<EntryList, StorageClientError>,
  { every = "1 minute", jitter = 0.1, onFailure = logFailure }: WatchOptions = {},
): Stream.Stream<ListUpdate> => {
  const wait = Effect.flatMap(Random.nextBetween(1 - jitter, 1 + jitter), (factor) =>
    Effect.sleep(Duration.times(Duration.fromInputUnsafe(every), factor)),
  )
  const poll = (last: EntryList | undefined) =>
    entries(last).pipe(
      Effect.catch((error) => Effect.as(onFailure(error), last)),
      Effect.map((list): readonly [ReadonlyArray<ListUpdate>, Option.Option<Polled>] => [
        list === undefined || list.entries === last?.entries ? [] : [{ list, changes: changes(last, list) }],
        Option.some({ last: list, isFirst: false }),
      ]),
    )
  return Stream.paginate({ last: undefined, isFirst: true } as Polled, ({ last, isFirst }) =>
    isFirst ? poll(last) : Effect.andThen(wait, poll(last)),
  )
}

interface Polled {
  readonly last: EntryList | undefined
  readonly isFirst: boolean
}

const logFailure = (error: StorageClientError) =>
  Effect.logWarning(`The list could not be read, and will be again: ${error.message}`).pipe(
    Effect.annotateLogs({ event: "storage-list-unreadable" }),
  )
