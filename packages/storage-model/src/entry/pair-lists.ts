/** Compares two lists of entries: which items are in both, and whether they are equal. */

/** The items of a list with their counterparts in another. */
export interface PairedLists<A> {
  /** Each item of the list, in its order; `other` is `undefined` if the other list has none with its key. */
  readonly pairs: ReadonlyArray<{ readonly item: A; readonly other: A | undefined }>
  /** The rest of the other list, in its order. */
  readonly unpaired: ReadonlyArray<A>
}

/**
 * Pairs the items of two lists that have the same key; those that share a key within a list, in their order. No object is
 * twice in a list.
 *
 * @param keyOf identifies an item; `undefined` pairs it with none
 */
export const pairLists = <A extends object>(
  list: ReadonlyArray<A>,
  others: ReadonlyArray<A>,
  keyOf: (item: A) => string | undefined,
): PairedLists<A> => {
  const waiting = Map.groupBy(others, keyOf)
  const pairs = list.map((item) => {
    const key = keyOf(item)
    return { item, other: key === undefined ? undefined : waiting.get(key)?.shift() }
  })
  const left = new Set([...waiting.values()].flat())
  return { pairs, unpaired: others.filter((other) => left.has(other)) }
}

type JsonRecord = Readonly<Record<string, unknown>>

/** Whether two JSON values are equal; the order of an object's keys does not count. */
export const isEqualJson = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false
  const keys = Object.keys(a)
  return (
    Array.isArray(a) === Array.isArray(b) &&
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isEqualJson((a as JsonRecord)[key], (b as JsonRecord)[key]))
  )
}
