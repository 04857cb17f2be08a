/** Verification of access tokens by the issuer (RFC 7662), with a cache and limits against floods of invalid tokens. */
import { elapsedMillis, elapsedOf, type Secret, secretNow } from "@cscs/http-transport"
import { Clock, Effect, Result, Schema } from "effect"
import { LRUCache } from "lru-cache"
import {
  allowInsecureRequests,
  ClientSecretPost,
  customFetch,
  introspectionRequest,
  processIntrospectionResponse,
} from "oauth4webapi"
import { makeSharedCalls } from "../concurrency/shared-calls.ts"
import { type TokenBucket, tokenBucket } from "../concurrency/token-bucket.ts"
import type { AuthSettings } from "../config/settings.ts"
import { tokenDigest } from "./bearer-token.ts"
import { checkClaims, leeway, selfDescription, TokenClaims, unverifiedClaims } from "./claims.ts"
import { type Issuer, issuerTimeout } from "./issuer.ts"
import type { IssuerKeys } from "./issuer-keys.ts"
import { signatureOf, type TokenVerification } from "./jwt-verification.ts"
import { IssuerUnavailable, TokenInvalid } from "./refusals.ts"

/** Cached tokens of each kind, active and inactive: junk must not evict tokens that the issuer called active. */
const capacity = 10_000
/** Cached characters of claims. */
const maxClaims = 32 * 1024 * 1024
/** Milliseconds; no response is cached longer, so that a revoked token is refused after a minute. */
const cachedForAtMost = 60_000

/**
 * Concurrent calls to the issuer: about tokens that it called active before or signed itself, and about others, which
 * anyone can invent. Neither kind waits for the other.
 */
const trustedAtOnce = 8
const unknownAtOnce = 4
/**
 * Milliseconds after a response with an error status in which calls about unknown tokens are limited, to a burst and a
 * rate per second.
 */
const restrainedFor = 30_000
const restrainedInARow = 20
const restrainedPerSecond = 5

/** Not active, and why, for the log. */
type Inactive = { readonly active: false; readonly reason: string }
type Introspected = Inactive | { readonly active: true; readonly claims: TokenClaims }

/**
 * Verifies access tokens by introspection (RFC 7662), as our own client. A response is cached for the token's lifetime,
 * and for at most a minute; concurrent callers with the same token share one call.
 *
 * Anyone can send invalid tokens. They must not keep good tokens from being checked. So whatever can be refused without
 * a call is refused; few calls about unknown tokens run at once, and their failures do not open the circuit breaker;
 * and while there are many of them, or they fail, tokens with the issuer's signature take precedence.
 */
export const makeIntrospection = ({
  issuer,
  keys,
  auth,
  client,
  clock,
}: {
  readonly issuer: Issuer
  readonly keys: IssuerKeys
  readonly auth: AuthSettings
  readonly client: { readonly clientId: string; readonly clientSecret: Secret }
  readonly clock: Clock.Clock
}): TokenVerification => {
  const introspect = Effect.fn("introspect")(function* (token: string, isTrusted: boolean) {
    const metadata = yield* issuer.metadata
    const ourselves = { client_id: client.clientId }
    const secret = secretNow(client.clientSecret)
    const request = async (signal: AbortSignal) => {
      const response = await introspectionRequest(metadata, ourselves, ClientSecretPost(secret), token, {
        [customFetch]: (url, init) => issuer.fetch(url, init as RequestInit),
        [allowInsecureRequests]: auth.realmUrl.startsWith("http://"),
        signal,
      })
      return processIntrospectionResponse(metadata, ourselves, response)
    }
    const response = yield* issuer.ask("introspection", request, { secrets: [secret, token], countsStatus: isTrusted })
    const claims = decodeClaims(response)
    if (!response.active) return inactiveBecause(`the issuer does not report it as active for ${client.clientId}`)
    if (Result.isFailure(claims)) return inactiveBecause("the issuer reports it as active, but with unreadable claims")
    return { active: true, claims: claims.success } satisfies Introspected
  })

  // By `tokenDigest`.
  const active = new LRUCache<string, { readonly claims: TokenClaims; readonly until: number }>({
    max: capacity,
    maxSize: maxClaims,
    sizeCalculation: ({ claims }) => JSON.stringify(claims).length + 1,
  })
  /** Each with the time at which it is due for another call. */
  const inactive = new LRUCache<string, Inactive & { readonly until: number }>({ max: capacity })

  const trusted = makeSharedCalls(trustedAtOnce, issuerTimeout)
  const unknown = makeSharedCalls(unknownAtOnce, issuerTimeout)
  let restrained: { readonly since: number; readonly allowed: TokenBucket } | undefined
  /** Whether the issuer refused calls recently. */
  const isRestrained = (now: number): boolean => restrained !== undefined && now - restrained.since < restrainedFor
  const mayAsk = (now: number): boolean =>
    restrained === undefined || !isRestrained(now) || restrained.allowed.hasToken(now)

  /** Introspects a token and caches the response. */
  const askAbout = (token: string, digest: string, isTrusted: boolean) =>
    Effect.gen(function* () {
      const response = yield* introspect(token, isTrusted)
      const now = yield* elapsedMillis
      if (!response.active) {
        active.delete(digest)
        inactive.set(digest, { ...response, until: now + cachedForAtMost })
        return response
      }
      const left = (response.claims.exp ?? 0) * 1000 - (yield* Clock.currentTimeMillis)
      inactive.delete(digest)
      active.set(digest, { claims: response.claims, until: now + Math.max(0, Math.min(cachedForAtMost, left)) })
      return response
    }).pipe(
      Effect.tapError(({ status }) =>
        Effect.map(elapsedMillis, (now) => {
          // An issuer that does not respond at all is handled by the breaker.
          if (status === undefined) return
          restrained =
            isRestrained(now) && restrained !== undefined
              ? { ...restrained, since: now }
              : { since: now, allowed: tokenBucket(restrainedInARow, restrainedPerSecond, now) }
        }),
      ),
    )
  const askAboutTrusted = (token: string, digest: string) => trusted(digest, askAbout(token, digest, true))
  const askAboutUnknown = (token: string, digest: string) =>
    unknown(
      digest,
      Effect.suspend(() => {
        restrained?.allowed.take()
        return askAbout(token, digest, false)
      }),
    )

  const introspected = Effect.fnUntraced(function* (token: string) {
    const digest = tokenDigest(token)
    const now = yield* elapsedMillis
    const kept = active.get(digest)
    if (kept !== undefined && now < kept.until) return { active: true, claims: kept.claims } satisfies Introspected
    const refused = inactive.get(digest)
    if (refused !== undefined && now < refused.until) return refused
    // A JWT that by its own claims is from another issuer or expired.
    const { iss, exp } = unverifiedClaims(token)
    const isOver = typeof exp === "number" && exp <= (yield* Clock.currentTimeMillis) / 1000 - leeway
    if ((iss !== undefined && iss !== auth.issuer) || isOver) {
      return inactiveBecause("by its own claims it is from another issuer or expired; the issuer was not asked")
    }
    if (kept !== undefined) return yield* askAboutTrusted(token, digest)
    const isCalm = unknown.count() < unknownAtOnce && !isRestrained(now)
    if (isCalm || unknown.has(digest)) return yield* askAboutUnknown(token, digest)
    switch (iss === undefined ? "unknown" : yield* signatureOf(keys, token)) {
      case "genuine":
        return yield* askAboutTrusted(token, digest)
      case "forged": {
        const forged = inactiveBecause("its signature is wrong; the issuer was not asked")
        inactive.set(digest, { ...forged, until: now + cachedForAtMost })
        return forged
      }
      default:
        if (mayAsk(now)) return yield* askAboutUnknown(token, digest)
        return yield* new IssuerUnavailable({
          detail: "it refused calls recently, so calls about unknown tokens are limited",
        })
    }
  })

  const check = (claims: TokenClaims) => checkClaims(claims, auth, clock.currentTimeMillisUnsafe() / 1000)
  const recall: TokenVerification["recall"] = (token) => {
    const kept = active.get(tokenDigest(token))
    return kept !== undefined && elapsedOf(clock) < kept.until ? Result.getOrUndefined(check(kept.claims)) : undefined
  }
  const verify: TokenVerification["verify"] = Effect.fn("verifyByIntrospection")(function* (token) {
    const response = yield* Effect.catchTag(introspected(token), "TooBusy", () =>
      Effect.fail(new IssuerUnavailable({ detail: "too many tokens wait for its response" })),
    )
    if (!response.active) {
      return yield* new TokenInvalid({
        fault: "inactive",
        log: {
          ...selfDescription(unverifiedClaims(token), auth),
          reason: response.reason,
        },
      })
    }
    return yield* Effect.fromResult(check(response.claims))
  })
  // "none" is not a valid token: an issuer that accepts our calls reports it as inactive. Only a failed call counts.
  return { recall, verify, ready: Effect.asVoid(introspect("none", true)) }
}

const inactiveBecause = (reason: string): Inactive => ({ active: false, reason })

const decodeClaims = Schema.decodeUnknownResult(TokenClaims)
