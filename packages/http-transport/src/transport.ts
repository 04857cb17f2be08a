import { Duration, Effect, type Scope } from "effect"
import ky from "ky"
import { excerpt, readErrorText, readJson } from "./body.ts"
import { originHeaders } from "./call-origin.ts"
import { type CallPolicy, type CallPolicyOptions, makeCallPolicy } from "./call-policy.ts"
import { redactor, secretsOf, secretsOfUrl, urlForDisplay } from "./credentials.ts"
import type { EnvironmentProxies } from "./environment-proxies.ts"
import { TransportFailure, transportFailureFrom } from "./failure.ts"
import { makeFetch } from "./fetch.ts"
import type { InvalidProxy } from "./proxy.ts"
import { retryAfterSeconds } from "./retry.ts"
import { type Route, readProxySetting, routeTo } from "./route.ts"
import type { Secret } from "./secret.ts"
import type { TlsProfile } from "./tls-profile.ts"

/** Where calls go, and how patiently. */
export interface TransportOptions extends CallPolicyOptions {
  /** The name that failures, metrics, logs and spans give the upstream: `waldur`, `hpc-user-api`. */
  readonly upstream: string
  /** What each call's path is joined to: `https://waldur.example.org/api/`. */
  readonly baseUrl: string
  /** Sent with each call; a function is asked at each, so that a secret in them can be replaced. Default none. */
  readonly headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>)
  /**
   * One proxy for all, `socks4://`, `socks4a://`, `socks5://`, `socks5h://`, `http://` or `https://`, or what the
   * environment says for each URL (`environmentProxies`). Default: direct, whatever the environment says.
   */
  readonly proxy?: string | EnvironmentProxies
  readonly tls?: TlsProfile
  /** For a connection, proxy and TLS included. Default 10 seconds. */
  readonly connectTimeout?: Duration.Input
  /** Connections kept at most. Default 16. */
  readonly connections?: number
  /** A larger decoded body is refused. Default 64 MiB; a page of 300 full Waldur resources has 1.7 MB. */
  readonly maxBodyBytes?: number
  /** What no failure may hold, beside the credentials in headers and URLs: an upstream may know them and say them. */
  readonly secrets?: ReadonlyArray<Secret>
}

/** One call, relative to the transport's base URL. */
export interface HttpCall {
  readonly method: "GET" | "HEAD" | "POST"
  /** Without a leading slash, and with the closing one where the upstream has it: `marketplace-resources/`. */
  readonly path: string
  /** In this order, a name repeated where the upstream wants it so. */
  readonly query?: ReadonlyArray<readonly [name: string, value: string]>
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as a JSON body. */
  readonly json?: unknown
  /**
   * What it is sent through, where its failures shall say nothing of the upstream's other calls (`makeCallPolicy`). Default:
   * the transport's own.
   */
  readonly callPolicy?: CallPolicy
  /** Reads the text of a success in place of `JSON.parse`; what it throws makes the answer no JSON. */
  readonly parse?: (text: string) => unknown
}

/** A success (2xx), whole, in JSON and UTF-8. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  /** The decoded JSON; `undefined` where the body is empty, as with HEAD and 204. */
  readonly body: unknown
  /** Of the body, decoded. */
  readonly bytes: number
}

/** The way to one upstream. */
export interface Transport {
  /**
   * Sends a call and reads its JSON answer. GET and HEAD are repeated as the retry policy says; a POST is sent once, for
   * nobody knows what a lost one did. Redirects are failures: they would carry the credential elsewhere. After three
   * failed calls in a row, calls fail at once (`circuit-open`), save one every 5 seconds.
   *
   * A success that is not a whole JSON text in UTF-8 is a failure (`not-json`): a part (206), another media type or
   * charset, bytes that are not UTF-8. No media type counts as JSON. Of its body nothing is quoted; of that of an error,
   * 200 characters, masked.
   *
   * The upstream is told of the span that the call is made in (`traceparent`), and of what `CurrentCallOrigin` holds.
   */
  readonly call: (call: HttpCall) => Effect.Effect<HttpAnswer, TransportFailure>
  /**
   * The same way out for a library that brings its own protocol, such as oauth4webapi. By itself without repeats, deadline
   * and breaker: send it through `callPolicy`, or through one of its own (`makeCallPolicy`) where it is for another server.
   */
  readonly fetch: typeof fetch
  /** What `call` sends its attempts through. */
  readonly callPolicy: CallPolicy
  /** What is on the way to a URL, for failures of `fetch`: the proxy may differ from URL to URL. */
  readonly routeTo: (url: string) => Route
  /** Masks the transport's secrets in a text that the upstream wrote (`redactor`). */
  readonly redact: (text: string) => string
}

/**
 * Opens the way to one upstream; its connections end with the scope.
 *
 * Fails with `InvalidProxy` where `proxy`, or one of the environment's, is none.
 */
export const makeTransport = Effect.fn("makeTransport")(function* (
  options: TransportOptions,
): Effect.fn.Return<Transport, InvalidProxy, Scope.Scope> {
  const proxyTo = yield* Effect.fromResult(readProxySetting(options.proxy))
  // A call's path changes neither scheme nor host, so all calls go the same way.
  const { secrets: proxySecrets, ...way } = routeTo(options.baseUrl, proxyTo)
  const pool = yield* Effect.acquireRelease(
    Effect.sync(() =>
      makeFetch({
        proxyTo,
        ...(options.tls === undefined ? {} : { tls: options.tls }),
        connectTimeout: millis(options.connectTimeout ?? "10 seconds"),
        connections: options.connections ?? 16,
        maxBodyBytes: options.maxBodyBytes ?? 64 * 1024 * 1024,
      }),
    ),
    (open) => Effect.promise(open.close),
  )
  const client = ky.create({
    prefix: options.baseUrl,
    fetch: pool.fetch,
    redirect: "manual",
    throwHttpErrors: false,
    // Both are Effect's, in one place: see below.
    retry: 0,
    timeout: false,
  })
  const { headers: given } = options
  const headersNow = () => (typeof given === "function" ? given() : given)
  const callPolicy = yield* makeCallPolicy(options)
  const ownSecrets = [
    ...secretsOf(headersNow()),
    ...secretsOfUrl(options.baseUrl),
    ...(options.secrets ?? []),
    ...proxySecrets,
  ]
  const redact = redactor(ownSecrets)

  const callFor = (call: HttpCall) => ({
    upstream: options.upstream,
    call: `${call.method} ${urlForDisplay(options.baseUrl).replace(/\/$/, "")}/${call.path}`,
    ...way,
  })

  const attempt = (call: HttpCall, origin: Readonly<Record<string, string>>) => {
    const about = callFor(call)
    const secrets = [...ownSecrets, ...secretsOf(call.headers)]
    return Effect.tryPromise({
      try: async (signal): Promise<HttpAnswer | TransportFailure> => {
        const response = await client(call.path, {
          method: call.method,
          signal,
          ...(call.query === undefined ? {} : { searchParams: call.query.map((pair) => [...pair]) }),
          headers: { ...headersNow(), ...origin, ...call.headers },
          ...(call.json === undefined ? {} : { json: call.json }),
        })
        const { status, headers } = response
        // Read even where it is not used: an unread body holds its connection.
        if (response.ok) return { status, headers, ...(await readJson(response, call.method === "POST", call.parse)) }
        const retryAfter = retryAfterSeconds(headers)
        // Its status counts even if its page breaks off, or is not in the coding that it names.
        const text = await readErrorText(response).catch(() => "a body that cannot be read")
        return new TransportFailure({
          ...about,
          reason: "status",
          status,
          // Error pages for developers repeat the request's headers.
          detail: redactor(secrets)(excerpt(text)),
          ...(retryAfter === undefined ? {} : { retryAfter }),
        })
      },
      catch: (thrown) => transportFailureFrom(thrown, about, secrets),
    }).pipe(
      Effect.flatMap((answer) => (answer instanceof TransportFailure ? Effect.fail(answer) : Effect.succeed(answer))),
    )
  }

  return {
    fetch: pool.fetch,
    callPolicy,
    routeTo: (url) => routeTo(url, proxyTo),
    redact,
    call: Effect.fn("Transport.call")(function* (call) {
      yield* Effect.annotateCurrentSpan({ upstream: options.upstream, method: call.method, path: call.path })
      const through = call.callPolicy ?? callPolicy
      return yield* through(callFor(call), attempt(call, yield* originHeaders), { isSafe: call.method !== "POST" })
    }),
  }
})

const millis = (duration: Duration.Input) => Duration.toMillis(Duration.fromInputUnsafe(duration))
