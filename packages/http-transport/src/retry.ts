/** Retry policies and `Retry-After`. */
import { Duration, Effect, Schedule } from "effect"
import { isRepeatable, type TransportFailure } from "./failure.ts"

/** How often and at which intervals a call is retried. Durations in Effect's notation: `"500 millis"`, `"30 seconds"`. */
export interface RetryPolicy {
  /** Attempts after the first. Default 4. */
  readonly times: number
  /** The first wait; each later one doubles. Default 200 milliseconds. */
  readonly base: Duration.Input
  /** The longest wait before jitter, unless `Retry-After` asks for more. Default 5 seconds. */
  readonly cap: Duration.Input
  /** The longest `Retry-After` that is obeyed; a longer one fails the call at once. Default 30 seconds. */
  readonly maxRetryAfter: Duration.Input
}

/** Four retries within some three seconds: survives a restart behind a balancer, and is short enough for interactive use. */
export const defaultRetryPolicy: RetryPolicy = {
  times: 4,
  base: "200 millis",
  cap: "5 seconds",
  maxRetryAfter: "30 seconds",
}

/**
 * Exponential waits with jitter (0.8 to 1.2, so that replicas do not retry in step), capped, at most `times`, and only for
 * transient failures. A longer `Retry-After` from the upstream takes precedence.
 */
export const retrySchedule = (policy: RetryPolicy): Schedule.Schedule<unknown, TransportFailure> =>
  Schedule.min([Schedule.exponential(policy.base), Schedule.spaced(policy.cap)]).pipe(
    Schedule.jittered,
    Schedule.upTo({ times: policy.times }),
    Schedule.setInputType<TransportFailure>(),
    Schedule.while(
      ({ input }) =>
        isRepeatable(input) &&
        (input.retryAfter ?? 0) <= Duration.toSeconds(Duration.fromInputUnsafe(policy.maxRetryAfter)),
    ),
    Schedule.modifyDelay(({ duration, input }) =>
      Effect.succeed(Duration.max(Duration.fromInputUnsafe(duration), Duration.seconds(input.retryAfter ?? 0))),
    ),
  )

/** The longest `Retry-After` in seconds: one day. */
const maxWait = 86_400

/**
 * `Retry-After` in seconds from now, at most a day: a whole number, or an HTTP date (RFC 9110 section 10.2.3). `undefined`
 * for anything else, such as a negative number, a fraction or several values.
 */
export const retryAfterSeconds = (headers: Headers): number | undefined => {
  const value = headers.get("retry-after")?.trim()
  if (value === undefined) return undefined
  if (/^\d{1,400}$/.test(value)) return Math.min(Number(value), maxWait)
  const date = httpDate(value)
  return date === undefined ? undefined : Math.min(Math.max(0, (date - Date.now()) / 1000), maxWait)
}

/**
 * Parses an HTTP date (`Wed, 21 Oct 2015 07:28:00 GMT`, RFC 9110 section 5.6.7) to ms since 1970; `undefined` for anything
 * else. `Date.parse` alone accepts `-5` and `1.5` as dates.
 */
export const httpDate = (text: string | null): number | undefined => {
  if (text === null || !/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : date
}
