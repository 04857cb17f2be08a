/** Parses proxy URLs, and keeps their credentials out of messages. */
import { Result, Schema } from "effect"
import { causesOf, textOf } from "./causes.ts"

const allowedSchemes = ["socks4:", "socks4a:", "socks5:", "socks5h:", "http:", "https:"]

/** An unusable proxy setting. `found` never contains the proxy's user and password. */
export class InvalidProxy extends Schema.TaggedError<InvalidProxy>()("InvalidProxy", {
  found: Schema.String,
  reason: Schema.String,
  /** The variable with the setting, if it comes from `EnvironmentProxies`. */
  variable: Schema.optionalKey(Schema.Literals(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])),
}) {
  override get message() {
    const where = this.variable === undefined ? "" : `${this.variable}: `
    const allowed = allowedSchemes.map((scheme) => `${scheme}//`).join(", ")
    return `${where}${this.found} is not a proxy: ${this.reason}; allowed are ${allowed}; write for example socks5h://proxy.example.org:1080 or http://proxy.example.org:3128`
  }
}

/** A failure of the connection to the proxy or of the proxy itself, not of the upstream behind it. */
export class ProxyHandshakeError extends Error {
  override readonly name = "ProxyHandshakeError"
}

/**
 * Marks a failure as the proxy's, with the message of its innermost cause. Only the message: the fields of socks' errors
 * contain user and password.
 */
export const atProxy = (cause: unknown): ProxyHandshakeError =>
  new ProxyHandshakeError(causesOf(cause).map(textOf).findLast(Boolean) ?? String(cause))

/**
 * The proxy's URL for logs and errors, without user and password. Cuts up to the last `@`, since a password that is not
 * percent-encoded may contain an `@` or a `/`.
 */
export const proxyForDisplay = (proxy: string): string => proxy.replace(/^([a-z0-9+.-]+:\/\/)?.*@/is, "$1***@")

/** A usable proxy. */
export interface ProxyServer {
  readonly url: URL
  /** As configured, without user and password. */
  readonly shown: string
  /** User and password in all forms that a message could contain. */
  readonly secrets: ReadonlyArray<string>
}

/**
 * Parses a proxy's URL: `socks4://`, `socks4a://`, `socks5://`, `socks5h://`, `http://` or `https://`, host and port,
 * optionally user and password. With socks4a, socks5h and HTTP, the proxy resolves the upstream's name; with socks4 and
 * socks5, this machine does.
 */
export const parseProxy = (proxy: string): Result.Result<ProxyServer, InvalidProxy> => {
  const shown = proxyForDisplay(proxy)
  const invalid = (reason: string) => Result.fail(new InvalidProxy({ found: shown, reason }))
  if (!/^[a-z0-9+.-]+:\/\//i.test(proxy)) return invalid("it has no scheme")
  if (!URL.canParse(proxy)) return invalid("it is not a URL")
  const url = new URL(proxy)
  if (!allowedSchemes.includes(url.protocol)) return invalid(`its scheme is ${url.protocol}//`)
  if (url.hostname === "") return invalid("it has no host")
  // An unencoded / in the password ends the host, so the beginning of the login would be used as the host.
  if (`${url.pathname}${url.search}${url.hash}`.includes("@")) {
    return invalid("it has an @ after its host; percent-encode user and password")
  }
  if (![url.username, url.password].every(isDecodable)) {
    return invalid("its user or password contains a % that does not begin a percent-encoding")
  }
  return Result.succeed({ url, shown, secrets: loginSecrets(proxy, url) })
}

/** User and password of a proxy's URL, percent-decoded; `undefined` if it has neither. */
export const proxyLogin = ({ username, password }: URL): { user: string; password: string } | undefined =>
  username === "" && password === ""
    ? undefined
    : { user: decodeURIComponent(username), password: decodeURIComponent(password) }

/** The `Basic` credentials of a login (RFC 7617), in UTF-8. */
export const basicCredentials = ({ user, password }: { readonly user: string; readonly password: string }) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`

const loginSecrets = (written: string, url: URL): ReadonlyArray<string> => {
  const login = proxyLogin(url)
  if (login === undefined) return []
  const asWritten = written.slice(written.indexOf("//") + 2, written.lastIndexOf("@"))
  const forms = [login.password, login.user].flatMap((one) => [one, encodeURIComponent(one)])
  const all = [asWritten, basicCredentials(login).slice("Basic ".length), url.password, url.username, ...forms]
  return [...new Set(all)].filter((one) => one !== "")
}

const isDecodable = (text: string) => {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
