import { Result, Schema } from "effect"
import { causesOf, textOf } from "./causes.ts"

const allowedSchemes = ["socks4:", "socks4a:", "socks5:", "socks5h:", "http:", "https:"]

/** A proxy setting that cannot be used. `found` never holds the proxy's user and password. */
export class InvalidProxy extends Schema.TaggedError<InvalidProxy>()("InvalidProxy", {
  found: Schema.String,
  reason: Schema.String,
  /** The variable that says so, where the setting is `EnvironmentProxies`. */
  variable: Schema.optionalKey(Schema.Literals(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])),
}) {
  override get message() {
    const where = this.variable === undefined ? "" : `${this.variable}: `
    const allowed = allowedSchemes.map((scheme) => `${scheme}//`).join(", ")
    return `${where}${this.found} is not a proxy: ${this.reason}; allowed are ${allowed}; write for example socks5h://proxy.example.org:1080 or http://proxy.example.org:3128`
  }
}

/** The failure of the way to the proxy or of what it was asked, as against a failure of the upstream behind it. */
export class ProxyHandshakeError extends Error {
  override readonly name = "ProxyHandshakeError"
}

/**
 * A failure as the proxy's, in the words of its innermost cause. Words only: socks' errors hold user and password in their
 * fields.
 */
export const atProxy = (cause: unknown): ProxyHandshakeError =>
  new ProxyHandshakeError(causesOf(cause).map(textOf).findLast(Boolean) ?? String(cause))

/**
 * The proxy's URL for logs and errors: without user and password. Up to the last `@`, for a password that was not
 * percent-encoded may hold an `@` or a `/` of its own.
 */
export const proxyForDisplay = (proxy: string): string => proxy.replace(/^([a-z0-9+.-]+:\/\/)?.*@/is, "$1***@")

/** A proxy that can be used. */
export interface ProxyServer {
  readonly url: URL
  /** As it was written, without user and password. */
  readonly shown: string
  /** User and password in each way that a message could hold them. */
  readonly secrets: ReadonlyArray<string>
}

/**
 * Reads a proxy's URL: `socks4://`, `socks4a://`, `socks5://`, `socks5h://`, `http://` or `https://`, host and port, with
 * user and password if need be. With socks4a and socks5h, and with an HTTP proxy, the proxy resolves the upstream's name;
 * with the others this machine.
 */
export const parseProxy = (proxy: string): Result.Result<ProxyServer, InvalidProxy> => {
  const shown = proxyForDisplay(proxy)
  const invalid = (reason: string) => Result.fail(new InvalidProxy({ found: shown, reason }))
  if (!/^[a-z0-9+.-]+:\/\//i.test(proxy)) return invalid("it has no scheme")
  if (!URL.canParse(proxy)) return invalid("it is not a URL")
  const url = new URL(proxy)
  if (!allowedSchemes.includes(url.protocol)) return invalid(`its scheme is ${url.protocol}//`)
  if (url.hostname === "") return invalid("it has no host")
  // A password with a / of its own has ended the host, and the start of the login would be taken for it.
  if (`${url.pathname}${url.search}${url.hash}`.includes("@")) {
    return invalid("it has an @ after its host; percent-encode user and password")
  }
  if (![url.username, url.password].every(isDecodable)) {
    return invalid("its user or password holds a % that begins no percent-encoding")
  }
  return Result.succeed({ url, shown, secrets: loginSecrets(proxy, url) })
}

/** User and password of a proxy's URL, percent-encoding undone; none where it has neither. */
export const proxyLogin = ({ username, password }: URL): { user: string; password: string } | undefined =>
  username === "" && password === ""
    ? undefined
    : { user: decodeURIComponent(username), password: decodeURIComponent(password) }

/** `Basic` and what RFC 7617 makes of a login, in UTF-8. */
export const basicCredentials = ({ user, password }: { readonly user: string; readonly password: string }) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`

const loginSecrets = (written: string, url: URL): ReadonlyArray<string> => {
  const login = proxyLogin(url)
  if (login === undefined) return []
  const [from, to] = [written.indexOf("//") + 2, written.lastIndexOf("@")]
  const asWritten = from > 1 && to > from ? written.slice(from, to) : ""
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
