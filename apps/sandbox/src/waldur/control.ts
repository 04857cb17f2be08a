/** The mock Waldur's settings that tests change while it runs. */
import type { WaldurRecord } from "../world/world.ts"
import type { Dialect } from "./dialect.ts"
import type { WaldurWorker } from "./worker.ts"

/**
 * Called for every request of the resource list, after filtering and sorting and before paging; returns the rows in the
 * order for this request. Use it to shuffle ties or to move rows between pages, as concurrent writes do during a walk.
 * `request.number` counts these requests from 1.
 */
export type Arrange = (
  rows: readonly WaldurRecord[],
  request: { number: number; query: URLSearchParams },
) => readonly WaldurRecord[]

/** The Waldur server's settings that can be changed at run time. */
export interface WaldurControl {
  dialect: Dialect
  /** Default: as sorted, ties in the order of `World.resources`. */
  arrange: Arrange | undefined
  readonly worker: WaldurWorker
  /**
   * Whether `field=` also trims `order_in_progress` in lists, as some versions do; without effect in the dialect 7.0.7, which
   * lacks it.
   */
  trimsNested: boolean
  /**
   * True: rows may change between any two requests, so every page is filtered anew (about 20 ms for 100,000 resources).
   * False: a list is filtered again only once `world.now` or the number of resources has changed, as by POSTs, the worker, and
   * the functions that change a world; not by hand.
   */
  worldChangesByHand: boolean
}
