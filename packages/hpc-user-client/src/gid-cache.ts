/** Caches GIDs, and shares requests in flight among callers. */
import { elapsedMillis, makeSharedWork } from "@cscs/http-transport"
import { Duration, Effect, Metric, type Scope, Semaphore } from "effect"
import type { HpcUserApiError } from "./errors.ts"
import type { GidLookup } from "./export-response.ts"

/** Statistics of the cache for troubleshooting; the keys are those of the original `get_gid_cache_stats()`. */
export interface GidCacheStats {
  /** Names whose GID is cached. */
  readonly total_entries: number
  readonly cache_policy: string
  /** The cached names if there are at most ten, else their number. */
  readonly projects: ReadonlyArray<string> | number
}

export interface GidCacheOptions {
  /** Requests one batch from the API. Never fails: a failure is reported for each name. */
  readonly request: (names: ReadonlyArray<string>) => Effect.Effect<GidLookup>
  /** Splits names into batches; names that do not fit into a request are in `tooLong`. */
  readonly plan: (names: Iterable<string>) => {
    readonly batches: ReadonlyArray<ReadonlyArray<string>>
    readonly tooLong: ReadonlyArray<string>
  }
}

export interface GidCache {
  readonly gids: (names: Iterable<string>) => Effect.Effect<GidLookup>
  readonly stats: Effect.Effect<GidCacheStats>
  /** Whether the API has ever decided a name. */
  readonly hasResponded: Effect.Effect<boolean>
}

/** Maximum number of names that the statistics list; beyond it they contain only the count. */
const maxListedNames = 10
const unknownNameLifetime = Duration.toMillis("1 minute")
/** Maximum number of concurrent requests to the API, over all callers. */
const maxConcurrentRequests = 8

const cachedGids = Metric.gauge("gid_cache_entries", { description: "Projects whose GID is cached." })

/**
 * Caches known GIDs until restart, unknown names for a minute, and failures never. Each name is in flight once at most.
 *
 * Uses plain maps and one fiber per batch. Effect's `Cache` or `Request` would cost a fiber or an entry with its own
 * Deferred for each name and lookup, but a refresh looks up as many as 100,000 names, nearly all known, in one pass over a
 * `Map`. Requests run in the layer's scope, so interrupting one caller does not affect the others.
 */
export const makeGidCache = Effect.fnUntraced(function* (
  options: GidCacheOptions,
): Effect.fn.Return<GidCache, never, Scope.Scope> {
  const permits = yield* Semaphore.make(maxConcurrentRequests)
  const batches = yield* makeSharedWork<string, GidLookup>()
  const decided = decidedNames()
  let hasResponded = false

  const request = (batch: ReadonlyArray<string>) =>
    Effect.tap(permits.withPermit(options.request(batch)), (found) =>
      Effect.flatMap(elapsedMillis, (now) => {
        hasResponded ||= found.known.size + found.unknown.size > 0
        decided.add(found, now)
        return Metric.update(cachedGids, decided.gids.size)
      }),
    )

  return {
    gids: Effect.fnUntraced(function* (requested) {
      const now = yield* elapsedMillis
      const context = yield* Effect.context<never>()
      const { lookup, undecided } = decided.lookUp(requested, now)
      const waiting = Map.groupBy(undecided, batches.inFlight)
      const plan = options.plan(waiting.get(undefined) ?? [])
      for (const name of plan.tooLong) {
        lookup.unknown.set(name, "the name is too long for a request to the HPC User API")
      }
      for (const batch of plan.batches) {
        waiting.set(batches.begin(batch, Effect.provideContext(request(batch), context)), [...batch])
      }
      for (const [inFlight, names] of waiting) {
        if (inFlight !== undefined) addResults(lookup, yield* inFlight, names)
      }
      return lookup
    }),
    hasResponded: Effect.sync(() => hasResponded),
    stats: Effect.sync(() => ({
      total_entries: decided.gids.size,
      cache_policy: "Persists until server restart",
      projects: decided.gids.size > maxListedNames ? decided.gids.size : [...decided.gids.keys()],
    })),
  }
})

/** A lookup that is being filled. */
interface PartialLookup extends GidLookup {
  readonly known: Map<string, number>
  readonly unknown: Map<string, string>
  readonly failed: Map<string, HpcUserApiError>
}

/** The names that the API has decided: GIDs until restart, unknown names while their minute lasts. */
const decidedNames = () => {
  const gids = new Map<string, number>()
  const unknown = new Map<string, { readonly reason: string; readonly until: number }>()
  return {
    gids: gids as ReadonlyMap<string, number>,
    add: (found: GidLookup, now: number): void => {
      for (const [name, gid] of found.known) gids.set(name, gid)
      // The oldest come first, since each name is present once and all have the same lifetime.
      for (const [name, { until }] of unknown) {
        if (now < until) break
        unknown.delete(name)
      }
      for (const [name, reason] of found.unknown) {
        unknown.delete(name)
        unknown.set(name, { reason, until: now + unknownNameLifetime })
      }
    },
    /** A lookup of those names that are decided, and the others. */
    lookUp: (names: Iterable<string>, now: number) => {
      const lookup: PartialLookup = { known: new Map(), unknown: new Map(), failed: new Map() }
      const undecided = new Set<string>()
      for (const name of names) {
        const gid = gids.get(name)
        if (gid !== undefined) {
          lookup.known.set(name, gid)
          continue
        }
        const found = unknown.get(name)
        if (name === "") lookup.unknown.set(name, "the name is empty")
        else if (found !== undefined && now < found.until) lookup.unknown.set(name, found.reason)
        else undecided.add(name)
      }
      return { lookup, undecided }
    },
  }
}

/** Adds a batch's results for some of its names to a lookup. */
const addResults = (lookup: PartialLookup, found: GidLookup, names: Iterable<string>): void => {
  for (const name of names) {
    const gid = found.known.get(name)
    const failure = found.failed.get(name)
    if (gid !== undefined) lookup.known.set(name, gid)
    else if (failure !== undefined) lookup.failed.set(name, failure)
    else lookup.unknown.set(name, found.unknown.get(name) ?? "the response does not decide it")
  }
}
