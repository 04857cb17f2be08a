import { once } from "node:events"
import { createServer, request as httpRequest, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import type { Hono } from "hono"
import { onTestFinished } from "vitest"

/** An app behind a real socket, served by plain Node. */
export interface ServedApp {
  /** Without a trailing slash. */
  readonly url: string
  /** Resolves when the headers arrive; the body must be read or destroyed. */
  readonly ask: (path: string, headers?: Readonly<Record<string, string>>, method?: string) => Promise<IncomingMessage>
}

/** Closed when the test ends. */
export const aServedApp = async (app: Hono): Promise<ServedApp> => {
  const server = createServer(async (incoming, outgoing) => {
    const gone = new AbortController()
    outgoing.once("close", () => gone.abort())
    const request = new Request(`http://127.0.0.1${incoming.url}`, {
      method: incoming.method ?? "GET",
      headers: Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]),
      signal: gone.signal,
    })
    const response = await app.fetch(request)
    outgoing.writeHead(response.status, Object.fromEntries(response.headers))
    if (response.body === null) outgoing.end()
    // A caller that disconnects is not an error.
    else await pipeline(Readable.fromWeb(response.body as never), outgoing).catch(() => undefined)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, "close")
  })
  return {
    url: `http://127.0.0.1:${port}`,
    ask: (path, headers = {}, method = "GET") =>
      new Promise((resolve, reject) => {
        const asked = httpRequest({ host: "127.0.0.1", port, path, headers, method, agent: false }, (answer) => {
          // A response that the test destroys emits a reset; ignore it.
          answer.on("error", () => undefined)
          resolve(answer)
        })
        asked.on("error", reject)
        asked.end()
      }),
  }
}

export const bodyOf = async (answer: IncomingMessage): Promise<Buffer> => Buffer.concat(await answer.toArray())
