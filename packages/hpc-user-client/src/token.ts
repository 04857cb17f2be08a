import {
  type AboutCall,
  type CallPolicy,
  elapsedMillis,
  isRepeatable,
  makeCallPolicy,
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
import { Deferred, type Duration, Effect, type Redacted, type Scope } from "effect"
import { allowInsecureRequests, ClientSecretPost, clientCredentialsGrantRequest, customFetch } from "oauth4webapi"
import { apiErrorFrom, type HpcUserApiError, HpcUserApiUnexpectedAnswer, TokenRefused } from "./errors.ts"
import { readTokenGrant, readTokenRefusal, type TokenGrant } from "./token-answer.ts"

export interface TokenOptions {
  readonly transport: Pick<Transport, "fetch" | "routeTo">
  /** The API's name; the token endpoint, which is often not even its neighbour, has one of its own after it. */
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
   * A token that is good for now. After a 401 of the API pass the token that it refused: it is replaced, once for all
   * who were refused with it.
   */
  readonly token: (refused?: Redacted.Redacted) => Effect.Effect<Redacted.Redacted, HpcUserApiError>
}

interface Held {
  readonly token: Redacted.Redacted
  /** What it was granted for: after a rotation it counts no longer. */
  readonly clientSecret: string
  /** Milliseconds of the clock. */
  readonly renewAt: number
  readonly endsAt: number
}

/** Where the endpoint does not say: Keycloak's default. A 401 of the API covers for a shorter one. */
const assumedLifeSeconds = 300
const renewBefore = 5 * 60_000
const shortLife = 10 * 60_000

/**
 * One client-credentials token, asked for when first needed, renewed five minutes before its end (one that lives less
 * than ten minutes at half its life, or it would be renewed all the time) and when the API refuses it. One flight: it
 * runs in the scope, so a caller who gives up takes nobody along.
 */
export const makeTokenSource = Effect.fnUntraced(function* (
  options: TokenOptions,
): Effect.fn.Return<TokenSource, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const { attemptTimeout, deadline, retry } = options
  const upstream = `${options.upstream}-token`
  const endpoint = yield* makeCallPolicy({ upstream, attemptTimeout, deadline, retry })
  const grantFor = requestGrant({ ...options, upstream }, endpoint)
  const request = (clientSecret: string) =>
    Effect.map(Effect.all([elapsedMillis, grantFor(clientSecret)]), ([asked, grant]): Held => {
      const life = Math.max(0, (grant.expiresIn ?? assumedLifeSeconds) * 1000)
      return {
        token: grant.accessToken,
        clientSecret,
        renewAt: asked + (life < shortLife ? life / 2 : life - renewBefore),
        endsAt: asked + life,
      }
    })
  let held: Held | undefined
  interface Flight {
    readonly landing: Deferred.Deferred<Held, HpcUserApiError>
    readonly clientSecret: string
  }
  let flight: Flight | undefined

  const depart = (departing: Flight) =>
    request(departing.clientSecret).pipe(
      Effect.tap((renewed) =>
        Effect.sync(() => {
          if (flight === departing) held = renewed
        }),
      ),
      Effect.onExit((exit) => {
        if (flight === departing) flight = undefined
        return Deferred.done(departing.landing, exit)
      }),
      Effect.forkIn(scope),
    )

  return {
    token: Effect.fnUntraced(function* (refused) {
      const now = yield* elapsedMillis
      const clientSecret = secretNow(options.clientSecret)
      const current = held?.clientSecret === clientSecret ? held : undefined
      if (current !== undefined && current.token !== refused && now < current.renewAt) return current.token
      const landing = yield* Effect.uninterruptible(
        Effect.suspend(() => {
          if (flight?.clientSecret === clientSecret) return Effect.succeed(flight.landing)
          const landing = Deferred.makeUnsafe<Held, HpcUserApiError>()
          flight = { landing, clientSecret }
          return Effect.as(depart(flight), landing)
        }),
      )
      const renewed = Deferred.await(landing)
      if (current === undefined || current.token === refused || now >= current.endsAt) return (yield* renewed).token
      // A token endpoint that stumbles in the last five minutes costs nothing yet.
      return yield* renewed.pipe(
        Effect.map(({ token }) => token),
        Effect.catchTag("HpcUserApiUnavailable", () => Effect.succeed(current.token)),
      )
    }),
  }
})

const requestGrant = (
  options: TokenOptions,
  endpoint: CallPolicy,
): ((clientSecret: string) => Effect.Effect<TokenGrant, HpcUserApiError>) => {
  const shownUrl = urlForDisplay(options.tokenUrl)
  const { secrets: proxySecrets, ...way } = options.transport.routeTo(options.tokenUrl)
  const about: AboutCall = { upstream: options.upstream, call: `POST ${shownUrl}`, ...way }
  const secrets = [options.clientSecret, ...secretsOfUrl(options.tokenUrl), ...proxySecrets]
  const redact = redactor(secrets)

  const attempt = (clientSecret: string) =>
    Effect.tryPromise({
      try: async (signal): Promise<TokenAnswer | TransportFailure> => {
        const response = await clientCredentialsGrantRequest(
          // The endpoint is given directly; its issuer is not known and not needed to ask.
          { issuer: options.tokenUrl, token_endpoint: options.tokenUrl },
          { client_id: options.clientId },
          ClientSecretPost(clientSecret),
          { scope: options.scope },
          {
            [customFetch]: (url, init) => options.transport.fetch(url, init as RequestInit),
            // A URL that says http:// was written so on purpose: a test system or a tunnel.
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
      Effect.flatMap((answer) => (answer instanceof TransportFailure ? Effect.fail(answer) : Effect.succeed(answer))),
    )

  // A grant changes nothing at the endpoint, so unlike other POSTs it may be repeated.
  return (clientSecret) =>
    endpoint(about, attempt(clientSecret)).pipe(
      Effect.mapError(apiErrorFrom),
      Effect.flatMap((answer) => grantFrom(answer, shownUrl, about, redact)),
      Effect.withSpan("HpcUserClient.requestToken"),
    )
}

/** What the endpoint decided, as against a stumble that is worth a repeat. */
type TokenAnswer =
  | { readonly granted: true; readonly body: unknown }
  | { readonly granted: false; readonly status: number; readonly text: string }

/** No body goes into a failure: who knows what a broken endpoint repeats of the form it was sent. */
const refusalFrom = (
  response: Response,
  text: string,
  about: AboutCall,
  redact: (text: string) => string,
): TokenAnswer | TransportFailure => {
  const retryAfter = retryAfterSeconds(response.headers)
  const failure = new TransportFailure({
    ...about,
    reason: "status",
    status: response.status,
    detail: redact(response.statusText.slice(0, wordsShown)) || "no reason given",
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })
  return isRepeatable(failure) ? failure : { granted: false, status: response.status, text }
}

/** Characters of what an endpoint says of a refusal. */
const wordsShown = 200

const grantFrom = (
  answer: TokenAnswer,
  tokenUrl: string,
  about: AboutCall,
  redact: (text: string) => string,
): Effect.Effect<TokenGrant, HpcUserApiError> => {
  if (answer.granted) {
    const grant = readTokenGrant(answer.body)
    return grant === undefined
      ? Effect.fail(
          new HpcUserApiUnexpectedAnswer({
            call: about.call,
            detail: "expected access_token and token_type Bearer (RFC 6749 section 5.1), found JSON without them",
          }),
        )
      : Effect.succeed(grant)
  }
  const { error, errorDescription } = readTokenRefusal(answer.text) ?? {}
  const shown = (text: string) => redact(text).slice(0, wordsShown)
  return Effect.fail(
    new TokenRefused({
      tokenUrl,
      status: answer.status,
      ...(error === undefined ? {} : { error: shown(error) }),
      ...(errorDescription === undefined ? {} : { errorDescription: shown(errorDescription) }),
    }),
  )
}
