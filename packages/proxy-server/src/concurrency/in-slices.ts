import { setImmediate as nextTurn } from "node:timers/promises"
import { Effect } from "effect"

/** Milliseconds of work between two turns of the event loop: what a request may have to wait for it. */
const sliceMillis = 4

/** Ends a slice when its time is over; called between two steps of work that is asynchronous itself. */
export const sliceTurns = (): (() => Promise<void>) => {
  let sliceEnds = performance.now() + sliceMillis
  return async () => {
    if (performance.now() < sliceEnds) return
    await nextTurn()
    sliceEnds = performance.now() + sliceMillis
  }
}

/**
 * Runs a generator to its end on this thread, a few milliseconds at a time: between the slices whatever else is waiting
 * has its turn, requests above all. Every `yield` is a place where a slice may end.
 */
export const inSlices = <A>(steps: () => Generator<unknown, A>): Effect.Effect<A> =>
  Effect.promise(async (signal) => {
    const running = steps()
    const turn = sliceTurns()
    for (;;) {
      const { done, value } = running.next()
      if (done) return value
      await turn()
      signal.throwIfAborted()
    }
  })
