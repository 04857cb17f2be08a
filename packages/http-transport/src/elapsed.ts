/**
 * Time that no step of the wall clock moves, for pauses, deadlines and how long something is kept: a clock set back by two
 * hours must keep nothing for two hours longer.
 */
import { type Clock, Effect } from "effect"

const elapsedOf = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

/** Milliseconds since an arbitrary moment, by the monotonic clock: only differences mean anything. */
export const elapsedMillis: Effect.Effect<number> = Effect.clockWith((clock) => Effect.sync(() => elapsedOf(clock)))

/** A clock that tells elapsed time where the wall clock's is asked for, for parts of Effect that measure by that. */
export const elapsedClock = (clock: Clock.Clock): Clock.Clock => ({
  currentTimeMillisUnsafe: () => elapsedOf(clock),
  currentTimeMillis: Effect.sync(() => elapsedOf(clock)),
  currentTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  currentTimeNanos: clock.monotonicTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => clock.sleep(duration),
})
