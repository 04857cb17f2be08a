/** What differs between two lists. Pure. */
import { isEqualJson, keyOf, pairLists, type StorageEntry } from "@cscs/storage-model"

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

/** The differences between two lists: what is gone first, the rest in the order of the list. */
export const changesBetween = (
  before: ReadonlyArray<StorageEntry>,
  now: ReadonlyArray<StorageEntry>,
  seenAt: number,
): ReadonlyArray<Change> => {
  const change = (kind: Change["kind"], entry: StorageEntry, fields: Change["fields"] = []): Change => ({
    key: keyOf(entry),
    kind,
    entry,
    fields,
    seenAt,
  })
  const { pairs, unpaired } = pairLists(now, before, keyOf)
  return [
    ...unpaired.map((entry) => change("gone", entry)),
    ...pairs.flatMap(({ item, other }) => {
      if (other === undefined) return change("added", item)
      return isEqualJson(other, item) ? [] : change("changed", item, differences(other, item))
    }),
  ]
}

type JsonRecord = Readonly<Record<string, unknown>>

const differences = (was: StorageEntry, now: StorageEntry): Change["fields"] => {
  const [a, b]: [JsonRecord, JsonRecord] = [{ ...was }, { ...now }]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((name) => !isEqualJson(a[name], b[name]))
    .map((name) => ({ name, before: a[name], now: b[name] }))
}
