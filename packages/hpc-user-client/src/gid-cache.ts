/** Caches GIDs, and shares requests in flight among callers. */
import { elapsedMillis } from "@cscs/http-transport"
import { Deferred, Duration, Effect, Metric, type Scope, Semaphore } from "effect"
import type { GidLookup } from "./answer.ts"

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
  readonly ask: (names: ReadonlyArray<string>) => Effect.Effect<GidLookup>
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
  readonly hasAnswered: Effect.Effect<boolean>
}

const listedAtMost = 10
const askAgainAfter = Duration.toMillis("1 minute")
/** Maximum number of concurrent requests to the API, over all callers. */
const sideBySide = 8

const cachedGids = Metric.gauge("gid_cache_entries", { description: "Projects whose GID is cached." })

type Flight = Deferred.Deferred<GidLookup>

/**
 * Caches known GIDs until restart, unknown names for a minute, and failures never. Each name is in flight once at most.
 *
 * Uses plain maps and one Deferred per batch. Effect's `Cache` or `Request` would cost a fiber or an entry with its own
 * Deferred for each name and lookup, but a refresh looks up as many as 100,000 names, nearly all known, in one pass over a
 * `Map`. Requests run in the layer's scope, so interrupting one caller does not affect the others.
 */
export const makeGidCache = Effect.fnUntraced(function* (
  options: GidCacheOptions,
): Effect.fn.Return<GidCache, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const permits = yield* Semaphore.make(sideBySide)
  const known = new Map<string, number>()
  const misses = new Map<string, { readonly why: string; readonly until: number }>()
  const flights = new Map<string, Flight>()
  let hasAnswered = false

  const fly = (batch: ReadonlyArray<string>, flight: Flight) =>
    permits.withPermit(options.ask(batch)).pipe(
      Effect.tap((answer) =>
        Effect.map(elapsedMillis, (now) => {
          hasAnswered ||= answer.known.size + answer.unknown.size > 0
          for (const [name, gid] of answer.known) known.set(name, gid)
          // The oldest come first, since each name is present once and all have the same lifetime.
          for (const [name, { until }] of misses) {
            if (now < until) break
            misses.delete(name)
          }
          for (const [name, why] of answer.unknown) {
            misses.delete(name)
            misses.set(name, { why, until: now + askAgainAfter })
          }
        }),
      ),
      Effect.tap(() => Metric.update(cachedGids, known.size)),
      Effect.onExit((exit) => {
        // On every exit, so that no name stays in flight forever.
        for (const name of batch) flights.delete(name)
        return Deferred.done(flight, exit)
      }),
    )

  /** Splits names into known ones and requests to wait for, and starts the missing requests. */
  const depart = (names: Iterable<string>) =>
    Effect.flatMap(elapsedMillis, (now) => {
      const found = { known: new Map<string, number>(), unknown: new Map<string, string>() }
      const waiting = new Map<Flight, Array<string>>()
      const absent = new Set<string>()
      for (const name of names) {
        if (name === "") {
          found.unknown.set(name, "the name is empty")
          continue
        }
        const gid = known.get(name)
        if (gid !== undefined) {
          found.known.set(name, gid)
          continue
        }
        if (found.unknown.has(name) || absent.has(name)) continue
        const miss = misses.get(name)
        if (miss !== undefined && now < miss.until) {
          found.unknown.set(name, miss.why)
          continue
        }
        misses.delete(name)
        const flight = flights.get(name)
        const passengers = flight === undefined ? undefined : waiting.get(flight)
        if (flight === undefined) absent.add(name)
        else if (passengers === undefined) waiting.set(flight, [name])
        else passengers.push(name)
      }
      const { batches, tooLong } = options.plan(absent)
      for (const name of tooLong) {
        found.unknown.set(name, "the name is too long for a request to the HPC User API")
      }
      const departing = batches.map((batch) => {
        const flight: Flight = Deferred.makeUnsafe()
        for (const name of batch) flights.set(name, flight)
        waiting.set(flight, [...batch])
        return fly(batch, flight)
      })
      return Effect.as(
        Effect.forEach(departing, (flight) => Effect.forkIn(flight, scope), { discard: true }),
        { found, waiting },
      )
    })

  return {
    gids: Effect.fnUntraced(function* (names) {
      // An interruption between marking a name as in flight and starting its request would leave it marked forever.
      const { found, waiting } = yield* Effect.uninterruptible(depart(names))
      const lookup = { ...found, failed: new Map() }
      for (const [flight, awaited] of waiting) {
        const answer = yield* Deferred.await(flight)
        for (const name of awaited) {
          const gid = answer.known.get(name)
          const failure = answer.failed.get(name)
          if (gid !== undefined) lookup.known.set(name, gid)
          else if (failure !== undefined) lookup.failed.set(name, failure)
          else lookup.unknown.set(name, answer.unknown.get(name) ?? "the answer does not say")
        }
      }
      return lookup
    }),
    hasAnswered: Effect.sync(() => hasAnswered),
    stats: Effect.sync(() => ({
      total_entries: known.size,
      cache_policy: "Persists until server restart",
      projects: known.size > listedAtMost ? known.size : [...known.keys()],
    })),
  }
})
