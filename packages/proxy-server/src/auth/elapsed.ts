import { Clock, Effect } from "effect"

/** Milliseconds by a clock that no step of the wall clock moves: for pauses and for how long something is kept. */
export const elapsedMillis: Effect.Effect<number> = Effect.map(Clock.monotonicTimeNanos, (nanos) =>
  Number(nanos / 1_000_000n),
)
