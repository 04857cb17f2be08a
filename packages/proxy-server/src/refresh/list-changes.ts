/** What differs between two lists. Reads only chunks that are not in both. */
import { cooperatively } from "@cscs/http-transport"
import type { StorageEntry } from "@cscs/storage-model"
import { Effect } from "effect"
import { type Chunk, jsonLinesOf } from "../snapshot/entry-table.ts"

/** The entry of a line. */
export const entryIn = (line: string): StorageEntry => JSON.parse(line)

/** The lines that are only in the list before, and those that are only in the list after. */
export const differingLines = Effect.fnUntraced(function* (before: ReadonlyArray<Chunk>, after: ReadonlyArray<Chunk>) {
  const gone = new Set<string>()
  const added: Array<string> = []
  // A refresh that finds no change keeps the list.
  if (before === after) return [gone, added] as const
  const kept = new Set(before.map(({ digest }) => digest))
  const made = new Set(after.map(({ digest }) => digest))
  yield* cooperatively(before, (chunk) => {
    if (!made.has(chunk.digest)) for (const line of jsonLinesOf(chunk)) gone.add(line)
  })
  yield* cooperatively(after, (chunk) => {
    if (!kept.has(chunk.digest)) for (const line of jsonLinesOf(chunk)) if (!gone.delete(line)) added.push(line)
  })
  return [gone, added] as const
})

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
