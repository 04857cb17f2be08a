import { Result } from "effect"
import { type EnvironmentProxies, environmentChoice, unreadableExceptions } from "./environment-proxies.ts"
import { isForwarded } from "./http-proxy.ts"
import { InvalidProxy, type ProxyServer, parseProxy, proxyForDisplay } from "./proxy.ts"

/** The proxy on the way to a URL, even if it cannot be used; none if the URL is reached directly, or is no URL at all. */
export type ProxyTo = (url: string) => ProxyServer | InvalidProxy | undefined

/**
 * Reads a proxy setting: one proxy for all, what the environment says, or none. A proxy of our own that cannot be used is a
 * failure. One of the environment is not: it is set for many programs, and perhaps no URL here needs it. Calls that do need
 * it fail, and never go past it.
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
 * A value of the environment with a scheme: without one it is an HTTP proxy, as curl, Python and Go have it. `socks://`, as
 * desktops write it, is SOCKS 5 that resolves names.
 */
const withScheme = (value: string): string => {
  if (/^socks:\/\//i.test(value)) return value.replace(/^socks/i, "socks5h")
  return /^[a-z0-9+.-]+:\/\//i.test(value) ? value : `http://${value}`
}

/** What of the environment's proxies cannot be used, one line each, without user and password. */
export const environmentProxyWarnings = (proxies: EnvironmentProxies): ReadonlyArray<string> => {
  const unreadable = unreadableExceptions(proxies)
  return [
    ...Object.values(environmentServers(proxies)).flatMap((one) =>
      one instanceof InvalidProxy ? [`${one.message}; calls that need it fail`] : [],
    ),
    ...(unreadable.length === 0
      ? []
      : [
          `NO_PROXY: no host is matched by ${unreadable.slice(0, mostShown).join(", ")}${unreadable.length > mostShown ? ", …" : ""}`,
        ]),
  ]
}

/** Entries of `NO_PROXY` that one line names. */
const mostShown = 5

/** What is on the way to a URL, for the failures of calls to it. */
export interface Route {
  /** The proxy, without credentials; none where calls go direct. */
  readonly proxy?: string
  /** What a text that came back may hold of the proxy's user and password: its error page may repeat its request. */
  readonly secrets: ReadonlyArray<string>
}

export const routeTo = (url: string, proxyTo: ProxyTo): Route => {
  const proxy = proxyTo(url)
  if (proxy === undefined) return { secrets: [] }
  if (proxy instanceof InvalidProxy) return { proxy: proxy.found, secrets: [] }
  return { proxy: proxy.shown, secrets: isForwarded(url, proxy.url) ? proxy.secrets : [] }
}
