/**
 * A snapshot source for several replicas: the holder of the lease reads the upstreams, the others take its snapshot.
 */
import type { Secret } from "@cscs/http-transport"
import { Duration, Effect, Exit, type Scope } from "effect"
import { Settings } from "../config/settings.ts"
import { logEvent } from "../observability/log-events.ts"
import { storageIdentity } from "../persistence/stored-snapshot.ts"
import { GidSource } from "../refresh/gid-source.ts"
import type { ReadResult } from "../refresh/read-snapshot.ts"
import type { RefreshError } from "../refresh/refresh-errors.ts"
import { counted } from "../refresh/refresh-metrics.ts"
import { longestRead, type Source } from "../refresh/snapshot-source.ts"
import type { TimedSnapshot } from "../snapshot/snapshot.ts"
import { steadyMillis } from "../snapshot/steady-clock.ts"
import { type LeaseStore, makeLeaseStore, type NamedSnapshot } from "./lease-store.ts"
import { redisConnection, SharedCacheUnavailable } from "./redis-connection.ts"
import { makeSharedStore, type SharedStore } from "./shared-store.ts"

/** Between two renewals of the lease: several within its life. */
const renewLeaseEvery: Duration.Input = "2 seconds"
/** Between two reads of the shared state. */
const pollEvery: Duration.Input = "150 millis"
/** Milliseconds for which one replica's failure counts for all, so that they do not all try again. */
const failureCountsFor = 5000
/** Failures in a row after which the leader gives up the lease. */
const triesInARow = 3
/** Milliseconds that the leader has to begin a read: a lease can be held for ever. */
const idleFor = 60_000
/** Milliseconds that one refresh waits for the leader, even if a read has begun: it may never be published. */
const followFor = Duration.toMillis(longestRead)
/** Failures of others in a row that are taken over; after the next the replica reads by itself. */
const maxSharedFailures = 5
/** Changes between leading and following in one refresh: each needs a leader that died, or an intruder in the cache. */
const maxTurns = 10

/**
 * The leader reads `upstreams`, the other replicas take its snapshots. If the Valkey or Redis fails, each replica reads the
 * upstreams itself.
 */
export const sharedBetweenReplicas = Effect.fnUntraced(function* (
  upstreams: Source,
  url: Secret,
): Effect.fn.Return<Source, never, Settings | GidSource | Scope.Scope> {
  const settings = yield* Settings
  const { remember } = yield* GidSource
  const redis = yield* redisConnection(url)
  // Braces: one slot of a cluster, which a script over several keys needs.
  const key = (name: string) => `storage-proxy:{${storageIdentity(settings)}}:${name}`
  const leaseStore = makeLeaseStore(redis, key)
  const store = makeSharedStore(redis, key, settings.model)
  const outcomes = makeOutcomes(leaseStore, store, remember)
  const following = makeFollowing(leaseStore, outcomes, Duration.toMillis(settings.cache.freshFor))
  let isLeading = false
  /** Leaves the lease to another replica. */
  const giveUp = Effect.suspend(() => {
    isLeading = false
    return leaseStore.release
  })
  const lead = leadWith(upstreams, leaseStore, outcomes, giveUp)

  const renewed = Effect.fnUntraced(function* (last: ReadResult | undefined, mustBeNew: boolean) {
    for (let turn = 0; turn < maxTurns; turn += 1) {
      const role = yield* leaseStore.acquireLease
      isLeading = role !== undefined
      if (isLeading) following.forget()
      const reading =
        role === undefined
          ? yield* counted("shared")(following.follow(mustBeNew))
          : yield* lead(role === "taken" ? yield* outcomes.newest(last) : last)
      if (reading !== undefined) return reading
    }
    return yield* new SharedCacheUnavailable({ detail: "the lease keeps changing hands" })
  })

  yield* Effect.addFinalizer(() => Effect.ignore(leaseStore.release))
  const keepLease = Effect.gen(function* () {
    if (!isLeading) return
    const isKept = yield* leaseStore.renewLease
    // The lease may have been given up meanwhile.
    isLeading &&= isKept
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(renewLeaseEvery), Effect.ignore(keepLease))))

  return {
    ...upstreams,
    earlier: Effect.orElseSucceed(outcomes.newest(undefined), () => undefined),
    renew: (last, mustBeNew) =>
      Effect.catchTag(renewed(last, mustBeNew), "SharedCacheUnavailable", () => upstreams.renew(last, mustBeNew)),
    wanted: Effect.gen(function* () {
      for (;;) {
        yield* Effect.sleep(pollEvery)
        if (isLeading && (yield* Effect.orElseSucceed(leaseStore.isWanted, () => false))) return
      }
    }),
    byId: (id) => Effect.orElseSucceed(store.byId(id, outcomes.known()?.taken), () => undefined),
    // A replica that finds no working leader reads the upstreams itself.
    isLeading: () => isLeading || following.isStuck() || redis.degradation() !== undefined,
    degradations: () => {
      const refusal = store.refusal()
      return [
        ...upstreams.degradations(),
        redis.degradation(),
        refusal && `data in the shared cache is refused: ${refusal}`,
        following.isStuck() && stuck.detail,
      ].filter((degradation) => typeof degradation === "string")
    },
  }
})

/** The outcomes of reads, as published: by this replica or another. */
const makeOutcomes = (leaseStore: LeaseStore, store: SharedStore, remember: GidSource["Service"]["remember"]) => {
  /** Failures of others in a row that were taken over. */
  let sharedFailures = 0
  /** The last snapshot that this replica stored or took, with the number of its read. */
  let known: { readonly number: number; readonly named: NamedSnapshot; readonly taken: TimedSnapshot } | undefined

  /** Takes a published snapshot; loads it unless it is here already. */
  const take = Effect.fnUntraced(function* (number: number, named: NamedSnapshot) {
    const { digest, readStartedAt, readEndedAt, changedAt } = named
    sharedFailures = 0
    const snapshot = known?.named.digest === digest ? known.taken.snapshot : yield* store.load(digest, known?.taken)
    const taken = { snapshot, readStartedAt, readEndedAt, changedAt }
    known = { number, named, taken }
    yield* remember(snapshot.gids, snapshot.gidsReadAt ?? readStartedAt)
    return { taken, origin: "replica", basis: undefined } satisfies ReadResult
  })
  return {
    known: () => known,
    take,
    /** The newest known list: the published one if it is newer than our own. */
    newest: Effect.fnUntraced(function* (last: ReadResult | undefined) {
      const { outcome } = yield* leaseStore.read
      if (!outcome?.snapshot || outcome.number === known?.number) return last
      if (outcome.snapshot.readStartedAt <= (last?.taken.readStartedAt ?? 0)) return last
      return yield* Effect.orElseSucceed(take(outcome.number, outcome.snapshot), () => last)
    }),
    publishSnapshot: Effect.fnUntraced(function* (number: number, taken: TimedSnapshot) {
      const { readStartedAt, readEndedAt, changedAt } = taken
      const named = { digest: yield* store.save(taken), readStartedAt, readEndedAt, changedAt }
      known = { number, named, taken }
      yield* leaseStore.publish({ number, failure: null, snapshot: named })
    }),
    publishFailure: Effect.fnUntraced(function* (number: number, failure: RefreshError) {
      // The outcome names the last snapshot, which may have expired.
      if (known !== undefined) yield* store.save(known.taken)
      yield* leaseStore.publish({ number, failure, snapshot: known?.named ?? null })
    }),
    /** Fails as another replica did, but not for ever: the upstreams may fail for that replica only. */
    sharedFailure: (failure: RefreshError) =>
      Effect.suspend((): Effect.Effect<never, RefreshError | SharedCacheUnavailable> => {
        sharedFailures += 1
        if (sharedFailures <= maxSharedFailures) return Effect.fail(failure)
        sharedFailures = 0
        return Effect.fail(new SharedCacheUnavailable({ detail: "another replica keeps failing" }))
      }),
  }
}

type Outcomes = ReturnType<typeof makeOutcomes>

/** Reads the upstreams and publishes the outcome; `undefined` if the lease is lost. */
const leadWith = (upstreams: Source, leaseStore: LeaseStore, outcomes: Outcomes, giveUp: LeaseStore["release"]) => {
  /** Own reads that failed in a row. */
  let failures = 0
  const publish = Effect.fnUntraced(function* (number: number, exit: Exit.Exit<ReadResult, RefreshError>) {
    if (Exit.isSuccess(exit)) {
      failures = 0
      return yield* outcomes.publishSnapshot(number, exit.value.taken)
    }
    const error = Exit.findErrorOption(exit)
    // A fault of our own: no replica should wait for this one.
    if (error._tag === "None") return yield* giveUp
    failures += 1
    yield* outcomes.publishFailure(number, error.value)
    // The upstreams may fail for this replica only.
    if (failures % triesInARow === 0) yield* giveUp
  })
  return Effect.fnUntraced(function* (last: ReadResult | undefined) {
    const number = yield* leaseStore.begin
    if (number === undefined) return undefined
    const exit = yield* Effect.exit(upstreams.renew(last, true))
    // The read is good even if it cannot be published. But no replica should wait for it.
    yield* Effect.catch(publish(number, exit), ({ message }) =>
      Effect.logWarning("The outcome of a read is not shared with other replicas").pipe(
        logEvent("outcome-not-shared"),
        Effect.annotateLogs({ error: message }),
        Effect.andThen(Effect.ignore(giveUp)),
      ),
    )
    return yield* exit
  })
}

/** Takes the leader's snapshots. */
const makeFollowing = (leaseStore: LeaseStore, { known, take, sharedFailure }: Outcomes, freshFor: number) => {
  /** The last outcome when waiting for the leader ended in vain, while there is no newer one. */
  let stuckAt: { readonly number: number | undefined } | undefined

  /** `undefined` if there is no leader any more. */
  const follow = Effect.fnUntraced(function* (mustBeNew: boolean) {
    const { outcome, outcomeAge, begun } = yield* leaseStore.read
    if (stuckAt !== undefined && outcome?.number === stuckAt.number) return yield* stuck
    stuckAt = undefined
    const number = outcome?.number ?? 0
    if (outcome !== undefined && !mustBeNew) {
      const { failure, snapshot } = outcome
      if (failure !== null && outcomeAge < failureCountsFor) return yield* sharedFailure(failure)
      const now = yield* steadyMillis
      const isNewer = failure === null && number !== known()?.number
      if (isNewer && snapshot !== null && now - snapshot.readEndedAt < freshFor) return yield* take(number, snapshot)
    }
    // A read in flight is enough, unless it must begin after now.
    const above = mustBeNew ? Math.max(begun, number) : number
    const since = yield* steadyMillis
    let idleSince = since
    for (;;) {
      const { outcome: next, begun, hasLeader } = yield* leaseStore.requestNewer(above)
      if (next !== undefined && next.number > above) {
        if (next.failure !== null) return yield* sharedFailure(next.failure)
        if (next.snapshot !== null) return yield* take(next.number, next.snapshot)
        return yield* new SharedCacheUnavailable({ detail: "the age of another replica's list is unknown" })
      }
      if (!hasLeader) return undefined
      const now = yield* steadyMillis
      // A read that began and has no outcome is in flight: then only `followFor` ends the wait.
      if (begun > (next?.number ?? -1)) idleSince = now
      if (now - idleSince >= idleFor || now - since >= followFor) {
        stuckAt = { number: next?.number }
        yield* Effect.logWarning(
          "Another replica holds the lease but publishes no read; this one reads the upstreams itself",
        ).pipe(logEvent("lease-idle"))
        return yield* stuck
      }
      yield* Effect.sleep(pollEvery)
    }
  })

  return {
    follow,
    isStuck: () => stuckAt !== undefined,
    /** To be called when this replica leads. */
    forget: () => {
      stuckAt = undefined
    },
  }
}

const stuck = new SharedCacheUnavailable({
  detail: "another replica holds the lease in the shared cache but publishes no read",
})
