import { Clock, Duration, Effect } from "effect"

/** Sleeps of at least this many seconds are deadlines, which the tests never reach; shorter ones are waits. */
const deadlineFrom = 60

/**
 * Runs an effect on a clock that records each wait, in seconds, instead of waiting: how long a client with real sockets
 * would have waited. A test clock would need to know when the client has begun to wait.
 */
export const withRecordedWaits = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const clock = yield* Clock.Clock
  const waits: Array<number> = []
  const recorder: Clock.Clock = {
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
    currentTimeMillis: clock.currentTimeMillis,
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
    currentTimeNanos: clock.currentTimeNanos,
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) =>
      Effect.suspend(() => {
        const seconds = Duration.toSeconds(duration)
        if (seconds >= deadlineFrom) return Effect.never
        waits.push(seconds)
        return Effect.void
      }),
  }
  const result = yield* Effect.result(Effect.provideService(effect, Clock.Clock, recorder))
  return { result, waits }
})
