/** Deadlines, retries, circuit breaker and metrics for the calls to one endpoint. */
import { Duration, Effect, Exit, Option, type Scope } from "effect"
import { makeBreaker } from "./breaker.ts"
import { type AboutCall, TransportFailure } from "./failure.ts"
import { callEnded, callRepeated } from "./metrics.ts"
import { defaultRetryPolicy, type RetryPolicy, retrySchedule } from "./retry.ts"
import { CurrentRunningCalls } from "./running-calls.ts"

/** Timeouts and retries for an endpoint. */
export interface CallPolicyOptions {
  /** The name in metrics: `waldur`, `waldur-counts`. Failures have the name in `AboutCall`, which may be another. */
  readonly upstream: string
  /** For one attempt, from the wait for a connection to the last byte. Default 60 seconds: a full page takes Waldur 15. */
  readonly attemptTimeout?: Duration.Input
  /**
   * For a call with all its retries and the waits between them; not for the wait while another call probes a failing
   * upstream. Default three times `attemptTimeout`, at least 3 minutes.
   */
  readonly deadline?: Duration.Input
  /** Default `defaultRetryPolicy`: four retries. */
  readonly retry?: RetryPolicy
}

/**
 * Runs a call from an effect that sends a single attempt: applies the endpoint's deadlines, retries and circuit breaker,
 * and counts the call under the endpoint's name.
 */
export type CallPolicy = <A>(
  about: AboutCall,
  attempt: Effect.Effect<A, TransportFailure>,
  options?: {
    /** Whether it may be sent again after it may have reached the upstream. Default true. */
    readonly isIdempotent?: boolean
  },
) => Effect.Effect<A, TransportFailure>

/**
 * Deadlines, retries, a circuit breaker and metrics for one endpoint, independent of how attempts are sent. A transport
 * has one for its own calls; create another for calls whose failures must not affect these, such as those to a different
 * server by the same `fetch`.
 */
export const makeCallPolicy = Effect.fnUntraced(function* (
  options: CallPolicyOptions,
): Effect.fn.Return<CallPolicy, never, Scope.Scope> {
  const { upstream, attemptTimeout = "60 seconds" } = options
  const deadline =
    options.deadline ?? Duration.max(Duration.minutes(3), Duration.times(Duration.fromInputUnsafe(attemptTimeout), 3))
  const schedule = retrySchedule(options.retry ?? defaultRetryPolicy)
  const breaker = yield* makeBreaker(upstream)
  // Starts the series at 0: an absent series looks as if it were not measured.
  yield* callRepeated(upstream, 0)
  const tracked = (yield* CurrentRunningCalls).during(upstream)

  return Effect.fnUntraced(function* (about, attempt, { isIdempotent = true } = {}) {
    const within = (duration: Duration.Input, detail: () => string) =>
      Effect.timeoutOrElse({
        duration,
        orElse: () => Effect.fail(new TransportFailure({ ...about, reason: "timeout", detail: detail() })),
      })
    let last = ""
    let attempts = 0
    const once = Effect.suspend(() => {
      attempts += 1
      return attempts === 1 ? attempt : Effect.andThen(callRepeated(upstream), attempt)
    }).pipe(
      within(attemptTimeout, () => `no complete response within ${display(attemptTimeout)}`),
      Effect.tapError((failure) =>
        Effect.sync(() => {
          last = `; the last attempt: ${failure.reason}: ${failure.detail}`
        }),
      ),
    )
    const mayRepeat = ({ unsent }: TransportFailure) => isIdempotent || unsent === true
    // The deadline is inside the breaker, which counts its expiry as a failure; an interruption from outside would be ignored.
    const withRepeats = Effect.retry(once, { schedule, while: mayRepeat }).pipe(
      within(deadline, () => `no success within the deadline of ${display(deadline)}${last}`),
    )
    const [took, exit] = yield* tracked(Effect.timed(Effect.exit(breaker(about, withRepeats))))
    const failure = Option.getOrUndefined(Exit.findErrorOption(exit))
    // An interruption or a defect shows nothing about the upstream.
    if (Exit.isSuccess(exit) || failure !== undefined) yield* callEnded(upstream, failure, took)
    return yield* exit
  })
})

const display = (duration: Duration.Input) => `${Duration.toSeconds(Duration.fromInputUnsafe(duration))} s`
