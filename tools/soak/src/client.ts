/** Requests of the soak's callers, with the times of request and response. */
import { promisify } from "node:util"
import { brotliDecompress, gunzip } from "node:zlib"
import { Agent, request } from "undici"

export const listPath = "/api/storage-resources/"

export interface ListRequest {
  /** Path and query. */
  readonly path: string
  readonly method?: "GET" | "HEAD"
  readonly headers?: Readonly<Record<string, string>>
}

export interface Reply {
  readonly request: ListRequest
  readonly status: number
  readonly header: (name: string) => string | undefined
  /** Before compression. */
  readonly body: Buffer
  /** By `performance.now()`: before the request, and when its headers arrived. */
  readonly sentAt: number
  readonly receivedAt: number
}

export interface Client {
  readonly send: (about: ListRequest) => Promise<Reply>
  /** Sends a request and disconnects, after a number of milliseconds or in the middle of the response. */
  readonly leave: (about: ListRequest, afterMs: number) => Promise<void>
  readonly close: () => Promise<void>
}

/** A caller may have to wait for the deadlines of several upstream calls. */
const patienceMs = 120_000

const decoders: Readonly<Record<string, (bytes: Buffer) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  br: promisify(brotliDecompress),
}

export const clientOf = (origin: string): Client => {
  const dispatcher = new Agent({ connections: 32, keepAliveTimeout: 2000 })
  const options = ({ method, headers }: ListRequest) => ({
    dispatcher,
    method: method ?? "GET",
    headers: { ...headers },
    headersTimeout: patienceMs,
    bodyTimeout: patienceMs,
  })
  return {
    send: async (about) => {
      const sentAt = performance.now()
      const response = await request(origin + about.path, options(about))
      const receivedAt = performance.now()
      const bytes = Buffer.from(await response.body.arrayBuffer())
      const header = (name: string) => [response.headers[name]].flat().join(", ") || undefined
      const decode = decoders[header("content-encoding") ?? ""]
      const body = decode === undefined || bytes.length === 0 ? bytes : await decode(bytes)
      return { request: about, status: response.statusCode, header, body, sentAt, receivedAt }
    },
    leave: async (about, afterMs) => {
      const leaving = new AbortController()
      const timer = setTimeout(() => leaving.abort(), afterMs)
      try {
        const response = await request(origin + about.path, { ...options(about), signal: leaving.signal })
        for await (const _ of response.body) break
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
