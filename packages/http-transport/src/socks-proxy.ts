import dns from "node:dns/promises"
import { EventEmitter } from "node:events"
import { isIP, type Socket } from "node:net"
import { SocksProxyAgent } from "socks-proxy-agent"
import type { buildConnector } from "undici"
import { addressTimeout, connectorFor, unbracketed } from "./connector.ts"
import { atProxy } from "./proxy.ts"
import type { UpstreamTls } from "./tls-profile.ts"

/** How many addresses of an upstream a proxy is asked for at most. */
const mostAddresses = 8

/**
 * How undici opens a connection through a SOCKS proxy: socks-proxy-agent makes the tunnel, undici's own connector puts
 * TLS on it. (As an `agent` option socks-proxy-agent would be ignored by the global fetch, which then goes direct.)
 *
 * With socks4 and socks5 this machine resolves the upstream's name, and the proxy is asked for one address after the other:
 * it may reach those of one family only.
 *
 * @param timeout milliseconds for the tunnel, and again for the TLS handshake
 */
export const socksConnector = (proxy: URL, tls: UpstreamTls, timeout: number): buildConnector.connector => {
  const upgrade = connectorFor(tls, timeout)
  const isResolvedHere = proxy.protocol === "socks4:" || proxy.protocol === "socks5:"
  const addressesOf = async (host: string): Promise<ReadonlyArray<string>> => {
    if (!isResolvedHere || isIP(host) !== 0) return [host]
    const found = await dns.lookup(host, { all: true, family: proxy.protocol === "socks4:" ? 4 : 0 })
    return found.slice(0, mostAddresses).map(({ address }) => address)
  }
  const tunnelTo = async (host: string, port: number, patience: number): Promise<Socket> => {
    const agent = new SocksProxyAgent(proxy, {
      timeout: patience,
      socketOptions: { autoSelectFamilyAttemptTimeout: addressTimeout(patience) },
    })
    agent.proxy.host = unbracketed(agent.proxy.host ?? proxy.hostname)
    // The agent asks for a node:http request only to watch for its end.
    const request = Object.assign(new EventEmitter(), { destroy() {} }) as unknown as Parameters<
      SocksProxyAgent["connect"]
    >[0]
    const socket = await agent.connect(request, { host, port, secureEndpoint: false })
    // The agent's timeout is for the handshake; left on, it would end a slow but healthy response.
    return socket.setTimeout(0).setNoDelay(true)
  }
  const open = async (addresses: ReadonlyArray<string>, port: number): Promise<Socket> => {
    let failure: unknown
    for (const address of addresses) {
      try {
        return await tunnelTo(address, port, Math.ceil(timeout / addresses.length))
      } catch (cause) {
        failure ??= cause
      }
    }
    throw atProxy(failure)
  }
  return (options, callback) => {
    const isSecure = options.protocol === "https:"
    const port = Number(options.port) || (isSecure ? 443 : 80)
    // The proxy has no part in a name that this machine cannot resolve.
    addressesOf(unbracketed(options.hostname))
      .then((addresses) => open(addresses, port))
      .then(
        (httpSocket) => (isSecure ? upgrade({ ...options, httpSocket }, callback) : callback(null, httpSocket)),
        (cause: unknown) => callback(cause instanceof Error ? cause : new Error(String(cause)), null),
      )
  }
}
