/** Reads a list completely, although rows move between its pages. */
import { cooperatively } from "@cscs/http-transport"
import { Effect, Option } from "effect"
import type { ListPage, WaldurCalls } from "./calls.ts"
import { checkWalk, hasSameRows, missingFrom, type Walk, type WalkCheck } from "./consistency.ts"
import { rowsAndCounts, type WaldurError, WaldurInconsistent, WaldurUnexpectedResponse } from "./errors.ts"
import { type Budget, isGone, isRepeated, type PageQuery, readPage, rowsOf } from "./pages.ts"

/**
 * Rows per page, one size for each read; 300 is Waldur's maximum. Each later read has its page boundaries elsewhere, so that
 * rows with the same time that one boundary always separates end up on the same page.
 */
const pageSizes = [300, 283, 269, 257] as const

/** Maximum number of rows of earlier reads that are looked up individually, per read. */
const maxConfirmations = 100

/**
 * The budget of one read: ten times the rows of the largest marketplace, twice its pages at the smallest usual size (10
 * rows), half a gigabyte, some hundred large rows.
 */
const fullBudget: Readonly<Budget> = { rows: 1_000_000, pages: 20_000, bytes: 512 * 1024 * 1024, tooLarge: 1000 }

/** A list to be read completely. */
export interface Listing extends PageQuery {
  /**
   * Looks up one row by its uuid (32 hex digits): `None` if it is gone or no longer belongs to the list. Without this
   * function, a list that keeps moving is only read again.
   */
  readonly confirm?: (key: string) => Effect.Effect<Option.Option<unknown>, WaldurError>
  /** Accepts an empty list without a count; otherwise any server that returns `[]` would pass for Waldur. */
  readonly mayBeEmpty?: boolean
  /** Receives the rows of each page as it arrives, even if the read is discarded; runs concurrently with the read. */
  readonly onRows?: ((rows: ReadonlyArray<unknown>) => Effect.Effect<void>) | undefined
}

export interface WholeList extends Pick<Walk, "pages"> {
  /** Each row once, unchanged; different rows with the same uuid on one page are all included. */
  readonly rows: ReadonlyArray<unknown>
  /** The identities (`rowKey`) with several rows. */
  readonly several: ReadonlySet<string>
  /** Waldur's count in the last read; if it is missing or too low, the number of rows received. */
  readonly total: number
  /** Whether Waldur's count matches the rows. */
  readonly counted: boolean
  /** Reads of the whole list; 1 unless rows moved. */
  readonly reads: number
  /** Whether a page of the last read came from a cache. */
  readonly cached: boolean
}

/**
 * Reads all pages of a list, concurrently after the first, and reads them again if rows moved between pages. Waldur's
 * count determines the number of pages; the list ends with the first page that is not full. If the count is missing or too
 * low, or `Link` has a next page, reading continues as long as rows arrive.
 *
 * A read is accepted if all its pages have the same count and it has that many distinct rows. From the second read on, rows
 * that earlier reads had and this one lacks are looked up individually; if they complete it to Waldur's count, it is
 * accepted too. Without a usable count, two consecutive reads must have the same rows, none of them on two pages; a count
 * that is higher than the number of rows is never overruled. After four reads the result is `WaldurInconsistent`. A read of more
 * than a million rows or 512 MiB fails with `WaldurUnexpectedResponse`.
 *
 * Counts cannot detect one case: if one row disappears and another appears within a read, the counts agree, and a row that
 * moved across a page boundary into the gap is missing until the next read.
 */
export const readAllPages = Effect.fn("readAllPages")(function* (
  calls: WaldurCalls,
  listing: Listing,
): Effect.fn.Return<WholeList, WaldurError> {
  yield* Effect.annotateCurrentSpan({ path: listing.path })
  const call = `GET ${calls.apiUrl}${listing.path}`
  const seen = new Set<string>()
  let last = { totals: [] as ReadonlyArray<number>, rows: 0 }
  let before: WalkCheck | undefined
  for (const [earlier, pageSize] of pageSizes.entries()) {
    const reads = earlier + 1
    const walked = yield* walk(calls, listing, pageSize)
    const checked = yield* checkWalk(walked)
    const { rows, several, total } = checked
    const { pages, cached } = walked
    const read = { rows, several, total, counted: true, reads, cached, pages }
    if (checked.consistent) return read
    const isSettled = checked.settled && before?.settled === true && hasSameRows(before, checked)
    if (isSettled && !(yield* goesOnAfter(calls, listing, checked.count))) {
      const received = walked.pages.find((part) => part.total === undefined)?.receivedCount
      if (received !== undefined && checked.count === 0 && listing.mayBeEmpty !== true) {
        return yield* new WaldurUnexpectedResponse({
          call,
          received,
          wanted: "the header X-Result-Count with a whole number",
        })
      }
      const found = received ?? `an X-Result-Count of ${checked.totals.join(", then ")}`
      yield* calls.concessions.make(
        `${listing.path} counts`,
        `${call} comes with ${found} for ${checked.count} rows: its lists are read until two reads agree, and each refresh reads all`,
      )
      return { ...read, total: checked.count, counted: false }
    }
    before = checked

    let found: ReadonlyArray<unknown> = []
    if (earlier > 0) {
      found = yield* confirmed(listing, yield* missingFrom(checked, seen))
      if (
        checked.totals.length > 0 &&
        checked.count <= checked.total &&
        checked.count + found.length >= checked.total
      ) {
        return { ...read, rows: [...rows, ...found] }
      }
    }
    yield* cooperatively(checked.places.keys(), (key) => seen.add(key))
    last = { totals: checked.totals, rows: checked.count + found.length }
    yield* Effect.logWarning(
      checked.settled
        ? `${call} returned ${checked.count} rows without a matching count; it is read again for comparison`
        : `Waldur's rows moved between pages of ${call}: read ${reads} of at most ${pageSizes.length}, with look-ups, returned ${rowsAndCounts(last)}`,
    ).pipe(Effect.annotateLogs({ event: "waldur-rows-moved", read: reads, ...last }))
  }
  return yield* new WaldurInconsistent({ call, reads: pageSizes.length, ...last })
})

interface PagesRead extends Walk {
  readonly pages: ReadonlyArray<ListPage>
  /** Whether a page came from a cache. */
  readonly cached: boolean
}

const walk = Effect.fnUntraced(function* (
  calls: WaldurCalls,
  listing: Listing,
  pageSize: number,
): Effect.fn.Return<PagesRead, WaldurError> {
  const budget = { ...fullBudget }
  const page = (number: number) =>
    readPage(calls, listing, budget, number, pageSize).pipe(
      Effect.tap((parts) => Effect.forEach(parts, ({ rows }) => callOnRows(listing, rows), { discard: true })),
    )
  const first = yield* page(1)
  // Untrusted: it only limits which pages are requested; nothing is allocated by it.
  const last = Math.ceil((first[0]?.total ?? 0) / pageSize)
  const later: Array<{ readonly number: number; readonly parts: ReadonlyArray<ListPage> }> = []
  let next = 2
  let ended = !isFull(first, pageSize)
  let shrank = false
  const readOn = Effect.gen(function* () {
    while (next <= last && !ended) {
      const number = next++
      const parts = yield* page(number).pipe(Effect.asSome, noneIfGone)
      if (Option.isNone(parts)) shrank = true
      else later.push({ number, parts: parts.value })
      if (
        !isFull(
          Option.getOrElse(parts, () => []),
          pageSize,
        )
      )
        ended = true
    }
  })
  // The gate limits concurrency over all lists.
  yield* Effect.forEach(Array.from({ length: calls.concurrency }), () => readOn, { concurrency: "unbounded" })
  later.sort((one, other) => one.number - other.number)
  // Beyond the count, or without one, there may be no further page.
  let rows = [first, ...later.map(({ parts }) => parts)].reduce((sum, parts) => sum + rowsOf(parts), 0)
  let end = later.at(-1)?.parts ?? first
  while (!ended && goesOn(end, rows, later.length === 0)) {
    const number = Math.max(next, last + 1)
    next = number + 1
    const parts = yield* page(number).pipe(Effect.asSome, noneIfGone)
    if (Option.isNone(parts)) break
    later.push({ number, parts: parts.value })
    rows += rowsOf(parts.value)
    ended = !isFull(parts.value, pageSize) || isRepeated(end.at(-1), parts.value.at(-1))
    end = parts.value
  }
  const pages = [...first, ...later.flatMap(({ parts }) => parts)]
  return { pages, shrank, cached: pages.some((part) => part.cached) }
})

const isFull = (parts: ReadonlyArray<ListPage>, pageSize: number) => rowsOf(parts) >= pageSize

/** Whether rows may follow a full page that is the last one by the count. */
const goesOn = (parts: ReadonlyArray<ListPage>, rows: number, isFirst: boolean): boolean => {
  const { total, hasNext } = parts.at(-1) ?? {}
  // A count that equals a full first page may be that of the page; without a Link, only the next page shows it.
  const isVague = total === undefined || (isFirst && total === rows)
  return hasNext === true || (hasNext === undefined && isVague) || (total !== undefined && total < rows)
}

/**
 * Whether a row follows so many rows. No gateway can reduce a page of one row, so this also shows what two reads miss alike
 * if the page size changes from request to request.
 */
const goesOnAfter = (calls: WaldurCalls, listing: Listing, count: number): Effect.Effect<boolean, WaldurError> =>
  readPage(calls, listing, { ...fullBudget }, count + 1, 1).pipe(
    Effect.map((parts) => rowsOf(parts) > 0),
    Effect.catchIf(isGone, () => Effect.succeed(false)),
  )

/** Runs `onRows` in a separate fiber that neither fails nor delays the read, and that may outlive it. */
const callOnRows = ({ onRows }: Listing, rows: ReadonlyArray<unknown>): Effect.Effect<void> =>
  onRows === undefined
    ? Effect.void
    : Effect.suspend(() => onRows(rows)).pipe(
        Effect.ignoreCause({ log: "Warn", message: "onRows failed for the rows of a page; the read continues" }),
        Effect.annotateLogs({ event: "waldur-on-rows-failed" }),
        Effect.forkDetach({ startImmediately: true }),
        Effect.asVoid,
      )

/** `None` for a missing page: after a good first page it means that the list shrank. */
const noneIfGone = <A>(effect: Effect.Effect<Option.Option<A>, WaldurError>) =>
  Effect.catchIf(effect, isGone, () => Effect.succeed(Option.none<A>()))

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
