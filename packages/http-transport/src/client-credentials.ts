/** Obtains and renews an access token by the client-credentials grant (RFC 6749 section 4.4). */
import { Effect, type Redacted, Schema, type Scope } from "effect"
import {
  allowInsecureRequests,
  ClientSecretPost,
  clientCredentialsGrantRequest,
  customFetch,
  discoveryRequest,
  processDiscoveryResponse,
} from "oauth4webapi"
import { withoutTrailingSlashes } from "./base-url.ts"
import { NotJson, readErrorText, readJson } from "./body.ts"
import { type CallPolicy, type CallPolicyOptions, makeCallPolicy } from "./call-policy.ts"
import { redactor, secretsOfUrl, urlForDisplay } from "./credentials.ts"
import { elapsedMillis } from "./elapsed.ts"
import { type AboutCall, isRepeatable, TransportFailure, transportFailureFrom } from "./failure.ts"
import { retryAfterSeconds } from "./retry.ts"
import { type Secret, secretNow } from "./secret.ts"
import { makeSharedWork } from "./shared-work.ts"
import { readTokenGrant, readTokenRefusal, type TokenGrant } from "./token-response.ts"
import type { Transport } from "./transport.ts"

/** The token endpoint, the client, and the limits of calls. */
export interface TokenSourceOptions extends Pick<CallPolicyOptions, "attemptTimeout" | "deadline" | "retry"> {
  /** Its `fetch` is used, so that proxies and TLS profile apply to the token endpoint as well. */
  readonly transport: Pick<Transport, "fetch" | "routeTo">
  /** The endpoint's name in failures, metrics and spans: `hpc-user-api-token`. */
  readonly upstream: string
  /** The API that the token is for, in words, for the message of a refusal: `the HPC User API`. */
  readonly api?: string
  /**
   * The token endpoint itself, or the issuer, whose metadata (OpenID Connect Discovery) names it; they are read once.
   * `http://` is accepted for test systems.
   */
  readonly endpoint: { readonly tokenUrl: string } | { readonly issuer: string }
  readonly clientId: string
  readonly clientSecret: Secret
  readonly scope: string
  readonly userAgent?: string | undefined
}

/** The token endpoint refused the client credentials (RFC 6749 section 5.2). */
export class TokenRefused extends Schema.TaggedError<TokenRefused>()("TokenRefused", {
  tokenUrl: Schema.String,
  status: Schema.Int,
  /** The OAuth error code, such as `invalid_client`; absent if the response is not an OAuth error. */
  error: Schema.optionalKey(Schema.String),
  errorDescription: Schema.optionalKey(Schema.String),
  /** The API that the token is for. */
  api: Schema.optionalKey(Schema.String),
}) {
  override get message() {
    const why = [this.error ?? "no OAuth error in its response", this.errorDescription].filter(Boolean).join(": ")
    const whose = this.api === undefined ? "" : ` of ${this.api}`
    return `${this.tokenUrl} refused the client credentials${whose} with ${this.status}: ${why}`
  }
}

/** A success of the token endpoint that grants no bearer token. Never quotes the body. */
export class NoTokenGranted extends Schema.TaggedError<NoTokenGranted>()("NoTokenGranted", {
  /** Method and URL without query. */
  call: Schema.String,
  detail: Schema.String,
}) {
  override get message() {
    return `Unexpected response to ${this.call}: ${this.detail}`
  }
}

/** All errors of a token source. No message contains the client's secret or a token. */
export type TokenError = TransportFailure | TokenRefused | NoTokenGranted

/** Keeps a token. */
export interface TokenSource {
  /**
   * A currently valid token. After a 401 from the API, pass the refused token: it is replaced once for all callers that were
   * refused with it.
   */
  readonly token: (refused?: Redacted.Redacted) => Effect.Effect<Redacted.Redacted, TokenError>
}

interface KeptToken {
  readonly token: Redacted.Redacted
  /** The secret it was granted for; after a rotation the token is no longer used. */
  readonly clientSecret: string
  /** Monotonic milliseconds. */
  readonly renewAt: number
  readonly expiresAt: number
}

/** If the endpoint returns no lifetime: Keycloak's default. A shorter one leads to a 401 and thus to a renewal. */
const assumedLifeSeconds = 300
/** Milliseconds before its expiry at which a token is renewed. */
const renewBefore = 5 * 60_000
/** Milliseconds: a token with a shorter lifetime is renewed halfway. */
const shortLife = 10 * 60_000

/**
 * Keeps one client-credentials token: requested on first use, renewed five minutes before it expires (at half its lifetime if
 * that is under ten minutes, to avoid constant renewal) and when the API refuses it. Concurrent callers share one
 * request, and interrupting one of them does not affect the others.
 */
export const makeTokenSource = Effect.fnUntraced(function* (
  options: TokenSourceOptions,
): Effect.fn.Return<TokenSource, never, Scope.Scope> {
  const callPolicy = yield* makeCallPolicy(options)
  const grantFor = requestGrant(options, callPolicy)
  /** By client secret, so that after a rotation no caller waits for a token of the previous one. */
  const requests = yield* makeSharedWork<string, KeptToken, TokenError>()
  let kept: KeptToken | undefined

  const request = Effect.fnUntraced(function* (clientSecret: string) {
    const requestedAt = yield* elapsedMillis
    const grant = yield* grantFor(clientSecret)
    const life = Math.max(0, (grant.expiresIn ?? assumedLifeSeconds) * 1000)
    const granted: KeptToken = {
      token: grant.accessToken,
      clientSecret,
      renewAt: requestedAt + (life < shortLife ? life / 2 : life - renewBefore),
      expiresAt: requestedAt + life,
    }
    if (secretNow(options.clientSecret) === clientSecret) kept = granted
    return granted
  })

  return {
    token: Effect.fnUntraced(function* (refused) {
      const now = yield* elapsedMillis
      const context = yield* Effect.context<never>()
      const clientSecret = secretNow(options.clientSecret)
      const current = kept?.clientSecret === clientSecret && kept.token !== refused ? kept : undefined
      if (current !== undefined && now < current.renewAt) return current.token
      const renewed =
        requests.inFlight(clientSecret) ??
        requests.begin([clientSecret], Effect.provideContext(request(clientSecret), context))
      if (current === undefined || now >= current.expiresAt) return (yield* renewed).token
      // The current token is still valid, so an unavailable token endpoint does no harm yet.
      const { token } = yield* Effect.catchTag(renewed, "TransportFailure", () => Effect.succeed(current))
      return token
    }),
  }
})

const requestGrant = (
  options: TokenSourceOptions,
  callPolicy: CallPolicy,
): ((clientSecret: string) => Effect.Effect<TokenGrant, TokenError>) => {
  const { endpoint } = options
  let tokenUrl = "issuer" in endpoint ? undefined : endpoint.tokenUrl
  return Effect.fn("TokenSource.request")(function* (clientSecret) {
    if (tokenUrl === undefined && "issuer" in endpoint) {
      tokenUrl = yield* discoverTokenUrl(options, endpoint.issuer, callPolicy)
    }
    return yield* grantAt(options, tokenUrl ?? "", clientSecret, callPolicy)
  })
}

/** A call to one URL as its failures describe it, with the secrets that they must not contain. */
const describeCall = (
  { transport, upstream, clientSecret }: TokenSourceOptions,
  method: string,
  url: string,
): { readonly about: AboutCall; readonly secrets: ReadonlyArray<string | Secret> } => {
  const { secrets, ...route } = transport.routeTo(url)
  return {
    about: { upstream, call: `${method} ${urlForDisplay(url)}`, ...route },
    secrets: [clientSecret, ...secretsOfUrl(url), ...secrets],
  }
}

/** The options of a request of oauth4webapi. */
const requestOptions = ({ transport, userAgent }: TokenSourceOptions, url: string, signal: AbortSignal) => ({
  [customFetch]: (to: string, init: object) => transport.fetch(to, init as RequestInit),
  // An http:// URL is intentional: a test system or a tunnel.
  [allowInsecureRequests]: url.startsWith("http://"),
  ...(userAgent === undefined ? {} : { headers: { "user-agent": userAgent } }),
  signal,
})

/** Runs an attempt, whose exceptions become failures. */
const attempted = <A>(
  attempt: (signal: AbortSignal) => Promise<A | TransportFailure>,
  { about, secrets }: ReturnType<typeof describeCall>,
): Effect.Effect<A, TransportFailure> =>
  Effect.flatMap(
    Effect.tryPromise({ try: attempt, catch: (thrown) => transportFailureFrom(thrown, about, secrets) }),
    (result) => (result instanceof TransportFailure ? Effect.fail(result) : Effect.succeed(result as A)),
  )

/** The token endpoint in the issuer's metadata, which must be those of this issuer. */
const discoverTokenUrl = (
  options: TokenSourceOptions,
  issuer: string,
  callPolicy: CallPolicy,
): Effect.Effect<string, TransportFailure> => {
  const url = new URL(issuer)
  const call = describeCall(options, "GET", `${withoutTrailingSlashes(issuer)}/.well-known/openid-configuration`)
  const attempt = async (signal: AbortSignal): Promise<string | TransportFailure> => {
    const response = await discoveryRequest(url, requestOptions(options, issuer, signal))
    if (!response.ok) {
      await response.body?.cancel()
      return statusFailure(response, call)
    }
    const metadata = await processDiscoveryResponse(url, response).catch((error: Error) => {
      throw new NotJson(`no metadata of this issuer: ${error.message}`)
    })
    if (metadata.token_endpoint === undefined) throw new NotJson("no token_endpoint in the issuer's metadata")
    return metadata.token_endpoint
  }
  return callPolicy(call.about, attempted(attempt, call))
}

const grantAt = (
  options: TokenSourceOptions,
  tokenUrl: string,
  clientSecret: string,
  callPolicy: CallPolicy,
): Effect.Effect<TokenGrant, TokenError> => {
  const call = describeCall(options, "POST", tokenUrl)
  const attempt = async (signal: AbortSignal): Promise<TokenResponse | TransportFailure> => {
    const response = await clientCredentialsGrantRequest(
      { issuer: tokenUrl, token_endpoint: tokenUrl },
      { client_id: options.clientId },
      ClientSecretPost(clientSecret),
      { scope: options.scope },
      requestOptions(options, "issuer" in options.endpoint ? options.endpoint.issuer : tokenUrl, signal),
    )
    if (response.ok) {
      const { body, bytes } = await readJson(response, true)
      if (bytes === 0) throw new NotJson("an empty body")
      return { granted: true, body }
    }
    const failure = statusFailure(response, call)
    const text = await readErrorText(response)
    return isRepeatable(failure) ? failure : { granted: false, status: response.status, text }
  }
  // A grant changes nothing at the endpoint, so unlike other POSTs it may be retried.
  return Effect.flatMap(callPolicy(call.about, attempted(attempt, call)), (response) =>
    grantFrom(response, options, tokenUrl, call),
  )
}

/** A decision of the endpoint, as opposed to a transient failure. */
type TokenResponse =
  | { readonly granted: true; readonly body: unknown }
  | { readonly granted: false; readonly status: number; readonly text: string }

/** Never contains the body, in which a broken endpoint may repeat the submitted form. */
const statusFailure = (
  { status, statusText, headers }: Response,
  { about, secrets }: ReturnType<typeof describeCall>,
): TransportFailure => {
  const retryAfter = retryAfterSeconds(headers)
  return new TransportFailure({
    ...about,
    reason: "status",
    status,
    detail: redactor(secrets)(statusText.slice(0, maxErrorText)) || "no reason given",
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })
}

/** Maximum length of an endpoint's error text in a failure, in characters. */
const maxErrorText = 200

const grantFrom = (
  response: TokenResponse,
  { api }: TokenSourceOptions,
  tokenUrl: string,
  { about, secrets }: ReturnType<typeof describeCall>,
): Effect.Effect<TokenGrant, TokenError> => {
  if (response.granted) {
    const grant = readTokenGrant(response.body)
    return grant === undefined
      ? Effect.fail(
          new NoTokenGranted({
            call: about.call,
            detail: "expected access_token and token_type Bearer (RFC 6749 section 5.1), found JSON without them",
          }),
        )
      : Effect.succeed(grant)
  }
  const { error, errorDescription } = readTokenRefusal(response.text) ?? {}
  const shown = (text: string) => redactor(secrets)(text).slice(0, maxErrorText)
  return Effect.fail(
    new TokenRefused({
      tokenUrl: urlForDisplay(tokenUrl),
      status: response.status,
      ...(error === undefined ? {} : { error: shown(error) }),
      ...(errorDescription === undefined ? {} : { errorDescription: shown(errorDescription) }),
      ...(api === undefined ? {} : { api }),
    }),
  )
}
