/** Requests the list from a proxy, this one or another. */
import { request } from "undici"

export const listPath = "/api/storage-resources/"
export const pageOf100 = `${listPath}?page_size=100`

/** Minutes are a valid result: one of the predecessors takes them. */
const patienceMs = 20 * 60_000

export interface ListAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly body: Buffer
}

/** One request, with its body as sent. */
export const ask = async (url: string, headers: Readonly<Record<string, string>> = {}): Promise<ListAnswer> => {
  const answer = await request(url, { headers: { ...headers }, headersTimeout: patienceMs, bodyTimeout: patienceMs })
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.from(await answer.body.arrayBuffer()) }
}

export const header = ({ headers }: ListAnswer, name: string): string | undefined => {
  const value = headers[name]
  return typeof value === "string" ? value : value?.join(", ")
}

/** Polls in a tight loop until the response is a 200. */
export const firstAnswer = async (url: string, giveUpAfterMs = patienceMs): Promise<ListAnswer> => {
  const end = performance.now() + giveUpAfterMs
  let last = "nothing"
  while (performance.now() < end) {
    try {
      const answer = await ask(url)
      if (answer.status === 200) return answer
      last = `${answer.status}: ${answer.body.toString().slice(0, 300)}`
    } catch (error) {
      last = String(error)
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  throw new Error(`${url} has no successful response: ${last}`)
}

interface Entry {
  readonly itemId: string
  readonly status: string
}

interface ListBody {
  readonly resources: ReadonlyArray<Entry>
  readonly pagination: { readonly total: number; readonly pages: number }
}

export const bodyOf = ({ body }: ListAnswer): ListBody => JSON.parse(body.toString()) as ListBody

/** The target of `rel=next`, absolute. */
export const nextOf = (answer: ListAnswer, url: string): string | undefined => {
  const link = header(answer, "link") ?? ""
  const target = /<([^<>]*)>; rel="next"/.exec(link)?.[1]
  return target === undefined ? undefined : new URL(target, url).href
}

/**
 * Requests the list with `Cache-Control: no-cache`: a refresh first, then the response. Returns the milliseconds that
 * it took.
 */
export const refresh = async (origin: string): Promise<number> => {
  const begin = performance.now()
  const answer = await ask(`${origin}${listPath}?page_size=1`, { "Cache-Control": "no-cache" })
  if (answer.status !== 200) throw new Error(`A refresh returned ${answer.status}: ${answer.body.toString()}`)
  return performance.now() - begin
}
