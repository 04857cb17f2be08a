/** Fetches and caches the issuer's public keys. */
import { elapsedOf } from "@cscs/http-transport"
import { Clock, Deferred, Effect, type Scope } from "effect"
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWK } from "jose"
import { hasNo, type Issuer, isUrl } from "./issuer.ts"
import { IssuerUnavailable } from "./refusals.ts"

/** Milliseconds after which the keys are fetched anew, so that a withdrawn key is no longer accepted. */
const keysAge = 10 * 60_000
/** Milliseconds between two fetches for unknown key ids: anyone can write one into a token. */
const unknownKeyPause = 30_000
/** Milliseconds from a failed fetch until the next, equal to the `Retry-After` of responses. */
const failurePause = 5_000

/** Keys of a set beyond these are ignored: an issuer publishes a handful. */
const maxKeys = 100

export type KeySet = ReturnType<typeof createLocalJWKSet>

/** The issuer's published keys. */
export interface IssuerKeys {
  /**
   * Checks a token with the known keys; with new ones if its key is not among them. Fails as the check does, or with
   * `IssuerUnavailable` if there are no keys.
   */
  readonly check: <A>(by: (keys: KeySet) => Effect.Effect<A, unknown>) => Effect.Effect<A, unknown>
  /**
   * The known keys, without waiting; another value after each fetch. Like `check`, begins a fetch if they are old.
   * `undefined` before the first fetch.
   */
  readonly known: () => KeySet | undefined
  /** Fetches the keys. */
  readonly renew: Effect.Effect<void, IssuerUnavailable>
}

/**
 * Caches the issuer's keys, and fetches them anew for an unknown key id (at most every 30 seconds, or 5 after a
 * failure) and every ten minutes. The latter runs beside the request and may fail: while the keys are known, an
 * unavailable issuer has no effect.
 */
export const makeIssuerKeys = Effect.fnUntraced(function* (
  issuer: Issuer,
): Effect.fn.Return<IssuerKeys, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const context = yield* Effect.context<never>()
  const clock = yield* Clock.Clock
  const elapsed = () => elapsedOf(clock)
  let keys: KeySet | undefined
  let fetchedAt = 0
  let tried: { readonly at: number; readonly failure?: IssuerUnavailable } = { at: Number.NEGATIVE_INFINITY }
  let inFlight: Deferred.Deferred<KeySet, IssuerUnavailable> | undefined

  const fetchFrom = (url: string) =>
    issuer
      .ask(
        "keys",
        async (signal) => {
          const headers = { accept: "application/json, application/jwk-set+json" }
          const response = await issuer.fetch(url, { headers, redirect: "manual", signal })
          const published = bounded(await response.json())
          return { published, keys: createLocalJWKSet(published) }
        },
        { flaw: ({ published }) => (published.keys.some(isOfUse) ? undefined : "none of them can check a signature") },
      )
      .pipe(Effect.map(({ keys }) => keys))
  const fetchNow = (now: number) =>
    Effect.gen(function* () {
      const { jwks_uri: url } = yield* issuer.metadata
      if (!isUrl(url)) return yield* new IssuerUnavailable({ detail: hasNo("jwks_uri") })
      const fetched = yield* fetchFrom(url)
      keys = fetched
      fetchedAt = now
      return fetched
    }).pipe(
      Effect.tapError((failure) =>
        Effect.sync(() => {
          tried = { at: elapsed(), failure }
        }),
      ),
    )
  /** One fetch for all that wait for it. It runs in the scope, so that a caller that disconnects does not end it. */
  const fetchKeys = (now: number) =>
    Effect.suspend(() => {
      if (inFlight !== undefined) return Effect.succeed(inFlight)
      const result = Deferred.makeUnsafe<KeySet, IssuerUnavailable>()
      inFlight = result
      tried = { at: now }
      return fetchNow(now).pipe(
        Effect.onExit((exit) => {
          inFlight = undefined
          return Deferred.done(result, exit)
        }),
        Effect.forkIn(scope),
        Effect.as(result),
      )
    }).pipe(Effect.uninterruptible, Effect.flatMap(Deferred.await))
  const isPausing = (now: number) => now - tried.at < (tried.failure === undefined ? unknownKeyPause : failurePause)
  /** For an unknown key: callers that arrive during a fetch wait for it too. */
  const fetchUnknown = (now: number, unknown: unknown) =>
    inFlight !== undefined || !isPausing(now) ? fetchKeys(now) : Effect.fail(tried.failure ?? unknown)

  const known = () => {
    const now = elapsed()
    if (keys !== undefined && now - fetchedAt > keysAge && !isPausing(now) && inFlight === undefined) {
      Effect.runForkWith(context)(Effect.ignore(fetchKeys(now)))
    }
    return keys
  }

  return {
    check: (by) =>
      Effect.gen(function* () {
        const now = elapsed()
        const found = known() ?? (yield* fetchKeys(now))
        return yield* Effect.catchIf(
          by(found),
          (thrown) => thrown instanceof errors.JWKSNoMatchingKey,
          (thrown) => Effect.flatMap(fetchUnknown(now, thrown), by),
        )
      }),
    known,
    renew: Effect.asVoid(Effect.suspend(() => fetchKeys(elapsed()))),
  }
})

/** A published key set, of bounded size. The library checks each key when a token names it. */
const bounded = (published: unknown): JSONWebKeySet => {
  const keys: unknown = (published as Partial<JSONWebKeySet> | null)?.keys
  if (!Array.isArray(keys)) throw new errors.JWKSInvalid("it contains no list of keys")
  return { keys: keys.slice(0, maxKeys) }
}

/** Whether a key may verify a signature of a supported algorithm. */
const isOfUse = ({ kty, use }: JWK): boolean => ["RSA", "EC", "OKP"].includes(kty ?? "") && use !== "enc"
