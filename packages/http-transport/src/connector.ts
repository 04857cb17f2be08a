import { isIP } from "node:net"
import { buildConnector } from "undici"

/** How the certificate of whatever is connected to is checked, as Node's TLS has it. */
export interface Trust {
  readonly rejectUnauthorized: boolean
  readonly ca?: string | Array<string>
}

/** How many of a host's addresses a connection's time is enough for if none of them replies. */
const addressesTried = 4

/**
 * How long one address of a host is tried before its next one, for `autoSelectFamilyAttemptTimeout`: a quarter of the time
 * that the whole connection has. Node gives up an attempt when it goes on to the next address, and its default of 250 ms
 * leaves out each that is slow. A quarter of the usual 10 seconds is enough for a SYN that was lost once (RFC 6298: sent
 * again after one second). The last address has all the time that is left.
 *
 * @param connectTimeout milliseconds for the whole connection
 * @returns milliseconds
 */
export const addressTimeout = (connectTimeout: number): number =>
  Math.max(1, Math.ceil(connectTimeout / addressesTried))

/** An address without the brackets that a URL has round it. */
export const unbracketed = (host: string): string => host.replace(/^\[(.*)\]$/, "$1")

/**
 * The name of a host as TLS asks for it (SNI, RFC 6066 section 3): without a closing dot. None for an address.
 *
 * @param host as a URL has it
 */
export const serverName = (host: string): string | undefined => {
  const name = unbracketed(host).replace(/\.$/, "")
  return name === "" || isIP(name) !== 0 ? undefined : name
}

/**
 * How undici opens a connection, on each way: to the upstream, to a proxy, and as TLS on a tunnel through one (`httpSocket`).
 * The certificate is checked for the name that TLS asks for.
 *
 * @param timeout milliseconds until the connection, TLS included, must stand
 */
export const connectorFor = (trust: Trust, timeout: number): buildConnector.connector => {
  const connect = buildConnector({
    ...trust,
    allowH2: false,
    timeout,
    autoSelectFamilyAttemptTimeout: addressTimeout(timeout),
  })
  // undici takes the name from the header Host, which may be the upstream's where the connection is one to a proxy.
  return ({ servername: _, ...options }, callback) => {
    const name = serverName(options.hostname)
    connect(name === undefined ? options : { ...options, servername: name }, callback)
  }
}
