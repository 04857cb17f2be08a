/** Reads the proxy variables of the environment, and decides which proxy a URL uses. */
import { BlockList, isIP } from "node:net"
import { domainToASCII } from "node:url"
import { unbracketed } from "./connector.ts"

/** The values of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`. The proxy is chosen for each URL. */
export interface EnvironmentProxies {
  /** The proxy for `http://` URLs, with any supported scheme; without a scheme it is `http://`. Default: `all`. */
  readonly http?: string
  /** The proxy for `https://` URLs, likewise. Default: `all`. */
  readonly https?: string
  /** The proxy for URLs whose scheme has no proxy of its own. Default: direct. */
  readonly all?: string
  /**
   * Hosts that are reached directly, separated by commas: `example.org`, `.example.org` and `*.example.org` with all
   * subdomains, `host:port`, addresses, blocks of addresses (`10.0.0.0/8`, `10.*`), `*` for all. Default: none.
   */
  readonly no?: string
}

/**
 * Reads the variables as curl and Python do: a lower-case name takes precedence over its upper-case form, and an empty
 * value counts as unset.
 *
 * Upper-case `HTTP_PROXY` is ignored if `REQUEST_METHOD` is set: in a CGI process it is the caller's `Proxy` header (httpoxy,
 * CVE-2016-5385).
 */
export const environmentProxies = (environment: Readonly<Record<string, string | undefined>>): EnvironmentProxies => {
  const read = (...names: ReadonlyArray<string>) =>
    names.map((name) => environment[name]?.trim()).find((value) => value !== undefined && value !== "")
  const values = {
    http: environment.REQUEST_METHOD === undefined ? read("http_proxy", "HTTP_PROXY") : read("http_proxy"),
    https: read("https_proxy", "HTTPS_PROXY"),
    all: read("all_proxy", "ALL_PROXY"),
    no: read("no_proxy", "NO_PROXY"),
  }
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

/**
 * Returns which proxy a URL uses: `http` or `https` by its scheme, `all` if there is none for that scheme, `undefined` if it
 * is reached directly. An unreadable entry of `no` matches nothing.
 */
export const environmentChoice = (
  proxies: EnvironmentProxies,
): ((url: URL) => "http" | "https" | "all" | undefined) => {
  const exceptions = entriesOf(proxies).map((entry) => exceptionFrom(entry) ?? (() => false))
  return (url) => {
    const scheme = url.protocol === "https:" ? "https" : url.protocol === "http:" ? "http" : undefined
    if (scheme === undefined) return undefined
    const choice = proxies[scheme] === undefined ? "all" : scheme
    if (proxies[choice] === undefined) return undefined
    const host = { name: hostName(url.hostname), port: url.port || (scheme === "https" ? "443" : "80") }
    return exceptions.some((matches) => matches(host)) ? undefined : choice
  }
}

/** The unreadable entries of `no`. */
export const unreadableExceptions = (proxies: EnvironmentProxies): ReadonlyArray<string> =>
  entriesOf(proxies).filter((entry) => exceptionFrom(entry) === undefined)

/** Commas and blanks are common separators; `;` and `|` come from Windows and Java. */
const entriesOf = ({ no = "" }: EnvironmentProxies) => no.split(/[\s,;|]+/).filter((entry) => entry !== "")

interface Host {
  /** A lower-case name without a trailing dot, or an address without brackets. */
  readonly name: string
  readonly port: string
}

const hostName = (host: string) => unbracketed(host.toLowerCase()).replace(/\.$/, "")

const family = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4")

type Exception = (host: Host) => boolean

const exceptionFrom = (entry: string): Exception | undefined => {
  if (entry === "*") return () => true
  const [, network = "", prefix = ""] = /^(.+)\/(\d{1,3})$/.exec(entry) ?? []
  if (network !== "") return blockFrom(hostName(network), Number(prefix))
  // `10.*` is another notation for `10.0.0.0/8`.
  const [, octets = ""] = /^(\d{1,3}(?:\.\d{1,3}){0,2})(?:\.\*)+$/.exec(entry) ?? []
  if (octets !== "") {
    const given = octets.split(".")
    return blockFrom([...given, "0", "0", "0"].slice(0, 4).join("."), given.length * 8)
  }
  // An IPv6 address with a port has brackets; without brackets all colons belong to the address.
  const [, host = entry, port] = isIP(entry) === 6 ? [] : (/^(.+):(\d+)$/.exec(entry) ?? [])
  const matches = hostFrom(hostName(host).replace(/^\*?\./, ""))
  return matches && ((asked) => (port === undefined || Number(port) === Number(asked.port)) && matches(asked.name))
}

const hostFrom = (wanted: string): ((name: string) => boolean) | undefined => {
  if (isIP(wanted) === 0) {
    // In ASCII, as in URLs.
    const name = /[*:/]/.test(wanted) ? "" : domainToASCII(wanted)
    if (name === "") return undefined
    return (asked) => isIP(asked) === 0 && (asked === name || asked.endsWith(`.${name}`))
  }
  // An IPv6 address has several notations.
  const list = new BlockList()
  list.addAddress(wanted, family(wanted))
  return (name) => isIP(name) !== 0 && list.check(name, family(name))
}

const blockFrom = (network: string, prefix: number): Exception | undefined => {
  if (isIP(network) === 0 || prefix > (isIP(network) === 6 ? 128 : 32)) return undefined
  const list = new BlockList()
  list.addSubnet(network, prefix, family(network))
  return ({ name }) => isIP(name) !== 0 && list.check(name, family(name))
}
