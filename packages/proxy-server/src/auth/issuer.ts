/** Calls to the token issuer: discovery of its endpoints, its circuit breaker and its health. */
import {
  type AboutCall,
  defaultRetryPolicy,
  elapsedMillis,
  redactor,
  retryAfterSeconds,
  type Transport,
  TransportFailure,
  type TransportFailureReason,
  transportFailureFrom,
} from "@cscs/http-transport"
import { Clock, Effect, Option, Schema } from "effect"
import {
  type AuthorizationServer,
  allowInsecureRequests,
  customFetch,
  discoveryRequest,
  processDiscoveryResponse,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
} from "oauth4webapi"
import { makeSharedCalls } from "../concurrency/shared-calls.ts"
import type { AuthSettings } from "../config/settings.ts"
import { IssuerUnavailable } from "./refusals.ts"

/** The OpenID provider whose tokens are accepted. */
export interface Issuer {
  /** Its metadata, fetched when first needed. Usable ones are kept until restart, a failure for a second. */
  readonly metadata: Effect.Effect<AuthorizationServer, IssuerUnavailable>
  /**
   * One call with `fetch`, within its timeout and under the issuer's circuit breaker. Any failure means that tokens
   * cannot be checked. The issuer's verdict on a token is a result, not a failure.
   */
  readonly ask: <A>(
    what: string,
    call: (signal: AbortSignal) => Promise<A>,
    options?: {
      /** Strings that no message may contain, such as the token that the call is about. Default none. */
      readonly secrets?: ReadonlyArray<string>
      /**
       * Whether an error status counts for the circuit breaker, and in the metrics of calls. Not for calls that anyone
       * can trigger: they would block all other calls. Default true.
       */
      readonly countsStatus?: boolean
      /**
       * Why a complete response is unusable, in words that are safe to publish; for health only. Default: it is usable.
       */
      readonly flaw?: (response: A) => string | undefined
    },
  ) => Effect.Effect<A, IssuerUnavailable>
  /** The outcome of the last call. */
  readonly health: () => IssuerHealth
  /** Throws for an error response, except a rejected POST: the library reads the reason there. */
  readonly fetch: typeof fetch
}

/** The outcome of the last call to the issuer; `undefined` if there was none. */
export type IssuerHealth =
  | { readonly status: "ok" }
  | {
      readonly status: "failing"
      /** The reason, in our own words only, because readiness is public. */
      readonly detail: string
      /** When the current run of failures began, in milliseconds since 1970. */
      readonly since: number
    }
  | undefined

/** Timeout of one call to the issuer; short, because a caller waits for it. */
export const issuerTimeout = "5 seconds"

/**
 * Finds an issuer's endpoints by OpenID Connect Discovery. No call is made at start, so that the start does not depend
 * on it.
 */
export const makeIssuer = (transport: Transport, auth: AuthSettings): Effect.Effect<Issuer> =>
  Effect.gen(function* () {
    const send: typeof fetch = async (input, init) => {
      const response = await transport.fetch(input, init)
      const isRefusal = response.status >= 400 && response.status < 500 && response.status !== 429
      if (response.ok || (init?.method === "POST" && isRefusal)) return response
      await response.body?.cancel()
      throw statusFailure(response, ` at ${response.url}`, { upstream: "issuer", call: String(input) })
    }
    let health: IssuerHealth
    const setOk = Effect.sync(() => {
      health = { status: "ok" }
    })
    const setFailing = (detail: string) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        health = { status: "failing", detail, since: health?.status === "failing" ? health.since : now }
      })
    const setFailed = (what: string, failure: TransportFailure) => {
      // No call was made, and health has the failure that opened the breaker.
      if (failure.reason === "circuit-open" && health?.status === "failing") return Effect.void
      return setFailing(`${what}: ${publicReason(failure)}`)
    }
    const ask: Issuer["ask"] = (what, call, { secrets = [], countsStatus = true, flaw } = {}) => {
      const about = { upstream: "issuer", call: what }
      const attempt = Effect.tryPromise({ try: call, catch: (thrown) => failureFrom(thrown, about, secrets) })
      const policy = (call: typeof attempt) => transport.callPolicy(about, call)
      return (countsStatus ? policy(attempt) : withoutCountingStatus(attempt, policy)).pipe(
        Effect.tap((response) => {
          const found = flaw?.(response)
          return found === undefined ? setOk : setFailing(`${what}: ${found}`)
        }),
        Effect.tapError((failure) => setFailed(what, failure)),
        Effect.mapError(
          ({ reason, detail, status }) => new IssuerUnavailable({ detail: `${what}: ${reason}: ${detail}`, status }),
        ),
      )
    }
    const needed = auth.introspection === undefined ? "jwks_uri" : "introspection_endpoint"
    const flaw = (metadata: AuthorizationServer) => (isUrl(metadata[needed]) ? undefined : hasNo(needed))
    const discover = ask(
      "discovery",
      async (signal) => {
        const response = await discoveryRequest(new URL(auth.realmUrl), {
          [customFetch]: (url, init) => send(url, init as unknown as RequestInit),
          // A URL with http:// is a deliberate choice: a test system or a tunnel.
          [allowInsecureRequests]: auth.realmUrl.startsWith("http://"),
          signal,
        })
        return processDiscoveryResponse(new URL(auth.issuer), response)
      },
      { flaw },
    ).pipe(
      Effect.tap((metadata) => {
        const found = flaw(metadata)
        return found === undefined ? Effect.void : new IssuerUnavailable({ detail: `discovery: ${found}` })
      }),
    )
    const shared = makeSharedCalls(1, issuerTimeout)
    let known: AuthorizationServer | undefined
    let failed: { readonly at: number; readonly failure: IssuerUnavailable } | undefined
    const discovered = Effect.gen(function* () {
      if (failed !== undefined && (yield* elapsedMillis) - failed.at < failureKept) return yield* failed.failure
      known = yield* Effect.tapError(discover, (failure) =>
        Effect.map(elapsedMillis, (at) => {
          failed = { at, failure }
        }),
      )
      return known
    })
    const metadata = Effect.suspend(() =>
      known === undefined
        ? Effect.catchTag(shared("metadata", discovered), "TooBusy", () => Effect.die("one call alone is in no queue"))
        : Effect.succeed(known),
    )
    return { metadata, ask, health: () => health, fetch: send }
  })

/** The retry policy for calls to the issuer: callers get a `Retry-After`, and what is cached remains in use. */
export const noRetry = { ...defaultRetryPolicy, times: 0 }

/** Milliseconds from a failed discovery until the next attempt. */
const failureKept = 1000

/** Applies a call policy to an attempt; an error status is a defect for it, which its circuit breaker and metrics ignore. */
const withoutCountingStatus = <A>(
  attempt: Effect.Effect<A, TransportFailure>,
  policy: (attempt: Effect.Effect<A, TransportFailure>) => Effect.Effect<A, TransportFailure>,
): Effect.Effect<A, TransportFailure> =>
  attempt.pipe(
    Effect.catchIf(
      ({ reason }) => reason === "status",
      (failure) => Effect.die(failure),
    ),
    policy,
    Effect.catchDefect((defect) => (defect instanceof TransportFailure ? Effect.fail(defect) : Effect.die(defect))),
  )

const statusFailure = ({ status, headers }: Response, suffix: string, about: AboutCall): TransportFailure => {
  const retryAfter = retryAfterSeconds(headers)
  return new TransportFailure({
    ...about,
    reason: "status",
    status,
    detail: `responded with ${status}${suffix}`,
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })
}

/** Why a call failed, for the log: the network and the libraries put their reasons into causes. */
const failureFrom = (thrown: unknown, about: AboutCall, secrets: ReadonlyArray<string>): TransportFailure => {
  if (thrown instanceof TransportFailure) return thrown
  if (thrown instanceof ResponseBodyError) {
    const reported = [thrown.error, thrown.error_description].filter((one) => one !== undefined).join(": ")
    return statusFailure(thrown.response, ` ${redactor(secrets)(reported)}`, about)
  }
  if (thrown instanceof WWWAuthenticateChallengeError) {
    return statusFailure(thrown.response, ", and rejected our client's credentials", about)
  }
  // A rejection without OAuth's error fields.
  if (thrown instanceof Error && thrown.cause instanceof Response && !thrown.cause.ok) {
    return statusFailure(thrown.cause, ` at ${thrown.cause.url}`, about)
  }
  const failure = transportFailureFrom(thrown, about, secrets)
  const isNetworkError = thrown instanceof TypeError || (thrown instanceof Error && thrown.cause instanceof TypeError)
  if (isNetworkError || failure.reason !== "reset") return failure
  // A library's verdict on a complete response: not JSON, or not what OAuth requires. For the breaker both are the same.
  const { message, cause } = thrown instanceof Error ? thrown : new Error(String(thrown))
  const detail = redactor(secrets)(`${message}${responseIn(cause)}`)
  return Option.isSome(decodeMismatch(cause))
    ? new OtherIssuer({ ...about, reason: "not-json", detail })
    : new TransportFailure({ ...about, reason: "not-json", detail })
}

/** The metadata names an issuer other than the configured one. */
class OtherIssuer extends TransportFailure {}

/** The reason for a failure in our own words only, because readiness is public. */
const publicReason = (failure: TransportFailure): string => {
  if (failure instanceof OtherIssuer) return "the issuer's name differs from the configured one"
  if (failure.status !== undefined) return `responded with ${failure.status}`
  return publicReasons[failure.reason] ?? failure.reason
}

const publicReasons: Partial<Record<TransportFailureReason, string>> = {
  dns: "its host name does not resolve",
  connect: "no connection",
  tls: "its certificate is refused, or it does not speak TLS",
  reset: "the connection ended before the response",
  timeout: "no response in time",
  "not-json": "the response is invalid",
}

/** Whether an endpoint of the metadata is a usable URL. */
export const isUrl = (endpoint: unknown): endpoint is string => typeof endpoint === "string" && URL.canParse(endpoint)
export const hasNo = (endpoint: string): string => `its metadata contains no usable ${endpoint}`

/** What the cause of a library's error reveals about the response; an empty string if nothing. */
const responseIn = (cause: unknown): string => {
  if (cause instanceof Response) return ` (it responded with ${cause.status} at ${cause.url})`
  const mismatch = decodeMismatch(cause)
  return Option.isNone(mismatch)
    ? ""
    : ` (expected ${mismatch.value.expected}, found ${mismatch.value.body.issuer}; set auth.issuer if that is right)`
}

const decodeMismatch = Schema.decodeUnknownOption(
  Schema.Struct({ expected: Schema.String, body: Schema.Struct({ issuer: Schema.String }) }),
)
