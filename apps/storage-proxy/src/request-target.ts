/** What a request is for, in whatever form its target comes (RFC 9112 section 3.2). */
import type { IncomingMessage } from "node:http"

/** No response depends on the host that a request names, so all requests name this one to the app. */
const anyHost = "localhost"

/** RFC 3986 section 3.2.2, without a user: `host [":" port]`, possibly empty. */
const hostAndPort = /^(?:\[[\dA-Za-z:.%~_-]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/

const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/is

/**
 * Brings a request into the one form that the app reads: a path as the target, one host.
 *
 * @returns whether that can be done; else the response is 400
 */
export const isTargetUnderstood = (request: IncomingMessage): boolean => {
  const hosts = request.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "host").length
  // Two may be read in two ways, by a gateway and by us (RFC 9112 section 3.2). HTTP/1.0 needs none, which Node checks.
  if (hosts > 1 || !hostAndPort.test(request.headers.host ?? "")) return false
  const target = pathIn(request.url ?? "", request.method)
  if (target === undefined) return false
  request.url = target
  request.headers.host = anyHost
  return true
}

const pathIn = (target: string, method: string | undefined): string | undefined => {
  if (target.startsWith("/")) return target
  // Of the server as a whole. It knows the same methods everywhere, so the answer is that of any of its paths.
  if (target === "*") return method === "OPTIONS" ? "/healthz/live" : undefined
  const [, authority, path = ""] = absoluteForm.exec(target) ?? []
  // An empty host is an error in an http URI, and so is a user (RFC 9110 section 4.2).
  if (authority === undefined || /^(?::|$)/.test(authority) || !hostAndPort.test(authority)) return undefined
  return path.startsWith("/") ? path : `/${path}`
}
