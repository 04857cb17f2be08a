/** Obtains and renews the client-credentials token. */
import {
  type AboutCall,
  type CallPolicy,
  elapsedMillis,
  isRepeatable,
  makeCallPolicy,
  makeSharedWork,
  type RetryPolicy,
  readErrorText,
  readJson,
  redactor,
  retryAfterSeconds,
  type Secret,
  secretNow,
  secretsOfUrl,
  type Transport,
  TransportFailure,
  transportFailureFrom,
  urlForDisplay,
} from "@cscs/http-transport"
import { type Duration, Effect, type Redacted, type Scope } from "effect"
import { allowInsecureRequests, ClientSecretPost, clientCredentialsGrantRequest, customFetch } from "oauth4webapi"
import { apiErrorFrom, type HpcUserApiError, HpcUserApiUnexpectedResponse, TokenRefused } from "./errors.ts"
import { readTokenGrant, readTokenRefusal, type TokenGrant } from "./token-response.ts"

export interface TokenOptions {
  readonly transport: Pick<Transport, "fetch" | "routeTo">
  /** The API's name; the token endpoint, often a different server, has a name derived from it. */
  readonly upstream: string
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: Secret
  readonly scope: string
  readonly userAgent: string | undefined
  readonly attemptTimeout: Duration.Input
  readonly deadline: Duration.Input
  readonly retry: RetryPolicy
}

export interface TokenSource {
  /**
   * A currently valid token. After a 401 from the API, pass the refused token: it is replaced once for all callers that were
   * refused with it.
   */
  readonly token: (refused?: Redacted.Redacted) => Effect.Effect<Redacted.Redacted, HpcUserApiError>
}

interface KeptToken {
  readonly token: Redacted.Redacted
  /** The secret it was granted for; after a rotation the token is not used any more. */
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
  options: TokenOptions,
): Effect.fn.Return<TokenSource, never, Scope.Scope> {
  const { attemptTimeout, deadline, retry } = options
  const upstream = `${options.upstream}-token`
  const endpoint = yield* makeCallPolicy({ upstream, attemptTimeout, deadline, retry })
  const grantFor = requestGrant({ ...options, upstream }, endpoint)
  /** By client secret, so that after a rotation no caller waits for a token of the previous one. */
  const requests = yield* makeSharedWork<string, KeptToken, HpcUserApiError>()
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
      const { token } = yield* Effect.catchTag(renewed, "HpcUserApiUnavailable", () => Effect.succeed(current))
      return token
    }),
  }
})

const requestGrant = (
  options: TokenOptions,
  endpoint: CallPolicy,
): ((clientSecret: string) => Effect.Effect<TokenGrant, HpcUserApiError>) => {
  const shownUrl = urlForDisplay(options.tokenUrl)
  const { secrets: proxySecrets, ...route } = options.transport.routeTo(options.tokenUrl)
  const about: AboutCall = { upstream: options.upstream, call: `POST ${shownUrl}`, ...route }
  const secrets = [options.clientSecret, ...secretsOfUrl(options.tokenUrl), ...proxySecrets]
  const redact = redactor(secrets)

  const attempt = (clientSecret: string) =>
    Effect.tryPromise({
      try: async (signal): Promise<TokenResponse | TransportFailure> => {
        const response = await clientCredentialsGrantRequest(
          // The endpoint is configured directly; its issuer is unknown and not needed for the request.
          { issuer: options.tokenUrl, token_endpoint: options.tokenUrl },
          { client_id: options.clientId },
          ClientSecretPost(clientSecret),
          { scope: options.scope },
          {
            [customFetch]: (url, init) => options.transport.fetch(url, init as RequestInit),
            // An http:// URL is intentional: a test system or a tunnel.
            [allowInsecureRequests]: options.tokenUrl.startsWith("http://"),
            ...(options.userAgent === undefined ? {} : { headers: { "user-agent": options.userAgent } }),
            signal,
          },
        )
        if (response.ok) {
          const { body, bytes } = await readJson(response, true)
          return bytes === 0
            ? new TransportFailure({ ...about, reason: "not-json", detail: "an empty body" })
            : { granted: true, body }
        }
        return refusalFrom(response, await readErrorText(response), about, redact)
      },
      catch: (thrown) => transportFailureFrom(thrown, about, secrets),
    }).pipe(
      Effect.flatMap((result) => (result instanceof TransportFailure ? Effect.fail(result) : Effect.succeed(result))),
    )

  // A grant changes nothing at the endpoint, so unlike other POSTs it may be retried.
  return (clientSecret) =>
    endpoint(about, attempt(clientSecret)).pipe(
      Effect.mapError(apiErrorFrom),
      Effect.flatMap((response) => grantFrom(response, shownUrl, about, redact)),
      Effect.withSpan("HpcUserClient.requestToken"),
    )
}

/** A decision of the endpoint, as opposed to a transient failure. */
type TokenResponse =
  | { readonly granted: true; readonly body: unknown }
  | { readonly granted: false; readonly status: number; readonly text: string }

/** The failure never contains the body, in which a broken endpoint may repeat the submitted form. */
const refusalFrom = (
  response: Response,
  text: string,
  about: AboutCall,
  redact: (text: string) => string,
): TokenResponse | TransportFailure => {
  const retryAfter = retryAfterSeconds(response.headers)
  const failure = new TransportFailure({
    ...about,
    reason: "status",
    status: response.status,
    detail: redact(response.statusText.slice(0, maxErrorText)) || "no reason given",
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })
  return isRepeatable(failure) ? failure : { granted: false, status: response.status, text }
}

/** Characters of an endpoint's error text in a failure. */
const maxErrorText = 200

const grantFrom = (
  response: TokenResponse,
  tokenUrl: string,
  about: AboutCall,
  redact: (text: string) => string,
): Effect.Effect<TokenGrant, HpcUserApiError> => {
  if (response.granted) {
    const grant = readTokenGrant(response.body)
    return grant === undefined
      ? Effect.fail(
          new HpcUserApiUnexpectedResponse({
            call: about.call,
            detail: "expected access_token and token_type Bearer (RFC 6749 section 5.1), found JSON without them",
          }),
        )
      : Effect.succeed(grant)
  }
  const { error, errorDescription } = readTokenRefusal(response.text) ?? {}
  const shown = (text: string) => redact(text).slice(0, maxErrorText)
  return Effect.fail(
    new TokenRefused({
      tokenUrl,
      status: response.status,
      ...(error === undefined ? {} : { error: shown(error) }),
      ...(errorDescription === undefined ? {} : { errorDescription: shown(errorDescription) }),
    }),
  )
}
