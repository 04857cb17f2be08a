/** Normalises the target of a request, whatever form it has (RFC 9112 section 3.2). */
import type { IncomingMessage } from "node:http"

/** No response depends on the host of the request, so the app sees this one for all requests. */
const anyHost = "localhost"

/** RFC 3986 section 3.2.2, without a user: `host [":" port]`, possibly empty. */
const hostAndPort = /^(?:\[[\dA-Za-z:.%~_-]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/

const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/is

/**
 * Rewrites a request to the one form that the app reads: a path as the target, and one host.
 *
 * @returns whether that is possible; if not, the response is 400
 */
export const normaliseTarget = (request: IncomingMessage): boolean => {
  const { rawHeaders } = request
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === 4 && name.toLowerCase() === "host") hosts += 1
  }
  // A gateway and this server could each pick another of two hosts (RFC 9112 section 3.2). HTTP/1.0 needs none; Node
  // checks that.
  if (hosts > 1 || !hostAndPort.test(request.headers.host ?? "")) return false
  const target = pathIn(request.url ?? "", request.method)
  if (target === undefined) return false
  request.url = target
  request.headers.host = anyHost
  return true
}

const pathIn = (target: string, method: string | undefined): string | undefined => {
  if (target.startsWith("/")) return target
  // The server as a whole. It allows the same methods everywhere, so any path gives the response.
  if (target === "*") return method === "OPTIONS" ? "/healthz/live" : undefined
  const [, authority, path = ""] = absoluteForm.exec(target) ?? []
  // An empty host is an error in an http URI, and so is a user (RFC 9110 section 4.2).
  if (authority === undefined || /^(?::|$)/.test(authority) || !hostAndPort.test(authority)) return undefined
  return path.startsWith("/") ? path : `/${path}`
}
