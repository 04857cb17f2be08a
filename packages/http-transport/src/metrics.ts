/** Metrics of calls to upstreams. */
import { Duration, Effect, Metric } from "effect"
import type { TransportFailure } from "./failure.ts"

// Effect's metrics: without an exporter they cost no more than a counter.

const calls = Metric.counter("upstream_calls_total", {
  description: "Calls to an upstream by outcome (ok, or the reason of the failure); retries are not counted.",
  incremental: true,
})
const duration = Metric.histogram("upstream_call_duration_seconds", {
  description: "Duration of calls to an upstream, including retries and waits.",
  boundaries: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
})
const retries = Metric.counter("upstream_retries_total", {
  description: "Retries of calls to an upstream.",
  incremental: true,
})
const state = Metric.gauge("breaker_state", {
  description: "An upstream's circuit breaker: 0 closed, 1 half open, 2 open.",
})

/** Records a finished call. */
export const callEnded = (
  upstream: string,
  failure: TransportFailure | undefined,
  took: Duration.Duration,
): Effect.Effect<void> =>
  Effect.andThen(
    Metric.update(Metric.withAttributes(calls, { upstream, outcome: failure?.reason ?? "ok" }), 1),
    Metric.update(Metric.withAttributes(duration, { upstream }), Duration.toSeconds(took)),
  )

/** Counts retries. */
export const callRepeated = (upstream: string, times = 1): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(retries, { upstream }), times)

const stateNumbers = { Closed: 0, HalfOpen: 1, Open: 2 } as const

/** Sets the state of an upstream's circuit breaker. */
export const breakerState = (upstream: string, now: keyof typeof stateNumbers): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(state, { upstream }), stateNumbers[now])
