import { Effect, Option } from "effect"
import { fieldQuery, type ListPage, type Query, type WaldurCalls } from "./calls.ts"
import { type WaldurError, WaldurUnexpectedAnswer } from "./errors.ts"

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
  /** Of answers that were read to their end. */
  bytes: number
  /** Answers that were too large; each has cost up to `maxPageBytes` of traffic, and a large row some ten of them. */
  tooLarge: number
}

export const isTooLarge = (error: WaldurError): boolean =>
  error._tag === "WaldurUnavailable" && error.reason === "too-large"

/** Waldur says 404 "Invalid page." beyond the last page, in its own language. */
export const isGone = (error: WaldurError): boolean => error._tag === "WaldurRejected" && error.status === 404

/**
 * Reads one page. One that is too large comes as several smaller ones, down to rows alone; one row that alone is too
 * large is read with few fields, so it costs no other its place. Smaller pages may end early: beyond the end of the list
 * there is nothing.
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
  const take = (of: keyof Budget, amount: number): Effect.Effect<void, WaldurError> =>
    Effect.suspend(() => {
      budget[of] -= amount
      return budget[of] >= 0
        ? Effect.void
        : Effect.fail(
            new WaldurUnexpectedAnswer({ call, came: inWords[of], wanted: "a list of a size that can be read" }),
          )
    })
  const ask = (at: number, of: number, fields: ReadonlyArray<string>) =>
    calls
      .page(wanted.path, [...wanted.query, ["page_size", String(of)], ["page", String(at)], ...fieldQuery(fields)])
      .pipe(
        Effect.tap(({ rows, bytes }) => Effect.andThen(take("rows", rows.length), take("bytes", bytes))),
        Effect.tapError((error) => (isTooLarge(error) ? take("tooLarge", 1) : Effect.void)),
      )

  /** The rows at the places from `from` up to and without `to`, from 0, by pages of this size. */
  const between = (from: number, to: number, of: number): Effect.Effect<ReadonlyArray<ListPage>, WaldurError> =>
    Effect.gen(function* () {
      const found: Array<ListPage> = []
      for (let start = from - (from % of); start < to; start += of) {
        const at = start / of + 1
        const within = [Math.max(from, start), Math.min(to, start + of)] as const
        const pages = yield* ask(at, of, wanted.fields).pipe(
          Effect.map((page) => [{ ...page, rows: page.rows.slice(within[0] - start, within[1] - start) }]),
          Effect.tapError((error) =>
            isTooLarge(error) && of === size
              ? Effect.logWarning(`${error.message}; it is read in smaller pages`)
              : Effect.void,
          ),
          Effect.catchIf(isTooLarge, () => (of === 1 ? lean(start) : between(...within, Math.floor(of / 2)))),
          // The first page is always there: without it nothing is known, and its 404 is a failure.
          Effect.catchIf(
            (error) => found.length > 0 && isGone(error),
            () => Effect.succeed([]),
          ),
        )
        found.push(...pages)
        if (pages.reduce((sum, { rows }) => sum + rows.length, 0) < within[1] - within[0]) break
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
        if (Option.isSome(page))
          return [{ ...page.value, rows: page.value.rows.map(wanted.lean?.mark ?? (() => null)) }]
      }
      const { total } = yield* calls.count(wanted.path, wanted.query)
      return [{ rows: [null], total, bytes: 0, cached: false }]
    })

  return between((number - 1) * size, number * size, size)
}

const inWords: Record<keyof Budget, string> = {
  rows: "more rows than any Waldur has",
  bytes: "more bytes than fit into memory",
  tooLarge: "too many rows that are too large",
}

/** None in place of what is too large. */
export const noneIfTooLarge = <A>(effect: Effect.Effect<Option.Option<A>, WaldurError>) =>
  Effect.catchIf(effect, isTooLarge, () => Effect.succeed(Option.none<A>()))
