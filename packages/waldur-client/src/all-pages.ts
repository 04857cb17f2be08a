import { Effect, Option } from "effect"
import { fieldQuery, type Query, type WaldurCalls } from "./calls.ts"
import { judgeWalk, missingFrom, type Walk } from "./consistency.ts"
import { type WaldurError, WaldurInconsistent } from "./errors.ts"
import { inTurns } from "./rows.ts"

/**
 * Rows per page, one number per read: 300 is Waldur's largest. Each later read puts the borders between pages elsewhere,
 * so that rows of one moment that a border tears apart, each time in the same way, come to lie within a page.
 */
const pageSizes = [300, 283, 269, 257] as const

/** Rows of earlier reads that are asked for one by one at most, per read. */
const maxConfirmations = 100

/** A list to read whole. */
export interface Listing {
  readonly path: string
  /** Filters and order. */
  readonly query: Query
  readonly fields: ReadonlyArray<string>
  /**
   * Asks for one row by its uuid (32 hex digits): none where it is gone or does not belong to the list any more. Without
   * it, a list that keeps moving is only read again.
   */
  readonly confirm?: (key: string) => Effect.Effect<Option.Option<unknown>, WaldurError>
  /** Told of the rows of each page as it comes, whatever becomes of the read; it runs beside the read. */
  readonly onRows?: ((rows: ReadonlyArray<unknown>) => Effect.Effect<void>) | undefined
}

export interface WholeList {
  /** Each row once, as Waldur sent it. */
  readonly rows: ReadonlyArray<unknown>
  /** Waldur's count in the last read. */
  readonly total: number
  /** Reads of the whole list; 1 unless rows moved. */
  readonly reads: number
}

/**
 * Reads all pages of a list, side by side after the first, and reads them again where rows moved between pages.
 *
 * A read is good if all its pages told the same count and that many distinct rows came. From the second read on, rows
 * that earlier reads saw and this one lacks are asked for one by one: where they fill it up to Waldur's count, it is
 * good too. After four reads: `WaldurInconsistent`.
 *
 * What counts cannot show: where within one read a row goes and another comes, the counts agree, and a row that moved up
 * over a border into the gap is missing until the next read.
 */
export const readAllPages = Effect.fn("readAllPages")(function* (
  calls: WaldurCalls,
  listing: Listing,
): Effect.fn.Return<WholeList, WaldurError> {
  yield* Effect.annotateCurrentSpan({ path: listing.path })
  const call = `GET ${calls.apiUrl}${listing.path}`
  const seen = new Set<string>()
  let last = { totals: [] as ReadonlyArray<number>, rows: 0 }
  for (const [earlier, pageSize] of pageSizes.entries()) {
    const reads = earlier + 1
    const judged = yield* judgeWalk(yield* walk(calls, listing, pageSize))
    if (judged.consistent) return { rows: judged.rows, total: judged.total, reads }

    let found: ReadonlyArray<unknown> = []
    if (earlier > 0) {
      found = yield* confirmed(listing, yield* missingFrom(judged, seen))
      if (judged.count + found.length >= judged.total) {
        return { rows: [...judged.rows, ...found], total: judged.total, reads }
      }
    }
    yield* inTurns(judged.places.keys(), (key) => seen.add(key))
    last = { totals: judged.totals, rows: judged.count + found.length }
    yield* Effect.logWarning(
      `Waldur's rows moved between pages of ${call}: read ${reads} of at most ${pageSizes.length} gave ${last.rows} rows where Waldur counts ${last.totals.join(", then ")}`,
    )
  }
  return yield* new WaldurInconsistent({ call, reads: pageSizes.length, ...last })
})

const walk = Effect.fnUntraced(function* (
  calls: WaldurCalls,
  listing: Listing,
  pageSize: number,
): Effect.fn.Return<Walk, WaldurError> {
  const page = (number: number) =>
    calls
      .page(listing.path, [
        ...listing.query,
        ["page_size", String(pageSize)],
        ["page", String(number)],
        ...fieldQuery(listing.fields),
      ])
      .pipe(Effect.tap(({ rows }) => tell(listing, rows)))
  const first = yield* page(1)
  const later = Array.from({ length: Math.max(0, Math.ceil(first.total / pageSize) - 1) }, (_, index) => index + 2)
  // Unbounded here: how many go at the same time is the gate's to say, over all lists that are read.
  const rest = yield* Effect.forEach(later, (number) => Effect.map(page(number), Option.some).pipe(noneIfGone), {
    concurrency: "unbounded",
  })
  return { pages: [first, ...rest.flatMap(Option.toArray)], shrank: rest.some(Option.isNone) }
})

/** In a fiber of its own, which neither fails the read nor holds it up, nor ends with it: a hint may be worth finishing. */
const tell = ({ onRows }: Listing, rows: ReadonlyArray<unknown>): Effect.Effect<void> =>
  onRows === undefined
    ? Effect.void
    : Effect.suspend(() => onRows(rows)).pipe(
        Effect.ignoreCause({ log: "Warn", message: "What was told of a page's rows failed; the read goes on" }),
        Effect.forkDetach({ startImmediately: true }),
        Effect.asVoid,
      )

/** Waldur says 404 "Invalid page." beyond the last page (in its own language): after a good first page, the list shrank. */
const noneIfGone = <A>(effect: Effect.Effect<Option.Option<A>, WaldurError>) =>
  Effect.catchIf(
    effect,
    (error) => error._tag === "WaldurRejected" && error.status === 404,
    () => Effect.succeed(Option.none<A>()),
  )

const confirmed = (
  { confirm }: Listing,
  missing: ReadonlyArray<string>,
): Effect.Effect<ReadonlyArray<unknown>, WaldurError> =>
  confirm === undefined
    ? Effect.succeed([])
    : Effect.map(
        Effect.forEach(missing.slice(0, maxConfirmations), (key) => confirm(key), { concurrency: "unbounded" }),
        (found) => found.flatMap(Option.toArray),
      )
