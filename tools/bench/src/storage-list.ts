/** Requests the list from a proxy, this one or another. */
import { setTimeout as pause } from "node:timers/promises"

export const listPath = "/api/storage-resources/"
export const pageOf100 = `${listPath}?page_size=100`

export type Headers = Readonly<Record<string, string>>

/** One request, with its decoded body. */
export const ask = async (url: string, given: Headers = {}) => {
  const response = await fetch(url, { headers: given })
  const { status, headers } = response
  return { status, headers, body: Buffer.from(await response.arrayBuffer()) }
}

/** A request that must succeed. */
export const askWell = async (url: string, headers: Headers) => {
  const response = await ask(url, headers)
  const { status, body } = response
  if (status !== 200) throw new Error(`${url} returned ${status}: ${body.toString().slice(0, 300)}`)
  return response
}

/** Milliseconds: minutes are a valid result, one of the predecessors takes them. */
const patience = 20 * 60_000

/** Polls in a tight loop until the response is a 200; fails if the server ends first. */
export const firstResponse = async (url: string, headers: Headers, hasServerEnded: () => boolean) => {
  let last: unknown
  for (const end = performance.now() + patience; performance.now() < end; ) {
    if (hasServerEnded()) throw new Error(`The server at ${url} has ended`)
    try {
      return await askWell(url, headers)
    } catch (error) {
      last = error
    }
    await pause(2)
  }
  throw last
}

/** Milliseconds before a measured `refresh`: the proxy makes one a second at most, and the wait would be measured too. */
export const betweenRefreshes = 1050

/** Requests the list with `Cache-Control: no-cache`: a refresh first, then the response. */
export const refresh = (origin: string, headers: Headers) =>
  askWell(`${origin}${listPath}?page_size=1`, { ...headers, "Cache-Control": "no-cache" })
