import { Clock, Effect } from "effect"

/** The system's clock, ahead by so many milliseconds. */
export const clockAhead = (ahead: () => number): Clock.Clock => {
  const system = Effect.runSync(Clock.clockWith(Effect.succeed))
  const millis = () => system.currentTimeMillisUnsafe() + ahead()
  const nanos = () => system.currentTimeNanosUnsafe() + BigInt(ahead()) * 1_000_000n
  const monotonic = () => system.monotonicTimeNanosUnsafe() + BigInt(ahead()) * 1_000_000n
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: monotonic,
    monotonicTimeNanos: Effect.sync(monotonic),
    sleep: (duration) => system.sleep(duration),
  }
}
