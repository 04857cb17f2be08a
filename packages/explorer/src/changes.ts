/** What differs between two lists. Pure. */
import { keyOf, type StorageEntry } from "@cscs/storage-model"

/** A difference between two lists. */
export interface Change {
  readonly key: string
  readonly kind: "added" | "changed" | "gone"
  /** The entry now; for one that is gone, as it was. */
  readonly entry: StorageEntry
  /** The fields that differ, old against new; empty unless it is changed. */
  readonly fields: ReadonlyArray<{ readonly name: string; readonly before: unknown; readonly now: unknown }>
  /** When this page saw it, in milliseconds since 1970. */
  readonly seenAt: number
}

/** How many changes the list keeps: more than a person reads. */
export const changesKept = 100

/** Whether two JSON values are equal. */
const isEqual = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isEqual((a as JsonRecord)[key], (b as JsonRecord)[key]))
  )
}
type JsonRecord = Readonly<Record<string, unknown>>

/** The differences between two lists: what is gone first, the rest in the order of the list. */
export const changesBetween = (
  before: ReadonlyArray<StorageEntry>,
  now: ReadonlyArray<StorageEntry>,
  seenAt: number,
): ReadonlyArray<Change> => {
  const old = new Map(before.map((entry) => [keyOf(entry), entry]))
  const changes: Array<Change> = []
  for (const entry of now) {
    const key = keyOf(entry)
    const was = old.get(key)
    old.delete(key)
    if (was === undefined) changes.push({ key, kind: "added", entry, fields: [], seenAt })
    else if (!isEqual(was, entry))
      changes.push({ key, kind: "changed", entry, fields: differences(was, entry), seenAt })
  }
  return [...[...old].map(([key, entry]): Change => ({ key, kind: "gone", entry, fields: [], seenAt })), ...changes]
}

const differences = (was: StorageEntry, now: StorageEntry): Change["fields"] => {
  const [a, b]: [JsonRecord, JsonRecord] = [{ ...was }, { ...now }]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((name) => !isEqual(a[name], b[name]))
    .map((name) => ({ name, before: a[name], now: b[name] }))
}
