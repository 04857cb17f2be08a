/** Verification of signed access tokens with the issuer's public keys. */
import { elapsedOf } from "@cscs/http-transport"
import { type Clock, Effect, Result, Schema } from "effect"
import { compactVerify, errors, jwtVerify } from "jose"
import { LRUCache } from "lru-cache"
import type { AuthSettings } from "../config/settings.ts"
import { tokenDigest } from "./bearer-token.ts"
import {
  checkClaims,
  leeway,
  type Principal,
  selfDescription,
  TokenClaims,
  unverifiedClaims,
  type ValidityPeriod,
  validityFault,
} from "./claims.ts"
import type { IssuerKeys, KeySet } from "./issuer-keys.ts"
import { IssuerUnavailable, type RoleMissing, type TokenFault, TokenInvalid } from "./refusals.ts"

/** Only asymmetric algorithms: with a symmetric one the public key would be the secret (RFC 8725 section 2.1). */
const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]

/** The `typ` header of an access token: Keycloak's or RFC 9068's. The issuer signs other kinds with the same key. */
const accessTokenType = /^(application\/)?(at\+)?jwt$/i

/** Milliseconds; a token is verified anew after a minute, or when it expires. */
const cachedForAtMost = 60_000
/** Number of accepted tokens that are kept. */
const maxCached = 10_000
/** Total length of their bearers' names: an issuer does not limit one. */
const maxNameCharacters = 1024 * 1024

/** An accepted token. */
interface Accepted {
  readonly principal: Principal
  readonly period: ValidityPeriod
  /** The key set that its signature was verified with. */
  readonly keys: KeySet
  /** When it must be verified anew, in milliseconds of the monotonic clock. */
  readonly until: number
}

/** A way to check tokens. */
export interface TokenVerification {
  /**
   * Returns the bearer of a token that was accepted less than a minute ago and still is, without waiting; `undefined` if
   * only `verify` can decide.
   */
  readonly recall: (token: string) => Principal | undefined
  /** Returns the bearer of a token. */
  readonly verify: (token: string) => Effect.Effect<Principal, TokenInvalid | RoleMissing | IssuerUnavailable>
  /** Fails if tokens cannot be checked now. Asks the issuer, whatever is cached. */
  readonly ready: Effect.Effect<void, IssuerUnavailable>
}

/**
 * Verifies signed access tokens (RFC 7519, RFC 8725) with the issuer's published keys. An accepted token is kept by its
 * digest, so that a polling caller costs one signature check a minute. A kept token counts only while the key set that
 * verified it is current, so each fetch of the keys invalidates all kept tokens. Refused tokens are not kept, since
 * anyone can invent them.
 */
export const makeJwtVerification = (keys: IssuerKeys, auth: AuthSettings, clock: Clock.Clock): TokenVerification => {
  const accepted = new LRUCache<string, Accepted>({
    max: maxCached,
    maxSize: maxNameCharacters,
    sizeCalculation: ({ principal }) => principal.name.length,
  })
  const recall: TokenVerification["recall"] = (token) => {
    // If the keys are old, this also begins the fetch that drops a withdrawn one.
    const known = keys.known()
    const kept = accepted.get(tokenDigest(token))
    return kept !== undefined &&
      kept.keys === known &&
      elapsedOf(clock) < kept.until &&
      validityFault(kept.period, clock.currentTimeMillisUnsafe() / 1000) === undefined
      ? kept.principal
      : undefined
  }
  const verify: TokenVerification["verify"] = Effect.fn("verifyJwt")(function* (token) {
    // If a token names another issuer, its key is not looked up.
    const claimed = unverifiedClaims(token)
    if (claimed.iss !== undefined && claimed.iss !== auth.issuer) {
      return yield* new TokenInvalid({
        fault: "other-issuer",
        log: selfDescription(claimed, auth),
      })
    }
    const now = clock.currentTimeMillisUnsafe()
    const began = elapsedOf(clock)
    const verifyBy = (set: KeySet) =>
      Effect.tryPromise({
        try: async () => ({
          set,
          ...(await jwtVerify(token, set, {
            issuer: auth.issuer,
            algorithms,
            clockTolerance: leeway,
            requiredClaims: ["exp"],
            currentDate: new Date(now),
          })),
        }),
        catch: (thrown) => thrown,
      })
    const { payload, protectedHeader, set } = yield* Effect.mapError(keys.check(verifyBy), (thrown) =>
      thrown instanceof IssuerUnavailable ? thrown : invalidToken(thrown, token, auth),
    )
    // Tokens of other kinds can have our audience too, for example a logout token (RFC 8725 section 3.11).
    if (protectedHeader.typ !== undefined && !accessTokenType.test(protectedHeader.typ)) {
      return yield* new TokenInvalid({
        fault: "other-kind",
        log: selfDescription(payload, auth),
      })
    }
    const claims = decodeClaims(payload)
    if (Result.isFailure(claims)) return yield* invalidToken(claims.failure, token, auth)
    const principal = yield* Effect.fromResult(checkClaims(claims.success, auth, now / 1000))
    const { exp = 0, iat, nbf } = claims.success
    accepted.set(tokenDigest(token), {
      principal,
      period: { exp, ...(iat !== undefined && { iat }), ...(nbf !== undefined && { nbf }) },
      keys: set,
      until: began + Math.min(cachedForAtMost, exp * 1000 - now),
    })
    return principal
  })
  return { recall, verify, ready: keys.renew }
}

/**
 * Whether the issuer signed a token: "forged" if the key that it names did not; "unknown" if that cannot be decided, since it
 * is not a signed token, names no known key, or there are no keys.
 */
export const signatureOf = (keys: IssuerKeys, token: string): Effect.Effect<"genuine" | "forged" | "unknown"> => {
  const verifyBy = (set: KeySet) =>
    Effect.tryPromise({ try: () => compactVerify(token, set, { algorithms }), catch: (thrown) => thrown })
  return Effect.match(keys.check(verifyBy), {
    onSuccess: () => "genuine" as const,
    onFailure: (thrown) => (thrown instanceof errors.JWSSignatureVerificationFailed ? "forged" : "unknown"),
  })
}

const decodeClaims = Schema.decodeUnknownResult(TokenClaims)

/** A fault of the token: a fixed sentence for its bearer; for the operator, its own claims. */
const invalidToken = (thrown: unknown, token: string, auth: AuthSettings): TokenInvalid =>
  new TokenInvalid({
    ...faultOf(thrown),
    // The reason is only for the log: some quote the token's claims.
    log: {
      ...selfDescription(unverifiedClaims(token), auth),
      reason: messageOf(thrown),
    },
  })

const messageOf = (thrown: unknown): string => {
  try {
    return thrown instanceof Error ? thrown.message.slice(0, 200) : ""
  } catch {
    // A message that quotes deeply nested data overflows the stack.
    return "a claim nests too deep"
  }
}

const faultOf = (thrown: unknown): { readonly fault: TokenFault; readonly claim?: string } => {
  if (thrown instanceof errors.JWTExpired) return { fault: "expired" }
  if (thrown instanceof errors.JWTClaimValidationFailed) {
    switch (thrown.claim) {
      // A missing issuer is not ours, and an unreadable `nbf` has not passed.
      case "iss":
        return { fault: "other-issuer" }
      case "nbf":
        return { fault: "not-yet-valid" }
      default:
        return { fault: "lacks-claim", claim: thrown.claim.replace(/[^\w]/g, "") }
    }
  }
  if (thrown instanceof errors.JOSEAlgNotAllowed) return { fault: "algorithm" }
  if (thrown instanceof errors.JWKSNoMatchingKey || thrown instanceof errors.JWKSMultipleMatchingKeys) {
    return { fault: "unknown-key" }
  }
  if (thrown instanceof errors.JWSSignatureVerificationFailed) return { fault: "signature" }
  return { fault: "malformed" }
}
