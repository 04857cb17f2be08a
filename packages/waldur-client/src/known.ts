/**
 * What a read of resources leaves for the next one, so that unchanged rows stay the same objects and the cost of a read
 * depends on what changed. It is kept in weak maps by the rows of a `ResourceRead`, so it is freed with them; a failed
 * read does not change it.
 */
import { hash } from "node:crypto"
import { cooperatively } from "@cscs/http-transport"
import { Effect } from "effect"
import type { WaldurCalls } from "./calls.ts"
import type { Walk } from "./consistency.ts"
import { cameWithOrder, isIdentical, rowKey } from "./rows.ts"

type Rows = ReadonlyArray<unknown>

/** The rows of a read by identity. */
interface Index {
  /** The position of each identity; the first if several rows have it. */
  readonly places: ReadonlyMap<string, number>
  /** The identities of the rows that came with an order. */
  readonly ordered: ReadonlyArray<string>
}

/** Parsed pages by the digest of their bytes. A row that equals one of the read with which they are kept is the same object. */
type Pages = ReadonlyMap<string, Rows>

/** The pages that a read consists of. */
interface KnownPages {
  /** The pages of the last full read. */
  readonly all: Pages
  /** The pages of orders in progress, and those of the changes if these were read last. */
  readonly recent: Pages
}

const indexes = new WeakMap<Rows, Index>()
const pagesOfReads = new WeakMap<Rows, KnownPages>()

/** The digest of a page as received; a list derived from it has none. */
const digests = new WeakMap<Rows, string>()

const noPages: KnownPages = { all: new Map(), recent: new Map() }

const indexOf = Effect.fnUntraced(function* (rows: Rows): Effect.fn.Return<Index> {
  const known = indexes.get(rows)
  if (known !== undefined) return known
  const places = new Map<string, number>()
  let place = 0
  yield* cooperatively(rows, (row) => {
    const key = rowKey(row)
    if (key !== undefined && !places.has(key)) places.set(key, place)
    place++
  })
  const index = { places, ordered: yield* orderedIn(rows, places) }
  indexes.set(rows, index)
  return index
})

/** The identities of the rows of a read that came with an order. */
export const orderedKeys = (rows: Rows): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(indexOf(rows), ({ ordered }) => ordered)

/** `calls`, but a page with the same bytes as in the read of `last` is not parsed again, and equal rows are those of `last`. */
export const recognising = Effect.fnUntraced(function* (calls: WaldurCalls, last: Rows): Effect.fn.Return<WaldurCalls> {
  const { places } = yield* indexOf(last)
  const { all, recent } = pagesOfReads.get(last) ?? noPages
  const reader = () => {
    let digest = ""
    return {
      recognise: (content: Uint8Array): unknown => {
        // Hashing costs a fifth of decoding and parsing; keeping the bytes would double the memory.
        digest = hash("sha256", content, "base64")
        return recent.get(digest) ?? all.get(digest)
      },
      parse: (text: string): unknown => {
        const page: unknown = JSON.parse(text)
        if (!Array.isArray(page)) return page
        digests.set(page, digest)
        // Once per identity: comparing a huge row with thousands of the same uuid would take too long.
        const compared = new Set<string>()
        for (const [index, row] of page.entries()) {
          const key = rowKey(row)
          if (key === undefined || compared.has(key)) continue
          compared.add(key)
          const previous = last[places.get(key) ?? -1]
          if (isIdentical(row, previous)) page[index] = previous
        }
        return page
      },
    }
  }
  return { ...calls, page: (path, query) => calls.page(path, query, reader()) }
})

/**
 * The rows of a full read, with the objects of `last` for equal ones; `last` itself if there is no difference.
 *
 * @param ambiguous identities with several rows, of which only those at the same position are compared
 */
export const withKnownRows = Effect.fnUntraced(function* (
  rows: Rows,
  ambiguous: ReadonlySet<string>,
  last: Rows,
): Effect.fn.Return<Rows> {
  const { places } = yield* indexOf(last)
  const known: Array<unknown> = []
  let isChanged = rows.length !== last.length
  let isMoved = isChanged
  yield* cooperatively(rows, (row) => {
    const position = known.length
    const there = last[position]
    if (row === there) {
      known.push(row)
      return
    }
    const key = rowKey(row)
    const previous = key === undefined || ambiguous.has(key) ? there : last[places.get(key) ?? -1]
    const same = isIdentical(row, previous) ? previous : row
    if (same !== there) isChanged = true
    if (key !== rowKey(there)) isMoved = true
    known.push(same)
  })
  if (!isChanged) return last
  if (!isMoved) indexes.set(known, { places, ordered: yield* orderedIn(known, places) })
  return known
})

/** The identities of the rows that came with an order. */
const orderedIn = Effect.fnUntraced(function* (rows: Rows, places: Index["places"]) {
  const ordered: Array<string> = []
  let position = 0
  yield* cooperatively(rows, (row) => {
    const key = cameWithOrder(row) ? rowKey(row) : undefined
    if (key !== undefined && places.get(key) === position) ordered.push(key)
    position++
  })
  return ordered
})

/**
 * `last`, with each row that differs replaced by the one of `replacements` with the same uuid; new ones come last.
 * `last` itself if nothing differs. The cost is that of `replacements`, one copy of the list, and with a new row one of its
 * index.
 *
 * @param replacements each identity once; rows without a usable uuid cannot be matched and are skipped
 */
export const withChanges = Effect.fnUntraced(function* (last: Rows, replacements: Rows): Effect.fn.Return<Rows> {
  const index = yield* indexOf(last)
  const { ordered } = index
  let { places } = index
  const changed: Array<string> = []
  const rows = [...last]
  yield* cooperatively(replacements, (row) => {
    const key = rowKey(row)
    if (key === undefined) return
    const place = places.get(key)
    if (place !== undefined && isIdentical(row, last[place])) return
    changed.push(key)
    if (place !== undefined) {
      rows[place] = row
      return
    }
    // Copied, since `last` keeps its own.
    if (places === index.places) places = new Map(places)
    ;(places as Map<string, number>).set(key, rows.length)
    rows.push(row)
  })
  if (changed.length === 0) return last
  const mayHaveOrder = [...new Set([...ordered, ...changed])]
  indexes.set(rows, {
    places,
    ordered: mayHaveOrder.filter((key) => cameWithOrder(rows[places.get(key) ?? -1])),
  })
  return rows
})

/**
 * Keeps the pages of a read with its rows, for the next one.
 *
 * @param last the rows of the previous read; its pages of a full read are kept on if `all` is missing
 */
export const keepPages = (
  rows: Rows,
  last: Rows,
  { all, recent }: { readonly all?: Walked; readonly recent: ReadonlyArray<Walked> },
): void => {
  pagesOfReads.set(rows, {
    all: all === undefined ? (pagesOfReads.get(last) ?? noPages).all : pagesOf([all]),
    recent: pagesOf(recent),
  })
}

type Walked = Pick<Walk, "pages">

const pagesOf = (lists: ReadonlyArray<Walked>): Pages => {
  const pages = new Map<string, Rows>()
  for (const { rows } of lists.flatMap((list) => list.pages)) {
    const digest = digests.get(rows)
    if (digest !== undefined) pages.set(digest, rows)
  }
  return pages
}
