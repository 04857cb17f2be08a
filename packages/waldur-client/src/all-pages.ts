import { cooperatively } from "@cscs/http-transport"
import { Effect, Option } from "effect"
import type { ListPage, WaldurCalls } from "./calls.ts"
import { type Judgement, judgeWalk, missingFrom, sawTheSame, type Walk } from "./consistency.ts"
import { type WaldurError, WaldurInconsistent, WaldurUnexpectedAnswer } from "./errors.ts"
import { type Budget, isGone, isRepeated, type PageQuery, readPage, rowsOf } from "./pages.ts"

/**
 * Rows per page, one number per read: 300 is Waldur's largest. Each later read puts the borders between pages elsewhere,
 * so that rows of one moment that a border tears apart, each time in the same way, come to lie within a page.
 */
const pageSizes = [300, 283, 269, 257] as const

/** Rows of earlier reads that are asked for one by one at most, per read. */
const maxConfirmations = 100

/**
 * What one read may take: ten times the rows of the largest marketplace, twice its pages at the smallest size that is
 * usual (10 rows), half a gigabyte, some hundred large rows.
 */
const fullBudget: Readonly<Budget> = { rows: 1_000_000, pages: 20_000, bytes: 512 * 1024 * 1024, tooLarge: 1000 }

/** A list to read whole. */
export interface Listing extends PageQuery {
  /**
   * Asks for one row by its uuid (32 hex digits): none where it is gone or does not belong to the list any more. Without
   * it, a list that keeps moving is only read again.
   */
  readonly confirm?: (key: string) => Effect.Effect<Option.Option<unknown>, WaldurError>
  /** An empty list is believed without a count too; otherwise anything that gives `[]` would pass for a Waldur. */
  readonly mayBeEmpty?: boolean
  /** Told of the rows of each page as it comes, whatever becomes of the read; it runs beside the read. */
  readonly onRows?: ((rows: ReadonlyArray<unknown>) => Effect.Effect<void>) | undefined
}

export interface WholeList {
  /** Each row once, as Waldur sent it; two rows of one uuid that one page holds and that differ are two. */
  readonly rows: ReadonlyArray<unknown>
  /** The identities (`rowKey`) of which there are several rows. */
  readonly several: ReadonlySet<string>
  /** Waldur's count in the last read; where it lacks or is too low, the number of rows that came. */
  readonly total: number
  /** Waldur's count is that of the rows. */
  readonly counted: boolean
  /** Reads of the whole list; 1 unless rows moved. */
  readonly reads: number
  /** A page of the last read came out of a cache on its way. */
  readonly cached: boolean
}

/**
 * Reads all pages of a list, side by side after the first, and reads them again where rows moved between pages. Waldur's
 * count says how far to go; the end is the first page that is not full. Where the count lacks or is too low, or `Link` names
 * a further page, the rows say how far.
 *
 * A read is good if all counts that its pages told are the same and that many distinct rows came. From the second read on,
 * rows that earlier reads saw and this one lacks are asked for one by one: where they fill it up to Waldur's count, it is
 * good too. Without a usable count two reads in a row must have the same rows, none of them on two pages; a count that
 * is higher than what comes is never overruled. After four reads: `WaldurInconsistent`. A read that passes a million rows
 * or 512 MiB ends in `WaldurUnexpectedAnswer`.
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
  let before: Judgement | undefined
  for (const [earlier, pageSize] of pageSizes.entries()) {
    const reads = earlier + 1
    const walked = yield* walk(calls, listing, pageSize)
    const judged = yield* judgeWalk(walked)
    const { rows, several, total } = judged
    const read = { rows, several, total, counted: true, reads, cached: walked.cached }
    if (judged.consistent) return read
    if (judged.settled && before?.settled === true && sawTheSame(before, judged)) {
      const came = walked.pages.find((part) => part.total === undefined)?.countCame
      if (came !== undefined && judged.count === 0 && listing.mayBeEmpty !== true) {
        return yield* new WaldurUnexpectedAnswer({
          call,
          came,
          wanted: "the header X-Result-Count with a whole number",
        })
      }
      const found = came ?? `an X-Result-Count of ${judged.totals.join(", then ")}`
      yield* calls.concessions.make(
        `${listing.path} counts`,
        `${call} comes with ${found} for ${judged.count} rows: its lists are read until two reads agree, and each refresh reads all`,
      )
      return { ...read, total: judged.count, counted: false }
    }
    before = judged

    let found: ReadonlyArray<unknown> = []
    if (earlier > 0) {
      found = yield* confirmed(listing, yield* missingFrom(judged, seen))
      if (judged.totals.length > 0 && judged.count <= judged.total && judged.count + found.length >= judged.total) {
        return { ...read, rows: [...rows, ...found] }
      }
    }
    yield* cooperatively(judged.places.keys(), (key) => seen.add(key))
    last = { totals: judged.totals, rows: judged.count + found.length }
    yield* Effect.logWarning(
      judged.settled
        ? `${call} gave ${judged.count} rows without a count that fits; it is read again, to compare`
        : `Waldur's rows moved between pages of ${call}: read ${reads} of at most ${pageSizes.length} gave ${last.rows} rows where Waldur counts ${last.totals.join(", then ")}`,
    )
  }
  return yield* new WaldurInconsistent({ call, reads: pageSizes.length, ...last })
})

interface PagesRead extends Walk {
  readonly pages: ReadonlyArray<ListPage>
  /** A page came out of a cache on its way. */
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
      Effect.tap((parts) => Effect.forEach(parts, ({ rows }) => tell(listing, rows), { discard: true })),
    )
  const first = yield* page(1)
  // A number that Waldur says: it bounds what is asked, and nothing is made of it.
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
  // How many go at the same time is the gate's to say, over all lists that are read.
  yield* Effect.forEach(Array.from({ length: calls.concurrency }), () => readOn, { concurrency: "unbounded" })
  later.sort((one, other) => one.number - other.number)
  // Beyond the count, or without one, there may be no further page.
  let rows = [first, ...later.map(({ parts }) => parts)].reduce((sum, parts) => sum + rowsOf(parts), 0)
  let end = later.at(-1)?.parts ?? first
  while (!ended && goesOn(end, rows)) {
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

/** Whether rows may follow a full page that the count has for the last one. */
const goesOn = (parts: ReadonlyArray<ListPage>, rows: number): boolean => {
  const { total, hasNext } = parts.at(-1) ?? {}
  return hasNext === true || (total === undefined ? hasNext !== false : total < rows)
}

/** In a fiber of its own, which neither fails the read nor holds it up, nor ends with it: a hint may be worth finishing. */
const tell = ({ onRows }: Listing, rows: ReadonlyArray<unknown>): Effect.Effect<void> =>
  onRows === undefined
    ? Effect.void
    : Effect.suspend(() => onRows(rows)).pipe(
        Effect.ignoreCause({ log: "Warn", message: "What was told of a page's rows failed; the read goes on" }),
        Effect.forkDetach({ startImmediately: true }),
        Effect.asVoid,
      )

/** After a good first page, a page that is gone says that the list shrank. */
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
