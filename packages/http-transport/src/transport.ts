/** The transport to one upstream: JSON calls over `makeFetch`, governed by a call policy. */
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

/** The upstream and the limits of calls to it. */
export interface TransportOptions extends CallPolicyOptions {
  /** The upstream's name in failures, metrics, logs and spans: `waldur`, `hpc-user-api`. */
  readonly upstream: string
  /** The base of each call's path: `https://waldur.example.org/api/`. */
  readonly baseUrl: string
  /** Sent with each call. A function is called each time, so that a secret in them can be replaced. Default none. */
  readonly headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>)
  /**
   * One proxy for all URLs (`socks4://`, `socks4a://`, `socks5://`, `socks5h://`, `http://` or `https://`), or the
   * environment's proxies (`environmentProxies`). Default: direct; the environment is ignored.
   */
  readonly proxy?: string | EnvironmentProxies
  readonly tls?: TlsProfile
  /** For a connection, including TLS; through a proxy for the tunnel, and again for the upstream's TLS. Default 10 seconds. */
  readonly connectTimeout?: Duration.Input
  /** Maximum number of connections. Default 16. */
  readonly connections?: number
  /** Maximum size of a decoded body. Default 64 MiB; a page of 300 full Waldur resources has 1.7 MB. */
  readonly maxBodyBytes?: number
  /** Secrets to mask in failures, in addition to the credentials in headers and URLs; an upstream may repeat them. */
  readonly secrets?: ReadonlyArray<Secret>
}

/** One call, relative to the transport's base URL. */
export interface HttpCall {
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "DELETE"
  /**
   * Without a leading slash, with a trailing one if the upstream has it: `marketplace-resources/`. Without a query: failures
   * and spans contain the path.
   */
  readonly path: string
  /** In this order; names may repeat. */
  readonly query?: ReadonlyArray<readonly [name: string, value: string]>
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as a JSON body. */
  readonly json?: unknown
  /**
   * The policy for this call, if its failures must not affect the upstream's other calls (`makeCallPolicy`). Default: the
   * transport's own.
   */
  readonly callPolicy?: CallPolicy
  /** Replaces `JSON.parse` for a success; an exception from it becomes `not-json`. */
  readonly parse?: (text: string) => unknown
  /**
   * Receives the bytes of a success before they are decoded. A result other than `undefined` is used as the body: the same
   * bytes as in an earlier response need not be parsed again. Must not throw.
   */
  readonly recognise?: (content: Uint8Array) => unknown
  /**
   * Reads a success, or a 304, in place of all of the above, such as line by line; what it returns is the response's `body`.
   * Must read the response to its end or cancel it. Exceptions become failures.
   */
  readonly read?: (response: Response) => Promise<unknown>
}

/** A success (2xx): complete, JSON, UTF-8, unless the call reads it itself. */
export interface HttpResponse {
  readonly status: number
  readonly headers: Headers
  /** The decoded JSON; `undefined` if the body is empty, as with HEAD and 204. */
  readonly body: unknown
  /** Size of the decoded body; 0 if the call reads it itself. */
  readonly bytes: number
}

/** A transport to one upstream. */
export interface Transport {
  /**
   * Sends a call and reads its JSON response. GET and HEAD are retried according to the retry policy; all others only if
   * nothing of them can have reached the upstream, since the outcome of a lost one is unknown. Redirects are failures: they
   * would send the credential elsewhere. After three consecutive failed calls, calls fail at once (`circuit-open`), except
   * one every 5 seconds.
   *
   * A success that is not a complete JSON text in UTF-8 is a failure (`not-json`): a partial response (206), another media
   * type or charset, bytes that are not UTF-8. A missing media type counts as JSON. A success's body is never quoted; of an
   * error's body, 200 characters are, with secrets masked.
   *
   * The call carries the current span (`traceparent`) and the contents of `CurrentCallOrigin`.
   */
  readonly call: (call: HttpCall) => Effect.Effect<HttpResponse, TransportFailure>
  /**
   * The underlying `fetch`, for a library with its own protocol, such as oauth4webapi. It has no retries, deadline or
   * breaker: use it with `callPolicy`, or with a separate policy (`makeCallPolicy`) for calls whose failures must not affect
   * these.
   */
  readonly fetch: typeof fetch
  /** The policy that `call` uses. */
  readonly callPolicy: CallPolicy
  /** The route to a URL, for failures of `fetch`; the proxy may differ from URL to URL. */
  readonly routeTo: (url: string) => Route
  /** Masks the transport's secrets in a text from the upstream (`redactor`). */
  readonly redact: (text: string) => string
}

/**
 * Creates a transport to one upstream; its connections end with the scope.
 *
 * Fails with `InvalidProxy` if the proxy given in `proxy` as a URL is unusable.
 */
export const makeTransport = Effect.fn("makeTransport")(function* (
  options: TransportOptions,
): Effect.fn.Return<Transport, InvalidProxy, Scope.Scope> {
  const proxyTo = yield* Effect.fromResult(readProxySetting(options.proxy))
  // A call's path changes neither scheme nor host, so all calls use the same route.
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
    // There is no cache. In any other mode, fetch adds `Cache-Control: no-cache` to a call with `If-None-Match`.
    cache: "force-cache",
    throwHttpErrors: false,
    // The call policy handles both.
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

  const attempt = Effect.fnUntraced(function* (call: HttpCall, origin: Readonly<Record<string, string>>) {
    const about = callFor(call)
    const sent = { ...headersNow(), ...origin, ...call.headers }
    const secrets = [...ownSecrets, ...secretsOf(sent)]
    return yield* Effect.tryPromise({
      try: async (signal): Promise<HttpResponse | TransportFailure> => {
        const response = await client(call.path, {
          method: call.method,
          signal,
          ...(call.query === undefined ? {} : { searchParams: call.query.map((pair) => [...pair]) }),
          headers: sent,
          ...(call.json === undefined ? {} : { json: call.json }),
        })
        const { status, headers } = response
        if (call.read !== undefined && (response.ok || status === 304)) {
          return { status, headers, body: await call.read(response), bytes: 0 }
        }
        // Read even if it is not used, since an unread body blocks its connection.
        if (response.ok) {
          const json = await readJson(response, !isRead(call), call.parse, call.recognise)
          return { status, headers, ...json }
        }
        const retryAfter = retryAfterSeconds(headers)
        // The status counts even if the body is truncated or not in its content coding.
        const text = await readErrorText(response).catch(() => "a body that cannot be read")
        return new TransportFailure({
          ...about,
          reason: "status",
          status,
          // Debug error pages repeat the request's headers.
          detail: redactor(secrets)(excerpt(text)),
          ...(retryAfter === undefined ? {} : { retryAfter }),
        })
      },
      catch: (thrown) => transportFailureFrom(thrown, about, secrets),
    }).pipe(
      Effect.flatMap((response) =>
        response instanceof TransportFailure ? Effect.fail(response) : Effect.succeed(response),
      ),
    )
  })

  return {
    fetch: pool.fetch,
    callPolicy,
    routeTo: (url) => routeTo(url, proxyTo),
    redact,
    call: Effect.fn("Transport.call")(function* (call) {
      yield* Effect.annotateCurrentSpan({ upstream: options.upstream, method: call.method, path: call.path })
      const through = call.callPolicy ?? callPolicy
      return yield* through(callFor(call), attempt(call, yield* originHeaders), { isIdempotent: isRead(call) })
    }),
  }
})

const isRead = ({ method }: HttpCall) => method === "GET" || method === "HEAD"

const millis = (duration: Duration.Input) => Duration.toMillis(Duration.fromInputUnsafe(duration))
