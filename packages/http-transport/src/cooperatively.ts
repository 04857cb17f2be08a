/**
 * Runs long loops in slices of a few milliseconds, so that other work, above all requests, gets its turn in between. The
 * slices are shared by the whole process: loops in a row share one, and of loops side by side only one runs per turn of
 * the event loop.
 */
import { Effect } from "effect"

/** Milliseconds of work between two turns of the event loop: the delay that it can add to a request. */
const sliceMillis = 4

let sliceEnds = 0

/** The loops that wait for a slice, in order. */
const waiting: Array<() => void> = []

const nextSlice = (): void => {
  sliceEnds = performance.now() + sliceMillis
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(nextSlice)
}

/** Resolves in a later turn of the event loop, with a new slice, if the current slice is over; `undefined` if it is not. */
export const turnIfDue = (): Promise<void> | undefined =>
  performance.now() < sliceEnds
    ? undefined
    : new Promise((resolve) => {
        if (waiting.push(resolve) === 1) setImmediate(nextSlice)
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
