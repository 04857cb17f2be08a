/** Two lists entry by entry: what is in one only, and each field that differs. */
import type { World } from "@cscs/sandbox"
import type { Expectation, ExpectedEntry } from "./expectation.ts"
import { at, differingPaths, type JsonObject, keyOrderDiffers } from "./json-values.ts"
import { dashed, keyOf, type SentEntry } from "./listings.ts"
import type { PeerVersion } from "./peers.ts"

/** What both sides were asked for. */
export interface Comparison {
  readonly peer: PeerVersion
  readonly world: World
  /** Waldur's rows that were served, by dashed uuid or what stands in its place. */
  readonly rows: ReadonlyMap<string, JsonObject>
  readonly expectation: Expectation
  readonly ours: ReadonlyArray<SentEntry>
  readonly theirs: ReadonlyArray<SentEntry>
}

export interface Difference {
  readonly kind: "field" | "only-ours" | "only-theirs" | "order"
  readonly key: string
  /** Of the field; empty for whole entries. */
  readonly path: string
  /** The field's values, or the entry; `undefined` where absent. */
  readonly ours: unknown
  readonly theirs: unknown
  /** The whole entries, where there is one. */
  readonly ourEntry: JsonObject | undefined
  readonly theirEntry: JsonObject | undefined
  /** Waldur's row of a resource's entry. */
  readonly row: JsonObject | undefined
  /** What the contract wants of the entry; `undefined` where it wants none. */
  readonly expected: ExpectedEntry | undefined
}

export interface ComparedLists {
  readonly ours: number
  readonly theirs: number
  readonly equal: number
  readonly differing: number
  readonly onlyOurs: number
  readonly onlyTheirs: number
  /** Matched entries with the same keys in another order. Not a difference. */
  readonly keyOrder: number
  /** Matched entries with an equal number written otherwise (10 and 10.0). Not a difference. */
  readonly numberSpelling: number
  readonly differences: ReadonlyArray<Difference>
}

export const compareLists = (comparison: Comparison): ComparedLists => {
  const { ours, theirs, expectation, rows } = comparison
  const left = new Map(Map.groupBy(theirs, ({ entry }) => keyOf(entry)))
  const differences: Array<Difference> = []
  const matched: Array<readonly [our: SentEntry, their: SentEntry]> = []
  let equal = 0
  const about = (key: string, entry: JsonObject) => ({
    key,
    row: rows.get(dashed(entry.itemId) ?? String(entry.itemId)),
    expected: expectation.entries.get(key),
  })
  for (const our of ours) {
    const key = keyOf(our.entry)
    const candidates = left.get(key) ?? []
    const their = closest(our, candidates)
    const ourEntry = our.entry
    if (their === undefined) {
      differences.push({
        kind: "only-ours",
        path: "",
        ours: ourEntry,
        theirs: undefined,
        ourEntry,
        theirEntry: undefined,
        ...about(key, ourEntry),
      })
      continue
    }
    left.set(
      key,
      candidates.filter((candidate) => candidate !== their),
    )
    matched.push([our, their])
    const paths = differingPaths(ourEntry, their.entry)
    if (paths.length === 0) equal += 1
    for (const path of paths) {
      differences.push({
        kind: "field",
        path,
        ours: at(ourEntry, path),
        theirs: at(their.entry, path),
        ourEntry,
        theirEntry: their.entry,
        ...about(key, ourEntry),
      })
    }
  }
  const extra = [...left.values()].flat()
  for (const { entry } of extra) {
    const key = keyOf(entry)
    differences.push({
      kind: "only-theirs",
      path: "",
      ours: undefined,
      theirs: entry,
      ourEntry: undefined,
      theirEntry: entry,
      ...about(key, entry),
    })
  }
  return {
    ours: ours.length,
    theirs: theirs.length,
    equal,
    differing: matched.length - equal,
    onlyOurs: ours.length - matched.length,
    onlyTheirs: extra.length,
    keyOrder: matched.filter(([our, their]) => keyOrderDiffers(our.entry, their.entry)).length,
    numberSpelling: matched.filter(([our, their]) => spellingDiffers(our, their)).length,
    differences: [...differences, ...orderDifferences(matched, theirs)],
  }
}

const closest = (our: SentEntry, candidates: ReadonlyArray<SentEntry>): SentEntry | undefined =>
  candidates
    .map((candidate) => ({ candidate, count: differingPaths(our.entry, candidate.entry).length }))
    .sort((a, b) => a.count - b.count)[0]?.candidate

const spellingDiffers = (our: SentEntry, their: SentEntry): boolean => {
  const values = new Set(differingPaths(our.entry, their.entry))
  return differingPaths(our.spelled, their.spelled).some((path) => !values.has(path))
}

/** One difference for each entry that stands at another place among those that both have. */
const orderDifferences = (
  matched: ReadonlyArray<readonly [our: SentEntry, their: SentEntry]>,
  theirs: ReadonlyArray<SentEntry>,
): ReadonlyArray<Difference> => {
  const ourPlace = new Map(matched.map(([, their], index) => [their, index]))
  const inTheirOrder = theirs.filter((their) => ourPlace.has(their))
  return inTheirOrder.flatMap((their, index): ReadonlyArray<Difference> => {
    const place = ourPlace.get(their)
    if (place === index) return []
    const entry = matched[place ?? 0]?.[0].entry
    return [
      {
        kind: "order",
        key: keyOf(their.entry),
        path: "",
        ours: place,
        theirs: index,
        ourEntry: entry,
        theirEntry: their.entry,
        row: undefined,
        expected: undefined,
      },
    ]
  })
}
