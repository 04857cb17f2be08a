/** Checks a response against the oracle. */
import type { Filter, Oracle, Place, Window } from "./oracle.ts"

/** A page of a list, or a whole list. */
export interface ListedEntries {
  readonly entries: ReadonlyArray<unknown>
  readonly filter: Filter
  /** The offset of these entries, and the total; `undefined` for a whole list. */
  readonly page: { readonly offset: number; readonly limit: number; readonly total: number } | undefined
}

/** A fault of a response. */
export interface Mismatch {
  readonly what: string
  /** The actual and the expected value. */
  readonly found?: unknown
  readonly expected?: unknown
}

/** Checks a list that was read within the window; `wrong` is its first fault, or `undefined`. */
export const checkList = (oracle: Oracle, window: Window, listed: ListedEntries) => {
  const places = oracle(window, listed.filter)
  const projects = new Set<string>()
  return {
    wrong: fault(places, listed, projects),
    /** Whether only one list was possible: nothing changed in the window. */
    isExact: places.every(({ entries, isOptional }) => !isOptional && entries.size === 1),
    entries: listed.entries.length,
    /** Slugs of the projects with entries in the list. */
    projects: projects as ReadonlySet<string>,
  }
}

const fault = (
  places: ReadonlyArray<Place>,
  { entries, page }: ListedEntries,
  projects: Set<string>,
): Mismatch | undefined => {
  const indexes = new Map(places.map(({ key }, index) => [key, index]))
  const required = (from: number, to?: number) => places.slice(from, to).filter(({ isOptional }) => !isOptional)
  const { offset, limit, total } = page ?? { offset: 0, limit: entries.length, total: entries.length }
  let last = -1
  let first = places.length
  for (const [at, entry] of entries.entries()) {
    const text = JSON.stringify(entry)
    const index = indexes.get(keyIn(entry))
    const place = places[index ?? -1]
    if (index === undefined || place === undefined) {
      return { what: `entry ${at} does not belong in the list`, found: entry }
    }
    if (!place.entries.has(text)) {
      return { what: `entry ${at} has a wrong value`, found: entry, expected: shown(place) }
    }
    if (index <= last) return { what: `entry ${at} is a duplicate, or out of order`, found: entry }
    if (at === 0) first = index
    const [skipped] = at > 0 || offset === 0 ? required(last + 1, index) : []
    if (skipped !== undefined) return { what: `an entry is missing before entry ${at}`, expected: shown(skipped) }
    last = index
    if (place.projectSlug !== undefined) projects.add(place.projectSlug)
  }

  const isEnd = offset + entries.length === total && (entries.length > 0 || offset === 0)
  const [missing] = isEnd ? required(last + 1) : []
  if (missing !== undefined) return { what: "an entry is missing at the end", expected: shown(missing) }
  const all = required(0).length
  if (total < all || total > places.length) {
    return { what: "the total is wrong", found: total, expected: `${all} to ${places.length}` }
  }
  const expected = Math.max(0, Math.min(limit, total - offset))
  if (entries.length !== expected) {
    return { what: "the page has fewer or more entries than its total implies", found: entries.length, expected }
  }
  const least = required(0, first).length
  if (entries.length > 0 && (offset < least || offset > first)) {
    return { what: "the page has a wrong start", found: offset, expected: `${least} to ${first}` }
  }
  return undefined
}

const shown = ({ entries }: Place): ReadonlyArray<unknown> => [...entries].map((one) => JSON.parse(one) as unknown)

const keyIn = (entry: unknown): string => {
  const { itemId, storageSystem, storageDataType } = entry as Partial<Record<string, { readonly key?: string }>>
  return `${itemId} ${storageSystem?.key} ${storageDataType?.key}`
}
