import { Duration, Effect, type Scope } from "effect"
import ky from "ky"
import { originHeaders } from "./call-origin.ts"
import { secretsOf, withoutSecrets } from "./credentials.ts"
import { type Endpoint, type EndpointOptions, makeEndpoint } from "./endpoint.ts"
import type { EnvironmentProxies } from "./environment-proxies.ts"
import { type AboutCall, TransportFailure, transportFailureFrom } from "./failure.ts"
import { makeFetch } from "./fetch.ts"
import type { InvalidProxy } from "./proxy.ts"
import { retryAfterSeconds } from "./retry.ts"
import type { TlsProfile } from "./tls-profile.ts"
import { readProxySetting, type Way, wayTo } from "./way.ts"

/** Where calls go, and how patiently. */
export interface TransportOptions extends EndpointOptions {
  /** The name that failures, metrics, logs and spans give the upstream: `waldur`, `hpc-user-api`. */
  readonly upstream: string
  /** What each call's path is joined to: `https://waldur.example.org/api/`. */
  readonly baseUrl: string
  /** Sent with each call. Default none. */
  readonly headers?: Readonly<Record<string, string>>
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
   * What it is sent through, where its failures shall say nothing of the upstream's other calls (`makeEndpoint`). Default:
   * the transport's own.
   */
  readonly endpoint?: Endpoint
}

/** A success (2xx). */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  /** The decoded JSON; `undefined` where the body is empty, as with HEAD and 204. */
  readonly body: unknown
}

/** The way to one upstream. */
export interface Transport {
  /**
   * Sends a call and reads its JSON answer. GET and HEAD are repeated as the retry policy says; a POST is sent once, for
   * nobody knows what a lost one did. Redirects are failures: they would carry the credential elsewhere. After three
   * failed calls in a row, calls fail at once (`circuit-open`), save one every 5 seconds.
   *
   * The upstream is told of the span that the call is made in (`traceparent`), and of what `CurrentCallOrigin` holds.
   */
  readonly call: (call: HttpCall) => Effect.Effect<HttpAnswer, TransportFailure>
  /**
   * The same way out for a library that brings its own protocol, such as oauth4webapi. By itself without repeats, deadline
   * and breaker: send it through `endpoint`, or through one of its own (`makeEndpoint`) where it is for another server.
   */
  readonly fetch: typeof fetch
  /** What `call` sends its attempts through. */
  readonly endpoint: Endpoint
  /** What is on the way to a URL, for failures of `fetch`: the proxy may differ from URL to URL. */
  readonly wayTo: (url: string) => Way
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
  const { secrets: proxySecrets, ...way } = wayTo(options.baseUrl, proxyTo)
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
    ...(options.headers === undefined ? {} : { headers: options.headers }),
  })
  const endpoint = yield* makeEndpoint(options)

  const callFor = (call: HttpCall) => ({
    upstream: options.upstream,
    call: `${call.method} ${options.baseUrl.replace(/\/*$/, "/")}${call.path}`,
    ...way,
  })

  const attempt = (call: HttpCall, origin: Readonly<Record<string, string>>) => {
    const secrets = [...secretsOf(options.headers), ...secretsOf(call.headers), ...proxySecrets]
    return Effect.tryPromise({
      try: async (signal) => {
        const response = await client(call.path, {
          method: call.method,
          signal,
          ...(call.query === undefined ? {} : { searchParams: call.query.map((pair) => [...pair]) }),
          headers: { ...origin, ...call.headers },
          ...(call.json === undefined ? {} : { json: call.json }),
        })
        // Read even where it is not used: an unread body holds its connection.
        return { response, text: await response.text() }
      },
      catch: (thrown) => transportFailureFrom(thrown, callFor(call), secrets),
    }).pipe(Effect.flatMap(({ response, text }) => answerFrom(response, text, callFor(call), secrets)))
  }

  return {
    fetch: pool.fetch,
    endpoint,
    wayTo: (url) => wayTo(url, proxyTo),
    call: Effect.fn("Transport.call")(function* (call) {
      yield* Effect.annotateCurrentSpan({ upstream: options.upstream, method: call.method, path: call.path })
      const through = call.endpoint ?? endpoint
      return yield* through(callFor(call), attempt(call, yield* originHeaders), { isSafe: call.method !== "POST" })
    }),
  }
})

const answerFrom = (
  response: Response,
  text: string,
  about: AboutCall,
  secrets: ReadonlyArray<string>,
): Effect.Effect<HttpAnswer, TransportFailure> => {
  // Error pages for developers repeat the request's headers.
  const said = () => withoutSecrets(excerpt(text), secrets)
  if (!response.ok) {
    const retryAfter = retryAfterSeconds(response.headers)
    return Effect.fail(
      new TransportFailure({
        ...about,
        reason: "status",
        status: response.status,
        detail: said(),
        ...(retryAfter === undefined ? {} : { retryAfter }),
      }),
    )
  }
  if (text === "") return Effect.succeed({ status: response.status, headers: response.headers, body: undefined })
  return Effect.try({
    try: (): HttpAnswer => ({ status: response.status, headers: response.headers, body: JSON.parse(text) }),
    catch: () => new TransportFailure({ ...about, reason: "not-json", detail: said() }),
  })
}

/** The start of a body for a message: an HTML page without its tags, white space folded, 200 characters. */
const excerpt = (text: string): string => {
  const plain = text
    .slice(0, 4096)
    .replace(/<(style|script)[\s\S]*?<\/\1>/gi, " ")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim()
  if (plain === "") return "an empty body"
  return plain.length > 200 ? `${plain.slice(0, 200)}…` : plain
}

const millis = (duration: Duration.Input) => Duration.toMillis(Duration.fromInputUnsafe(duration))
