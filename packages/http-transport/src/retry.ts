import { Duration, Effect, Schedule } from "effect"
import { isRepeatable, type TransportFailure } from "./failure.ts"

/** How often and how patiently a call is repeated. Durations as Effect writes them: `"500 millis"`, `"30 seconds"`. */
export interface RetryPolicy {
  /** Attempts after the first. Default 4. */
  readonly times: number
  /** The first wait; each later one is twice as long. Default 200 milliseconds. */
  readonly base: Duration.Input
  /** No wait of our own is longer, before jitter. Default 5 seconds. */
  readonly cap: Duration.Input
  /** A `Retry-After` up to this is obeyed; a longer one ends the call with its failure. Default 30 seconds. */
  readonly maxRetryAfter: Duration.Input
}

/** Four repeats within some three seconds: rides out a restart behind a balancer, still answers a person. */
export const defaultRetryPolicy: RetryPolicy = {
  times: 4,
  base: "200 millis",
  cap: "5 seconds",
  maxRetryAfter: "30 seconds",
}

/**
 * Exponential waits with jitter (0.8 to 1.2, so that replicas do not knock together), capped, at most `times`, only for
 * failures that may pass; a `Retry-After` of the upstream counts where it is longer than our own wait.
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

/** Seconds: nobody is asked to wait longer than a day, whatever a header says. */
const maxWait = 86_400

/**
 * `Retry-After` as seconds from now, at most a day: a whole number, or an HTTP date (RFC 9110 section 10.2.3). None where
 * it is neither, as with a negative one, a fraction, or several.
 */
export const retryAfterSeconds = (headers: Headers): number | undefined => {
  const value = headers.get("retry-after")?.trim()
  if (value === undefined) return undefined
  if (/^\d{1,400}$/.test(value)) return Math.min(Number(value), maxWait)
  const date = httpDate(value)
  return date === undefined ? undefined : Math.min(Math.max(0, (date - Date.now()) / 1000), maxWait)
}

/**
 * A date of a header (`Wed, 21 Oct 2015 07:28:00 GMT`, RFC 9110 section 5.6.7) in ms since 1970; none for anything else.
 * `Date.parse` alone takes `-5` and `1.5` for dates.
 */
export const httpDate = (text: string | null): number | undefined => {
  if (text === null || !/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : date
}
