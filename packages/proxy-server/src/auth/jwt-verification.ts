import { Clock, Deferred, Effect, Result, Schema, type Scope } from "effect"
import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from "jose"
import type { AuthSettings } from "../config/settings.ts"
import { judgeClaims, leeway, type Principal, selfDescription, TokenClaims, unverifiedClaims } from "./claims.ts"
import type { Issuer } from "./issuer.ts"
import { IssuerUnavailable, type RoleMissing, TokenInvalid } from "./refusals.ts"

/** Asymmetric ones only: with a symmetric one the public key would be the secret (RFC 8725 section 2.1). */
const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]

/** The header's `typ` of an access token: Keycloak's, RFC 9068's. The issuer signs other kinds with the same key. */
const accessTokenType = /^(application\/)?(at\+)?jwt$/i

/** Milliseconds after which the keys are fetched anew, so that a key which the issuer withdrew opens nothing any more. */
const keysAge = 10 * 60_000
/** Milliseconds between two fetches for the sake of an unknown key id: anybody can write one into a token. */
const unknownKeyPause = 30_000
/** Milliseconds until an issuer that failed is asked again, which is when callers are told to try again. */
const failurePause = 5_000

type KeySet = ReturnType<typeof createLocalJWKSet>

/** A way to check tokens. */
export interface TokenVerification {
  /** Says who bears a token. */
  readonly verify: (token: string) => Effect.Effect<Principal, TokenInvalid | RoleMissing | IssuerUnavailable>
  /** Tries for real whether tokens could be checked now. */
  readonly ready: Effect.Effect<void, IssuerUnavailable>
}

/**
 * Verifies signed access tokens (RFC 7519, RFC 8725) by the issuer's published keys. The keys are kept, and fetched anew
 * for an unknown key id (at most every 30 seconds, or 5 after a failure) and every ten minutes. The latter runs beside
 * the request and may fail: an issuer that is away costs nothing as long as its keys are known.
 */
export const makeJwtVerification = Effect.fnUntraced(function* (
  issuer: Issuer,
  auth: AuthSettings,
): Effect.fn.Return<TokenVerification, never, Scope.Scope> {
  const scope = yield* Effect.scope
  let keys: KeySet | undefined
  let fetchedAt = 0
  let tried: { readonly at: number; readonly failure?: IssuerUnavailable } = { at: Number.NEGATIVE_INFINITY }
  let flight: Deferred.Deferred<KeySet, IssuerUnavailable> | undefined

  const fetchFrom = (url: string) =>
    issuer.ask("keys", async (signal) => {
      const headers = { accept: "application/json, application/jwk-set+json" }
      const response = await issuer.fetch(url, { headers, redirect: "manual", signal })
      const published = (await response.json()) as JSONWebKeySet
      return createLocalJWKSet(published)
    })
  const renew = (now: number) =>
    Effect.gen(function* () {
      const { jwks_uri: url } = yield* issuer.metadata
      if (url === undefined || !URL.canParse(url)) {
        return yield* new IssuerUnavailable({ detail: "its metadata name no jwks_uri" })
      }
      const fetched = yield* fetchFrom(url)
      keys = fetched
      fetchedAt = now
      return fetched
    }).pipe(
      Effect.tapError((failure) =>
        Effect.sync(() => {
          tried = { at: now, failure }
        }),
      ),
    )
  /** One fetch for all who wait for it; it runs in the scope, so that whoever leaves takes nobody along. */
  const fetchKeys = (now: number) =>
    Effect.suspend(() => {
      if (flight !== undefined) return Effect.succeed(flight)
      const landing = Deferred.makeUnsafe<KeySet, IssuerUnavailable>()
      flight = landing
      tried = { at: now }
      return renew(now).pipe(
        Effect.onExit((exit) => {
          flight = undefined
          return Deferred.done(landing, exit)
        }),
        Effect.forkIn(scope),
        Effect.as(landing),
      )
    }).pipe(Effect.uninterruptible, Effect.flatMap(Deferred.await))
  const isPausing = (now: number) => now - tried.at < (tried.failure === undefined ? unknownKeyPause : failurePause)
  /** For a key that is not among those known: whoever comes while a fetch runs waits for it too. */
  const fetchUnknown = (now: number, unknown: unknown) =>
    flight !== undefined || !isPausing(now) ? fetchKeys(now) : Effect.fail(tried.failure ?? unknown)

  const verify: TokenVerification["verify"] = Effect.fn("verifyJwt")(function* (token) {
    // A token that calls itself another issuer's is worth no look for its key.
    const claimed = unverifiedClaims(token)
    if (claimed.iss !== undefined && claimed.iss !== auth.issuer) {
      return yield* new TokenInvalid({
        description: "The token is from another issuer",
        log: selfDescription(claimed, auth),
      })
    }
    const now = yield* Clock.currentTimeMillis
    const known = keys ?? (yield* fetchKeys(now))
    if (now - fetchedAt > keysAge && !isPausing(now) && flight === undefined) {
      yield* Effect.forkIn(Effect.ignore(fetchKeys(now)), scope)
    }
    const verifyBy = (set: KeySet) =>
      Effect.tryPromise({
        try: () =>
          jwtVerify(token, set, {
            issuer: auth.issuer,
            algorithms,
            clockTolerance: leeway,
            requiredClaims: ["exp"],
            currentDate: new Date(now),
          }),
        catch: (thrown) => thrown,
      })
    const { payload, protectedHeader } = yield* verifyBy(known).pipe(
      Effect.catchIf(
        (thrown) => thrown instanceof errors.JWKSNoMatchingKey,
        (thrown) => Effect.flatMap(fetchUnknown(now, thrown), verifyBy),
      ),
      Effect.mapError((thrown) => (thrown instanceof IssuerUnavailable ? thrown : invalidToken(thrown, token, auth))),
    )
    // A logout token, for one, has our audience too (RFC 8725 section 3.11).
    if (protectedHeader.typ !== undefined && !accessTokenType.test(protectedHeader.typ)) {
      return yield* new TokenInvalid({
        description: "The token is no bearer access token",
        log: selfDescription(payload, auth),
      })
    }
    const claims = decodeClaims(payload)
    if (Result.isFailure(claims)) return yield* invalidToken(claims.failure, token, auth)
    return yield* Effect.fromResult(judgeClaims(claims.success, auth, now / 1000))
  })
  const ready = Effect.asVoid(Effect.flatMap(Clock.currentTimeMillis, fetchKeys))
  return { verify, ready }
})

const decodeClaims = Schema.decodeUnknownResult(TokenClaims)

/** A fault of the token: a fixed sentence for its bearer, for the operator what it said of itself. */
const invalidToken = (thrown: unknown, token: string, auth: AuthSettings): TokenInvalid =>
  new TokenInvalid({
    description: descriptionOf(thrown),
    // Some reasons quote the token.
    log: {
      ...selfDescription(unverifiedClaims(token), auth),
      reason: thrown instanceof Error ? thrown.message.slice(0, 200) : "",
    },
  })

const descriptionOf = (thrown: unknown): string => {
  if (thrown instanceof errors.JWTExpired) return "The token is expired"
  if (thrown instanceof errors.JWTClaimValidationFailed) {
    switch (thrown.claim) {
      case "iss":
        return "The token is from another issuer"
      case "nbf":
        return "The token is not yet valid"
      default:
        return `The token lacks a valid claim ${thrown.claim.replace(/[^\w]/g, "")}`
    }
  }
  if (thrown instanceof errors.JOSEAlgNotAllowed) return "The token's algorithm is not allowed"
  if (thrown instanceof errors.JWKSNoMatchingKey || thrown instanceof errors.JWKSMultipleMatchingKeys) {
    return "The token's key is unknown"
  }
  if (thrown instanceof errors.JWSSignatureVerificationFailed) return "The token's signature is wrong"
  return "The token is malformed"
}
