import { Effect } from "effect"

/** A field of an object that came from outside; `undefined` where there is no object or no such field. */
export const fieldOf = (row: unknown, name: string): unknown =>
  typeof row === "object" && row !== null ? (row as Readonly<Record<string, unknown>>)[name] : undefined

const hexUuid = /^[0-9a-f]{32}$/

/** What makes two rows one: the uuid in lower case, without dashes. `undefined` where there is no usable one. */
export const rowKey = (row: unknown): string | undefined => {
  const uuid = fieldOf(row, "uuid")
  if (typeof uuid !== "string") return undefined
  if (hexUuid.test(uuid)) return uuid
  const plain = uuid.replaceAll("-", "").toLowerCase()
  return hexUuid.test(plain) ? plain : undefined
}

/** Milliseconds that a pass over many rows may keep the thread before other work has its turn. */
const turnMillis = 3

/**
 * Looks at each item in order. A hundred thousand at once would hold up every answer that the process owes, so other
 * work has its turn in between; not within an item, which must be small.
 */
export const inTurns = Effect.fnUntraced(function* <A>(items: Iterable<A>, look: (item: A) => void) {
  let turnEnds = performance.now() + turnMillis
  for (const item of items) {
    look(item)
    if (performance.now() < turnEnds) continue
    yield* Effect.yieldNow
    turnEnds = performance.now() + turnMillis
  }
})
