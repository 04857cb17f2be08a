import { EventEmitter } from "node:events"
import { Result, Schema } from "effect"
import { SocksProxyAgent } from "socks-proxy-agent"
import { buildConnector } from "undici"

const allowedSchemes = ["socks4:", "socks4a:", "socks5:", "socks5h:"]

/** A proxy setting that cannot be used. `found` never holds the proxy's password. */
export class InvalidProxy extends Schema.TaggedError<InvalidProxy>()("InvalidProxy", {
  found: Schema.String,
  reason: Schema.String,
}) {
  override get message() {
    return `${this.found} is not a SOCKS proxy: ${this.reason}; write for example socks5h://proxy.example.org:1080`
  }
}

/** The failure of the way to the proxy or of its handshake, as against a failure of the upstream behind it. */
export class ProxyHandshakeError extends Error {
  override readonly name = "ProxyHandshakeError"
}

/**
 * The proxy's URL for logs and errors: without user and password. Up to the last `@`, for a password that was not
 * percent-encoded may hold an `@` or a `/` of its own.
 */
export const proxyForDisplay = (proxy: string): string => proxy.replace(/^([a-z0-9+.-]+:\/\/)?.*@/is, "$1***@")

/**
 * Reads a SOCKS proxy's URL: `socks4://`, `socks4a://`, `socks5://` or `socks5h://`, host and port, for SOCKS5 with user
 * and password if need be. With socks4a and socks5h the proxy resolves the upstream's name; with the others this machine.
 */
export const parseSocksProxy = (proxy: string): Result.Result<URL, InvalidProxy> => {
  const invalid = (reason: string) => Result.fail(new InvalidProxy({ found: proxyForDisplay(proxy), reason }))
  if (!/^[a-z0-9+.-]+:\/\//i.test(proxy)) return invalid("it has no scheme")
  if (!URL.canParse(proxy)) return invalid("it is not a URL")
  const url = new URL(proxy)
  if (!allowedSchemes.includes(url.protocol)) {
    return invalid(`its scheme is ${url.protocol}//, allowed are ${allowedSchemes.map((s) => `${s}//`).join(", ")}`)
  }
  if (url.hostname === "") return invalid("it has no host")
  if (![url.username, url.password].every(isDecodable)) {
    return invalid("its user or password holds a % that begins no percent-encoding")
  }
  return Result.succeed(url)
}

const isDecodable = (text: string) => {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

const unbracketed = (host: string) => host.replace(/^\[(.*)\]$/, "$1")

const isUnresolved = (
  error: NodeJS.ErrnoException & { readonly hostname?: string },
  host: string,
  proxyHost?: string,
) => error.syscall === "getaddrinfo" && error.hostname === host && host !== proxyHost

/**
 * How undici opens a connection through a SOCKS proxy: socks-proxy-agent makes the tunnel, undici's own connector puts
 * TLS on it. (As an `agent` option socks-proxy-agent would be ignored by the global fetch, which then goes direct.)
 *
 * @param timeout milliseconds for the tunnel, and again for the TLS handshake
 */
export const socksConnector = (
  proxy: URL,
  tls: { readonly rejectUnauthorized: boolean; readonly ca?: string },
  timeout: number,
): buildConnector.connector => {
  const upgrade = buildConnector({ ...tls, allowH2: false, timeout })
  const agent = new SocksProxyAgent(proxy, { timeout })
  agent.proxy.host = unbracketed(agent.proxy.host ?? proxy.hostname)
  return (options, callback) => {
    const secure = options.protocol === "https:"
    // The agent asks for a node:http request only to watch for its end.
    const request = Object.assign(new EventEmitter(), { destroy() {} }) as unknown as Parameters<
      SocksProxyAgent["connect"]
    >[0]
    const target = {
      host: unbracketed(options.hostname),
      port: Number(options.port) || (secure ? 443 : 80),
      secureEndpoint: false,
    } as const
    agent.connect(request, target).then(
      (socket) => {
        // The agent's timeout is for the handshake; left on, it would end a slow but healthy answer.
        socket.setTimeout(0).setNoDelay(true)
        if (secure) upgrade({ ...options, httpSocket: socket }, callback)
        else callback(null, socket)
      },
      (cause: unknown) => {
        // With socks4 and socks5 this machine resolves the upstream's name: the proxy has no part in that failure.
        if (cause instanceof Error && isUnresolved(cause, target.host, agent.proxy.host)) return callback(cause, null)
        const text = cause instanceof Error ? cause.message : String(cause)
        callback(new ProxyHandshakeError(text, { cause }), null)
      },
    )
  }
}
