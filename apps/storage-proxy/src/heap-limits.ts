import { setFlagsFromString } from "node:v8"
import { Snapshots } from "@cscs/proxy-server"
import { Effect, Schedule } from "effect"

/**
 * Keeps the heap small. A refresh produces a burst of garbage, for which V8 would grow the heap to several hundred
 * megabytes and keep them. More frequent collections keep it at a fraction of that, but cost a refresh some tens of
 * milliseconds. So the old space is limited only after the first snapshot.
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
