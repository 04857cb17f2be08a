import { Cache, Clock, Duration, Effect, Exit, Redacted, Result, Schema } from "effect"
import {
  allowInsecureRequests,
  ClientSecretPost,
  customFetch,
  introspectionRequest,
  processIntrospectionResponse,
} from "oauth4webapi"
import type { AuthSettings } from "../config/settings.ts"
import { judgeClaims, selfDescription, TokenClaims, unverifiedClaims } from "./claims.ts"
import type { Issuer } from "./issuer.ts"
import type { TokenVerification } from "./jwt-verification.ts"
import { TokenInvalid } from "./refusals.ts"

/** Tokens whose answers are kept at the same time. */
const capacity = 10_000
/** No answer is kept longer, so that a revoked token opens nothing after a minute. */
const keptAtMost = Duration.minutes(1)

type Introspected = { readonly active: false } | { readonly active: true; readonly claims: TokenClaims }

/**
 * Verifies access tokens by asking the issuer about each (RFC 7662), as our own client. An answer is kept
 * no longer than the token lives and at most a minute; callers with the same token at the same time share one request.
 */
export const makeIntrospection = Effect.fnUntraced(function* (
  issuer: Issuer,
  auth: AuthSettings,
  client: { readonly clientId: string; readonly clientSecret: Redacted.Redacted },
): Effect.fn.Return<TokenVerification> {
  const introspect = Effect.fn("introspect")(function* (token: string) {
    const metadata = yield* issuer.metadata
    const ourselves = { client_id: client.clientId }
    const secret = Redacted.value(client.clientSecret)
    const question = async (signal: AbortSignal) => {
      const response = await introspectionRequest(metadata, ourselves, ClientSecretPost(secret), token, {
        [customFetch]: (url, init) => issuer.fetch(url, init as RequestInit),
        [allowInsecureRequests]: auth.realmUrl.startsWith("http://"),
        signal,
      })
      return processIntrospectionResponse(metadata, ourselves, response)
    }
    const answer = yield* issuer.ask("introspection", question, [secret, token])
    const claims = decodeClaims(answer)
    return answer.active && Result.isSuccess(claims)
      ? ({ active: true, claims: claims.success } satisfies Introspected)
      : ({ active: false } satisfies Introspected)
  })

  const answers = yield* Cache.makeWith(
    (token: string) =>
      Effect.flatMap(introspect(token), (answer) =>
        Effect.map(Clock.currentTimeMillis, (now) => ({ answer, keptFor: keptFor(answer, now) })),
      ),
    { capacity, timeToLive: (exit) => (Exit.isSuccess(exit) ? exit.value.keptFor : Duration.zero) },
  )

  const verify: TokenVerification["verify"] = Effect.fn("verifyByIntrospection")(function* (token) {
    const { answer } = yield* Cache.get(answers, token)
    const now = yield* Clock.currentTimeMillis
    if (!answer.active) {
      return yield* new TokenInvalid({
        description: "The token is not active",
        log: {
          ...selfDescription(unverifiedClaims(token), auth),
          reason: `the issuer does not call it active for ${client.clientId}`,
        },
      })
    }
    return yield* Effect.fromResult(judgeClaims(answer.claims, auth, now / 1000))
  })
  // No token at all is not active, which an issuer that lets us ask says.
  return { verify, ready: Effect.asVoid(introspect("none")) }
})

const decodeClaims = Schema.decodeUnknownResult(TokenClaims)

const keptFor = (answer: Introspected, now: number): Duration.Duration => {
  const left =
    answer.active && answer.claims.exp !== undefined ? answer.claims.exp * 1000 - now : Number.POSITIVE_INFINITY
  return Duration.min(keptAtMost, Duration.millis(Math.max(0, left)))
}
