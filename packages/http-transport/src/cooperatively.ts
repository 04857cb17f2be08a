/**
 * Runs long loops in slices of a few milliseconds, so that other work, above all requests, gets its turn in between. The
 * slices are shared by the whole process: loops in a row share one, and so do those that wait side by side.
 */
import { Effect } from "effect"

/** Milliseconds of work between two turns of the event loop: the delay that it can add to a request. */
const sliceMillis = 4

let sliceEnds = 0

/** Loops that wait for their part of a slice, in order. */
const waiting: Array<() => void> = []
let isNextDue = false

const nextSlice = (): void => {
  sliceEnds = performance.now() + sliceMillis
  resumeWaiting()
}

/** Resumes the waiting loops, one after the other, until the slice is over. */
const resumeWaiting = (): void => {
  if (waiting.length === 0) isNextDue = false
  else if (performance.now() >= sliceEnds) setImmediate(nextSlice)
  else {
    waiting.shift()?.()
    // After the current work, which is a microtask too.
    queueMicrotask(resumeWaiting)
  }
}

/** Resolves in a later turn of the event loop if the current slice is over; `undefined` if it is not. */
export const turnIfDue = (): Promise<void> | undefined =>
  performance.now() < sliceEnds
    ? undefined
    : new Promise((resolve) => {
        waiting.push(resolve)
        if (isNextDue) return
        isNextDue = true
        setImmediate(nextSlice)
      })

/**
 * Visits the items in order and yields to other work between items, so each item must be cheap. An exception from `visit`
 * or from the iterable is a defect.
 *
 * @example
 * ```ts
 * yield* cooperatively(rows, (row) => places.set(row.uuid, row))
 * ```
 */
export const cooperatively = <A>(items: Iterable<A>, visit: (item: A) => void): Effect.Effect<void> =>
  Effect.promise(async (signal) => {
    for (const item of items) {
      visit(item)
      const turn = turnIfDue()
      if (turn === undefined) continue
      await turn
      signal.throwIfAborted()
    }
  })
