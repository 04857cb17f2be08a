import { setFlagsFromString } from "node:v8"
import { Snapshots } from "@cscs/proxy-server"
import { Effect, Schedule } from "effect"

/**
 * Holds the heap small. A refresh makes much garbage in a burst, for which V8 would let its heap grow to some hundred
 * megabytes, and keep them. Collected more often it stays at a fraction; that costs a refresh some tens of milliseconds,
 * so the old space is held small only once the first snapshot is there.
 */
export const holdHeapSmall = Effect.gen(function* () {
  setFlagsFromString("--semi-space-growth-factor=1")
  const { state } = yield* Snapshots
  yield* Effect.repeat(
    Effect.sync(() => state().current !== undefined),
    { until: (isThere) => isThere, schedule: Schedule.spaced("100 millis") },
  )
  setFlagsFromString("--heap-growing-percent=30")
})
