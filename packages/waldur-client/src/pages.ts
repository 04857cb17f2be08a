import { isDeepStrictEqual } from "node:util"
import { Effect, Option } from "effect"
import { fieldQuery, type ListPage, type Query, type WaldurCalls } from "./calls.ts"
import { refuses, type WaldurError, WaldurUnexpectedAnswer } from "./errors.ts"

/** What is shown in the place of what was too large to read. */
export const tooLargeText = ({ maxPageBytes }: WaldurCalls): string => `larger than ${maxPageBytes / 1024 / 1024} MiB`

/** What of a list is wanted. */
export interface PageQuery {
  readonly path: string
  /** Filters and order. */
  readonly query: Query
  /** None: all. */
  readonly fields: ReadonlyArray<string>
  /** How a row that alone is too large is read; where this is not given, or fails, `null` takes its place. */
  readonly lean?: Lean | undefined
}

/** A row read with few fields. */
export interface Lean {
  /** Fields that are asked for in place of all, and, should those be too large as well, those that are asked for then. */
  readonly fields: ReadonlyArray<ReadonlyArray<string>>
  /** Makes the row one that nobody can take for the whole. */
  readonly mark: (row: unknown) => unknown
}

/** What a read may take from Waldur; it is mutable and belongs to one read. */
export interface Budget {
  rows: number
  /** Calls for pages. */
  pages: number
  /** Of answers that were read to their end. */
  bytes: number
  /** Answers that were too large; each has cost up to `maxPageBytes` of traffic, and a large row some ten of them. */
  tooLarge: number
}

export const isTooLarge = (error: WaldurError): boolean =>
  error._tag === "WaldurUnavailable" && error.reason === "too-large"

/** Waldur says 404 "Invalid page." beyond the last page, in its own language. */
export const isGone = (error: WaldurError): boolean => error._tag === "WaldurRejected" && error.status === 404

/** Rows per page that are asked for where Waldur refuses more by name; where it refuses these too, it has its own number. */
const modestSize = 100

/** Other sizes of pages that are tried for some places at most: from 300 down to 1 by halves, and some to spare. */
const maxSizes = 12

/** Some places of a list that a page of another size did not give as asked. */
interface Attempt {
  /** Sizes that have been tried for these places. */
  readonly tried: number
  /** Where the last of their pages ended: where one of another size ends there too, the list does. */
  readonly end: number | undefined
}

/**
 * The size of pages that is really used, if it is not the one that was asked for: a gateway may cut it, to another number
 * for each request. A page that is not full is one of a smaller size unless the list ends with it.
 *
 * @param start the place of its first row, if the size is the one that was asked for
 */
const sizeUsed = (page: ListPage, start: number, asked: number, last: Attempt): number | undefined => {
  const came = page.rows.length
  const end = start + came
  if (came === 0 || came === asked || end === last.end || last.tried >= maxSizes) return undefined
  if (came > asked) return came
  const isCounted = page.total !== undefined && page.total >= end
  if (isCounted ? end === page.total && page.hasNext !== true : page.hasNext === false) return undefined
  return last.tried === 0 ? came : Math.min(came, Math.max(1, Math.floor(asked / 2)))
}

export const rowsOf = (pages: ReadonlyArray<ListPage>): number => pages.reduce((sum, { rows }) => sum + rows.length, 0)

/** Whether a server gives one page again in place of the next: it would go on for ever. */
export const isRepeated = (page: ListPage | undefined, next: ListPage | undefined): boolean => {
  try {
    // Rows that were too large to be read look alike, and have come in no page.
    return page !== undefined && next !== undefined && next.bytes > 0 && isDeepStrictEqual(page.rows, next.rows)
  } catch {
    return false
  }
}

/**
 * Reads one page, by the places of its rows in the list. One that is too large comes as several smaller ones, down to rows
 * alone; one row that alone is too large is read with few fields, so it costs no other its place. One that comes with
 * fewer rows than asked for, or whose size is refused, comes as several of the size that works. Smaller pages may end
 * early: beyond the end of the list there is nothing.
 *
 * Fails with `WaldurUnexpectedAnswer` where the budget is used up.
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
            new WaldurUnexpectedAnswer({ call, came: inWords[of], wanted: "a list of a size that can be read" }),
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
   * Whether nothing follows a page that is not full, of a size that has worked. Where neither a count nor `Link` tells, the
   * next page does; a smaller size would not, if the server has one of its own.
   */
  const isLast = (page: ListPage, at: number, of: number, { tried }: Attempt): Effect.Effect<boolean, WaldurError> =>
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

  /** The rows at the places from `from` up to and without `to`, from 0, by pages of this size. */
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
              const used = sizeUsed(page, start, of, last)
              return used === undefined || (yield* isLast(page, at, of, last))
                ? [{ ...page, rows: page.rows.slice(within[0] - start, within[1] - start) }]
                : yield* between(...within, used, { tried: last.tried + 1, end: start + page.rows.length })
            }),
          ),
          Effect.tapError((error) =>
            isTooLarge(error) && of === size
              ? Effect.logWarning(`${error.message}; it is read in smaller pages`)
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
                      `Waldur refuses the parameter page_size of ${wanted.path}: it is left out; lists are read in pages of Waldur's own size, in more calls`,
                    ),
                    between(...within, of),
                  ),
          ),
          // The first page is always there: without it nothing is known, and its 404 is a failure.
          Effect.catchIf(
            (error) => found.length > 0 && isGone(error),
            () => Effect.succeed([]),
          ),
        )
        const before = found.at(-1)
        found.push(...pages)
        if (before !== undefined && isRepeated(before, pages[0])) break
        // Rows follow a page that was full at this size: it is the one that works.
        if (last.tried > 0 && before !== undefined && rowsOf(pages) > 0) yield* concessions.setPageCap(wanted.path, of)
        if (rowsOf(pages) < within[1] - within[0]) break
      }
      return found
    })

  const lean = (place: number): Effect.Effect<ReadonlyArray<ListPage>, WaldurError> =>
    Effect.gen(function* () {
      yield* Effect.logWarning(
        `The row at place ${place + 1} of ${call} is ${tooLargeText(calls)}; it is read with few fields`,
      )
      for (const fields of wanted.lean?.fields ?? []) {
        const page = yield* ask(place + 1, 1, fields).pipe(Effect.asSome, noneIfTooLarge)
        // Of several nothing tells which stands there.
        if (Option.isSome(page) && page.value.rows.length === 1)
          return [{ ...page.value, rows: page.value.rows.map(wanted.lean?.mark ?? (() => null)) }]
      }
      const { total, isCounted } = yield* calls.count(wanted.path, wanted.query)
      return [
        {
          rows: [null],
          total: isCounted ? total : undefined,
          countCame: "no X-Result-Count",
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
  rows: "more rows than any Waldur has",
  pages: "more pages than any Waldur has",
  bytes: "more bytes than fit into memory",
  tooLarge: "too many rows that are too large",
}

/** None in place of what is too large. */
export const noneIfTooLarge = <A>(effect: Effect.Effect<Option.Option<A>, WaldurError>) =>
  Effect.catchIf(effect, isTooLarge, () => Effect.succeed(Option.none<A>()))
