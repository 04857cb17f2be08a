import { Agent, type Dispatcher, Dispatcher1Wrapper } from "undici"
import { connectorFor } from "./connector.ts"
import { httpProxyPool, isForwarded, type PoolLimits, type RequestPool } from "./http-proxy.ts"
import { atProxy, InvalidProxy, ProxyHandshakeError, type ProxyServer } from "./proxy.ts"
import type { ProxyTo } from "./route.ts"
import { socksConnector } from "./socks-proxy.ts"
import { type TlsProfile, upstreamTls } from "./tls-profile.ts"

export interface FetchOptions {
  readonly proxyTo: ProxyTo
  readonly tls?: TlsProfile
  /** Milliseconds until a connection, proxy and TLS included, must stand. */
  readonly connectTimeout: number
  /** Connections kept to the upstream at most. */
  readonly connections: number
  /** Bytes of a decoded body at most. */
  readonly maxBodyBytes: number
}

/** A body that is larger than an upstream has any reason to send. */
export class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge"
}

/**
 * The global `fetch` over pools of its own, one for each proxy and one for what goes direct: same semantics, other way
 * out. `close` ends the pools and whatever is under way on them.
 */
export const makeFetch = (options: FetchOptions): { fetch: typeof fetch; close: () => Promise<void> } => {
  const tls = upstreamTls(options.tls)
  // Deadlines are the caller's, one for all phases: a second clock here would only contradict it.
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
  // Chosen here and not in `fetch`, so that a redirect that is followed goes the way of its own URL.
  const routed = direct.compose(() => (request, handler) => {
    const origin = String(request.origin)
    const proxy = options.proxyTo(origin)
    const goesToProxy = proxy !== undefined && !(proxy instanceof InvalidProxy) && isForwarded(origin, proxy.url)
    return poolBehind(proxy).dispatch(request, blamingProxy(handler, goesToProxy))
  })
  // Node's own fetch speaks an older dispatcher interface than undici 8's pools.
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
 * A request's handler, with what a proxy did as the proxy's failure. A 407 is one, whether or not we know of the proxy; by
 * itself fetch fails at it without a word.
 *
 * @param goesToProxy whether the request is one to the proxy, in absolute form. Then whatever fails before the response is
 *   the proxy's: there is no other connection than that to it, and for its own to the upstream it has a response (502)
 */
const blamingProxy = (handler: Dispatcher.DispatchHandler, goesToProxy: boolean): Dispatcher.DispatchHandler => {
  let answered = false
  return {
    onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
    onBodySent: (chunk) => handler.onBodySent?.(chunk),
    onRequestSent: () => handler.onRequestSent?.(),
    onResponseStarted: () => handler.onResponseStarted?.(),
    onResponseStart: (controller, status, headers, message) => {
      if (status === 407) return controller.abort(new ProxyHandshakeError("Proxy Authentication Required (407)"))
      // An interim response is the first of several.
      answered = status >= 200
      handler.onResponseStart?.(controller, status, headers, message)
    },
    onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk),
    onResponseEnd: (controller, trailers) => handler.onResponseEnd?.(controller, trailers),
    onResponseError: (controller, error) =>
      handler.onResponseError?.(controller, goesToProxy && !answered ? atProxy(error) : error),
  }
}

/** In place of a pool behind a proxy that cannot be: nothing is sent, least of all past it. */
const unusable = (proxy: InvalidProxy): RequestPool => ({
  dispatch: () => {
    throw atProxy(proxy)
  },
  destroy: async () => {},
})

/**
 * Counts decoded bytes: undici's own limit counts those on the wire, and a small gzip body can hold a huge one.
 *
 * @param held what must not be collected before the last byte: a request that was made from another knows it by a weak
 *   reference only. Without it an abort does not reach the body any more, and a connection on which the upstream fell
 *   silent is lost for ever
 */
const limited = (response: Response, held: ReadonlyArray<unknown>, maxBytes: number): Response => {
  if (response.body === null) return response
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
