/** One page of resources, for troubleshooting. */
import { Effect } from "effect"
import type { Query, WaldurCalls } from "./calls.ts"
import type { WaldurError } from "./errors.ts"
import { type Budget, isGone, readPage, rowsOf } from "./pages.ts"
import { leanResource, path, requireOfferingFilter, requireOfferings, resourceQuery, usableSlugs } from "./resources.ts"

/** Selects one page of resources. */
export interface ResourcePageQuery {
  /** As for `readResources`. */
  readonly offeringSlugs: ReadonlyArray<string>
  /** One of Waldur's states: `Creating`, `OK`, `Erred`, `Updating`, `Terminating`, `Terminated`. Default: all. */
  readonly state?: string
  /** From 1. */
  readonly page: number
  /** Rows per page, 1 to 300; larger values are reduced to 300. */
  readonly pageSize: number
}

/** One page of resources, unchanged. */
export interface ResourcePage {
  /** With all fields; empty beyond the last page. */
  readonly rows: ReadonlyArray<unknown>
  /** Waldur's count of all resources that the query selects. */
  readonly total: number
}

const maxPageSize = 300
/**
 * A page that is too large, or whose size is cut, is read in smaller ones and returned as one. A row counts each time it is
 * read.
 */
const budget: Readonly<Budget> = { rows: 100 * maxPageSize, pages: 1000, bytes: 64 * 1024 * 1024, tooLarge: 100 }

/** Reads one page of the resources of some offerings with all fields; a row that is too large has few. */
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
  // Waldur treats 0 as 10.
  const pageSize = Math.max(1, Math.min(maxPageSize, query.pageSize))
  const wanted = { path, query: selected, fields: [], lean: leanResource(calls, []) }
  const [page] = yield* Effect.all(
    [
      readPage(calls, wanted, { ...budget }, query.page, pageSize).pipe(
        Effect.map((parts) => ({
          rows: parts.flatMap(({ rows }) => rows),
          // If Waldur does not count, the number of known rows.
          total: Math.max(...parts.map(({ total }) => total ?? (query.page - 1) * pageSize + rowsOf(parts)), 0),
        })),
        Effect.catchIf(
          (error) => isGone(error) && query.page !== 1,
          () => Effect.map(calls.count(path, selected), ({ total }): ResourcePage => ({ rows: [], total })),
        ),
      ),
      requireOfferingFilter(calls),
    ],
    { concurrency: 2 },
  )
  yield* requireOfferings(calls, slugs, page.rows)
  return page
})
