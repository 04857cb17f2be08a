import { createHash } from "node:crypto"
import { type EntryFacets, type EntryFilter, facetsOf, type PlacedEntry, passesFilter } from "@cscs/storage-model"

/** Neighbouring entries as bytes: what one snapshot shares with the next where nothing in it changed. */
interface Chunk {
  readonly digest: string
  /** Each entry's JSON, in UTF-8. */
  readonly entries: ReadonlyArray<Uint8Array>
  readonly facets: ReadonlyArray<KeyedFacets>
}

interface KeyedFacets extends EntryFacets {
  /** Equal for equal facets. */
  readonly key: string
}

/** All entries in their order, each encoded once, with what filters ask of them. Never changes once made. */
export interface EntryTable {
  /** A digest of all that the table says: the same for the same entries, in every process. Safe in a URL. */
  readonly id: string
  readonly size: number
  /** The positions of the entries that pass the filter, in order. */
  readonly select: (filter: EntryFilter) => Uint32Array
  /** The JSON of the entry at a position, in UTF-8. */
  readonly jsonAt: (position: number) => Uint8Array
  /** For the table that follows this one. */
  readonly chunks: ReadonlyMap<string, Chunk>
}

/** Makes a table, a step of `hierarchySteps` at a time. */
export interface EntryTableBuilder {
  readonly add: (step: ReadonlyArray<PlacedEntry>) => void
  readonly build: () => EntryTable
}

/**
 * @param previous the table before: its bytes are used again where they are the same, so that several tables of nearly
 *   the same entries take little more room than one
 */
export const entryTableBuilder = (previous: EntryTable | undefined): EntryTableBuilder => {
  const chunks = new Map<string, Chunk>()
  const entries: Array<Uint8Array> = []
  const combinations: Array<EntryFacets> = []
  const numberOf = new Map<string, number>()
  const combinationAt: Array<number> = []
  const id = createHash("sha256")

  const combinationNumber = (facets: KeyedFacets): number => {
    const known = numberOf.get(facets.key)
    if (known !== undefined) return known
    numberOf.set(facets.key, combinations.length)
    return combinations.push(facets) - 1
  }

  return {
    add: (step) => {
      if (step.length === 0) return
      const made = chunkOf(step)
      const chunk = previous?.chunks.get(made.digest) ?? made
      chunks.set(chunk.digest, chunk)
      id.update(chunk.digest)
      for (const json of chunk.entries) entries.push(json)
      for (const facets of chunk.facets) combinationAt.push(combinationNumber(facets))
    },
    build: () =>
      tableOf({
        id: id.digest("base64url").slice(0, idLength),
        entries,
        combinations,
        combinationAt: Uint32Array.from(combinationAt),
        chunks,
      }),
  }
}

/** Apart from the builder, for a table that had the builder's variables in its scope would keep all tables before it. */
const tableOf = ({
  id,
  entries,
  combinations,
  combinationAt,
  chunks,
}: {
  readonly id: string
  readonly entries: ReadonlyArray<Uint8Array>
  readonly combinations: ReadonlyArray<EntryFacets>
  readonly combinationAt: Uint32Array
  readonly chunks: ReadonlyMap<string, Chunk>
}): EntryTable => ({
  id,
  size: entries.length,
  select: (filter) => {
    const passes = combinations.map((facets) => passesFilter(facets, filter))
    const positions = new Uint32Array(combinationAt.length)
    let found = 0
    for (let position = 0; position < combinationAt.length; position++) {
      if (passes[combinationAt[position] as number]) positions[found++] = position
    }
    return positions.subarray(0, found)
  },
  jsonAt: (position) => {
    const json = entries[position]
    if (json === undefined) throw new RangeError(`no entry at ${position}`)
    return json
  },
  chunks,
})

/** 132 bits: enough that no two are ever the same by chance. */
const idLength = 22

const newline = 0x0a

const chunkOf = (step: ReadonlyArray<PlacedEntry>): Chunk => {
  const facets = step.map(keyed)
  // JSON holds no newline of its own, so that one ends an entry.
  const bytes = Buffer.from(step.map(({ entry }) => `${JSON.stringify(entry)}\n`).join(""))
  const digest = createHash("sha256")
    .update(bytes)
    // What filters ask is not all in the bytes: a tenant has the states of what is below it.
    .update(facets.map(({ key }) => key).join("\n"))
    .digest("base64url")
  const entries: Array<Uint8Array> = []
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(newline, start)
    entries.push(bytes.subarray(start, end))
    start = end + 1
  }
  return { digest, entries, facets }
}

const keyed = (placed: PlacedEntry): KeyedFacets => {
  const facets = facetsOf(placed)
  const states = [...facets.states].sort()
  return { ...facets, key: JSON.stringify([facets.offeringSlug, facets.dataType, facets.status, states]) }
}
