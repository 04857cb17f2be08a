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
  /** Its metadata, fetched when first needed and kept until restart; after a failure, fetched again after a second. */
  readonly metadata: Effect.Effect<AuthorizationServer, IssuerUnavailable>
  /**
   * One call with `fetch`, within its timeout and under the issuer's circuit breaker. Any failure means that tokens
   * cannot be checked. The issuer's verdict on a token is a result, not a failure.
   */
  readonly ask: <A>(
    what: string,
    call: (signal: AbortSignal) => Promise<A>,
    options?: {
      /** Texts that the request contains and no message may contain. Default none. */
      readonly secrets?: ReadonlyArray<string>
      /**
       * Whether an error status counts for the circuit breaker. Not for calls that anyone can trigger: they would block
       * all other calls. Default true.
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

/** For one response of the issuer, since a caller waits for it. */
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
    const noteSuccess = Effect.sync(() => {
      health = { status: "ok" }
    })
    const noteFailing = (detail: string) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        health = { status: "failing", detail, since: health?.status === "failing" ? health.since : now }
      })
    const noteFailure = (what: string, failure: TransportFailure) => {
      // No call was made, and the reason is known already.
      if (failure.reason === "circuit-open" && health?.status === "failing") return Effect.void
      return noteFailing(`${what}: ${inWords(failure)}`)
    }
    const ask: Issuer["ask"] = (what, call, { secrets = [], countsStatus = true, flaw } = {}) => {
      const about = { upstream: "issuer", call: what }
      const attempt = Effect.tryPromise({ try: call, catch: (thrown) => failureFrom(thrown, about, secrets) })
      const judged = countsStatus
        ? transport.callPolicy(about, attempt)
        : // A defect does not count for the breaker.
          transport
            .callPolicy(
              about,
              Effect.catchIf(
                attempt,
                ({ reason }) => reason === "status",
                (failure) => Effect.die(failure),
              ),
            )
            .pipe(
              Effect.catchDefect((defect) =>
                defect instanceof TransportFailure ? Effect.fail(defect) : Effect.die(defect),
              ),
            )
      return judged.pipe(
        Effect.tap((response) => {
          const found = flaw?.(response)
          return found === undefined ? noteSuccess : noteFailing(`${what}: ${found}`)
        }),
        Effect.tapError((failure) => noteFailure(what, failure)),
        Effect.mapError(
          ({ reason, detail, status }) => new IssuerUnavailable({ detail: `${what}: ${reason}: ${detail}`, status }),
        ),
      )
    }
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
      { flaw: ({ jwks_uri: url }) => (hasKeysAt(url) || auth.introspection !== undefined ? undefined : namesNoKeys) },
    )
    const shared = makeSharedCalls(1, issuerTimeout)
    let known: AuthorizationServer | undefined
    let failed: { readonly at: number; readonly failure: IssuerUnavailable } | undefined
    const discovered = Effect.gen(function* () {
      const now = yield* elapsedMillis
      if (failed !== undefined && now - failed.at < failureKept) return yield* failed.failure
      known = yield* Effect.tapError(discover, (failure) =>
        Effect.sync(() => {
          failed = { at: now, failure }
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

/** Callers get a `Retry-After`, and what is cached remains in use. */
export const noRetry = { ...defaultRetryPolicy, times: 0 }

/** Milliseconds for which a failed discovery counts. */
const failureKept = 1000

const statusFailure = ({ status, headers }: Response, detail: string, about: AboutCall): TransportFailure => {
  const retryAfter = retryAfterSeconds(headers)
  return new TransportFailure({
    ...about,
    reason: "status",
    status,
    detail: `responded with ${status}${detail}`,
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })
}

/** Why a call failed, for the operator: the network and the libraries put their reasons into causes. */
const failureFrom = (thrown: unknown, about: AboutCall, secrets: ReadonlyArray<string>): TransportFailure => {
  if (thrown instanceof TransportFailure) return thrown
  if (thrown instanceof ResponseBodyError) {
    const reported = [thrown.error, thrown.error_description].filter((one) => one !== undefined).join(": ")
    return statusFailure(thrown.response, ` ${redactor(secrets)(reported)}`, about)
  }
  if (thrown instanceof WWWAuthenticateChallengeError) {
    return statusFailure(thrown.response, ", and wants other credentials", about)
  }
  // A rejection without OAuth's error fields.
  if (thrown instanceof Error && thrown.cause instanceof Response && !thrown.cause.ok) {
    return statusFailure(thrown.cause, ` at ${thrown.cause.url}`, about)
  }
  const failure = transportFailureFrom(thrown, about, secrets)
  const isOfTheNetwork = thrown instanceof TypeError || (thrown instanceof Error && thrown.cause instanceof TypeError)
  if (isOfTheNetwork || failure.reason !== "reset") return failure
  // A library's verdict on a complete response.
  const { message, cause } = thrown instanceof Error ? thrown : new Error(String(thrown))
  const detail = `${message}${foundBy(cause)}`
  return Option.isSome(decodeMismatch(cause))
    ? new OtherIssuer({ ...about, reason: "not-json", detail })
    : new TransportFailure({ ...about, reason: "not-json", detail })
}

/** Its metadata name another issuer than the configured one. */
class OtherIssuer extends TransportFailure {}

/** A failure in our own words only. */
const inWords = (failure: TransportFailure): string => {
  if (failure instanceof OtherIssuer) return "the issuer has another name than the configured one"
  if (failure.status !== undefined) return `responded with ${failure.status}`
  return reasonsInWords[failure.reason] ?? failure.reason
}

const reasonsInWords: Partial<Record<TransportFailureReason, string>> = {
  dns: "its name has no address",
  connect: "no connection",
  tls: "its certificate is refused, or it does not speak TLS",
  reset: "the connection ended before the response",
  timeout: "no response in time",
  "not-json": "the response is invalid",
}

/** Whether metadata contain a usable key URL. */
export const hasKeysAt = (url: string | undefined): url is string => url !== undefined && URL.canParse(url)
export const namesNoKeys = "its metadata name no jwks_uri"

const foundBy = (cause: unknown): string => {
  if (cause instanceof Response) return ` (it responded with ${cause.status} at ${cause.url})`
  const mismatch = decodeMismatch(cause)
  return Option.isNone(mismatch)
    ? ""
    : ` (expected ${mismatch.value.expected}, found ${mismatch.value.body.issuer}; set auth.issuer if that is right)`
}

const decodeMismatch = Schema.decodeUnknownOption(
  Schema.Struct({ expected: Schema.String, body: Schema.Struct({ issuer: Schema.String }) }),
)
