import { Effect } from "effect"
import type { ListPage, Query, WaldurCalls } from "./calls.ts"
import type { WaldurError } from "./errors.ts"
import { requireOfferingFilter, requireOfferings, resourceQuery, usableSlugs } from "./resources.ts"

/** Which page of which resources is wanted. */
export interface ResourcePageQuery {
  /** As for `readResources`. */
  readonly offeringSlugs: ReadonlyArray<string>
  /** One of Waldur's states: `Creating`, `OK`, `Erred`, `Updating`, `Terminating`, `Terminated`. Default: all. */
  readonly state?: string
  /** From 1. */
  readonly page: number
  /** Rows per page, 1 to 300; a larger one is cut to 300. */
  readonly pageSize: number
}

/** One page of resources, as Waldur gave it. */
export interface ResourcePage {
  /** As Waldur sent them, with all their fields; none beyond the last page. */
  readonly rows: ReadonlyArray<unknown>
  /** Waldur's count of all that the query selects. */
  readonly total: number
}

const path = "marketplace-resources/"
const maxPageSize = 300

/** Reads one page of the resources of some offerings, all fields. */
export const resourcePage = Effect.fn("WaldurClient.resourcePage")(function* (
  calls: WaldurCalls,
  query: ResourcePageQuery,
): Effect.fn.Return<ResourcePage, WaldurError> {
  const slugs = usableSlugs(query.offeringSlugs)
  if (slugs.length === 0) return { rows: [], total: 0 }
  const selected: Query = [
    ...resourceQuery(slugs),
    ...(query.state === undefined ? [] : [["state", query.state] as const]),
  ]
  const paging: Query = [
    // Of 0 Waldur makes 10.
    ["page_size", String(Math.max(1, Math.min(maxPageSize, query.pageSize)))],
    ["page", String(query.page)],
  ]
  const [page] = yield* Effect.all(
    [
      calls.page(path, [...selected, ...paging]).pipe(
        Effect.catchIf(
          (error) => error._tag === "WaldurRejected" && error.status === 404 && query.page !== 1,
          () => Effect.map(calls.count(path, selected), ({ total }): ListPage => ({ rows: [], total })),
        ),
      ),
      requireOfferingFilter(calls),
    ],
    { concurrency: 2 },
  )
  yield* requireOfferings(calls, slugs, page.rows)
  return page
})
