import { type Transport, transportFailureFrom } from "@cscs/http-transport"
import { Cache, Effect, Exit, Option, Schema } from "effect"
import {
  type AuthorizationServer,
  allowInsecureRequests,
  customFetch,
  discoveryRequest,
  OperationProcessingError,
  processDiscoveryResponse,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
} from "oauth4webapi"
import type { AuthSettings } from "../config/settings.ts"
import { IssuerUnavailable } from "./refusals.ts"

/** The OpenID provider whose tokens we take. */
export interface Issuer {
  /** Its metadata, asked for when first needed, kept until restart; a failure is asked again after a second. */
  readonly metadata: Effect.Effect<AuthorizationServer, IssuerUnavailable>
  readonly fetch: typeof fetch
}

/** Seconds to wait for one answer of the issuer: a caller waits for it. */
export const issuerTimeout = "5 seconds"

/**
 * Finds an issuer's endpoints by OpenID Connect Discovery. Nothing is asked at start-up, so that a start does not depend
 * on it.
 */
export const makeIssuer = (transport: Transport, auth: AuthSettings): Effect.Effect<Issuer> =>
  Effect.gen(function* () {
    const discover = askIssuer("discovery", async (signal) => {
      const response = await discoveryRequest(new URL(auth.realmUrl), {
        [customFetch]: (url, init) => transport.fetch(url, init as unknown as RequestInit),
        // A URL that says http:// was written so on purpose: a test system or a tunnel.
        [allowInsecureRequests]: auth.realmUrl.startsWith("http://"),
        signal,
      })
      return processDiscoveryResponse(new URL(auth.issuer), response)
    })
    const cache = yield* Cache.makeWith(() => discover, {
      capacity: 1,
      timeToLive: (exit) => (Exit.isSuccess(exit) ? "365 days" : "1 second"),
    })
    return { metadata: Cache.get(cache, "metadata"), fetch: transport.fetch }
  })

/** One call to the issuer within its time; whatever goes wrong means that tokens cannot be checked. */
export const askIssuer = <A>(
  what: string,
  call: (signal: AbortSignal) => Promise<A>,
): Effect.Effect<A, IssuerUnavailable> =>
  Effect.tryPromise({
    try: call,
    catch: (thrown) => new IssuerUnavailable({ detail: `${what}: ${reasonOf(thrown)}` }),
  }).pipe(
    Effect.timeoutOrElse({
      duration: issuerTimeout,
      orElse: () => Effect.fail(new IssuerUnavailable({ detail: `${what}: no answer within ${issuerTimeout}` })),
    }),
  )

/**
 * Why a call failed, for the operator: the network hides its reason in causes, and so do the libraries what they found.
 */
const reasonOf = (thrown: unknown): string => {
  if (thrown instanceof ResponseBodyError) {
    const described = thrown.error_description === undefined ? "" : `: ${thrown.error_description}`
    return `answered ${thrown.status} ${thrown.error}${described}`
  }
  if (thrown instanceof WWWAuthenticateChallengeError) return `answered ${thrown.status}, and wants other credentials`
  if (thrown instanceof OperationProcessingError) return `${thrown.message}${foundBy(thrown.cause)}`
  if (!(thrown instanceof TypeError)) return thrown instanceof Error ? thrown.message : String(thrown)
  const { reason, detail } = transportFailureFrom(thrown, { upstream: "issuer", call: "" }, [])
  return `${reason}: ${detail}`
}

const foundBy = (cause: unknown): string => {
  if (cause instanceof Response) return ` (it answered ${cause.status} at ${cause.url})`
  const mismatch = decodeMismatch(cause)
  return Option.isNone(mismatch)
    ? ""
    : ` (expected ${mismatch.value.expected}, found ${mismatch.value.body.issuer}; set auth.issuer if that is right)`
}

const decodeMismatch = Schema.decodeUnknownOption(
  Schema.Struct({ expected: Schema.String, body: Schema.Struct({ issuer: Schema.String }) }),
)
