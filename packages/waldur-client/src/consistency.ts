import { isDeepStrictEqual } from "node:util"
import { cooperatively } from "@cscs/http-transport"
import { Effect } from "effect"
import type { ListPage } from "./calls.ts"
import { rowKey } from "./rows.ts"

/** One walk over all pages of a list. */
export interface Walk {
  readonly pages: ReadonlyArray<Pick<ListPage, "rows" | "total">>
  /** A page that the first page's count promised was gone when it was asked for. */
  readonly shrank: boolean
}

/** What one walk is worth. */
export interface Judgement {
  /** Each row once, in the order of the pages; rows of one identity that differ are several. */
  readonly rows: ReadonlyArray<unknown>
  /** The identities of which one page held several rows that differ: each of them is in `rows`. */
  readonly several: ReadonlySet<string>
  /** Where among them each identity is, for a comparison with other walks. */
  readonly places: ReadonlyMap<string, number>
  /** How many rows these are in Waldur's count. */
  readonly count: number
  /** The counts that the pages told, each once, in the order of the pages; none where no page told one. */
  readonly totals: ReadonlyArray<number>
  /** How many rows there must be: the highest of the counts, so that a doubt never costs a row. */
  readonly total: number
  /** All counts that pages told are one, and that many rows came: nothing is lost and nothing doubled. */
  readonly consistent: boolean
  /**
   * Nothing moved as far as the rows show: none came on two pages, and no count promises more. Where counts lack or are too
   * low, two such walks with the same rows are as good as one that is consistent: their pages have different borders.
   */
  readonly settled: boolean
}

/**
 * Judges one walk. Waldur's order is by `created`, which is not unique, so between two pages rows of one moment change
 * places: one then comes twice and another never.
 *
 * A uuid that one page holds twice was doubled by Waldur (a page is one query, in which nothing moves) and is in its
 * count; so it does not speak against the walk. It is given once where the two are the same, else twice: one of them may
 * say that the resource lives. Rows without a usable uuid are counted as they come.
 */
export const judgeWalk = Effect.fnUntraced(function* (walk: Walk): Effect.fn.Return<Judgement> {
  const rows: Array<unknown> = []
  const places = new Map<string, number>()
  const several = new Set<string>()
  const doubles = new Map<string, number>()
  let isSplit = false
  yield* cooperatively(walk.pages, (page) => {
    const onPage = new Map<string, number>()
    for (const row of page.rows) {
      const key = rowKey(row)
      if (key === undefined) {
        rows.push(row)
        continue
      }
      const before = onPage.get(key) ?? 0
      const place = places.get(key)
      if (place === undefined) {
        places.set(key, rows.length)
        rows.push(row)
      } else if (before === 0) {
        isSplit = true
        rows[place] = row
      } else if (!isSame(rows[place], row)) {
        several.add(key)
        rows.push(row)
        continue
      } else rows[place] = row
      onPage.set(key, before + 1)
      if (before > 0) doubles.set(key, Math.max(before, doubles.get(key) ?? 0))
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

/** Whether two walks saw the same rows, by their identities; rows without one by their number. */
export const sawTheSame = (some: Judgement, others: Judgement): boolean =>
  some.count === others.count &&
  some.places.size === others.places.size &&
  [...some.places.keys()].every((key) => others.places.has(key))

/** Rows of earlier walks that this one does not have: lost between its pages, or gone from Waldur. */
export const missingFrom = Effect.fnUntraced(function* (
  judged: Judgement,
  seenEarlier: ReadonlySet<string>,
): Effect.fn.Return<ReadonlyArray<string>> {
  const missing: Array<string> = []
  yield* cooperatively(seenEarlier, (key) => {
    if (!judged.places.has(key)) missing.push(key)
  })
  return missing
})

/**
 * `rows` with those of `instead` in the place of the rows of the same uuid; what only `instead` has comes last. Rows
 * without a usable uuid are taken from `rows` alone: nothing tells whether those of `instead` are the same.
 *
 * A row that has the same content in both stays the object that it is in `rows`; where that is so of all, `rows` itself
 * comes back.
 *
 * @param several identities of which there are several rows: nothing tells which of them one of `instead` is, so it comes
 *   beside them
 */
export const replaceRows = Effect.fnUntraced(function* (
  rows: ReadonlyArray<unknown>,
  instead: ReadonlyArray<unknown>,
  several: ReadonlySet<string> = new Set(),
): Effect.fn.Return<ReadonlyArray<unknown>> {
  const left = new Map<string, unknown>()
  const beside: Array<unknown> = []
  yield* cooperatively(instead, (row) => {
    const key = rowKey(row)
    if (key === undefined) return
    if (several.has(key)) beside.push(row)
    else left.set(key, row)
  })
  if (left.size + beside.length === 0) return rows
  const replaced: Array<unknown> = []
  let differ = false
  yield* cooperatively(rows, (row) => {
    const key = rowKey(row) ?? ""
    const other = left.get(key)
    left.delete(key)
    const changed = other !== undefined && !isSame(row, other)
    if (changed) differ = true
    replaced.push(changed ? other : row)
  })
  return differ || left.size + beside.length > 0 ? [...replaced, ...left.values(), ...beside] : rows
})

/** Rows nested so deeply that nobody can compare them count as different: to look at them again costs little. */
const isSame = (some: unknown, other: unknown): boolean => {
  try {
    return isDeepStrictEqual(some, other)
  } catch {
    return false
  }
}
