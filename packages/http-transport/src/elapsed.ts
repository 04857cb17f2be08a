/**
 * Monotonic time, for pauses, deadlines and retention: setting the wall clock back by two hours must not keep anything two
 * hours longer.
 */
import { type Clock, Effect } from "effect"

/** Milliseconds of a clock's monotonic time, as `elapsedMillis` returns them, for code that runs no effect. */
export const elapsedOf = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

/** Milliseconds of the monotonic clock since an arbitrary moment; only differences are meaningful. */
export const elapsedMillis: Effect.Effect<number> = Effect.clockWith((clock) => Effect.sync(() => elapsedOf(clock)))

/** A clock that returns monotonic time in place of wall-clock time, for parts of Effect that measure with the latter. */
export const elapsedClock = (clock: Clock.Clock): Clock.Clock => ({
  currentTimeMillisUnsafe: () => elapsedOf(clock),
  currentTimeMillis: Effect.sync(() => elapsedOf(clock)),
  currentTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  currentTimeNanos: clock.monotonicTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => clock.sleep(duration),
})
