/** The encoded entries of a snapshot, in chunks that successive snapshots share. */
import { createHash } from "node:crypto"
import {
  type EntryFacets,
  type EntryFilter,
  facetsOf,
  isOfResource,
  type PlacedEntry,
  passesFilter,
  waldurStates,
} from "@cscs/storage-model"
import { contentDigest } from "./content-digest.ts"

/** Neighbouring entries of one storage system as bytes. Successive snapshots share unchanged chunks. */
export interface Chunk {
  /** Digest of all other fields. */
  readonly digest: string
  /** Each entry's JSON, in UTF-8, one to a line. */
  readonly bytes: Buffer
  /** Where each entry's JSON ends. */
  readonly ends: Uint32Array
  /** The distinct facets of the entries, which filters test. */
  readonly facets: ReadonlyArray<EntryFacets>
  /** Each entry's index into `facets`. */
  readonly facetsAt: Uint8Array
  /** UUIDs of the resources among the entries. */
  readonly resources: ReadonlyArray<string>
}

/**
 * A string's bytes in memory of their own. Node's small buffers share slabs of 64 KiB, and a chunk that stays for hours
 * would keep a whole one.
 */
export const bytesOf = (text: string): Buffer => {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
  bytes.write(text)
  return bytes
}

/** All entries in order, each encoded once, with the facets that filters test. Immutable. */
export interface EntryTable {
  /** A digest of the whole table: equal for equal entries, in every process. Safe in a URL. */
  readonly id: string
  readonly size: number
  /** The positions of the entries that pass the filter, in order. */
  readonly select: (filter: EntryFilter) => Uint32Array
  /** The JSON of each entry that passes the filter, in order, in UTF-8; evaluated lazily. */
  readonly jsonOf: (filter: EntryFilter) => Iterable<Uint8Array>
  /** The JSON of the entry at a position, in UTF-8. */
  readonly jsonAt: (position: number) => Uint8Array
  /** UUIDs of the resources among the entries. */
  readonly resources: () => ReadonlySet<string>
  readonly chunks: ReadonlyArray<Chunk>
}

const newline = 0x0a

/** Concatenates chunks. */
export const entryTable = (chunks: ReadonlyArray<Chunk>): EntryTable => {
  const starts = new Uint32Array(chunks.length + 1)
  chunks.forEach((chunk, index) => {
    starts[index + 1] = (starts[index] ?? 0) + chunk.ends.length
  })
  const size = starts[chunks.length] ?? 0
  return {
    id: contentDigest(chunks.map(({ digest }) => digest).join("")),
    size,
    chunks,
    select: (filter) => {
      const positions = new Uint32Array(size)
      let found = 0
      chunks.forEach(({ facets, facetsAt }, index) => {
        const passes = facets.map((one) => passesFilter(one, filter))
        const start = starts[index] ?? 0
        for (let at = 0; at < facetsAt.length; at++) {
          if (passes[facetsAt[at] ?? 0]) positions[found++] = start + at
        }
      })
      return positions.subarray(0, found)
    },
    jsonOf: function* (filter) {
      for (const chunk of chunks) {
        const { facets, facetsAt } = chunk
        const passes = facets.map((one) => passesFilter(one, filter))
        for (let at = 0; at < facetsAt.length; at++) {
          if (passes[facetsAt[at] ?? 0]) yield jsonIn(chunk, at)
        }
      }
    },
    jsonAt: (position) => {
      const index = lastNotAbove(starts, position)
      const chunk = chunks[index]
      const at = position - (starts[index] ?? 0)
      if (chunk === undefined || position < 0 || position >= size) throw new RangeError(`no entry at ${position}`)
      return jsonIn(chunk, at)
    },
    resources: () => new Set(chunks.flatMap(({ resources }) => resources)),
  }
}

/** The index of the last number that is not above the limit; the numbers ascend from 0. */
const lastNotAbove = (numbers: Uint32Array, limit: number): number => {
  let low = 0
  let high = numbers.length
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if ((numbers[middle] ?? 0) <= limit) low = middle
    else high = middle
  }
  return low
}

/**
 * Small, because a changed entry duplicates its whole chunk for as long as a caller may be walking through the old
 * pages.
 */
export const entriesInChunk = 16

/** Receives an entry that cannot be encoded, such as one too deep for JSON; the other entries are not affected. */
export type OnUnencodable = (placed: PlacedEntry) => void

/**
 * Encodes the entries of parts of a tree; each part is one that `HierarchyBuilder` builds.
 *
 * @param previous the table before; its chunks are reused if they are equal
 * @param onUnencodable called for each entry that is skipped because it cannot be encoded
 */
export const chunkEncoder = (
  previous: EntryTable | undefined,
  onUnencodable: OnUnencodable = () => {},
): ((step: ReadonlyArray<PlacedEntry>) => ReadonlyArray<Chunk>) => {
  const known = new Map(previous?.chunks.map((chunk) => [chunk.digest, chunk]))
  return (step) => {
    const chunks: Array<Chunk> = []
    for (let start = 0; start < step.length; start += entriesInChunk) {
      const made = encoded(step.slice(start, start + entriesInChunk), onUnencodable)
      if (made !== undefined) chunks.push(known.get(made.digest) ?? made)
    }
    return chunks
  }
}

const encoded = (placed: ReadonlyArray<PlacedEntry>, onUnencodable: OnUnencodable): Chunk | undefined => {
  const lines: Array<string> = []
  const neighbours: Array<PlacedEntry> = []
  for (const one of placed) {
    const json = jsonOf(one)
    if (json === undefined) {
      onUnencodable(one)
      continue
    }
    // JSON contains no raw newline, so a newline ends an entry.
    lines.push(`${json}\n`)
    neighbours.push(one)
  }
  if (neighbours.length === 0) return undefined
  const facets: Array<EntryFacets> = []
  const numbers = new Map<string, number>()
  let last: { readonly placed: PlacedEntry; readonly number: number } | undefined
  const numberOf = (placed: PlacedEntry): number => {
    // Most neighbours are alike.
    if (last !== undefined && haveSameFacets(last.placed, placed)) return last.number
    const one = facetsOf({ ...placed, states: filteredStates(placed.states) })
    const key = keyOf(one)
    const number = numbers.get(key) ?? facets.push(one) - 1
    numbers.set(key, number)
    last = { placed, number }
    return number
  }
  const facetsAt = Uint8Array.from(neighbours, numberOf)
  return chunkOf({
    bytes: bytesOf(lines.join("")),
    facets,
    facetsAt,
    resources: neighbours.flatMap(({ entry }) => (isOfResource(entry) ? [entry.itemId] : [])),
  })
}

const jsonOf = ({ entry }: PlacedEntry): string | undefined => {
  try {
    return JSON.stringify(entry)
  } catch {
    return undefined
  }
}

const haveSameFacets = (a: PlacedEntry, b: PlacedEntry): boolean =>
  a.states === b.states &&
  a.offeringSlug === b.offeringSlug &&
  a.entry.status === b.entry.status &&
  a.entry.storageDataType === b.entry.storageDataType

/** The states that a filter can name; any other text, of any length, is dropped. */
const filteredStates = (states: ReadonlySet<string>): ReadonlySet<string> =>
  new Set(waldurStates.filter((state) => states.has(state)))

/** The JSON of the entry at an index in a chunk, in UTF-8. */
export const jsonIn = ({ bytes, ends }: Chunk, at: number): Buffer =>
  bytes.subarray(at === 0 ? 0 : (ends[at - 1] ?? 0) + 1, ends[at])

/** The JSON of each entry. */
export const jsonLinesOf = ({ bytes }: Chunk): ReadonlyArray<string> =>
  new TextDecoder().decode(bytes).split("\n").slice(0, -1)

/** Rebuilds a chunk from its stored parts. Its digest shows whether they are what was once encoded. */
export const chunkOf = (kept: Omit<Chunk, "digest" | "ends">): Chunk => {
  const { bytes, facets, facetsAt, resources } = kept
  const digest = createHash("sha256")
    .update(bytes)
    // Facets are not fully contained in the bytes: a tenant has the states of its descendants.
    .update(facetsAt)
    .update([...facets.map(keyOf), ...resources].join("\n"))
    .digest("base64url")
  return { ...kept, digest, ends: endsIn(bytes, facetsAt.length) }
}

/** Where the lines end. */
const endsIn = (bytes: Uint8Array, lines: number): Uint32Array => {
  const ends = new Uint32Array(lines)
  let start = 0
  for (let line = 0; line < lines; line++) {
    ends[line] = bytes.indexOf(newline, start)
    start = (ends[line] ?? 0) + 1
  }
  return ends
}

const keyOf = ({ offeringSlug, dataType, status, states }: EntryFacets): string =>
  JSON.stringify([offeringSlug, dataType, status, [...states].sort()])
