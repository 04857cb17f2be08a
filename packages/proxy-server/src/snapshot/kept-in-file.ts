import { Deferred, type Duration, Effect, type Scope, Semaphore } from "effect"
import { Settings } from "../config/settings.ts"
import { ProjectGids } from "./project-gids.ts"
import type { TakenSnapshot } from "./snapshot.ts"
import { readSnapshotFile, type SnapshotFileError, setAside, writeSnapshotFile } from "./snapshot-file.ts"
import type { Source } from "./snapshot-source.ts"
import { steadyMillis, wallAhead } from "./steady-clock.ts"
import { storageIdentity } from "./stored-snapshot.ts"

/** Between two writes: what a crash can lose. */
const writeEvery: Duration.Input = "1 minute"

/**
 * Keeps the newest snapshot of a source in a file: read at the start, written when the first is there, once a minute, and
 * at the end.
 */
export const keptInFile = Effect.fnUntraced(function* (
  source: Source,
  path: string,
): Effect.fn.Return<Source, never, Settings | ProjectGids | Scope.Scope> {
  const settings = yield* Settings
  const { remember } = yield* ProjectGids
  const identity = storageIdentity(settings)
  const oneAtATime = yield* Semaphore.make(1)
  const isThere = yield* Deferred.make<void>()
  let newest: TakenSnapshot | undefined
  let written: TakenSnapshot | undefined
  let trouble: string | undefined

  const failed = (error: SnapshotFileError) => {
    const isNews = trouble === undefined
    trouble = error.message
    return isNews
      ? Effect.logError("The snapshot cannot be kept").pipe(Effect.annotateLogs({ error: trouble }))
      : Effect.void
  }
  const writeNewest = Effect.suspend(() => {
    const taken = newest
    if (taken === undefined || taken === written) return Effect.void
    const write = Effect.flatMap(wallAhead, (ahead) => writeSnapshotFile(path, identity, moved(taken, ahead)))
    return Effect.matchEffect(write, {
      onFailure: failed,
      onSuccess: () =>
        Effect.sync(() => {
          written = taken
          trouble = undefined
        }),
    })
  })
  // A write that is left behind would rename what the next one has only begun.
  const write = Effect.uninterruptible(oneAtATime.withPermit(writeNewest))

  const read = readSnapshotFile(path, identity).pipe(
    Effect.catchTag("SnapshotFileDamaged", (damage) =>
      Effect.flatMap(setAside(path), (aside) =>
        Effect.logError("The kept snapshot is damaged").pipe(
          Effect.annotateLogs({ error: damage.message, set_aside_as: aside }),
          Effect.as(undefined),
        ),
      ),
    ),
    Effect.catch((error) => Effect.as(failed(error), undefined)),
  )

  // Registered before the loop, so that it runs after the loop has ended.
  yield* Effect.addFinalizer(() => write)
  yield* Deferred.await(isThere).pipe(
    Effect.andThen(Effect.forever(Effect.andThen(write, Effect.sleep(writeEvery)))),
    Effect.forkScoped,
  )

  return {
    ...source,
    earlier: Effect.gen(function* () {
      const now = yield* steadyMillis
      const stored = yield* read
      const fromFile = stored && notAheadOf(now, moved(stored, -(yield* wallAhead)))
      if (fromFile !== undefined) {
        yield* remember(fromFile.snapshot.gids)
        const age = Math.round((now - fromFile.takenAt) / 1000)
        yield* Effect.logInfo("Snapshot read from the file").pipe(
          Effect.annotateLogs({ entries: fromFile.snapshot.entries.size, age }),
        )
      }
      const other = yield* source.earlier
      if (fromFile === undefined || (other !== undefined && other.taken.takenAt >= fromFile.takenAt)) return other
      return { taken: fromFile, origin: "file", basis: undefined }
    }),
    renew: (last, mustBeNew) =>
      Effect.tap(source.renew(last, mustBeNew), ({ taken }) => {
        newest = taken
        return Deferred.succeed(isThere, undefined)
      }),
    troubles: () => [...source.troubles(), ...(trouble === undefined ? [] : [`the snapshot is not kept: ${trouble}`])],
  }
})

/** Between steady time, by which we judge, and the wall clock's, which the next process can compare with its own. */
const moved = (taken: TakenSnapshot, by: number): TakenSnapshot => ({
  ...taken,
  takenAt: taken.takenAt + by,
  heldSince: taken.heldSince + by,
})

/** As if it had just been taken where our clock was set back since: else it would stay young for as long. */
const notAheadOf = (now: number, taken: TakenSnapshot): TakenSnapshot => ({
  snapshot: taken.snapshot,
  takenAt: Math.min(taken.takenAt, now),
  heldSince: Math.min(taken.heldSince, now),
  changedAt: Math.min(taken.changedAt, now),
})
