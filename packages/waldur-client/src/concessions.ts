import { elapsedMillis } from "@cscs/http-transport"
import { Duration, Effect } from "effect"

/** Query parameters in order; where Waldur wants several values of a name, the name is repeated. */
export type Query = ReadonlyArray<readonly [name: string, value: string]>

/** How long lists are counted by GET after a HEAD failed; then HEAD is tried again, should a gateway have learnt it. */
const headPause = Duration.toMillis("10 minutes")

/**
 * Parameters without which a list is the same, but costs more: `o` since each read is judged by its identities,
 * `visible_to_providers` since the model itself holds back what has not reached the provider, `field` since without it
 * whole objects come.
 */
const dispensable = {
  o: "rows come in Waldur's own order",
  visible_to_providers: "resources that have not reached the provider are held back by their orders",
  field: "whole objects are read, which takes longer",
} as const

type Dispensable = keyof typeof dispensable

const isDispensable = (name: string): name is Dispensable => Object.hasOwn(dispensable, name)

/**
 * What this Waldur, or a gateway before it, refuses of our queries, and is therefore asked without. It holds until the next
 * full read of the resources, which asks for all of it again: an upgrade is noticed. Each is logged once.
 */
export interface Concessions {
  /** In sentences, for an operator. */
  readonly all: () => ReadonlyArray<string>
  /** What is left of a query to a list. */
  readonly apply: (path: string, query: Query) => Query
  /** Leaves out what a 400 names and a list can do without; false where there is no such thing. */
  readonly leaveOut: (path: string, query: Query, named: ReadonlyArray<string>) => Effect.Effect<boolean>
  /** Remembers something else that does without; `sentence` says what, and what it costs. */
  readonly make: (key: string, sentence: string) => Effect.Effect<void>
  readonly has: (key: string) => boolean
  /** Rows that a page of a list has at most, as it showed; none where as many come as are asked for. */
  readonly pageCap: (path: string) => number | undefined
  readonly setPageCap: (path: string, rows: number) => Effect.Effect<void>
  /** HEAD works (again). */
  readonly useHead: Effect.Effect<void>
  /** Counts by GET for a while. */
  readonly avoidHead: (why: string) => Effect.Effect<void>
  readonly mayHead: Effect.Effect<boolean>
  /** Asks for all of it again. */
  readonly reset: Effect.Effect<void>
}

/** The collection that a path is of: its lists and objects are checked alike. */
const collectionOf = (path: string): string => path.slice(0, path.indexOf("/") + 1)

const headKey = "HEAD"

export const makeConcessions = (): Concessions => {
  let held = new Map<string, string>()
  let caps = new Map<string, number>()
  const logged = new Set<string>()
  let headAgainAt = Number.NEGATIVE_INFINITY

  const make: Concessions["make"] = (key, sentence) =>
    Effect.suspend(() => {
      held.set(key, sentence)
      if (logged.has(key)) return Effect.void
      logged.add(key)
      return Effect.logWarning(sentence)
    })
  const keyOf = (path: string, name: string) => `${collectionOf(path)}?${name}`

  return {
    all: () => [...held.values()],
    has: (key) => held.has(key),
    make,
    apply: (path, query) =>
      held.size === 0 ? query : query.filter(([name]) => !isDispensable(name) || !held.has(keyOf(path, name))),
    leaveOut: Effect.fnUntraced(function* (path, query, named) {
      const refused = named.filter(isDispensable).filter((name) => query.some(([asked]) => asked === name))
      for (const name of refused) {
        yield* make(
          keyOf(path, name),
          `Waldur refuses the parameter ${name} of ${collectionOf(path)}: it is left out; ${dispensable[name]}`,
        )
      }
      return refused.length > 0
    }),
    pageCap: (path) => caps.get(path),
    setPageCap: (path, rows) =>
      Effect.suspend(() => {
        if (rows >= (caps.get(path) ?? Number.POSITIVE_INFINITY)) return Effect.void
        caps.set(path, rows)
        return make(
          `${collectionOf(path)} pages`,
          `Pages of ${collectionOf(path)} come with ${rows} rows though more are asked for: a gateway may cut page_size; all are read, in more calls`,
        )
      }),
    avoidHead: Effect.fnUntraced(function* (why) {
      headAgainAt = (yield* elapsedMillis) + headPause
      yield* make(headKey, `Waldur's lists cannot be counted by HEAD (${why}): they are counted by GET`)
    }),
    useHead: Effect.sync(() => held.delete(headKey)),
    mayHead: Effect.map(elapsedMillis, (now) => now >= headAgainAt),
    reset: Effect.sync(() => {
      const head = held.get(headKey)
      held = new Map(head === undefined ? [] : [[headKey, head]])
      caps = new Map()
    }),
  }
}
