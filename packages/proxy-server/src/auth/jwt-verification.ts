import { Clock, Effect, Result, Schema, type Scope } from "effect"
import { createRemoteJWKSet, customFetch, errors, jwtVerify, type RemoteJWKSet } from "jose"
import type { AuthSettings } from "../config/settings.ts"
import { judgeClaims, leeway, type Principal, selfDescription, TokenClaims, unverifiedClaims } from "./claims.ts"
import { askIssuer, type Issuer } from "./issuer.ts"
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
  const keySetAt = (url: string) =>
    createRemoteJWKSet(new URL(url), {
      [customFetch]: issuer.fetch,
      // When to fetch is decided below, where a failure to fetch can be told from a fault of the token.
      cooldownDuration: Number.POSITIVE_INFINITY,
      cacheMaxAge: Number.POSITIVE_INFINITY,
    })
  let keySet: RemoteJWKSet | undefined
  let fetchedAt = 0
  let tried: { readonly at: number; readonly failure?: IssuerUnavailable } = { at: Number.NEGATIVE_INFINITY }
  const keys = Effect.gen(function* () {
    if (keySet !== undefined) return keySet
    const { jwks_uri: url } = yield* issuer.metadata
    if (url === undefined || !URL.canParse(url)) {
      return yield* new IssuerUnavailable({ detail: "its metadata name no jwks_uri" })
    }
    // One for all who waited for the metadata.
    keySet ??= keySetAt(url)
    return keySet
  })
  const fetchKeys = (set: RemoteJWKSet, now: number) =>
    Effect.suspend(() => {
      tried = { at: now }
      return askIssuer("keys", () => set.reload())
    }).pipe(
      Effect.tap(() =>
        Effect.sync(() => {
          fetchedAt = now
        }),
      ),
      Effect.tapError((failure) =>
        Effect.sync(() => {
          tried = { at: now, failure }
        }),
      ),
    )
  const isPausing = (now: number) => now - tried.at < (tried.failure === undefined ? unknownKeyPause : failurePause)
  /** For a key that is not among those known: whoever comes while a fetch runs waits for it too. */
  const fetchUnknown = (set: RemoteJWKSet, now: number, unknown: unknown) =>
    set.reloading || !isPausing(now) ? fetchKeys(set, now) : Effect.fail(tried.failure ?? unknown)

  const verify: TokenVerification["verify"] = Effect.fn("verifyJwt")(function* (token) {
    // A token that calls itself another issuer's is worth no look for its key.
    const claimed = unverifiedClaims(token)
    if (claimed.iss !== undefined && claimed.iss !== auth.issuer) {
      return yield* new TokenInvalid({
        description: "The token is from another issuer",
        log: selfDescription(claimed, auth),
      })
    }
    const set = yield* keys
    const now = yield* Clock.currentTimeMillis
    if (set.jwks() === undefined) yield* fetchKeys(set, now)
    else if (now - fetchedAt > keysAge && !isPausing(now) && !set.reloading) {
      yield* Effect.forkIn(Effect.ignore(fetchKeys(set, now)), scope)
    }
    const verified = Effect.tryPromise({
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
    const { payload, protectedHeader } = yield* verified.pipe(
      Effect.catchIf(
        (thrown) => thrown instanceof errors.JWKSNoMatchingKey,
        (thrown) => Effect.andThen(fetchUnknown(set, now, thrown), verified),
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
  const ready = Effect.gen(function* () {
    yield* fetchKeys(yield* keys, yield* Clock.currentTimeMillis)
  })
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
