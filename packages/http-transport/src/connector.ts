/** Opens TCP and TLS connections for undici. */
import { isIP } from "node:net"
import { buildConnector } from "undici"

/** How the peer's certificate is checked, in the options of Node's TLS. */
interface Trust {
  readonly rejectUnauthorized: boolean
  readonly ca?: string | Array<string>
}

/** How many unresponsive addresses of a host are tried within the time for a connection. */
const addressesTried = 4

/**
 * How long one address of a host is tried before the next, for `autoSelectFamilyAttemptTimeout`: a quarter of the time for
 * the whole connection. Node abandons an attempt when it moves on to the next address, so its default of 250 ms skips
 * slow addresses. A quarter of the usual 10 seconds covers a SYN that is lost once (RFC 6298: resent after one second).
 * The last address gets all the remaining time.
 *
 * @param connectTimeout milliseconds for the whole connection
 * @returns milliseconds
 */
export const addressTimeout = (connectTimeout: number): number =>
  Math.max(1, Math.ceil(connectTimeout / addressesTried))

/** An address without the brackets that URLs put around IPv6. */
export const unbracketed = (host: string): string => host.replace(/^\[(.*)\]$/, "$1")

/**
 * The host name for TLS (SNI, RFC 6066 section 3), without a trailing dot; `undefined` for an address.
 *
 * @param host in URL form
 */
export const serverName = (host: string): string | undefined => {
  const name = unbracketed(host).replace(/\.$/, "")
  return name === "" || isIP(name) !== 0 ? undefined : name
}

/**
 * An undici connector for every kind of connection: to the upstream, to a proxy, and TLS on a tunnel through a proxy
 * (`httpSocket`). The certificate is checked against the SNI name.
 *
 * @param timeout milliseconds to establish the connection, including TLS
 */
export const connectorFor = (trust: Trust, timeout: number): buildConnector.connector => {
  const connect = buildConnector({
    ...trust,
    allowH2: false,
    timeout,
    autoSelectFamilyAttemptTimeout: addressTimeout(timeout),
  })
  // undici takes the name from the Host header, which may be the upstream's although the connection is to a proxy.
  return ({ servername: _, ...options }, callback) => {
    const name = serverName(options.hostname)
    connect(name === undefined ? options : { ...options, servername: name }, callback)
  }
}
