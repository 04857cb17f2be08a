/**
 * Runs long loops in slices of a few milliseconds, so that other work, above all requests, gets its turn in between. The
 * slices are shared by the whole process, so several short loops in a row block no longer than one.
 */
import { setImmediate as nextTurn } from "node:timers/promises"
import { Effect } from "effect"

/** Milliseconds of work between two turns of the event loop: the delay that it can add to a request. */
const sliceMillis = 4

let sliceEnds = 0

/** Resolves after a turn of the event loop if the current slice is over; `undefined` if it is not. */
export const turnIfDue = (): Promise<void> | undefined =>
  performance.now() < sliceEnds
    ? undefined
    : nextTurn().then(() => {
        sliceEnds = performance.now() + sliceMillis
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
