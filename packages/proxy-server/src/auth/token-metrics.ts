/** Metrics of refused tokens. */
import { Effect, Metric } from "effect"
import { type RefusalReason, refusalReasons } from "./refusals.ts"

const refused = Metric.counter("refused_tokens_total", {
  description: "Requests refused because of their access token, by reason.",
  incremental: true,
})

const count = (reason: RefusalReason, times: number) => Metric.update(Metric.withAttributes(refused, { reason }), times)

/** Counts a refused request. */
export const tokenRefused = (reason: RefusalReason): Effect.Effect<void> => count(reason, 1)

/** Starts all series at 0: the first refusals of a new series would not show as an increase. */
export const countRefusals: Effect.Effect<void> = Effect.forEach(refusalReasons, (reason) => count(reason, 0), {
  discard: true,
})
