/**
 * Long work on one thread, a few milliseconds at a time: between the slices whatever else is waiting has its turn,
 * requests above all. All work of the process shares the slices, so that several short loops one after the other hold up
 * no more than one.
 */
import { setImmediate as nextTurn } from "node:timers/promises"
import { Effect } from "effect"

/** Milliseconds of work between two turns of the event loop: what a request may have to wait for it. */
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
 * Visits each item in order and gives other work its turn in between, but not within an item, which must be small. An
 * error of `visit` or of the items is a defect.
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
