/** Runs refreshes, at most one at a time: callers join the one in flight. */
import { Cause, Clock, Deferred, Duration, Effect } from "effect"
import { RefreshDied, type RefreshError, RefreshTimedOut } from "../refresh/refresh-errors.ts"
import { forEverybody } from "../refresh/refresh-identity.ts"
import { logReading, logRefreshDeath, logRefreshFailure, logSlowRefresh } from "../refresh/refresh-log.ts"
import { slowAfter } from "../refresh/slow-calls.ts"
import { longestRead, type Source } from "../refresh/snapshot-source.ts"
import type { TimedSnapshot } from "../snapshot/snapshot.ts"
import { steadyNow } from "../snapshot/steady-clock.ts"
import { failedLately } from "./freshness.ts"
import type { ServingState } from "./serving-state.ts"

/** Milliseconds between the starts of two refreshes that callers request with `no-cache`. */
const renewEvery = 1000
/** Limit of a whole refresh: the longest read, our own or another replica's, and what surrounds it. */
const longestRefresh = Duration.sum(longestRead, Duration.minutes(5))

export type Refreshed = Effect.Effect<TimedSnapshot, RefreshError>

/** Refreshes the list of `state` from a source. The refreshes end with the scope. */
export const makeRefresher = Effect.fnUntraced(function* (state: ServingState, source: Pick<Source, "renew">) {
  const context = yield* Effect.context<never>()
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const now = () => steadyNow(clock)
  /** When the last refresh on demand, of a caller or another replica, took its turn. */
  let lastTurn = Number.NEGATIVE_INFINITY

  /** Begins a refresh unless one is in flight. It belongs to the scope: a caller that disconnects does not end it. */
  const begin = (isBackground: boolean, mustBeNew = false) =>
    Effect.suspend(() => {
      if (state.inFlight !== undefined) return Effect.succeed(state.inFlight.result)
      const result = Deferred.makeUnsafe<TimedSnapshot, RefreshError>()
      state.inFlight = { result, startedAt: now(), isBackground, mustBeNew }
      if (mustBeNew) lastTurn = state.inFlight.startedAt
      return refresh(state, source, mustBeNew, clock).pipe(
        Effect.provideContext(context),
        Effect.onExit((exit) => {
          state.inFlight = undefined
          return Deferred.done(result, exit)
        }),
        Effect.forkIn(scope),
        Effect.as(result),
        // An interruption here would leave an in-flight refresh that never starts.
        Effect.uninterruptible,
      )
    })
  const join = (isBackground: boolean, mustBeNew = false): Refreshed =>
    Effect.flatMap(begin(isBackground, mustBeNew), Deferred.await)

  /** Ends with the refresh that is in flight now, whatever its result; at once if there is none. */
  const inFlightEnded = (): Effect.Effect<unknown> =>
    state.inFlight === undefined ? Effect.void : Effect.exit(Deferred.await(state.inFlight.result))
  /** Milliseconds until the next refresh on demand may begin. */
  const untilTurn = () => Math.max(0, lastTurn + renewEvery - now())

  /**
   * A list that is read after the call; such reads begin at most once per `renewEvery`. Shortly after a failure, fails with
   * the same error at once.
   */
  const renewed = (isBackground: boolean): Refreshed =>
    Effect.suspend(() => {
      const calledAt = now()
      const read: Refreshed = Effect.suspend(() => {
        const { failure, inFlight, current } = state
        // A failing upstream must not be called without limit: neither for callers that insist, nor for those that waited
        // for the refresh that failed.
        if (failure !== undefined && failedLately(state.freshness, state.policy, now()))
          return Effect.fail(failure.error)
        if (inFlight?.mustBeNew) return Deferred.await(inFlight.result)
        // Without `mustBeNew`, its list may be one that another replica read before the call.
        if (inFlight !== undefined) return Effect.andThen(inFlightEnded(), read)
        if (current !== undefined && current.readStartedAt > calledAt) return Effect.succeed(current)
        const wait = untilTurn()
        return wait > 0 ? Effect.andThen(Effect.sleep(wait), read) : join(isBackground, true)
      })
      return Effect.andThen(inFlightEnded(), read)
    })

  return {
    begin,
    join,
    inFlightEnded,
    renewed,
    /** Joins a refresh for another replica, in its turn; ends with it, whatever its result. */
    joinInTurn: Effect.andThen(
      Effect.suspend(() => Effect.sleep(untilTurn())),
      Effect.suspend(() => {
        lastTurn = now()
        return Effect.exit(join(true))
      }),
    ),
  }
})

/** One refresh: reads, records the outcome in `state`, and logs it. */
const refresh = (
  state: ServingState,
  source: Pick<Source, "renew">,
  mustBeNew: boolean,
  clock: Clock.Clock,
): Refreshed => {
  const slowWarning = Effect.suspend(() => logSlowRefresh(state.current, steadyNow(clock)))
  return Effect.forkChild(Effect.delay(slowWarning, slowAfter)).pipe(
    Effect.andThen(Effect.suspend(() => source.renew(state.lastRead, mustBeNew))),
    Effect.timeoutOrElse({
      duration: longestRefresh,
      orElse: () =>
        Effect.fail(
          new RefreshTimedOut({
            waitedFor: "upstreams or another replica",
            minutes: Duration.toMinutes(longestRefresh),
          }),
        ),
    }),
    Effect.flatMap((reading) => {
      const before = state.current?.snapshot
      const at = steadyNow(clock)
      const taken = state.succeeded(reading, at)
      return Effect.as(logReading(reading, before, at), taken)
    }),
    // A defect or an interruption is an internal fault, and counts as a failure, too. At shutdown no caller waits for it.
    Effect.catchCause((cause) => {
      const found = Cause.findErrorOption(cause)
      const error = found._tag === "Some" ? found.value : new RefreshDied({ kind: kindOf(cause) })
      const before = state.failure?.error
      const isKnown = before?._tag === "RefreshDied" && error._tag === "RefreshDied" && before.kind === error.kind
      const at = steadyNow(clock)
      state.failed(error, at, clock.currentTimeMillisUnsafe())
      const log = found._tag === "Some" ? logRefreshFailure(error, state.current, at) : logRefreshDeath(cause, isKnown)
      return Effect.andThen(log, Effect.fail(error))
    }),
    forEverybody("refresh"),
  )
}

/** The kind of a fault of our own, safe to show to callers, unlike its message. */
const kindOf = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "interrupted"
  const defect = Cause.squash(cause)
  return defect instanceof Error ? defect.constructor.name : typeof defect
}
