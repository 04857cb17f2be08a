/** Connections through a SOCKS proxy. */
import dns from "node:dns/promises"
import { EventEmitter } from "node:events"
import { isIP, type Socket } from "node:net"
import { SocksProxyAgent } from "socks-proxy-agent"
import type { buildConnector } from "undici"
import { addressTimeout, connectorFor, unbracketed } from "./connector.ts"
import { atProxy } from "./proxy.ts"
import type { UpstreamTls } from "./tls-profile.ts"

/** Maximum number of addresses of an upstream that are tried through the proxy. */
const maxAddresses = 8

/**
 * An undici connector through a SOCKS proxy: socks-proxy-agent opens the tunnel, undici's own connector adds TLS. (The
 * global fetch would ignore socks-proxy-agent as an `agent` option and go direct.)
 *
 * With socks4 and socks5 this machine resolves the upstream's name, and the addresses are tried in turn, since the proxy may
 * reach only one address family.
 *
 * @param timeout milliseconds for the tunnel, and again for the TLS handshake
 */
export const socksConnector = (proxy: URL, tls: UpstreamTls, timeout: number): buildConnector.connector => {
  const upgrade = connectorFor(tls, timeout)
  const isResolvedHere = proxy.protocol === "socks4:" || proxy.protocol === "socks5:"
  const addressesOf = async (host: string): Promise<ReadonlyArray<string>> => {
    if (!isResolvedHere || isIP(host) !== 0) return [host]
    const found = await dns.lookup(host, { all: true, family: proxy.protocol === "socks4:" ? 4 : 0 })
    return found.slice(0, maxAddresses).map(({ address }) => address)
  }
  const tunnelTo = async (host: string, port: number, patience: number): Promise<Socket> => {
    const agent = new SocksProxyAgent(proxy, {
      timeout: patience,
      socketOptions: { autoSelectFamilyAttemptTimeout: addressTimeout(patience) },
    })
    agent.proxy.host = unbracketed(agent.proxy.host ?? proxy.hostname)
    // Stands for a node:http request: the agent emits `proxy` on it, and destroys it when the socket times out.
    const request = Object.assign(new EventEmitter(), { destroy() {} }) as unknown as Parameters<
      SocksProxyAgent["connect"]
    >[0]
    const socket = await agent.connect(request, { host, port, secureEndpoint: false })
    // The agent's timeout applies to the handshake; left on, it would end a slow but healthy response.
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
    // A name that this machine cannot resolve is not a failure of the proxy.
    addressesOf(unbracketed(options.hostname))
      .then((addresses) => open(addresses, port))
      .then(
        (httpSocket) => (isSecure ? upgrade({ ...options, httpSocket }, callback) : callback(null, httpSocket)),
        (cause: unknown) => callback(cause instanceof Error ? cause : new Error(String(cause)), null),
      )
  }
}
