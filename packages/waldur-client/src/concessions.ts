/** Remembers what Waldur or a gateway refuses, and what the client does instead. */
import { elapsedMillis } from "@cscs/http-transport"
import { Duration, Effect } from "effect"

/** Query parameters in order; a name with several values is repeated. */
export type Query = ReadonlyArray<readonly [name: string, value: string]>

/** How long lists are counted by GET after a HEAD failed; then HEAD is tried again. */
const headPause = Duration.toMillis("10 minutes")

/**
 * Parameters that can be omitted at a cost without changing the result: `o`, since each read is checked by identities;
 * `visible_to_providers`, since the model itself holds back resources that have not reached the provider; `field`, since
 * without it Waldur returns whole objects.
 */
const dispensable = {
  o: "rows come in Waldur's own order",
  visible_to_providers: "resources that have not reached the provider are held back by their orders",
  field: "whole objects are read, which takes longer",
} as const

type Dispensable = keyof typeof dispensable

const isDispensable = (name: string): name is Dispensable => Object.hasOwn(dispensable, name)

/**
 * The parameters and methods that this Waldur, or a gateway in front of it, refuses and that are therefore avoided. They
 * are tried again with the next full read of the resources (HEAD after some minutes), so an upgrade is noticed. Each is
 * logged once.
 */
export interface Concessions {
  /** All concessions as sentences, for an operator. */
  readonly all: () => ReadonlyArray<string>
  /** A list's query without the refused parameters. */
  readonly apply: (path: string, query: Query) => Query
  /** Omits the dispensable parameters that a 400 names from now on; false if there are none. */
  readonly omit: (path: string, query: Query, named: ReadonlyArray<string>) => Effect.Effect<boolean>
  /** Remembers another concession; `sentence` describes it and its cost. */
  readonly make: (key: string, sentence: string) => Effect.Effect<void>
  readonly has: (key: string) => boolean
  /** The observed maximum of rows per page of a list; `undefined` if pages have the requested size. */
  readonly pageCap: (path: string) => number | undefined
  readonly setPageCap: (path: string, rows: number) => Effect.Effect<void>
  /** Counts by HEAD (again). */
  readonly useHead: Effect.Effect<void>
  /** Counts by GET for some minutes. */
  readonly avoidHead: (why: string) => Effect.Effect<void>
  readonly mayHead: Effect.Effect<boolean>
  /** Forgets the concessions except that of HEAD, so that everything else is tried again. */
  readonly reset: Effect.Effect<void>
}

/** The collection of a path: its lists and objects share concessions. */
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
      return Effect.logWarning(sentence).pipe(Effect.annotateLogs({ event: "waldur-concession", concession: key }))
    })
  const keyOf = (path: string, name: string) => `${collectionOf(path)}?${name}`

  return {
    all: () => [...held.values()],
    has: (key) => held.has(key),
    make,
    apply: (path, query) =>
      held.size === 0 ? query : query.filter(([name]) => !isDispensable(name) || !held.has(keyOf(path, name))),
    omit: Effect.fnUntraced(function* (path, query, named) {
      const refused = named.filter(isDispensable).filter((name) => query.some(([asked]) => asked === name))
      for (const name of refused) {
        yield* make(
          keyOf(path, name),
          `Waldur refuses the parameter ${name} of ${collectionOf(path)}: it is omitted; ${dispensable[name]}`,
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
          `Pages of ${collectionOf(path)} come with ${rows} rows though more are requested: a gateway may cut page_size; all rows are read, in more calls`,
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
