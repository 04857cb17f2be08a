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

/** A refresh that gave nothing. */
export interface RefreshFailure {
  readonly error: RefreshError
  /** When it was known, in steady milliseconds. */
  readonly at: number
  /** When the first of the failures without a success in between was known, by the wall clock: it is shown. */
  readonly since: number
}

/** What is held right now. */
export interface SnapshotState {
  readonly current: TimedSnapshot | undefined
  /** How the current one came here. */
  readonly origin: Origin | undefined
  /** The last refresh, where it failed. */
  readonly failure: RefreshFailure | undefined
  /** When the refresh began that runs for longer than it should, in steady milliseconds. */
  readonly slowSince: number | undefined
  /** Whether the list is older than it should be while somebody asks for it. */
  readonly isOverdue: boolean
  /** Whether this process reads the upstreams itself. */
  readonly isLeading: boolean
  /** What does not work of keeping and sharing, in words. */
  readonly degradations: ReadonlyArray<string>
}

/** Milliseconds; as long as a circuit breaker stays open. */
const longestPause = 5000
/** Milliseconds between the starts of two refreshes that callers ask for by `no-cache`. */
const renewEvery = 1000
/** For a refresh as a whole: a read of our own, and what it may have to wait for among replicas. */
const longestRefresh = Duration.sum(longestRead, Duration.minutes(5))

interface InFlight extends RunningRefresh {
  readonly result: Deferred.Deferred<TimedSnapshot, RefreshError>
  /** Whether its list is read after the refresh began. */
  readonly mustBeNew: boolean
}

/**
 * The tree that requests are answered from. There is never a second refresh beside one that runs; while somebody asks
 * now and then, refreshes run in the background and no request waits for one.
 */
export class Snapshots extends Context.Service<
  Snapshots,
  {
    /**
     * The snapshot that answers now without waiting: one younger than `cache.fresh_for`, one that is being renewed in
     * the background, or while upstreams fail the last good one, up to `cache.stale_if_error`. `undefined` where a
     * refresh must be waited for. Counts as somebody asking where it answers.
     */
    readonly ready: () => TimedSnapshot | undefined
    /**
     * As `ready`, and where that is nothing what the next refresh gives, or why it gives nothing. Counts as somebody
     * asking.
     */
    readonly current: Effect.Effect<TimedSnapshot, RefreshError>
    /**
     * What a refresh gives that begins after the call: at once, or within a second of the last that was asked for so, when
     * that second is over. Within seconds of a failure, and while a refresh is slow, as `current`.
     */
    readonly renewed: Effect.Effect<TimedSnapshot, RefreshError>
    /** Refreshes now if the last refresh failed: its cause, such as a secret that was refused, may be gone. */
    readonly retryNow: Effect.Effect<void>
    /** The snapshot of this id, while a walk through its pages may still go on, here or at another replica. */
    readonly retained: (id: string) => Effect.Effect<TimedSnapshot | undefined>
    /** What is held, without waiting for anything. */
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
        // An upstream that recovers is noticed within seconds.
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
      /** Complete, and young enough to be served when it arrived. */
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
          // Whatever else it ends in is a fault of our own, and a failure like any other. Where the process stops, nobody sees it.
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

      /** Begins a refresh unless one runs. It belongs to the layer: a caller that disconnects does not end it. */
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
        // A request that must wait does not count here: it comes again as `current`, which must not find the list warm.
        lastAskedAt = now()
        return current
      }

      const lastGood = () => (isServable(freshness(), policy, now()) ? current : undefined)
      /** The result of a refresh; if it fails or is slow, the last good list while there is one. */
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
      /** Milliseconds until a refresh with `mustBeNew` may begin. */
      const untilTurn = () => Math.max(0, lastRenewal + renewEvery - now())

      const keepFresh = Effect.suspend(() => {
        const wait = nextRefreshIn(freshness(), policy, now())
        return wait === 0 ? Effect.exit(join(true)) : Effect.sleep(wait ?? policy.retryAfter)
      })

      const earlier = yield* source.earlier
      // An older one tells nothing of what Waldur may have lost since.
      const rememberedFor = Math.max(freshFor + policy.staleIfError, Duration.toMillis(cache.emptyGuard))
      if (earlier !== undefined && now() - earlier.taken.readEndedAt < rememberedFor) last = earlier
      if (last !== undefined && isServable({ ...freshness(), readEndedAt: last.taken.readEndedAt }, policy, now())) {
        current = last.taken
        retained.put(current, now())
        // As if a request had come: the list is served while the first refresh runs.
        lastAskedAt = now()
      }
      // However young: a restart is the cure for what was wrong before.
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
          const ended = inFlight === undefined ? Effect.void : Effect.exit(Deferred.await(inFlight.result))
          const read: Effect.Effect<TimedSnapshot, RefreshError> = Effect.suspend(() => {
            // Callers that insist must not make a failed upstream be asked as often as they like, nor may those that waited
            // for the refresh that failed.
            if (failure !== undefined && failedLately(freshness(), policy, now())) return Effect.fail(failure.error)
            if (inFlight?.mustBeNew) return Deferred.await(inFlight.result)
            // Meanwhile another may begin that accepts what another replica read before.
            if (inFlight !== undefined) return Effect.andThen(Effect.exit(Deferred.await(inFlight.result)), read)
            if (current !== undefined && current.readStartedAt > calledAt) return Effect.succeed(current)
            const wait = untilTurn()
            return wait > 0 ? Effect.andThen(Effect.sleep(wait), read) : join(wasWarm, true)
          })
          return orLastGood(Effect.andThen(ended, read))
        }),
        retryNow: Effect.suspend(() => {
          const ended = inFlight === undefined ? Effect.void : Effect.exit(Deferred.await(inFlight.result))
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
          // A whole list for each of many who ask for it would fill the memory.
          return Effect.catch(fetches(id, fetched), () => Effect.undefined)
        },
        state: () => ({
          current,
          origin: current === undefined ? undefined : last?.origin,
          failure,
          slowSince: isSlow(freshness(), policy, now()) ? inFlight?.startedAt : undefined,
          isOverdue: isOverdue(freshness(), policy, now()),
          isLeading: source.isLeading(),
          degradations: source.degradations(),
        }),
      })
    }),
  )
}

/** The kind of a fault of our own, for those who must not see its message. */
const kindOf = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "interrupted"
  const defect = Cause.squash(cause)
  return defect instanceof Error ? defect.constructor.name : typeof defect
}
