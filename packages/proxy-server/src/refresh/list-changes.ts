/** What differs between two lists. Reads only chunks that are not in both. */
import { cooperatively } from "@cscs/http-transport"
import type { StorageEntry } from "@cscs/storage-model"
import { Effect } from "effect"
import { type Chunk, jsonIn } from "../snapshot/entry-table.ts"

/** The entry of a line. */
export const entryIn = (line: string): StorageEntry => JSON.parse(line)

/** The chunks that are only in the list before, and those that are only in the list after. */
export const differingChunks = (before: ReadonlyArray<Chunk>, after: ReadonlyArray<Chunk>) => {
  const shorter = Math.min(before.length, after.length)
  let start = 0
  while (start < shorter && before[start] === after[start]) start += 1
  let end = 0
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end += 1
  const gone = new Set(before.slice(start, before.length - end))
  const added = after.slice(start, after.length - end).filter((chunk) => !gone.delete(chunk))
  return [[...gone], added] as const
}

/** The lines that are only in the list before, and those that are only in the list after. */
export const differingLines = Effect.fnUntraced(function* (before: ReadonlyArray<Chunk>, after: ReadonlyArray<Chunk>) {
  const gone = new Set<string>()
  const added: Array<string> = []
  const [goneChunks, addedChunks] = differingChunks(before, after)
  const [goneByResource, addedByResource] = [byFirstResource(goneChunks), byFirstResource(addedChunks)]
  yield* cooperatively(goneChunks, (chunk) => {
    for (const line of linesUnlike(chunk, counterpartOf(chunk, goneByResource, addedByResource))) gone.add(line)
  })
  yield* cooperatively(addedChunks, (chunk) => {
    for (const line of linesUnlike(chunk, counterpartOf(chunk, addedByResource, goneByResource))) {
      if (!gone.delete(line)) added.push(line)
    }
  })
  return [gone, added] as const
})

type ByResource = ReadonlyMap<string | undefined, Chunk>

const byFirstResource = (chunks: ReadonlyArray<Chunk>): ByResource =>
  new Map(chunks.map((chunk) => [chunk.resources[0], chunk]))

/** The chunk of the other list that begins with the same resource, if each is the only one in its list. */
const counterpartOf = (chunk: Chunk, own: ByResource, others: ByResource): Chunk | undefined =>
  own.get(chunk.resources[0]) === chunk ? others.get(chunk.resources[0]) : undefined

/** The lines that differ from those of a counterpart at the same place: most are equal, so they are compared as bytes. */
const linesUnlike = (chunk: Chunk, other: Chunk | undefined): ReadonlyArray<string> =>
  Array.from(chunk.ends, (_, at) => at)
    .filter((at) => other === undefined || at >= other.ends.length || !jsonIn(chunk, at).equals(jsonIn(other, at)))
    .map((at) => jsonIn(chunk, at).toString())

/**
 * Numbers of entries that were added, removed and changed, by item. Entries of one item, such as a tenant's directories
 * of several data types, are paired in any order.
 */
export const countChanges = Effect.fnUntraced(function* (before: ReadonlyArray<Chunk>, after: ReadonlyArray<Chunk>) {
  const [gone, added] = yield* differingLines(before, after)
  const unpaired = new Map<string, number>()
  let changed = 0
  yield* cooperatively(gone, (line) => {
    const { itemId } = entryIn(line)
    unpaired.set(itemId, (unpaired.get(itemId) ?? 0) + 1)
  })
  yield* cooperatively(added, (line) => {
    const { itemId } = entryIn(line)
    const left = unpaired.get(itemId) ?? 0
    if (left === 0) return
    unpaired.set(itemId, left - 1)
    changed += 1
  })
  return { added: added.length - changed, removed: gone.size - changed, changed }
})
