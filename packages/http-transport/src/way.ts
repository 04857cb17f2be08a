import { Result } from "effect"
import { type EnvironmentProxies, environmentChoice } from "./environment-proxies.ts"
import { isForwarded } from "./http-proxy.ts"
import { InvalidProxy, type ProxyServer, parseProxy } from "./proxy.ts"

/** The proxy on the way to a URL; none where it is reached directly, or is no URL at all. */
export type ProxyTo = (url: string) => ProxyServer | undefined

/**
 * Reads a proxy setting: one proxy for all, what the environment says, or none. Both proxies of the environment must be
 * usable, whether or not a URL needs them: what is wrong shows at the start, not with the first call that goes that way.
 */
export const readProxySetting = (
  setting: string | EnvironmentProxies | undefined,
): Result.Result<ProxyTo, InvalidProxy> => {
  if (setting === undefined) return Result.succeed(() => undefined)
  if (typeof setting === "string") return Result.map(parseProxy(setting), (proxy) => () => proxy)
  return Result.gen(function* () {
    const http = yield* fromVariable("HTTP_PROXY", setting.http)
    const https = yield* fromVariable("HTTPS_PROXY", setting.https)
    const choose = environmentChoice(setting)
    return (url) => {
      if (!URL.canParse(url)) return undefined
      switch (choose(new URL(url))) {
        case "http":
          return http
        case "https":
          return https
        default:
          return undefined
      }
    }
  })
}

const fromVariable = (
  variable: "HTTP_PROXY" | "HTTPS_PROXY",
  value: string | undefined,
): Result.Result<ProxyServer | undefined, InvalidProxy> =>
  value === undefined
    ? Result.succeed(undefined)
    : Result.mapError(parseProxy(value), ({ found, reason }) => new InvalidProxy({ found, reason, variable }))

/** What is on the way to a URL, for the failures of calls to it. */
export interface Way {
  /** The proxy, without credentials; none where calls go direct. */
  readonly proxy?: string
  /** What a text that came back may hold of the proxy's user and password: its error page may repeat its request. */
  readonly secrets: ReadonlyArray<string>
}

export const wayTo = (url: string, proxyTo: ProxyTo): Way => {
  const proxy = proxyTo(url)
  return {
    ...(proxy === undefined ? {} : { proxy: proxy.shown }),
    secrets: proxy !== undefined && isForwarded(url, proxy.url) ? proxy.secrets : [],
  }
}
