import { STATUS_CODES } from "node:http"
import { isIP } from "node:net"
import { getCACertificates } from "node:tls"
import { type buildConnector, type Dispatcher, Pool, ProxyAgent } from "undici"
import { atProxy, basicCredentials, ProxyHandshakeError, proxyLogin } from "./proxy.ts"
import type { UpstreamTls } from "./tls-profile.ts"

/** What holds for each pool, whatever is on its way. Times in milliseconds, 0 for none. */
export interface PoolLimits {
  readonly connections: number
  readonly headersTimeout: number
  readonly bodyTimeout: number
}

/**
 * The pool behind an HTTP proxy: https upstreams in a tunnel (CONNECT, RFC 9110 section 9.3.6), http ones by requests in
 * absolute form (RFC 9112 section 3.2.2), as curl and httpx do.
 *
 * The profile `tls` is the upstream's. The certificate of an `https://` proxy is always checked, by the system's
 * authorities and those of the profile: one that serves the upstream alone would otherwise shut the proxy out.
 *
 * @param timeout milliseconds for the tunnel, the proxy's answer to CONNECT included, and again for the upstream's TLS
 */
export const httpProxyPool = (proxy: URL, tls: UpstreamTls, limits: PoolLimits, timeout: number): Dispatcher => {
  const login = proxyLogin(proxy)
  const pool = new ProxyAgent({
    ...limits,
    // Without the login, which a URL in somebody's error would tell, and without a path, which a proxy does not have.
    uri: `${proxy.protocol}//${proxy.host}`,
    ...(login === undefined ? {} : { token: basicCredentials(login) }),
    requestTls: { ...tls, allowH2: false, timeout },
    proxyTls: {
      ...(tls.ca === undefined ? {} : { ca: [...getCACertificates("default"), tls.ca] }),
      rejectUnauthorized: true,
      allowH2: false,
      timeout,
    },
    clientFactory: (origin, given) => tunnelling(new Pool(origin, withoutIpServername(given)), timeout),
    // undici forgets the limits on the way to its pool for requests in absolute form.
    factory: (origin, given) => new Pool(origin, { ...limits, ...withoutIpServername(given) }),
  })
  return pool.compose(
    (dispatch) => (request, handler) =>
      dispatch(request, isForwarded(String(request.origin), proxy) ? failingAtProxy(handler) : handler),
  )
}

/**
 * Whether a request goes to the proxy itself, in absolute form, which then makes one of its own. All else is a tunnel,
 * whose proxy sees and writes nothing once it stands.
 */
export const isForwarded = (url: string, proxy: URL): boolean =>
  /^https?:$/.test(proxy.protocol) && URL.canParse(url) && new URL(url).protocol === "http:"

/**
 * The handler of a request in absolute form, for which what fails before the answer is the proxy's: there is no other
 * connection than that to it, and for its own to the upstream it has an answer (502). A 407 undici makes a failure.
 */
const failingAtProxy = (handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler => {
  let answered = false
  return {
    onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
    onBodySent: (chunk) => handler.onBodySent?.(chunk),
    onRequestSent: () => handler.onRequestSent?.(),
    onResponseStarted: () => handler.onResponseStarted?.(),
    onResponseStart: (controller, status, headers, message) => {
      answered = true
      handler.onResponseStart?.(controller, status, headers, message)
    },
    onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk),
    onResponseEnd: (controller, trailers) => handler.onResponseEnd?.(controller, trailers),
    onResponseError: (controller, error) => handler.onResponseError?.(controller, answered ? error : atProxy(error)),
  }
}

/**
 * The pool of connections to the proxy with failures of CONNECT as the proxy's. As undici has them, a refused connection
 * looks like the upstream's, and an answer that is no 200 like an abort of the caller.
 */
const tunnelling = (pool: Pool, timeout: number): Pool => {
  const open = pool.connect.bind(pool) as (options: Dispatcher.ConnectOptions) => Promise<Dispatcher.ConnectData>
  const connect = async (options: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> => {
    const signal = AbortSignal.timeout(timeout)
    const answer = await open({ ...options, signal }).catch((cause: unknown) => {
      throw signal.aborted ? new ProxyHandshakeError(`no tunnel within ${timeout / 1000} s`) : atProxy(cause)
    })
    if (answer.statusCode === 200) return answer
    answer.socket.on("error", () => {}).destroy()
    throw new ProxyHandshakeError(
      `CONNECT was answered ${answer.statusCode} ${STATUS_CODES[answer.statusCode] ?? ""}`.trim(),
    )
  }
  return Object.assign(pool, { connect })
}

/** The pool's options with a connector that sends no address as server name, which TLS forbids (RFC 6066 section 3). */
const withoutIpServername = (given: object): Pool.Options => {
  const { connect, ...options } = given as { readonly connect: buildConnector.connector }
  return {
    ...options,
    connect: ({ servername, ...rest }, callback) => {
      // undici passes null for none, whatever its types say.
      const isName = servername && isIP(servername.replace(/^\[(.*)\]$/, "$1")) === 0
      connect(isName ? { ...rest, servername } : rest, callback)
    },
  }
}
