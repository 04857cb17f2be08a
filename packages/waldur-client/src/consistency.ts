/** Decides whether a walk over the pages of a list is complete, and merges rows of several reads. */
import { cooperatively } from "@cscs/http-transport"
import { Effect } from "effect"
import type { ListPage } from "./calls.ts"
import { isSame, rowKey } from "./rows.ts"

/** One walk over all pages of a list. */
export interface Walk {
  readonly pages: ReadonlyArray<Pick<ListPage, "rows" | "total">>
  /** Whether a page that the first page's count implied no longer existed. */
  readonly shrank: boolean
}

/** The assessment of one walk. */
export interface WalkCheck {
  /** Each row once, in page order; different rows with the same identity are all included. */
  readonly rows: ReadonlyArray<unknown>
  /** The identities with several different rows on one page; all of these are in `rows`. */
  readonly several: ReadonlySet<string>
  /** The index in `rows` of each identity, for comparison with other walks. */
  readonly places: ReadonlyMap<string, number>
  /** The number of rows as Waldur counts them: duplicates on one page included. */
  readonly count: number
  /** The distinct counts of the pages, in page order; empty if no page has one. */
  readonly totals: ReadonlyArray<number>
  /** The number of rows that a complete walk has: the highest count, so that a wrong one never costs a row. */
  readonly total: number
  /** Whether all pages report the same count and the rows match it: none is missing or duplicated. */
  readonly consistent: boolean
  /**
   * Whether no row appears to have moved: none is on two pages, and no page reports a higher count. If counts are missing or
   * too low, two such walks with the same rows are as good as a consistent one, since their page boundaries differ.
   */
  readonly settled: boolean
}

/**
 * Assesses one walk. Waldur orders by `created`, which is not unique, so rows with the same time may swap places between
 * two requests: one then appears twice and another never.
 *
 * A uuid that occurs twice on one page was duplicated by Waldur (a page is one query, within which nothing moves) and is
 * included in its count, so it does not make the walk inconsistent. Duplicates that equal the first are returned once. From the
 * first that differs, all are returned, since one of them may show that the resource is live. Rows without a usable uuid are all counted.
 */
export const checkWalk = Effect.fnUntraced(function* (walk: Walk): Effect.fn.Return<WalkCheck> {
  const rows: Array<unknown> = []
  const places = new Map<string, number>()
  const several = new Set<string>()
  const doubles = new Map<string, number>()
  /** The number of the last page with the identity of each of `rows`. */
  const pageOf: Array<number> = []
  let number = 0
  let isSplit = false
  yield* cooperatively(walk.pages, (page) => {
    number += 1
    const doublesHere = new Map<string, number>()
    const add = (row: unknown) => {
      rows.push(row)
      pageOf.push(number)
    }
    for (const row of page.rows) {
      const key = rowKey(row)
      const place = key === undefined ? undefined : places.get(key)
      if (key === undefined) add(row)
      else if (place === undefined) {
        places.set(key, rows.length)
        add(row)
      } else if (pageOf[place] !== number) {
        isSplit = true
        rows[place] = row
        pageOf[place] = number
      } else if (several.has(key) || !isSame(rows[place], row)) {
        // Not compared after the first that differs: comparing a huge row with thousands of the same uuid would take too long.
        several.add(key)
        add(row)
      } else {
        rows[place] = row
        const more = (doublesHere.get(key) ?? 0) + 1
        doublesHere.set(key, more)
        doubles.set(key, Math.max(more, doubles.get(key) ?? 0))
      }
    }
  })
  let count = rows.length
  for (const more of doubles.values()) count += more
  const totals = [...new Set(walk.pages.flatMap(({ total }) => (total === undefined ? [] : [total])))]
  const total = Math.max(0, ...totals)
  return {
    rows,
    several,
    places,
    count,
    totals,
    total,
    consistent: !walk.shrank && totals.length === 1 && count === total,
    settled: !walk.shrank && !isSplit && count >= total,
  }
})

/** Whether two walks have the same rows, compared by identity; rows without one are only counted. */
export const hasSameRows = (some: WalkCheck, others: WalkCheck): boolean =>
  some.count === others.count &&
  some.places.size === others.places.size &&
  [...some.places.keys()].every((key) => others.places.has(key))

/** Rows of earlier walks that this one lacks: lost between its pages, or gone from Waldur. */
export const missingFrom = Effect.fnUntraced(function* (
  checked: WalkCheck,
  seenEarlier: ReadonlySet<string>,
): Effect.fn.Return<ReadonlyArray<string>> {
  const missing: Array<string> = []
  yield* cooperatively(seenEarlier, (key) => {
    if (!checked.places.has(key)) missing.push(key)
  })
  return missing
})

/**
 * `rows`, with rows replaced by those of `instead` with the same uuid; new rows of `instead` come last. Rows without a usable
 * uuid come from `rows` only, since they cannot be matched.
 *
 * A row with the same content in both stays the same object as in `rows`; if nothing differs, `rows` itself is returned.
 *
 * @param several identities with several rows: rows of `instead` with these are added, since it is unknown which row they
 *   replace
 */
export const replaceRows = Effect.fnUntraced(function* (
  rows: ReadonlyArray<unknown>,
  instead: ReadonlyArray<unknown>,
  several: ReadonlySet<string> = new Set(),
): Effect.fn.Return<ReadonlyArray<unknown>> {
  const unmatched = new Map<string, unknown>()
  const added: Array<unknown> = []
  yield* cooperatively(instead, (row) => {
    const key = rowKey(row)
    if (key === undefined) return
    if (several.has(key)) added.push(row)
    else unmatched.set(key, row)
  })
  if (unmatched.size + added.length === 0) return rows
  const replaced: Array<unknown> = []
  let differ = false
  yield* cooperatively(rows, (row) => {
    const key = rowKey(row) ?? ""
    const other = unmatched.get(key)
    unmatched.delete(key)
    const changed = other !== undefined && !isSame(row, other)
    if (changed) differ = true
    replaced.push(changed ? other : row)
  })
  return differ || unmatched.size + added.length > 0 ? [...replaced, ...unmatched.values(), ...added] : rows
})
