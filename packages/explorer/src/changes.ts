/** The differences between two lists. Pure. */
import { isEqualJson, type StorageEntry } from "@cscs/storage-model"
import type { Tree } from "./tree.ts"

/** A difference between two lists. */
export interface Change {
  readonly key: string
  readonly kind: "added" | "changed" | "gone"
  /** The current entry; if it is gone, its last version. */
  readonly entry: StorageEntry
  /** The fields that differ, old against new; empty unless `kind` is `changed`. */
  readonly fields: ReadonlyArray<{ readonly name: string; readonly before: unknown; readonly now: unknown }>
  /** When this page saw the change, in milliseconds since 1970. */
  readonly seenAt: number
}

/** How many changes the page keeps: more than an operator reads. */
export const changesKept = 100

/** The differences between two lists, removed entries first. `now` must reuse the objects of entries that are equal in `before`. */
export const changesBetween = (before: Tree, now: Tree, seenAt: number): ReadonlyArray<Change> => {
  const changes: Array<Change> = []
  for (const [key, { entry }] of before.nodes)
    if (entry !== undefined && !now.nodes.has(key)) changes.push({ key, kind: "gone", entry, fields: [], seenAt })
  for (const [key, { entry }] of now.nodes) {
    const other = before.nodes.get(key)?.entry
    if (entry === undefined || entry === other) continue
    if (other === undefined) changes.push({ key, kind: "added", entry, fields: [], seenAt })
    else changes.push({ key, kind: "changed", entry, fields: differences(other, entry), seenAt })
  }
  return changes
}

type JsonRecord = Readonly<Record<string, unknown>>

const differences = (was: StorageEntry, now: StorageEntry): Change["fields"] => {
  const [a, b]: [JsonRecord, JsonRecord] = [{ ...was }, { ...now }]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((name) => !isEqualJson(a[name], b[name]))
    .map((name) => ({ name, before: a[name], now: b[name] }))
}
