/**
 * Holds the current snapshot and refreshes it: on demand, in the background, and for replicas that wait for a new one.
 */
import { Cause, Clock, Context, Deferred, Duration, Effect, Layer } from "effect"
import { makeSharedCalls } from "../concurrency/shared-calls.ts"
import { Settings } from "../config/settings.ts"
import type { Origin, ReadResult } from "../refresh/read-snapshot.ts"
import { RefreshDied, type RefreshError, RefreshTimedOut } from "../refresh/refresh-errors.ts"
import { forEverybody } from "../refresh/refresh-identity.ts"
import { logReading, logRefreshDeath, logRefreshFailure, logSlowRefresh } from "../refresh/refresh-log.ts"
import { slowAfter } from "../refresh/slow-calls.ts"
import { longestRead, SnapshotSource } from "../refresh/snapshot-source.ts"
import type { TimedSnapshot } from "../snapshot/snapshot.ts"
import { steadyNow } from "../snapshot/steady-clock.ts"
import {
  type Decision,
  decide,
  type FreshnessPolicy,
  type FreshnessState,
  failedLately,
  isOverdue,
  isServable,
  isSlow,
  isWarm,
  nextRefreshIn,
  type RunningRefresh,
} from "./freshness.ts"
import { retainedSnapshots } from "./retained-snapshots.ts"

/** A failed refresh. */
export interface RefreshFailure {
  readonly error: RefreshError
  /** When it failed, in steady milliseconds. */
  readonly at: number
  /** When the current run of failures began, by the wall clock, because it is displayed. */
  readonly since: number
}

/** The current state. */
export interface SnapshotState {
  readonly current: TimedSnapshot | undefined
  /** Where the current snapshot comes from. */
  readonly origin: Origin | undefined
  /** The last refresh, if it failed. */
  readonly failure: RefreshFailure | undefined
  /** Whether a refresh is in flight. */
  readonly isRefreshing: boolean
  /** When the refresh in flight began, in steady milliseconds, if it takes longer than it should. */
  readonly slowSince: number | undefined
  /** Whether the list is older than it should be although requests arrive. */
  readonly isOverdue: boolean
  /** Whether this process reads the upstreams itself. */
  readonly isLeading: boolean
  /** Failures of persistence and of the shared cache, in words. */
  readonly degradations: ReadonlyArray<string>
}

/** Milliseconds; as long as a circuit breaker stays open. */
const longestPause = 5000
/** Milliseconds between the starts of two refreshes that callers request with `no-cache`. */
const renewEvery = 1000
/** Limit of a whole refresh: an own read, plus the time it may wait for other replicas. */
const longestRefresh = Duration.sum(longestRead, Duration.minutes(5))

interface InFlight extends RunningRefresh {
  readonly result: Deferred.Deferred<TimedSnapshot, RefreshError>
  /** Whether its list must be read after the refresh began. */
  readonly mustBeNew: boolean
}

/**
 * The tree that requests are served from. At most one refresh is in flight. While requests arrive now and then,
 * refreshes run in the background and no request waits for one.
 */
export class Snapshots extends Context.Service<
  Snapshots,
  {
    /**
     * The snapshot that can be served without waiting: one younger than `cache.fresh_for`, one that is being refreshed
     * in the background, or, while upstreams fail, the last good one up to `cache.stale_if_error`. `undefined` if the
     * caller must wait for a refresh. Counts as a request if it returns a snapshot.
     */
    readonly ready: () => TimedSnapshot | undefined
    /** Like `ready`; if that returns nothing, the result of the next refresh, or its error. Counts as a request. */
    readonly current: Effect.Effect<TimedSnapshot, RefreshError>
    /**
     * The result of a refresh that begins after the call. At most one such refresh begins per second; later callers
     * wait for their turn. Within seconds of a failure, and while a refresh is slow, like `current`.
     */
    readonly renewed: Effect.Effect<TimedSnapshot, RefreshError>
    /** Refreshes now if the last refresh failed: its cause, such as a rejected secret, may be gone. */
    readonly retryNow: Effect.Effect<void>
    /** The snapshot with this id, here or at another replica, while a walk through its pages may still go on. */
    readonly retained: (id: string) => Effect.Effect<TimedSnapshot | undefined>
    /** The last good read, from which explanations are made; `undefined` if there is none. */
    readonly lastRead: () => ReadResult | undefined
    /** The current state, without waiting. */
    readonly state: () => SnapshotState
  }
>()("@cscs/proxy-server/Snapshots") {
  /** The first refresh begins when the layer is built. */
  static readonly layer: Layer.Layer<Snapshots, never, Settings | SnapshotSource> = Layer.effect(
    Snapshots,
    Effect.gen(function* () {
      const { cache } = yield* Settings
      const freshFor = Duration.toMillis(cache.freshFor)
      const policy: FreshnessPolicy = {
        freshFor,
        staleIfError: Duration.toMillis(cache.staleIfError),
        keepWarmFor: Duration.toMillis(cache.keepWarmFor),
        // The recovery of an upstream is noticed within seconds.
        retryAfter: Math.min(Math.max(freshFor, 1000), longestPause),
        slowAfter,
      }
      const source = yield* SnapshotSource
      const context = yield* Effect.context<never>()
      const clock = yield* Clock.Clock
      const scope = yield* Effect.scope
      const retained = retainedSnapshots()
      const fetches = makeSharedCalls(2, "5 seconds")
      let last: ReadResult | undefined
      /** Complete, and young enough to be served when it was taken. */
      let current: TimedSnapshot | undefined
      let failure: RefreshFailure | undefined
      let inFlight: InFlight | undefined
      let lastAskedAt = Number.NEGATIVE_INFINITY
      /** When the last refresh with `mustBeNew` began. */
      let lastRenewal = Number.NEGATIVE_INFINITY

      const now = () => steadyNow(clock)
      const freshness = (): FreshnessState => ({
        readEndedAt: current?.readEndedAt,
        failedAt: failure?.at,
        refresh: inFlight,
        lastAskedAt,
      })

      const slowWarning = Effect.suspend(() => logSlowRefresh(current, now()))
      const refresh = (mustBeNew: boolean) =>
        Effect.forkChild(Effect.delay(slowWarning, slowAfter)).pipe(
          Effect.andThen(Effect.suspend(() => source.renew(last, mustBeNew))),
          Effect.timeoutOrElse({
            duration: longestRefresh,
            orElse: () =>
              Effect.fail(
                new RefreshTimedOut({ waitedFor: "another replica", minutes: Duration.toMinutes(longestRefresh) }),
              ),
          }),
          Effect.flatMap((reading) => {
            const before = current?.snapshot
            const at = now()
            last = reading
            current = reading.taken
            failure = undefined
            retained.put(current, at)
            return Effect.as(logReading(reading, before, at), current)
          }),
          // Any other outcome is a fault of our own and counts as a failure. An interruption at shutdown has no
          // observer.
          Effect.catchCause((cause) => {
            const error = Cause.findErrorOption(cause)
            const failed = error._tag === "Some" ? error.value : new RefreshDied({ kind: kindOf(cause) })
            const at = now()
            const isKnown = failure?.error.message === failed.message
            failure = { error: failed, at, since: failure?.since ?? clock.currentTimeMillisUnsafe() }
            const log =
              error._tag === "Some" ? logRefreshFailure(error.value, current, at) : logRefreshDeath(cause, isKnown)
            return Effect.andThen(log, Effect.fail(failed))
          }),
          forEverybody("refresh"),
        )

      /**
       * Begins a refresh unless one is in flight. It belongs to the layer: a caller that disconnects does not end it.
       */
      const begin = (isBackground: boolean, mustBeNew = false) =>
        Effect.suspend(() => {
          if (inFlight !== undefined) return Effect.succeed(inFlight.result)
          const result = Deferred.makeUnsafe<TimedSnapshot, RefreshError>()
          inFlight = { result, startedAt: now(), isBackground, mustBeNew }
          if (mustBeNew) lastRenewal = inFlight.startedAt
          return refresh(mustBeNew).pipe(
            Effect.provideContext(context),
            Effect.onExit((exit) => {
              inFlight = undefined
              return Deferred.done(result, exit)
            }),
            Effect.forkIn(scope),
            Effect.as(result),
            // An interruption here would leave an in-flight refresh that never starts.
            Effect.uninterruptible,
          )
        })
      const join = (isBackground: boolean, mustBeNew = false) =>
        Effect.flatMap(begin(isBackground, mustBeNew), Deferred.await)

      const serve = (decision: Decision): TimedSnapshot | undefined => {
        if (decision === "serve-and-refresh") Effect.runForkWith(context)(begin(true))
        if (decision === "wait" || decision === "fail") return undefined
        // A request that must wait does not count here: it calls `current` next, which must not find the list warm.
        lastAskedAt = now()
        return current
      }

      const lastGood = () => (isServable(freshness(), policy, now()) ? current : undefined)
      /** The result of a refresh; if it fails or is slow, the last good list as long as it is servable. */
      const orLastGood = (refreshed: Effect.Effect<TimedSnapshot, RefreshError>) =>
        refreshed.pipe(
          Effect.raceFirst(
            Effect.andThen(
              Effect.sleep(slowAfter),
              Effect.suspend(() => {
                const taken = lastGood()
                return taken === undefined ? Effect.never : Effect.succeed(taken)
              }),
            ),
          ),
          Effect.catch((error) => {
            const taken = lastGood()
            return taken === undefined ? Effect.fail(error) : Effect.succeed(taken)
          }),
        )
      /** Ends with the refresh in flight, whatever its result; at once if there is none. */
      const inFlightEnded = (): Effect.Effect<unknown> =>
        inFlight === undefined ? Effect.void : Effect.exit(Deferred.await(inFlight.result))
      /** Milliseconds until a refresh with `mustBeNew` may begin. */
      const untilTurn = () => Math.max(0, lastRenewal + renewEvery - now())

      const keepFresh = Effect.suspend(() => {
        const wait = nextRefreshIn(freshness(), policy, now())
        return wait === 0 ? Effect.exit(join(true)) : Effect.sleep(wait ?? policy.retryAfter)
      })

      const earlier = yield* source.earlier
      // An older one is no evidence of what Waldur may have lost since.
      const rememberedFor = Math.max(freshFor + policy.staleIfError, Duration.toMillis(cache.emptyGuard))
      if (earlier !== undefined && now() - earlier.taken.readEndedAt < rememberedFor) last = earlier
      if (last !== undefined && isServable({ ...freshness(), readEndedAt: last.taken.readEndedAt }, policy, now())) {
        current = last.taken
        retained.put(current, now())
        // As if a request had arrived: the list is served while the first refresh runs.
        lastAskedAt = now()
      }
      // Even if it is young: a restart must cure whatever was wrong before.
      if (last?.origin === "file") yield* begin(true)
      yield* Effect.forkIn(Effect.forever(keepFresh), scope)
      const joinWanted = source.wanted.pipe(
        Effect.andThen(Effect.suspend(() => Effect.sleep(untilTurn()))),
        Effect.andThen(
          Effect.suspend(() => {
            lastRenewal = now()
            return Effect.exit(join(true))
          }),
        ),
      )
      yield* Effect.forkIn(Effect.forever(joinWanted), scope)

      return Snapshots.of({
        ready: () => serve(decide(freshness(), policy, now())),
        current: Effect.suspend(() => {
          const decision = decide(freshness(), policy, now())
          const taken = serve(decision)
          lastAskedAt = now()
          if (taken !== undefined) return Effect.succeed(taken)
          return decision === "fail" && failure !== undefined ? Effect.fail(failure.error) : orLastGood(join(false))
        }),
        renewed: Effect.suspend(() => {
          const calledAt = now()
          const wasWarm = isWarm(freshness(), policy, calledAt)
          lastAskedAt = calledAt
          const ended = inFlightEnded()
          const read: Effect.Effect<TimedSnapshot, RefreshError> = Effect.suspend(() => {
            // Neither callers that insist, nor callers that waited for the refresh that failed, may make a failing
            // upstream be called without limit.
            if (failure !== undefined && failedLately(freshness(), policy, now())) return Effect.fail(failure.error)
            if (inFlight?.mustBeNew) return Deferred.await(inFlight.result)
            // Meanwhile another refresh may begin that accepts an earlier read of another replica.
            if (inFlight !== undefined) return Effect.andThen(inFlightEnded(), read)
            if (current !== undefined && current.readStartedAt > calledAt) return Effect.succeed(current)
            const wait = untilTurn()
            return wait > 0 ? Effect.andThen(Effect.sleep(wait), read) : join(wasWarm, true)
          })
          return orLastGood(Effect.andThen(ended, read))
        }),
        retryNow: Effect.suspend(() => {
          const ended = inFlightEnded()
          return Effect.andThen(
            ended,
            Effect.suspend(() => (failure === undefined ? Effect.void : Effect.asVoid(begin(true, true)))),
          )
        }),
        retained: (id) => {
          const here = retained.get(id)
          if (here !== undefined) return Effect.succeed(here)
          const fetched = Effect.tap(source.byId(id), (found) =>
            Effect.sync(() => {
              if (found !== undefined) retained.putEarlier(found, now())
            }),
          )
          // Loading a whole list for each of many callers would fill the memory.
          return Effect.catch(fetches(id, fetched), () => Effect.undefined)
        },
        lastRead: () => last,
        state: () => ({
          current,
          origin: current === undefined ? undefined : last?.origin,
          failure,
          isRefreshing: inFlight !== undefined,
          slowSince: isSlow(freshness(), policy, now()) ? inFlight?.startedAt : undefined,
          isOverdue: isOverdue(freshness(), policy, now()),
          isLeading: source.isLeading(),
          degradations: source.degradations(),
        }),
      })
    }),
  )
}

/** The kind of a fault of our own, safe to show to callers, unlike its message. */
const kindOf = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "interrupted"
  const defect = Cause.squash(cause)
  return defect instanceof Error ? defect.constructor.name : typeof defect
}
