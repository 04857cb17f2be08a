/** The circuit breaker of an upstream. */
import { Clock, type Duration, Effect, Exit, Layer, Schedule, type Scope } from "effect"
import { CircuitBreaker } from "effect/persistence"
import { elapsedClock } from "./elapsed.ts"
import { type AboutCall, TransportFailure } from "./failure.ts"
import { breakerState } from "./metrics.ts"

/** Consecutive failed calls, each with all its retries, after which the breaker opens. */
const tripAfter = 3
/** Then one call is let through as a probe, so a recovery is noticed soon. */
const openFor: Duration.Input = "5 seconds"

/** Lets calls through, or fails them immediately while the upstream is failing. */
type Breaker = <A>(about: AboutCall, call: Effect.Effect<A, TransportFailure>) => Effect.Effect<A, TransportFailure>

/**
 * A circuit breaker for one upstream: after three consecutive failed calls, calls fail with the reason `circuit-open`
 * without being sent. Every 5 seconds one call is let through, and the others wait for its outcome.
 */
export const makeBreaker = Effect.fnUntraced(function* (
  upstream: string,
): Effect.fn.Return<Breaker, never, Scope.Scope> {
  const store = yield* Layer.build(CircuitBreaker.layerStoreMemory())
  const breaker = yield* Effect.provideContext(
    CircuitBreaker.make({ tripPolicy: CircuitBreaker.consecutive(tripAfter), openDuration: openFor }),
    store,
  )
  let last = ""
  const report = Effect.flatMap(Effect.orDie(breaker.state(upstream)), ({ _tag }) => breakerState(upstream, _tag))
  yield* breakerState(upstream, "Closed")
  return (about, call) =>
    Effect.clockWith((clock) => {
      const observed = Effect.tapError(call, (failure) =>
        Effect.sync(() => {
          last = `${failure.reason}: ${failure.detail}`
        }),
      )
      // Effect's breaker uses the wall clock for its pause, so it gets a monotonic clock; the call keeps the wall clock.
      return breaker
        .execute(Effect.provideService(observed, Clock.Clock, clock), { key: upstream, classify: outcomeOf })
        .pipe(Effect.ensuring(report), Effect.provideService(Clock.Clock, elapsedClock(clock)))
    }).pipe(
      Effect.retry({ schedule: whileProbed, while: isProbed }),
      Effect.catchTag("CircuitBreakerError", () =>
        Effect.fail(
          new TransportFailure({
            ...about,
            reason: "circuit-open",
            detail: `not called, since its last calls failed; the last: ${last}`,
          }),
        ),
      ),
    )
})

/** While one call probes the upstream, the others wait for it. */
const whileProbed = Schedule.jittered(Schedule.spaced("50 millis"))
const isProbed = (error: unknown): boolean =>
  error instanceof CircuitBreaker.CircuitBreakerError && error.reason._tag === "CircuitHalfOpen"

/** A refusal shows a healthy upstream; no response, 5xx, 429 or an unreadable response does not. */
const outcomeOf = (exit: Exit.Exit<unknown, TransportFailure>): CircuitBreaker.Outcome => {
  if (Exit.isSuccess(exit)) return CircuitBreaker.success
  const failure = Exit.findErrorOption(exit)
  if (failure._tag === "None") return CircuitBreaker.ignored
  const { reason, status } = failure.value
  switch (reason) {
    case "too-large":
    case "unsendable":
      return CircuitBreaker.ignored
    case "status":
      return status === undefined || status >= 500 || status === 429 ? CircuitBreaker.failure() : CircuitBreaker.success
    default:
      return CircuitBreaker.failure()
  }
}
