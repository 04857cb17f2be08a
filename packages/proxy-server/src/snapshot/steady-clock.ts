/**
 * Steady time: the wall clock's milliseconds since 1970 when the process first read it, continued by the monotonic
 * clock. So a step of the wall clock makes no list older or younger, and times that another process stored are
 * comparable within the accuracy of its wall clock.
 */
import { type Clock, Effect } from "effect"

const nanosPerMilli = 1_000_000n

/** Wall time minus monotonic time at the first reading, by clock. */
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

/** How far the wall clock is ahead of steady time, in milliseconds: how far it was set forward since the start. */
export const wallAhead: Effect.Effect<number> = Effect.clockWith((clock) =>
  Effect.sync(() => clock.currentTimeMillisUnsafe() - steadyNow(clock)),
)
