import type { WaldurRecord } from "../world/world.ts"
import type { Dialect } from "./dialect.ts"
import type { WaldurWorker } from "./worker.ts"

/**
 * Asked for every request of the resource list, after filtering and ordering and before the page is cut: gives the rows
 * in the order in which this request shall see them. The place to shuffle ties or to move rows between pages, as
 * happens where others write during a walk. `request.number` counts these requests from 1.
 */
export type Arrange = (
  rows: readonly WaldurRecord[],
  request: { number: number; query: URLSearchParams },
) => readonly WaldurRecord[]

/** What of the Waldur server can be changed while it runs. */
export interface WaldurControl {
  dialect: Dialect
  /** Default: as ordered, ties in the order of `World.resources`. */
  arrange: Arrange | undefined
  readonly worker: WaldurWorker
  /** Whether `field=` also trims the objects that are nested in a row, as a 7.0.7 does. */
  trimsNested: boolean
  /**
   * True: somebody may change rows between any two requests, so every page is filtered anew (some 20 ms at 100,000
   * resources). False promises that only POSTs change the world, so a list is filtered once until the next POST.
   */
  worldChangesByHand: boolean
}
