/** Connections through an HTTP proxy: CONNECT tunnels for https, absolute-form requests for http. */
import { STATUS_CODES } from "node:http"
import type { Socket } from "node:net"
import { getCACertificates } from "node:tls"
import { Agent, type buildConnector, type Dispatcher, Pool } from "undici"
import { connectorFor, unbracketed } from "./connector.ts"
import { atProxy, basicCredentials, ProxyHandshakeError, proxyLogin } from "./proxy.ts"
import type { UpstreamTls } from "./tls-profile.ts"

/** Limits of a pool. Times in milliseconds, 0 for none. */
export interface PoolLimits {
  readonly connections: number
  readonly headersTimeout: number
  readonly bodyTimeout: number
}

/** A pool of connections. */
export interface RequestPool {
  readonly dispatch: Dispatcher["dispatch"]
  /** Closes the connections and ends all requests in flight. */
  readonly destroy: () => Promise<unknown>
}

/** Maximum bytes of a proxy's responses to one CONNECT, including interim ones; equals Node's limit for headers. */
const maxHeaderBytes = 16 * 1024

/**
 * The pool for an HTTP proxy: https upstreams through a tunnel (CONNECT, RFC 9110 section 9.3.6), http upstreams with
 * requests in absolute form (RFC 9112 section 3.2.2), as curl and httpx do.
 *
 * The profile `tls` applies to the upstream. The certificate of an `https://` proxy is always checked, against the
 * system's authorities plus those of the profile; the profile's alone might not cover the proxy.
 *
 * @param timeout milliseconds for the tunnel, including the response to CONNECT, and again for the upstream's TLS
 */
export const httpProxyPool = (proxy: URL, tls: UpstreamTls, limits: PoolLimits, timeout: number): RequestPool => {
  const login = proxyLogin(proxy)
  const headers = login === undefined ? {} : { "proxy-authorization": basicCredentials(login) }
  const toProxy = connectorFor(
    {
      rejectUnauthorized: true,
      ...(tls.ca === undefined ? {} : { ca: [...getCACertificates("default"), tls.ca] }),
    },
    timeout,
  )
  const toUpstream = connectorFor(tls, timeout)
  const tunnels = new Agent({
    ...limits,
    connect: (options, callback) => {
      openTunnel(toProxy, proxy, options, headers, timeout).then(
        (httpSocket) => toUpstream({ ...options, httpSocket }, callback),
        (cause: unknown) => callback(atProxy(cause), null),
      )
    },
  })
  // The same for all requests, so that connections are reused across upstreams.
  const pinned = { servername: proxy.hostname }
  // Without the login, which an error might quote with the URL, and without a path, which a proxy does not have.
  const forwarding = new Pool(`${proxy.protocol}//${proxy.host}`, { ...limits, connect: toProxy })
  return {
    dispatch: (request, handler) => {
      if (!isForwarded(String(request.origin), proxy)) return tunnels.dispatch(request, handler)
      const { origin, host } = new URL(String(request.origin))
      return forwarding.dispatch(
        {
          ...request,
          path: `${origin}${request.path}`,
          // fetch passes headers as an object.
          headers: { ...(request.headers as Record<string, string>), host, ...headers },
          ...pinned,
        },
        handler,
      )
    },
    destroy: () => Promise.all([tunnels.destroy(), forwarding.destroy()]),
  }
}

/**
 * Whether a request is sent to the proxy in absolute form and forwarded by it. All other requests use a tunnel: its
 * bytes are for the upstream.
 */
export const isForwarded = (url: string, proxy: URL): boolean =>
  /^https?:$/.test(proxy.protocol) && URL.canParse(url) && new URL(url).protocol === "http:"

/**
 * Opens a tunnel through the proxy: accepts any 2xx to CONNECT, whatever its headers are, after any number of interim
 * responses. (undici and node:http treat the first response as final, and undici requires exactly 200.)
 *
 * Rejects with the proxy's response if it is not a success.
 */
const openTunnel = (
  toProxy: buildConnector.connector,
  { protocol, hostname, host, port }: URL,
  target: buildConnector.Options,
  headers: Readonly<Record<string, string>>,
  timeout: number,
): Promise<Socket> =>
  new Promise((resolve, reject) => {
    let opened: Socket | undefined
    let isOver = false
    const end = (failure?: Error) => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      opened?.removeAllListeners("data").off("close", closed)
      if (failure === undefined) return
      opened?.destroy()
      reject(failure)
    }
    const timer = setTimeout(() => end(new ProxyHandshakeError(`no tunnel within ${timeout / 1000} s`)), timeout)
    const closed = () => end(new ProxyHandshakeError("it closed the connection without a complete response to CONNECT"))
    const reader = responseReader()
    const read = (socket: Socket) => (chunk: Buffer) => {
      const response = reader(chunk)
      if (response === undefined) return
      if (response instanceof Error) return end(response)
      end()
      socket.pause()
      if (response.rest.length > 0) socket.unshift(response.rest)
      resolve(socket)
    }
    toProxy({ protocol, hostname: unbracketed(hostname), host, port }, (failure, socket) => {
      if (failure !== null) return end(failure)
      socket.on("error", end)
      if (isOver) return void socket.destroy()
      opened = socket
      socket.once("close", closed).on("data", read(socket))
      const authority = target.port ? target.host : `${target.host}:443`
      const lines = Object.entries({ host: authority, "proxy-connection": "keep-alive", ...headers })
      const fields = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")
      socket.write(`CONNECT ${authority} HTTP/1.1\r\n${fields}\r\n`, "latin1")
    })
  })

/** Parses the response to CONNECT. Returns the bytes after a success, an error, or `undefined` while incomplete. */
const responseReader = (): ((chunk: Buffer) => { readonly rest: Buffer } | Error | undefined) => {
  let text = ""
  /** Bytes of headers so far. The body of a refusal does not count. */
  let bytes = 0
  return (chunk) => {
    text += chunk.toString("latin1")
    for (;;) {
      const blank = /\r?\n\r?\n/.exec(text)
      const end = blank === null ? text.length : blank.index + blank[0].length
      if (bytes + end > maxHeaderBytes) {
        return new ProxyHandshakeError(`the response to CONNECT has more than ${maxHeaderBytes} bytes of headers`)
      }
      if (blank === null) return undefined
      bytes += end
      const status = /^HTTP\/1\.[01] (\d{3})\b/.exec(text)?.[1]
      if (status === undefined) return new ProxyHandshakeError("the response to CONNECT is not HTTP")
      text = text.slice(end)
      const isInterim = status.startsWith("1") && status !== "101"
      if (isInterim) continue
      if (status.startsWith("2")) return { rest: Buffer.from(text, "latin1") }
      return new ProxyHandshakeError(`the response to CONNECT is ${status} ${STATUS_CODES[status] ?? ""}`.trim())
    }
  }
}
