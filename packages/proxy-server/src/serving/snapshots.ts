/**
 * Holds the current snapshot and refreshes it: on demand, in the background, and for replicas that wait for a new one.
 */
import { Clock, Context, Duration, Effect, Layer } from "effect"
import { makeSharedCalls } from "../concurrency/shared-calls.ts"
import { Settings } from "../config/settings.ts"
import type { Origin, ReadResult } from "../refresh/read-snapshot.ts"
import type { RefreshError } from "../refresh/refresh-errors.ts"
import { slowAfter } from "../refresh/slow-calls.ts"
import { SnapshotSource, type Source } from "../refresh/snapshot-source.ts"
import type { TimedSnapshot } from "../snapshot/snapshot.ts"
import { steadyNow } from "../snapshot/steady-clock.ts"
import {
  type Decision,
  decide,
  type FreshnessPolicy,
  isOverdue,
  isServable,
  isSlow,
  isWarm,
  nextRefreshIn,
} from "./freshness.ts"
import { makeRefresher, type Refreshed } from "./refresher.ts"
import { type RefreshFailure, ServingState } from "./serving-state.ts"

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
      const source = yield* SnapshotSource
      const context = yield* Effect.context<never>()
      const clock = yield* Clock.Clock
      const now = () => steadyNow(clock)
      const policy = policyOf(cache)
      const state = new ServingState(policy)
      const refresher = yield* makeRefresher(state, source)

      const serve = (decision: Decision): TimedSnapshot | undefined => {
        if (decision === "serve-and-refresh") Effect.runForkWith(context)(refresher.begin(true))
        if (decision === "wait" || decision === "fail") return undefined
        // A request that must wait does not count here: it calls `current` next, which must not find the list warm.
        state.asked(now())
        return state.current
      }
      const lastGood = () => (isServable(state.freshness, policy, now()) ? state.current : undefined)

      yield* restoreEarlier(state, source, cache, now)
      // Even if it is young: a restart must cure whatever was wrong before.
      if (state.lastRead?.origin === "file") yield* refresher.begin(true)
      const keepFresh = Effect.suspend(() => {
        const wait = nextRefreshIn(state.freshness, policy, now())
        return wait === 0 ? Effect.exit(refresher.join(true)) : Effect.sleep(wait ?? policy.retryAfter)
      })
      yield* Effect.forkScoped(Effect.forever(keepFresh))
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(source.wanted, refresher.joinInTurn)))

      return Snapshots.of({
        ready: () => serve(decide(state.freshness, policy, now())),
        current: Effect.suspend(() => {
          const decision = decide(state.freshness, policy, now())
          const taken = serve(decision)
          state.asked(now())
          if (taken !== undefined) return Effect.succeed(taken)
          const { failure } = state
          return decision === "fail" && failure !== undefined
            ? Effect.fail(failure.error)
            : orLastGood(refresher.join(false), lastGood)
        }),
        renewed: Effect.suspend(() => {
          const wasWarm = isWarm(state.freshness, policy, now())
          state.asked(now())
          return orLastGood(refresher.renewed(wasWarm), lastGood)
        }),
        retryNow: Effect.suspend(() => refresher.inFlightEnded()).pipe(
          Effect.andThen(
            Effect.suspend(() =>
              state.failure === undefined ? Effect.void : Effect.asVoid(refresher.begin(true, true)),
            ),
          ),
        ),
        retained: retainedHereOrElsewhere(state, source, now),
        lastRead: () => state.lastRead,
        state: () => ({
          current: state.current,
          origin: state.current === undefined ? undefined : state.lastRead?.origin,
          failure: state.failure,
          isRefreshing: state.inFlight !== undefined,
          slowSince: isSlow(state.freshness, policy, now()) ? state.inFlight?.startedAt : undefined,
          isOverdue: isOverdue(state.freshness, policy, now()),
          isLeading: source.isLeading(),
          degradations: source.degradations(),
        }),
      })
    }),
  )
}

const policyOf = (cache: Settings["Service"]["cache"]): FreshnessPolicy => {
  const freshFor = Duration.toMillis(cache.freshFor)
  return {
    freshFor,
    staleIfError: Duration.toMillis(cache.staleIfError),
    keepWarmFor: Duration.toMillis(cache.keepWarmFor),
    // The recovery of an upstream is noticed within seconds.
    retryAfter: Math.min(Math.max(freshFor, 1000), longestPause),
    slowAfter,
  }
}

/** Restores what the source has from before the start, unless it is too old. */
const restoreEarlier = Effect.fnUntraced(function* (
  state: ServingState,
  source: Source,
  cache: Settings["Service"]["cache"],
  now: () => number,
) {
  const earlier = yield* source.earlier
  // An older one is not evidence of what Waldur may have lost since.
  const { freshFor, staleIfError } = state.policy
  const rememberedFor = Math.max(freshFor + staleIfError, Duration.toMillis(cache.emptyGuard))
  if (earlier !== undefined && now() - earlier.taken.readEndedAt < rememberedFor) state.restore(earlier, now())
})

/** The result of a refresh; if it fails or is slow, the last good list, if there is one. */
const orLastGood = (refreshed: Refreshed, lastGood: () => TimedSnapshot | undefined): Refreshed => {
  const lastGoodOr = (otherwise: Refreshed): Refreshed =>
    Effect.suspend(() => {
      const taken = lastGood()
      return taken === undefined ? otherwise : Effect.succeed(taken)
    })
  return refreshed.pipe(
    Effect.raceFirst(Effect.andThen(Effect.sleep(slowAfter), lastGoodOr(Effect.never))),
    Effect.catch((error) => lastGoodOr(Effect.fail(error))),
  )
}

/** Finds a snapshot by its id, here or at another replica. */
const retainedHereOrElsewhere = ({ retained }: ServingState, source: Source, now: () => number) => {
  // Loading a whole list for each of many callers would fill the memory.
  const fetches = makeSharedCalls(2, "5 seconds")
  return (id: string): Effect.Effect<TimedSnapshot | undefined> => {
    const here = retained.get(id)
    if (here !== undefined) return Effect.succeed(here)
    const fetched = Effect.tap(source.byId(id), (found) =>
      Effect.sync(() => {
        if (found !== undefined) retained.putEarlier(found, now())
      }),
    )
    return Effect.catch(fetches(id, fetched), () => Effect.undefined)
  }
}
