/** A `fetch` with its own connection pools, proxies, TLS profile and body limit. */
import { Agent, type Dispatcher, Dispatcher1Wrapper } from "undici"
import { connectorFor } from "./connector.ts"
import { httpProxyPool, isForwarded, type PoolLimits, type RequestPool } from "./http-proxy.ts"
import { atProxy, InvalidProxy, ProxyHandshakeError, type ProxyServer } from "./proxy.ts"
import type { ProxyTo } from "./route.ts"
import { socksConnector } from "./socks-proxy.ts"
import { type TlsProfile, upstreamTls } from "./tls-profile.ts"

interface FetchOptions {
  readonly proxyTo: ProxyTo
  readonly tls?: TlsProfile
  /**
   * Milliseconds to establish a connection, including TLS. Through a proxy: for the tunnel, and again for the upstream's
   * TLS.
   */
  readonly connectTimeout: number
  /** Maximum number of connections to the upstream. */
  readonly connections: number
  /** Maximum size of a decoded body in bytes. */
  readonly maxBodyBytes: number
}

/** The body exceeds `maxBodyBytes`. */
export class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge"
}

/**
 * The global `fetch` over its own pools, one for each proxy and one for direct connections; the semantics are the same.
 * `close` ends the pools and all requests in flight.
 */
export const makeFetch = (options: FetchOptions): { fetch: typeof fetch; close: () => Promise<void> } => {
  const tls = upstreamTls(options.tls)
  // No timeouts here: the caller applies one deadline to all phases.
  const limits: PoolLimits = { connections: options.connections, headersTimeout: 0, bodyTimeout: 0 }
  const timeout = options.connectTimeout
  const direct = new Agent({ ...limits, connect: connectorFor(tls, timeout) })
  const pools = new Map<string, RequestPool>()
  const poolBehind = (proxy: ProxyServer | InvalidProxy | undefined): RequestPool => {
    if (proxy === undefined) return direct
    if (proxy instanceof InvalidProxy) return unusable(proxy)
    const { url } = proxy
    const kept = pools.get(url.href)
    if (kept !== undefined) return kept
    const pool = url.protocol.startsWith("socks")
      ? new Agent({ ...limits, connect: socksConnector(url, tls, timeout) })
      : httpProxyPool(url, tls, limits, timeout)
    pools.set(url.href, pool)
    return pool
  }
  // Chosen here and not in `fetch`, so that a followed redirect uses the proxy for its own URL.
  const routed = direct.compose(() => (request, handler) => {
    const origin = String(request.origin)
    const proxy = options.proxyTo(origin)
    const goesToProxy = proxy !== undefined && !(proxy instanceof InvalidProxy) && isForwarded(origin, proxy.url)
    return poolBehind(proxy).dispatch(request, blamingProxy(handler, goesToProxy))
  })
  // Node's own fetch uses an older dispatcher interface than undici 8's pools.
  const dispatcher = new Dispatcher1Wrapper(routed)
  return {
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const response = await fetch(request, { dispatcher } as unknown as RequestInit)
      return limited(response, [input, request], options.maxBodyBytes)
    },
    close: async () => {
      await Promise.all([direct, ...pools.values()].map((pool) => pool.destroy()))
    },
  }
}

/**
 * Wraps a request's handler so that failures of the proxy are reported as such. That includes a 407, even if no proxy is
 * configured; fetch itself would fail without an explanation.
 *
 * @param goesToProxy whether the request is sent to the proxy in absolute form. Then every failure before the response is the
 *   proxy's: the only connection is the one to the proxy, which reports failures of its own connection as 502
 */
const blamingProxy = (handler: Dispatcher.DispatchHandler, goesToProxy: boolean): Dispatcher.DispatchHandler => {
  let hasResponded = false
  return {
    onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
    onBodySent: (chunk) => handler.onBodySent?.(chunk),
    onRequestSent: () => handler.onRequestSent?.(),
    onResponseStarted: () => handler.onResponseStarted?.(),
    onResponseStart: (controller, status, headers, message) => {
      if (status === 407) return controller.abort(new ProxyHandshakeError("Proxy Authentication Required (407)"))
      // Interim responses (1xx) do not count.
      hasResponded = status >= 200
      handler.onResponseStart?.(controller, status, headers, message)
    },
    onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk),
    onResponseEnd: (controller, trailers) => handler.onResponseEnd?.(controller, trailers),
    onResponseError: (controller, error) =>
      handler.onResponseError?.(controller, goesToProxy && !hasResponded ? atProxy(error) : error),
  }
}

/** Replaces the pool of an unusable proxy: calls fail and never bypass the proxy. */
const unusable = (proxy: InvalidProxy): RequestPool => ({
  dispatch: () => {
    throw atProxy(proxy)
  },
  destroy: async () => {},
})

/**
 * Limits the decoded bytes: undici's own limit counts bytes on the wire, and a small gzip body can expand to a huge one.
 *
 * @param held objects that must not be garbage-collected before the last byte: a request derived from another references it
 *   only weakly. Otherwise an abort no longer reaches the body, and a connection on which the upstream stalls leaks
 */
const limited = (response: Response, held: ReadonlyArray<unknown>, maxBytes: number): Response => {
  if (response.body === null) return response
  // In one object: nothing else reads `held`, and a function keeps only what it reads.
  const reading = { held, bytes: 0 }
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      reading.bytes += chunk.byteLength
      if (reading.bytes > maxBytes) throw new BodyTooLarge(`more than ${maxBytes} bytes`)
      controller.enqueue(chunk)
    },
  })
  const copy = new Response(response.body.pipeThrough(counter), response)
  return Object.defineProperties(copy, {
    url: { value: response.url },
    redirected: { value: response.redirected },
  })
}
