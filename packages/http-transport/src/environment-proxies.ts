import { BlockList, isIP } from "node:net"

/** What the variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say. Decided for each URL that is asked. */
export interface EnvironmentProxies {
  /** The proxy for `http://` URLs, of any kind that is allowed. Default: direct. */
  readonly http?: string
  /** The proxy for `https://` URLs, of any kind that is allowed. Default: direct. */
  readonly https?: string
  /**
   * Hosts that are reached directly, separated by commas: `example.org` and `.example.org` with all below, `host:port`,
   * addresses, blocks of addresses (`10.0.0.0/8`), `*` for all. Default: none.
   */
  readonly no?: string
}

/**
 * Reads the variables as curl and Python do: a lower-case name counts before its upper-case form, an empty value is none.
 *
 * `HTTP_PROXY` in capitals is ignored where `REQUEST_METHOD` is set: in a CGI process it is the caller's header `Proxy`
 * (httpoxy, CVE-2016-5385).
 */
export const environmentProxies = (environment: Readonly<Record<string, string | undefined>>): EnvironmentProxies => {
  const read = (...names: ReadonlyArray<string>) =>
    names.map((name) => environment[name]?.trim()).find((value) => value !== undefined && value !== "")
  const http = environment.REQUEST_METHOD === undefined ? read("http_proxy", "HTTP_PROXY") : read("http_proxy")
  const https = read("https_proxy", "HTTPS_PROXY")
  const no = read("no_proxy", "NO_PROXY")
  return {
    ...(http === undefined ? {} : { http }),
    ...(https === undefined ? {} : { https }),
    ...(no === undefined ? {} : { no }),
  }
}

/**
 * Which of the proxies is for a URL: `http` or `https` by its scheme, `undefined` where it goes direct. An entry of `no`
 * that can be read as nothing matches nothing.
 */
export const environmentChoice = (proxies: EnvironmentProxies): ((url: URL) => "http" | "https" | undefined) => {
  const exceptions = (proxies.no ?? "")
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .map(exceptionFrom)
  return (url) => {
    const scheme = url.protocol === "https:" ? "https" : url.protocol === "http:" ? "http" : undefined
    if (scheme === undefined || proxies[scheme] === undefined) return undefined
    const host = { name: hostName(url.hostname), port: url.port || (scheme === "https" ? "443" : "80") }
    return exceptions.some((matches) => matches(host)) ? undefined : scheme
  }
}

interface Host {
  /** A name in lower case without closing dot, or an address without brackets. */
  readonly name: string
  readonly port: string
}

const hostName = (host: string) =>
  host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")

const family = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4")

const exceptionFrom = (entry: string): ((host: Host) => boolean) => {
  if (entry === "*") return () => true
  const [, network = "", prefix = ""] = /^(.+)\/(\d{1,3})$/.exec(entry) ?? []
  if (network !== "") return blockFrom(hostName(network), Number(prefix))
  // An IPv6 address with a port has brackets; without them all of its colons are its own.
  const [, host = entry, port] = isIP(entry) === 6 ? [] : (/^(.+):(\d+)$/.exec(entry) ?? [])
  const matches = hostFrom(hostName(host).replace(/^\./, ""))
  return (asked) => (port === undefined || Number(port) === Number(asked.port)) && matches(asked.name)
}

const hostFrom = (wanted: string): ((name: string) => boolean) => {
  if (isIP(wanted) === 0) {
    return (name) => wanted !== "" && isIP(name) === 0 && (name === wanted || name.endsWith(`.${wanted}`))
  }
  // One IPv6 address can be written in several ways.
  const list = new BlockList()
  list.addAddress(wanted, family(wanted))
  return (name) => isIP(name) !== 0 && list.check(name, family(name))
}

const blockFrom = (network: string, prefix: number): ((host: Host) => boolean) => {
  if (isIP(network) === 0 || prefix > (isIP(network) === 6 ? 128 : 32)) return () => false
  const list = new BlockList()
  list.addSubnet(network, prefix, family(network))
  return ({ name }) => isIP(name) !== 0 && list.check(name, family(name))
}
