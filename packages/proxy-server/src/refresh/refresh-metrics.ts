import { Duration, Effect, Exit, Metric } from "effect"

const refreshes = Metric.counter("refreshes_total", {
  description:
    "Refreshes by kind of read (all, changes, shared by another replica) and outcome; inconclusive if another kind was needed.",
  incremental: true,
})
const durations = Metric.histogram("refresh_duration_seconds", {
  description: "Duration of a read of the upstreams, including building the tree.",
  boundaries: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600],
})

/**
 * Counts and times a refresh.
 *
 * @param read all, only changes, or what another replica read; a read without a result is inconclusive
 */
export const counted =
  (read: "all" | "changes" | "shared") =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(Effect.timed(Effect.exit(effect)), ([took, exit]) => {
      const outcome = Exit.isFailure(exit) ? "failed" : exit.value === undefined ? "inconclusive" : "ok"
      return Metric.update(Metric.withAttributes(refreshes, { read, outcome }), 1).pipe(
        Effect.andThen(Metric.update(Metric.withAttributes(durations, { read }), Duration.toSeconds(took))),
        Effect.andThen(exit),
      )
    })
