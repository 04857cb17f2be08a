import { Option, Schema } from "effect"
import type { ListPage } from "./calls.ts"

/** One walk over all pages of a list. */
export interface Walk {
  readonly pages: ReadonlyArray<ListPage>
  /** A page that the first page's count promised was gone when it was asked for. */
  readonly shrank: boolean
}

/** What one walk is worth. */
export interface Judgement {
  /** Each row once, in the order of the pages. */
  readonly rows: ReadonlyArray<unknown>
  /** The identities among them, for a comparison with other walks. */
  readonly keys: ReadonlySet<string>
  /** How many rows these are in Waldur's count. */
  readonly count: number
  /** The counts that the pages told, each once, in the order of the pages. */
  readonly totals: ReadonlyArray<number>
  /** How many rows there must be: the highest of the counts, so that a doubt never costs a row. */
  readonly total: number
  /** All pages told one count, and that many rows came: nothing is lost and nothing doubled. */
  readonly consistent: boolean
}

const decodeIdentity = Schema.decodeUnknownOption(Schema.Struct({ uuid: Schema.String }))
const hexUuid = /^[0-9a-f]{32}$/

/** What makes two rows one: the uuid in lower case, without dashes. `undefined` where there is no usable one. */
export const rowKey = (row: unknown): string | undefined =>
  Option.getOrUndefined(
    Option.filter(
      Option.map(decodeIdentity(row), ({ uuid }) => uuid.replaceAll("-", "").toLowerCase()),
      (uuid) => hexUuid.test(uuid),
    ),
  )

/**
 * Judges one walk. Waldur's order is by `created`, which is not unique, so between two pages rows of one moment change
 * places: one then comes twice and another never.
 *
 * A uuid that one page holds twice was doubled by Waldur (a page is one query, in which nothing moves) and is in its
 * count; so it does not speak against the walk, and is still given once. Rows without a usable uuid are counted as they
 * come.
 */
export const judgeWalk = (walk: Walk): Judgement => {
  const byKey = new Map<string, { readonly row: unknown; readonly copies: number }>()
  const rows: Array<{ readonly key: string | undefined; readonly row: unknown }> = []
  let keyless = 0
  for (const page of walk.pages) {
    const copies = new Map<string, number>()
    for (const row of page.rows) {
      const key = rowKey(row)
      if (key === undefined) {
        keyless++
        rows.push({ key, row })
        continue
      }
      const before = byKey.get(key)
      const onPage = (copies.get(key) ?? 0) + 1
      copies.set(key, onPage)
      byKey.set(key, { row, copies: Math.max(onPage, before?.copies ?? 0) })
      if (before === undefined) rows.push({ key, row })
    }
  }
  let count = keyless
  for (const { copies } of byKey.values()) count += copies
  const totals = [...new Set(walk.pages.map((page) => page.total))]
  const total = Math.max(0, ...totals)
  return {
    rows: rows.map(({ key, row }) => (key === undefined ? row : byKey.get(key)?.row)),
    keys: new Set(byKey.keys()),
    count,
    totals,
    total,
    consistent: !walk.shrank && totals.length === 1 && count === total,
  }
}

/** Rows of earlier walks that this one does not have: lost between its pages, or gone from Waldur. */
export const missingFrom = (judged: Judgement, seenEarlier: ReadonlySet<string>): ReadonlyArray<string> =>
  [...seenEarlier].filter((key) => !judged.keys.has(key))

/**
 * `rows` with those of `instead` in the place of the rows of the same uuid; what only `instead` has comes last. Rows
 * without a usable uuid are taken from `rows` alone: nothing tells whether those of `instead` are the same.
 */
export const replaceRows = (rows: ReadonlyArray<unknown>, instead: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  const left = new Map(instead.map((row) => [rowKey(row), row]))
  left.delete(undefined)
  const replaced = rows.map((row) => {
    const key = rowKey(row)
    const other = left.get(key)
    left.delete(key)
    return other ?? row
  })
  return [...replaced, ...left.values()]
}
