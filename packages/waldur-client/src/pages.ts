/** Reads one page of a list, in smaller pages if it is too large or its size is refused or cut. */
import { Effect, Option } from "effect"
import { fieldQuery, type ListPage, type Query, type WaldurCalls } from "./calls.ts"
import { refuses, type WaldurError, WaldurUnexpectedResponse } from "./errors.ts"
import { isSame } from "./rows.ts"

/** Replaces values that were too large to read. */
export const tooLargeText = ({ maxPageBytes }: WaldurCalls): string => `larger than ${maxPageBytes / 1024 / 1024} MiB`

/** The list, and the fields to read. */
export interface PageQuery {
  readonly path: string
  /** Filters and order. */
  readonly query: Query
  /** Empty: all fields. */
  readonly fields: ReadonlyArray<string>
  /** How to read a row that exceeds the limit on its own; without it, or if it fails, the row becomes `null`. */
  readonly lean?: Lean | undefined
}

/** How to read a row with few fields. */
export interface Lean {
  /** Reduced lists of fields, tried in this order if the row is still too large. */
  readonly fields: ReadonlyArray<ReadonlyArray<string>>
  /** Marks the row, so that it cannot be mistaken for a complete one. */
  readonly mark: (row: unknown) => unknown
}

/** What a read may consume; mutable, one for each read. */
export interface Budget {
  /** Rows received, again each time a range is read in another page size. */
  rows: number
  /** Calls for pages. */
  pages: number
  /** Bytes of complete responses. */
  bytes: number
  /** Responses that were too large; each costs up to `maxPageBytes` of traffic, and a large row takes some ten of them. */
  tooLarge: number
}

export const isTooLarge = (error: WaldurError): boolean =>
  error._tag === "WaldurUnavailable" && error.reason === "too-large"

/** Waldur returns 404 "Invalid page." (localised) beyond the last page. */
export const isGone = (error: WaldurError): boolean => error._tag === "WaldurRejected" && error.status === 404

/** Rows per page after Waldur refuses a larger `page_size`; if it refuses this too, `page_size` is omitted. */
const modestSize = 100

/** Maximum number of page sizes tried for a range: enough for halving 300 down to 1, with a margin. */
const maxSizes = 12

/** The state of re-reading a range whose page did not have the requested size. */
interface Attempt {
  /** The number of sizes tried for this range. */
  readonly tried: number
  /** Where the last of these pages ended; if a page of another size ends there too, the list ends there. */
  readonly end: number | undefined
}

/**
 * The size to read the page's range in, if the page may not have the requested one: a gateway may cut it, possibly differently
 * for each request. A page that is not full has a smaller size, unless the list ends with it. `undefined`: the page is used.
 *
 * @param start the index of its first row, if the page has the requested size
 */
const sizeToTry = (page: ListPage, start: number, asked: number, last: Attempt): number | undefined => {
  const received = page.rows.length
  const end = start + received
  if (received === 0 || received === asked || end === last.end || last.tried >= maxSizes) return undefined
  if (received > asked) return received
  const isCounted = page.total !== undefined && page.total >= end
  if (isCounted ? end === page.total && page.hasNext !== true : page.hasNext === false) return undefined
  return last.tried === 0 ? received : Math.min(received, Math.max(1, Math.floor(asked / 2)))
}

/** The rows of a page from one index to another; the page itself if these are all, since `known.ts` knows its list of rows. */
const partOf = (page: ListPage, from: number, to: number): ListPage =>
  from === 0 && to >= page.rows.length ? page : { ...page, rows: page.rows.slice(from, to) }

export const rowsOf = (pages: ReadonlyArray<ListPage>): number => pages.reduce((sum, { rows }) => sum + rows.length, 0)

/** Whether a server returned the same page instead of the next one, which would never end. */
export const isRepeated = (page: ListPage | undefined, next: ListPage | undefined): boolean =>
  // Placeholders for rows that were too large look alike, and come from no page.
  page !== undefined && next !== undefined && next.bytes > 0 && isSame(page.rows, next.rows)

/**
 * Reads one page, by the indices of its rows in the list. A page that is too large is read in smaller ones, down to single
 * rows; a single row that is too large is read with few fields, so it does not affect other rows. A page with fewer rows
 * than requested, or whose size is refused, is read in pages of a size that works. The smaller pages may end early, at the end
 * of the list.
 *
 * Fails with `WaldurUnexpectedResponse` if the budget is exhausted.
 *
 * @param number from 1
 */
export const readPage = (
  calls: WaldurCalls,
  wanted: PageQuery,
  budget: Budget,
  number: number,
  size: number,
): Effect.Effect<ReadonlyArray<ListPage>, WaldurError> => {
  const call = `GET ${calls.apiUrl}${wanted.path}`
  const { concessions } = calls
  const take = (of: keyof Budget, amount: number): Effect.Effect<void, WaldurError> =>
    Effect.suspend(() => {
      budget[of] -= amount
      return budget[of] >= 0
        ? Effect.void
        : Effect.fail(
            new WaldurUnexpectedResponse({ call, received: inWords[of], wanted: "a list of a size that can be read" }),
          )
    })
  const sizeRefused = `${wanted.path}?page_size`
  const ask = (at: number, of: number, fields: ReadonlyArray<string>) =>
    Effect.andThen(
      take("pages", 1),
      calls.page(wanted.path, [
        ...wanted.query,
        ...(concessions.has(sizeRefused) ? [] : [["page_size", String(of)] as const]),
        ["page", String(at)],
        ...fieldQuery(fields),
      ]),
    ).pipe(
      Effect.tap(({ rows, bytes }) => Effect.andThen(take("rows", rows.length), take("bytes", bytes))),
      Effect.tapError((error) => (isTooLarge(error) ? take("tooLarge", 1) : Effect.void)),
    )

  /**
   * Whether the next page shows that this one is the last. It is only requested after a page that is not full, of a size that
   * has worked, without a count and `Link`: a smaller size would not show it, if the server uses a size of its own.
   */
  const endsBeforeNext = (
    page: ListPage,
    at: number,
    of: number,
    { tried }: Attempt,
  ): Effect.Effect<boolean, WaldurError> =>
    page.total !== undefined ||
    page.hasNext !== undefined ||
    page.rows.length >= of ||
    (tried === 0 && of !== concessions.pageCap(wanted.path))
      ? Effect.succeed(false)
      : ask(at + 1, of, wanted.fields).pipe(
          Effect.map(({ rows }) => rows.length === 0),
          Effect.catchIf(isGone, () => Effect.succeed(true)),
          Effect.catchIf(isTooLarge, () => Effect.succeed(false)),
        )

  /** The rows with indices from `from` (inclusive) to `to` (exclusive), counted from 0, in pages of this size. */
  const between = (
    from: number,
    to: number,
    of: number,
    last: Attempt = { tried: 0, end: undefined },
  ): Effect.Effect<ReadonlyArray<ListPage>, WaldurError> =>
    Effect.gen(function* () {
      const found: Array<ListPage> = []
      for (let start = from - (from % of); start < to; start += of) {
        const at = start / of + 1
        const isSizeSent = !concessions.has(sizeRefused)
        const within = [Math.max(from, start), Math.min(to, start + of)] as const
        const pages = yield* ask(at, of, wanted.fields).pipe(
          Effect.flatMap((page) =>
            Effect.gen(function* () {
              const next = sizeToTry(page, start, of, last)
              return next === undefined || (yield* endsBeforeNext(page, at, of, last))
                ? [partOf(page, within[0] - start, within[1] - start)]
                : yield* between(...within, next, { tried: last.tried + 1, end: start + page.rows.length })
            }),
          ),
          Effect.tapError((error) =>
            isTooLarge(error) && of === size
              ? Effect.logWarning(`${error.message}; it is read in smaller pages`).pipe(
                  Effect.annotateLogs({ event: "waldur-page-too-large" }),
                )
              : Effect.void,
          ),
          Effect.catchIf(isTooLarge, () => (of === 1 ? lean(start) : between(...within, Math.floor(of / 2), last))),
          Effect.catchIf(
            (error) => isSizeSent && refuses("page_size")(error),
            () =>
              of > modestSize
                ? between(...within, modestSize)
                : Effect.andThen(
                    concessions.make(
                      sizeRefused,
                      `Waldur refuses the parameter page_size of ${wanted.path}: it is omitted; lists are read in pages of Waldur's default size, in more calls`,
                    ),
                    between(...within, of),
                  ),
          ),
          // A 404 of the range's first page is the caller's: page 1 always exists, so there it is a failure.
          Effect.catchIf(
            (error) => found.length > 0 && isGone(error),
            () => Effect.succeed([]),
          ),
        )
        const before = found.at(-1)
        found.push(...pages)
        if (before !== undefined && isRepeated(before, pages[0])) break
        // Rows follow a page that was full at this size, so this size works.
        if (last.tried > 0 && before !== undefined && rowsOf(pages) > 0) yield* concessions.setPageCap(wanted.path, of)
        if (rowsOf(pages) < within[1] - within[0]) break
      }
      return found
    })

  const lean = (place: number): Effect.Effect<ReadonlyArray<ListPage>, WaldurError> =>
    Effect.gen(function* () {
      yield* Effect.logWarning(
        `The row at place ${place + 1} of ${call} is ${tooLargeText(calls)}; it is ${wanted.lean === undefined ? "skipped" : "read with few fields"}`,
      ).pipe(Effect.annotateLogs({ event: "waldur-row-too-large", place: place + 1 }))
      for (const fields of wanted.lean?.fields ?? []) {
        const page = yield* ask(place + 1, 1, fields).pipe(Effect.asSome, noneIfTooLarge)
        // If there are several, it is unknown which one is at this index.
        if (Option.isSome(page) && page.value.rows.length === 1)
          return [{ ...page.value, rows: page.value.rows.map(wanted.lean?.mark ?? (() => null)) }]
      }
      const { total, isCounted } = yield* calls.count(wanted.path, wanted.query)
      return [
        {
          rows: [null],
          total: isCounted ? total : undefined,
          receivedCount: "no X-Result-Count",
          hasNext: undefined,
          bytes: 0,
          cached: false,
        },
      ]
    })

  return Effect.suspend(() => {
    const cap = Math.min(size, concessions.pageCap(wanted.path) ?? size)
    return between((number - 1) * size, number * size, cap)
  })
}

const inWords: Record<keyof Budget, string> = {
  rows: "too many rows",
  pages: "too many pages",
  bytes: "too many bytes",
  tooLarge: "too many rows that are too large",
}

/** `None` if the response is too large. */
export const noneIfTooLarge = <A>(effect: Effect.Effect<Option.Option<A>, WaldurError>) =>
  Effect.catchIf(effect, isTooLarge, () => Effect.succeed(Option.none<A>()))
