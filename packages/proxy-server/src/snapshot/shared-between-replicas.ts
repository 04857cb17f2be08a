import { Duration, Effect, Exit, type Redacted, type Scope } from "effect"
import { Settings } from "../config/settings.ts"
import { logEvent } from "../observability/log-events.ts"
import { counted } from "../observability/refresh-metrics.ts"
import { ProjectGids } from "./project-gids.ts"
import type { Reading } from "./read-snapshot.ts"
import { redisConnection, SharedCacheUnavailable } from "./redis-connection.ts"
import type { RefreshError } from "./refresh-errors.ts"
import { makeReplicaBoard, type NamedSnapshot } from "./replica-board.ts"
import { makeSharedStore } from "./shared-store.ts"
import type { TakenSnapshot } from "./snapshot.ts"
import type { Source } from "./snapshot-source.ts"
import { steadyMillis } from "./steady-clock.ts"
import { storageIdentity } from "./stored-snapshot.ts"

/** Several times within a lease. */
const keepLeaseEvery: Duration.Input = "2 seconds"
/** Between two looks at what others want or have said. */
const lookEvery: Duration.Input = "150 millis"
/** A failure that is no older counts for all: not each replica shall try by itself. In milliseconds. */
const failureCountsFor = 5000
/** So often a leader may fail before another replica has its turn. */
const triesInARow = 3
/** For what another replica reads, in all: a full read of a large Waldur takes less, and a lease can be held for ever. */
const followFor: Duration.Input = "1 minute"
/** So often in a row another replica's failure counts for us before we try ourselves. */
const mostToldFailures = 5
/** Turns between leading and following in one refresh: each takes a leader that died, or somebody who plays with the lease. */
const mostTurns = 10

/**
 * Shares what one replica reads: whoever has the lease reads `upstreams`, the others take what it made. Where the Valkey
 * or Redis fails, each replica reads for itself.
 */
export const sharedBetweenReplicas = Effect.fnUntraced(function* (
  upstreams: Source,
  url: Redacted.Redacted,
): Effect.fn.Return<Source, never, Settings | ProjectGids | Scope.Scope> {
  const settings = yield* Settings
  const { remember } = yield* ProjectGids
  const freshFor = Duration.toMillis(settings.cache.freshFor)
  const redis = yield* redisConnection(url)
  // Braces: one slot of a cluster, which a script over several keys needs.
  const key = (name: string) => `storage-proxy:{${storageIdentity(settings)}}:${name}`
  const board = makeReplicaBoard(redis, key)
  const store = makeSharedStore(redis, key, settings.model)

  let isLeading = false
  /** Reads of ours in a row that failed. */
  let failures = 0
  /** Failures of others in a row that counted for us. */
  let toldFailures = 0
  /** What had been said when we gave up waiting for more, as long as there is no more. */
  let stuckAt: { readonly number: number | undefined } | undefined
  /** The last snapshot that was said, by us or by another. */
  let known: { readonly number: number; readonly named: NamedSnapshot; readonly taken: TakenSnapshot } | undefined

  /** Takes the snapshot that was said, unless it is here already. */
  const take = Effect.fnUntraced(function* (number: number, named: NamedSnapshot) {
    const { digest, takenAt, heldSince, changedAt } = named
    toldFailures = 0
    const snapshot = known?.named.digest === digest ? known.taken.snapshot : yield* store.load(digest, known?.taken)
    const taken = { snapshot, takenAt, heldSince, changedAt }
    known = { number, named, taken }
    yield* remember(snapshot.gids, snapshot.gidsReadAt ?? takenAt)
    return { taken, origin: "replica", basis: undefined } satisfies Reading
  })

  /** What to go on from: what another replica said last, where that is newer than our own. */
  const newest = Effect.fnUntraced(function* (last: Reading | undefined) {
    const { said } = yield* board.look
    if (!said?.snapshot || said.number === known?.number) return last
    if (said.snapshot.takenAt <= (last?.taken.takenAt ?? 0)) return last
    return yield* Effect.orElseSucceed(take(said.number, said.snapshot), () => last)
  })

  /** Lets another replica read. */
  const giveUp = Effect.suspend(() => {
    isLeading = false
    return board.release
  })

  /** Reads the upstreams and says what came of it; `undefined` where the lease is lost. */
  const lead = Effect.fnUntraced(function* (last: Reading | undefined) {
    const number = yield* board.begin
    if (number === undefined) return undefined
    const exit = yield* Effect.exit(upstreams.renew(last, true))
    // The read is good also where nobody can be told of it.
    yield* Effect.ignore(Exit.isSuccess(exit) ? sayTaken(number, exit.value.taken) : sayFailed(number, exit))
    return yield* exit
  })

  const sayTaken = Effect.fnUntraced(function* (number: number, taken: TakenSnapshot) {
    failures = 0
    const { takenAt, heldSince, changedAt } = taken
    const named = { digest: yield* store.save(taken), takenAt, heldSince, changedAt }
    known = { number, named, taken }
    yield* board.say({ number, failure: null, snapshot: named })
  })

  const sayFailed = Effect.fnUntraced(function* (number: number, exit: Exit.Exit<unknown, RefreshError>) {
    const error = Exit.findErrorOption(exit)
    // A fault of our own: nobody shall wait for us.
    if (error._tag === "None") return yield* giveUp
    // As long as it is named it must be there.
    if (known !== undefined) yield* store.save(known.taken)
    yield* board.say({ number, failure: error.value, snapshot: known?.named ?? null })
    failures += 1
    // It may be us alone whom they do not answer.
    if (failures % triesInARow === 0) yield* giveUp
  })

  /** Another replica's failure counts for us, but not for ever: it may be that one alone which fails. */
  const toldFailure = (failure: RefreshError) =>
    Effect.suspend((): Effect.Effect<never, RefreshError | SharedCacheUnavailable> => {
      toldFailures += 1
      if (toldFailures <= mostToldFailures) return Effect.fail(failure)
      toldFailures = 0
      return Effect.fail(new SharedCacheUnavailable({ detail: "another replica only fails" }))
    })

  /** Takes what the leader makes; `undefined` where there is no leader any more. */
  const followed = Effect.fnUntraced(function* (mustBeNew: boolean) {
    const { said, saidFor, begun } = yield* board.look
    if (stuckAt !== undefined && said?.number === stuckAt.number) return yield* stuck
    stuckAt = undefined
    const number = said?.number ?? 0
    if (said !== undefined && !mustBeNew) {
      const { failure, snapshot } = said
      if (failure !== null && saidFor < failureCountsFor) return yield* toldFailure(failure)
      const now = yield* steadyMillis
      const isNews = failure === null && number !== known?.number
      if (isNews && snapshot !== null && now - snapshot.heldSince < freshFor) return yield* take(number, snapshot)
    }
    // A read that runs will do, unless it must begin after now.
    const above = mustBeNew ? Math.max(begun, number) : number
    for (;;) {
      const { said, hasLeader } = yield* board.want(above)
      if (said !== undefined && said.number > above) {
        if (said.failure !== null) return yield* toldFailure(said.failure)
        if (said.snapshot !== null) return yield* take(said.number, said.snapshot)
        return yield* new SharedCacheUnavailable({ detail: "another replica's list is of no known age" })
      }
      if (!hasLeader) return undefined
      yield* Effect.sleep(lookEvery)
    }
  })

  const follow = (mustBeNew: boolean) =>
    Effect.timeoutOrElse(followed(mustBeNew), {
      duration: followFor,
      orElse: () =>
        Effect.gen(function* () {
          const { said } = yield* board.look
          stuckAt = { number: said?.number }
          yield* Effect.logWarning(
            "Another replica holds the lease and reads nothing; this one reads the upstreams itself",
          ).pipe(logEvent("lease-idle"))
          return yield* stuck
        }),
    })

  const renewed = Effect.fnUntraced(function* (last: Reading | undefined, mustBeNew: boolean) {
    for (let turn = 0; turn < mostTurns; turn += 1) {
      const role = yield* board.lead
      isLeading = role !== undefined
      if (isLeading) stuckAt = undefined
      const reading =
        role === undefined
          ? yield* counted("shared")(follow(mustBeNew))
          : yield* lead(role === "taken" ? yield* newest(last) : last)
      if (reading !== undefined) return reading
    }
    return yield* new SharedCacheUnavailable({ detail: "the lease changes hands all the time" })
  })

  yield* Effect.addFinalizer(() => Effect.ignore(board.release))
  const keepLease = Effect.gen(function* () {
    if (isLeading) isLeading = yield* board.keep
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(keepLeaseEvery), Effect.ignore(keepLease))))

  return {
    ...upstreams,
    earlier: Effect.orElseSucceed(newest(undefined), () => undefined),
    renew: (last, mustBeNew) =>
      Effect.catchTag(renewed(last, mustBeNew), "SharedCacheUnavailable", () => upstreams.renew(last, mustBeNew)),
    wanted: Effect.gen(function* () {
      for (;;) {
        yield* Effect.sleep(lookEvery)
        if (isLeading && (yield* Effect.orElseSucceed(board.isWanted, () => false))) return
      }
    }),
    byId: (id) => Effect.orElseSucceed(store.byId(id, known?.taken), () => undefined),
    // Without a leader that works, a replica reads the upstreams itself.
    isLeading: () => isLeading || stuckAt !== undefined || redis.trouble() !== undefined,
    troubles: () => {
      const refusal = store.refusal()
      return [
        ...upstreams.troubles(),
        redis.trouble(),
        refusal && `what the shared cache holds is refused: ${refusal}`,
        stuckAt && "another replica holds the lease in the shared cache and reads nothing",
      ].filter((trouble) => trouble !== undefined)
    },
  }
})

const stuck = new SharedCacheUnavailable({ detail: "another replica holds the lease and reads nothing" })
