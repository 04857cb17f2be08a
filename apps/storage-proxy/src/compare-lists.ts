/** Compares two lists of storage entries, of any version: a field may hold anything, or be absent. */
import { isEqualJson, isJsonObject, pairLists, property } from "@cscs/storage-model"

/** A field that differs. `old` or `new` is absent if that entry lacks the field. */
export interface FieldChange {
  /** `target.targetItem.unixGid`, `quotas.0.quota`. */
  readonly field: string
  readonly old?: unknown
  readonly new?: unknown
}

/** What identifies an entry, as it is in the list; `undefined` if it is not a string. */
export interface EntryName {
  readonly itemId: string | undefined
  readonly mountPoint: string | undefined
  readonly status: string | undefined
}

/**
 * - `added`, `gone`: only in the new list, only in the old one
 * - `changed`: the same item at the same mount point
 * - `moved`: the same item at another mount point
 * - `replaced`: another item at the same mount point
 */
export type DifferenceKind = "added" | "gone" | "changed" | "moved" | "replaced"

export interface Difference {
  readonly kind: DifferenceKind
  readonly old?: EntryName
  readonly new?: EntryName
  /** The differing fields of a pair; for `moved` and `replaced` including the mount point or item id itself. */
  readonly changes: ReadonlyArray<FieldChange>
}

export interface Comparison {
  /** Entries that are the same in both, apart from ignored fields. */
  readonly equal: number
  readonly differences: ReadonlyArray<Difference>
}

interface Side {
  readonly entry: unknown
  readonly text: string
  readonly name: EntryName
  /** The item id in lower case without dashes: 0.7.7 lists some UUIDs as 32 hex digits. */
  readonly id: string | undefined
}

/**
 * Compares two lists. The order of entries and keys does not count. Entries that a list repeats literally count once:
 * each page of 0.7.7 has the parents of its resources.
 *
 * Pairs are sought in this order: equal entries; same item id and mount point; same item id, storage system and data type;
 * same item id; same mount point. The last three only if they are unambiguous in both lists.
 *
 * @param ignored fields, with everything below, whose changes do not count. `moved` and `replaced` count in any case
 */
export const compareLists = (
  old: ReadonlyArray<unknown>,
  next: ReadonlyArray<unknown>,
  ignored: ReadonlyArray<string> = [],
): Comparison => {
  let before = sidesOf(old)
  let after = sidesOf(next)
  const differences: Array<Difference> = []
  let equal = 0
  for (const { keyOf, isUnique } of pairings) {
    const repeated = isUnique ? repeatedIn([before, after], keyOf) : undefined
    const { pairs, unpaired } = pairLists(before, after, (side) => {
      const key = keyOf(side)
      return repeated?.has(key) ? undefined : key
    })
    for (const { item: a, other: b } of pairs) {
      if (b === undefined) continue
      const changes = changesOf(a.entry, b.entry).filter(({ field }) => !isIgnored(field, ignored))
      const kind = a.id !== b.id ? "replaced" : a.name.mountPoint !== b.name.mountPoint ? "moved" : "changed"
      if (kind === "changed" && changes.length === 0) equal++
      else differences.push({ kind, old: a.name, new: b.name, changes })
    }
    before = pairs.filter(({ other }) => other === undefined).map(({ item }) => item)
    after = unpaired
  }
  for (const { name } of before) differences.push({ kind: "gone", old: name, changes: [] })
  for (const { name } of after) differences.push({ kind: "added", new: name, changes: [] })
  return { equal, differences }
}

/** The keys that occur more than once in one of the lists. */
const repeatedIn = (lists: ReadonlyArray<ReadonlyArray<Side>>, keyOf: (side: Side) => string | undefined) =>
  new Set(
    lists.flatMap((list) => [...Map.groupBy(list, keyOf)].flatMap(([key, sides]) => (sides.length > 1 ? [key] : []))),
  )

const sidesOf = (entries: ReadonlyArray<unknown>): ReadonlyArray<Side> =>
  Array.from(new Map(entries.map((entry) => [canonical(entry), entry])), ([text, entry]) => {
    const mountPoint = property(entry, "mountPoint")
    const itemId = textIn(property(entry, "itemId"))
    const name = {
      itemId,
      mountPoint: textIn(property(mountPoint, "default")) ?? textIn(mountPoint),
      status: textIn(property(entry, "status")),
    }
    return { entry, text, name, id: itemId?.toLowerCase().replaceAll("-", "") }
  })

/** A text that is equal for values that differ in the order of keys only. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    isJsonObject(part) ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1))) : part,
  )

const textIn = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

const keyOfAll = (...parts: ReadonlyArray<unknown>) =>
  parts.every((part) => typeof part === "string") ? JSON.stringify(parts) : undefined

const pairings: ReadonlyArray<{
  /** Entries with the same key are the same; `undefined` matches nothing. */
  readonly keyOf: (side: Side) => string | undefined
  readonly isUnique: boolean
}> = [
  { keyOf: ({ text }) => text, isUnique: false },
  { keyOf: ({ id, name }) => keyOfAll(id, name.mountPoint), isUnique: false },
  // A tenant or customer has one entry for each of them.
  {
    keyOf: ({ id, entry }) =>
      keyOfAll(id, ...["storageSystem", "storageDataType"].map((field) => property(property(entry, field), "key"))),
    isUnique: true,
  },
  { keyOf: ({ id }) => id, isUnique: true },
  { keyOf: ({ name }) => name.mountPoint, isUnique: true },
]

const isIgnored = (field: string, ignored: ReadonlyArray<string>) =>
  ignored.some((one) => field === one || field.startsWith(`${one}.`))

const changesOf = (old: unknown, next: unknown, path = ""): ReadonlyArray<FieldChange> => {
  const areBoth = (isJsonObject(old) && isJsonObject(next)) || (Array.isArray(old) && Array.isArray(next))
  if (!areBoth) return isEqualJson(old, next) ? [] : [{ field: path, old, new: next }]
  const [before, after]: [JsonRecord, JsonRecord] = [{ ...old }, { ...next }]
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) => {
    const field = path === "" ? key : `${path}.${key}`
    if (!Object.hasOwn(after, key)) return [{ field, old: before[key] }]
    return Object.hasOwn(before, key) ? changesOf(before[key], after[key], field) : [{ field, new: after[key] }]
  })
}

type JsonRecord = Readonly<Record<string, unknown>>
