import { EventEmitter } from "node:events"
import { SocksProxyAgent } from "socks-proxy-agent"
import { buildConnector } from "undici"
import { atProxy } from "./proxy.ts"
import type { UpstreamTls } from "./tls-profile.ts"

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
export const socksConnector = (proxy: URL, tls: UpstreamTls, timeout: number): buildConnector.connector => {
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
        callback(atProxy(cause), null)
      },
    )
  }
}
