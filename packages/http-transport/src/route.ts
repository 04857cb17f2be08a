/** Resolves a proxy setting to the proxy for each URL. */
import { Result } from "effect"
import { type EnvironmentProxies, environmentChoice, unreadableExceptions } from "./environment-proxies.ts"
import { isForwarded } from "./http-proxy.ts"
import { InvalidProxy, type ProxyServer, parseProxy, proxyForDisplay } from "./proxy.ts"

/**
 * The proxy for a URL, even if the proxy is unusable. `undefined` if the URL is reached directly; with the environment's
 * proxies also if the URL is invalid.
 */
export type ProxyTo = (url: string) => ProxyServer | InvalidProxy | undefined

/**
 * Reads a proxy setting: one proxy for all URLs, the environment's proxies, or none. An unusable configured proxy is a
 * failure. An unusable one from the environment is not, since it is set for many programs and perhaps not needed here;
 * calls that need it fail and never bypass it.
 */
export const readProxySetting = (
  setting: string | EnvironmentProxies | undefined,
): Result.Result<ProxyTo, InvalidProxy> => {
  if (setting === undefined) return Result.succeed(() => undefined)
  if (typeof setting === "string") return Result.map(parseProxy(setting), (proxy) => () => proxy)
  const servers = environmentServers(setting)
  const choose = environmentChoice(setting)
  return Result.succeed((url) => {
    const choice = URL.canParse(url) ? choose(new URL(url)) : undefined
    return choice === undefined ? undefined : servers[choice]
  })
}

/** The proxies of the environment, each usable or not. */
const environmentServers = ({ http, https, all }: EnvironmentProxies) => ({
  http: fromVariable("HTTP_PROXY", http),
  https: fromVariable("HTTPS_PROXY", https),
  all: fromVariable("ALL_PROXY", all),
})

const fromVariable = (variable: "HTTP_PROXY" | "HTTPS_PROXY" | "ALL_PROXY", value: string | undefined) =>
  value === undefined
    ? undefined
    : Result.getOrElse(
        parseProxy(withScheme(value)),
        ({ reason }) => new InvalidProxy({ found: proxyForDisplay(value), reason, variable }),
      )

/**
 * Adds the scheme that a value from the environment lacks: `http://`, as in curl, Python and Go. `socks://`, as desktops
 * write it, means SOCKS 5 with name resolution by the proxy.
 */
const withScheme = (value: string): string => {
  if (/^socks:\/\//i.test(value)) return value.replace(/^socks/i, "socks5h")
  return /^[a-z0-9+.-]+:\/\//i.test(value) ? value : `http://${value}`
}

/** Warnings about unusable parts of the environment's proxies, one line each, without user and password. */
export const environmentProxyWarnings = (proxies: EnvironmentProxies): ReadonlyArray<string> => {
  // An entry may be a proxy with its login, which belongs in another variable.
  const unreadable = unreadableExceptions(proxies).map(proxyForDisplay)
  return [
    ...Object.values(environmentServers(proxies)).flatMap((one) =>
      one instanceof InvalidProxy ? [`${one.message}; calls that need it fail`] : [],
    ),
    ...(unreadable.length === 0
      ? []
      : [
          `NO_PROXY: these entries match no host: ${unreadable.slice(0, maxShown).join(", ")}${unreadable.length > maxShown ? ", …" : ""}`,
        ]),
  ]
}

/** Entries of `NO_PROXY` that a warning names. */
const maxShown = 5

/** The route to a URL, for the failures of calls to it. */
export interface Route {
  /** The proxy, without credentials; absent if calls go direct. */
  readonly proxy?: string
  /** Forms of the proxy's login that a response may contain: the proxy's error page may repeat the request. */
  readonly secrets: ReadonlyArray<string>
}

export const routeTo = (url: string, proxyTo: ProxyTo): Route => {
  const proxy = proxyTo(url)
  if (proxy === undefined) return { secrets: [] }
  if (proxy instanceof InvalidProxy) return { proxy: proxy.found, secrets: [] }
  return { proxy: proxy.shown, secrets: isForwarded(url, proxy.url) ? proxy.secrets : [] }
}
