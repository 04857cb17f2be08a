import { type Clock, Effect } from "effect"

/**
 * Steady time: milliseconds since 1970 as the wall clock had them when the process first asked, carried on by the
 * monotonic clock. So no step of the wall clock makes a list older or younger, and a time that another process stored
 * compares with ours as well as its wall clock did.
 */
const nanosPerMilli = 1_000_000n

/** Wall time less monotonic time at the first question, by clock. */
const anchors = new WeakMap<Clock.Clock, number>()

/** Steady time of a clock, in milliseconds since 1970. */
export const steadyNow = (clock: Clock.Clock): number => {
  const monotonic = Number(clock.monotonicTimeNanosUnsafe() / nanosPerMilli)
  const known = anchors.get(clock)
  if (known !== undefined) return known + monotonic
  const anchor = clock.currentTimeMillisUnsafe() - monotonic
  anchors.set(clock, anchor)
  return anchor + monotonic
}

/** Steady time of the current clock, in milliseconds since 1970. */
export const steadyMillis: Effect.Effect<number> = Effect.clockWith((clock) => Effect.sync(() => steadyNow(clock)))

/** How far the wall clock is ahead of steady time now, in milliseconds: what it was set forward since the start. */
export const wallAhead: Effect.Effect<number> = Effect.clockWith((clock) =>
  Effect.sync(() => clock.currentTimeMillisUnsafe() - steadyNow(clock)),
)
