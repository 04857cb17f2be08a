/** Requests of the soak's callers, with the times of request and response. */
import { promisify } from "node:util"
import { brotliDecompress, gunzip } from "node:zlib"
import { Agent, request } from "undici"

export const listPath = "/api/storage-resources/"

export interface Question {
  /** Path and query. */
  readonly path: string
  readonly method?: "GET" | "HEAD"
  readonly headers?: Readonly<Record<string, string>>
}

export interface Reply {
  readonly question: Question
  readonly status: number
  readonly header: (name: string) => string | undefined
  /** Before compression. */
  readonly body: Buffer
  /** By `performance.now()`: before the request, and when its headers arrived. */
  readonly sent: number
  readonly came: number
}

export interface Asker {
  readonly ask: (question: Question) => Promise<Reply>
  /** Sends a request and disconnects, after a number of milliseconds or in the middle of the response. */
  readonly leave: (question: Question, afterMs: number) => Promise<void>
  readonly close: () => Promise<void>
}

/** A caller may have to wait for the deadlines of several upstream calls. */
const patienceMs = 120_000

const decoders: Readonly<Record<string, (bytes: Buffer) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  br: promisify(brotliDecompress),
}

export const askerOf = (origin: string): Asker => {
  const dispatcher = new Agent({ connections: 32, keepAliveTimeout: 2000 })
  const options = ({ method, headers }: Question) => ({
    dispatcher,
    method: method ?? "GET",
    headers: { ...headers },
    headersTimeout: patienceMs,
    bodyTimeout: patienceMs,
  })
  return {
    ask: async (question) => {
      const sent = performance.now()
      const answer = await request(origin + question.path, options(question))
      const came = performance.now()
      const bytes = Buffer.from(await answer.body.arrayBuffer())
      const header = (name: string) => [answer.headers[name]].flat().join(", ") || undefined
      const decode = decoders[header("content-encoding") ?? ""]
      const body = decode === undefined || bytes.length === 0 ? bytes : await decode(bytes)
      return { question, status: answer.statusCode, header, body, sent, came }
    },
    leave: async (question, afterMs) => {
      const leaving = new AbortController()
      const timer = setTimeout(() => leaving.abort(), afterMs)
      try {
        const answer = await request(origin + question.path, { ...options(question), signal: leaving.signal })
        for await (const _ of answer.body) break
      } catch (error) {
        if (!leaving.signal.aborted) throw error
      } finally {
        clearTimeout(timer)
        leaving.abort()
      }
    },
    close: () => dispatcher.close(),
  }
}
