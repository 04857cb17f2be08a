/** Adds the file of `cache.path` to a snapshot source. */
import { Deferred, Duration, Effect, Result, type Scope, Semaphore } from "effect"
import { type ProxySettings, Settings } from "../config/settings.ts"
import { logEvent } from "../observability/log-events.ts"
import { GidSource } from "../refresh/gid-source.ts"
import type { Source } from "../refresh/snapshot-source.ts"
import type { TimedSnapshot } from "../snapshot/snapshot.ts"
import { steadyMillis, wallAhead } from "../snapshot/steady-clock.ts"
import { directoryProblem } from "./own-file.ts"
import {
  readSnapshotFile,
  type SnapshotFileDamaged,
  SnapshotFileError,
  setAside,
  writeSnapshotFile,
} from "./snapshot-file.ts"
import { storageIdentity } from "./stored-snapshot.ts"

/** The interval between writes: a crash loses at most the changes since the last one. */
const writeEvery: Duration.Input = "1 minute"
/** Time limit for reading the file at start: 100,000 entries take a few seconds, and a file system can hang. */
const readWithin: Duration.Input = "30 seconds"
/** How far a time in the file may be ahead of our clock, in milliseconds: ordinary clock corrections are smaller. */
const clockSlack = 60_000

/**
 * Keeps the newest snapshot of a source in a file: read at start, written when the first snapshot is available, once a
 * minute, and at shutdown.
 */
export const keptInFile = Effect.fnUntraced(function* (
  source: Source,
  path: string,
): Effect.fn.Return<Source, never, Settings | GidSource | Scope.Scope> {
  const settings = yield* Settings
  const { remember } = yield* GidSource
  const unsafe = yield* Effect.promise(() => directoryProblem(path))
  if (unsafe !== undefined) {
    yield* Effect.logWarning("The directory of cache.path is not safe").pipe(
      logEvent("snapshot-directory-unsafe"),
      Effect.annotateLogs({ error: unsafe }),
    )
  }
  const file = yield* snapshotFile(path, settings)
  return {
    ...source,
    earlier: Effect.gen(function* () {
      const now = yield* steadyMillis
      const found = yield* file.read
      const stored = found && moved(found, -(yield* wallAhead))
      const fromFile = stored && withoutFutureTimes(now, stored, settings.cache)
      if (stored !== undefined && fromFile !== undefined) {
        const { snapshot, readStartedAt } = stored
        yield* remember(snapshot.gids, snapshot.gidsReadAt ?? readStartedAt)
        const age = isAhead(now, stored) ? "unknown" : Math.round((now - fromFile.readStartedAt) / 1000)
        yield* Effect.logInfo("Snapshot read from the file").pipe(
          logEvent("snapshot-restored"),
          Effect.annotateLogs({ entries: snapshot.entries.size, age }),
        )
      }
      const other = yield* source.earlier
      if (fromFile === undefined || (other !== undefined && other.taken.readStartedAt >= fromFile.readStartedAt))
        return other
      return { taken: fromFile, origin: "file", basis: undefined }
    }),
    renew: (last, mustBeNew) => Effect.tap(source.renew(last, mustBeNew), ({ taken }) => file.keep(taken)),
    degradations: () => [...source.degradations(), ...file.degradations()],
  }
})

/** The file: written from the first kept snapshot until the scope closes. */
const snapshotFile = Effect.fnUntraced(function* (path: string, settings: ProxySettings) {
  const identity = storageIdentity(settings)
  const oneAtATime = yield* Semaphore.make(1)
  const hasSnapshot = yield* Deferred.make<void>()
  let newest: TimedSnapshot | undefined
  let written: TimedSnapshot | undefined
  let degradation: string | undefined
  /** Why the file was not used at start, until there is a new one. */
  let refused: string | undefined

  /** Logged once, until a write succeeds. */
  const failed = (error: SnapshotFileError, message = "The snapshot cannot be written") => {
    const isFirst = degradation === undefined
    degradation = error.message
    const log = Effect.logError(message).pipe(
      logEvent("snapshot-not-kept"),
      Effect.annotateLogs({ error: degradation }),
    )
    return isFirst ? log : Effect.void
  }
  const writeNewest = Effect.suspend(() => {
    const taken = newest
    if (taken === undefined || taken === written) return Effect.void
    const write = Effect.flatMap(wallAhead, (ahead) => writeSnapshotFile(path, identity, moved(taken, ahead)))
    const succeeded = () => {
      written = taken
      degradation = undefined
      refused = undefined
    }
    return Effect.matchEffect(write, { onFailure: (error) => failed(error), onSuccess: () => Effect.sync(succeeded) })
  })
  // An interrupted write goes on in the background, and could rename the unfinished file of the next one.
  const write = Effect.uninterruptible(oneAtATime.withPermit(writeNewest))
  // Registered before the loop, so that it runs after the loop has ended.
  yield* Effect.addFinalizer(() => write)
  yield* Deferred.await(hasSnapshot).pipe(
    Effect.andThen(Effect.forever(Effect.andThen(write, Effect.sleep(writeEvery)))),
    Effect.forkScoped,
  )

  const damaged = Effect.fnUntraced(function* ({ message }: SnapshotFileDamaged) {
    refused = message
    const aside = yield* Effect.result(setAside(path))
    if (Result.isSuccess(aside)) refused = `${message}; it was set aside as ${aside.success}`
    yield* Effect.logError("The stored snapshot is damaged").pipe(
      logEvent("snapshot-damaged"),
      Effect.annotateLogs({ error: message, ...(Result.isSuccess(aside) ? { set_aside_as: aside.success } : {}) }),
    )
    if (Result.isFailure(aside)) yield* failed(aside.failure, "The damaged file cannot be set aside")
  })
  const tooSlow = Effect.fail(new SnapshotFileError({ path, detail: "reading it takes too long" }))
  return {
    read: readSnapshotFile(path, identity, settings.model).pipe(
      Effect.timeoutOrElse({ duration: readWithin, orElse: () => tooSlow }),
      Effect.catchTag("SnapshotFileDamaged", (damage) => Effect.as(damaged(damage), undefined)),
      Effect.catch((error) => Effect.as(failed(error, "The stored snapshot cannot be read"), undefined)),
    ),
    keep: (taken: TimedSnapshot) => {
      newest = taken
      return Deferred.succeed(hasSnapshot, undefined)
    },
    degradations: (): ReadonlyArray<string> => [
      ...(refused === undefined ? [] : [`the list stored before the start is not used: ${refused}`]),
      ...(degradation === undefined ? [] : [`the snapshot is not kept: ${degradation}`]),
    ],
  }
})

/** Converts between steady time, which we use, and wall time, which the next process can compare with its own. */
const moved = (taken: TimedSnapshot, by: number): TimedSnapshot => {
  const { guarded, losses, gidsReadAt } = taken.snapshot
  return {
    ...taken,
    snapshot: {
      ...taken.snapshot,
      guarded: guarded.map((one) => ({ ...one, since: one.since + by, readAt: one.readAt + by })),
      losses: losses.map((one) => ({ ...one, at: one.at + by })),
      gidsReadAt: gidsReadAt && gidsReadAt + by,
    },
    readStartedAt: taken.readStartedAt + by,
    readEndedAt: taken.readEndedAt + by,
  }
}

/** Whether a time in the file is in the future, so that its age is unknown. */
const isAhead = (now: number, { readStartedAt, readEndedAt }: TimedSnapshot): boolean =>
  Math.max(readStartedAt, readEndedAt) > now + clockSlack

/**
 * A stored snapshot without times after `now`. If its age is unknown it counts as too old to be served, but still guards
 * against losses, for no longer than a new one.
 */
const withoutFutureTimes = (
  now: number,
  taken: TimedSnapshot,
  { freshFor, staleIfError }: Pick<ProxySettings["cache"], "freshFor" | "staleIfError">,
): TimedSnapshot => {
  const tooOld = now - Duration.toMillis(freshFor) - Duration.toMillis(staleIfError)
  const latest = isAhead(now, taken) ? tooOld : now
  const { guarded, losses } = taken.snapshot
  return {
    snapshot: {
      ...taken.snapshot,
      guarded: guarded.map((one) => ({
        ...one,
        since: Math.min(one.since, now),
        readAt: Math.min(one.readAt, latest),
      })),
      losses: losses.map((one) => ({ ...one, at: Math.min(one.at, now) })),
    },
    readStartedAt: Math.min(taken.readStartedAt, latest),
    readEndedAt: Math.min(taken.readEndedAt, latest),
    changedAt: Math.min(taken.changedAt, now),
  }
}
