/** An HTTP server of the sandbox: records its calls and applies faults around a Hono app. */
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { setTimeout as wait } from "node:timers/promises"
import { inspect } from "node:util"
import type { CallRecorder, Upstream } from "./call-log.ts"
import { type Fault, type FaultBook, type MockResponse, responseOf, withFault } from "./faults.ts"

/** What a server and its listener exchange about a request. */
export interface Exchange {
  /** How long a real server would take, in milliseconds; the listener waits if a fault has `pace: "real"`. */
  paceMs: number
  /** The origin in the client's URL, as `http://127.0.0.1:8001`. */
  origin: string
  /** The raw request target, with its query string: servers limit its length. */
  target: string
}

export interface ListenerOptions {
  upstream: Upstream
  /** 0 means any free port. */
  port: number
  /**
   * The server's own response, before faults change it. Not called for a fault with a status or a reset, or that hangs before
   * the response. HEAD arrives here as GET.
   */
  handle: (request: Request, exchange: Exchange) => Response | Promise<Response>
  calls: CallRecorder
  faults: FaultBook
  /** The time for the `Date` header of responses, in milliseconds since 1970. */
  now: () => number
}

export interface ListeningServer {
  /** `http://127.0.0.1:<port>` */
  origin: string
  /** Closes the port and every connection, including those that hang. */
  close(): Promise<void>
}

/** An HTTP server on loopback that logs its requests and applies faults. */
export async function startListener(options: ListenerOptions): Promise<ListeningServer> {
  // With the default of 16 kB, Node itself would respond to long URLs with a 431.
  const server = createServer({ maxHeaderSize: 1024 * 1024 }, (request, response) => {
    serve(options, request, response).catch((error) => {
      // A mistake in a test, such as a `rewrite` that throws, must not look like a network fault.
      if (!response.destroyed) process.stderr.write(`sandbox, ${options.upstream}: ${inspect(error)}\n`)
      response.destroy()
    })
  })
  server.listen(options.port, "127.0.0.1")
  await once(server, "listening")
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

async function serve(options: ListenerOptions, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { upstream, calls, faults, handle } = options
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks)
  const target = incoming.url ?? "/"
  const origin = `http://${incoming.headers.host ?? "127.0.0.1"}`
  // As one text: on its own, a target that begins with `//` is read as a host.
  const url = new URL(target.startsWith("/") ? origin + target : target, origin)
  const method = incoming.method ?? "GET"
  const headers = headersOf(incoming)
  const call = calls.started({
    upstream,
    method,
    path: url.pathname,
    query: url.searchParams,
    headers,
    body: body.toString(),
  })
  // A request is in flight until its response is sent or its client disconnects.
  const gone = new AbortController()
  outgoing.once("close", () => {
    gone.abort()
    calls.finished(call)
  })
  const fault = faults.apply(upstream, method, url.pathname)
  try {
    if (fault.latencyMs) await wait(fault.latencyMs, undefined, { signal: gone.signal })
    await fault.until
    if (gone.signal.aborted) return
    if (fault.reset) {
      outgoing.socket?.resetAndDestroy()
      return
    }
    if (fault.hang === true) return
    const exchange: Exchange = { paceMs: 0, origin, target }
    const handled = method === "HEAD" ? "GET" : method
    const hasBody = handled !== "GET" && body.length > 0
    const response =
      fault.status === undefined
        ? await mockResponseOf(
            await handle(new Request(url, { method: handled, headers, ...(hasBody ? { body } : {}) }), exchange),
          )
        : responseOf(fault.status)
    if (fault.pace === "real" && exchange.paceMs > 0) {
      await wait(exchange.paceMs, undefined, { signal: gone.signal })
    }
    // Set before the fault applies, which may change or remove it.
    response.headers.set("Date", new Date(options.now()).toUTCString())
    const changed = withFault(response, fault)
    call.status = changed.status
    call.bytes = await send(outgoing, method === "HEAD", changed, fault)
  } catch (error) {
    if (!gone.signal.aborted) throw error
  }
}

async function mockResponseOf(own: Response): Promise<MockResponse> {
  return { status: own.status, headers: new Headers(own.headers), body: new Uint8Array(await own.arrayBuffer()) }
}

function headersOf(incoming: IncomingMessage): Headers {
  const headers = new Headers()
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value)
  }
  return headers
}

/** Writes the response as the fault requires; returns the number of body bytes written. */
async function send(outgoing: ServerResponse, head: boolean, response: MockResponse, fault: Fault): Promise<number> {
  const { body } = response
  outgoing.sendDate = false
  outgoing.statusCode = response.status
  outgoing.setHeaders(response.headers)
  if (head) {
    outgoing.setHeader("Content-Length", body.length)
    outgoing.end()
    return 0
  }
  if (fault.oversizeBytes !== undefined) return sendOversize(outgoing, body, fault.oversizeBytes)
  // RFC 9110 section 8.6: not with a 204.
  if (response.status !== 204) outgoing.setHeader("Content-Length", body.length)
  if (fault.truncate || fault.hang === "mid-body") {
    const half = body.subarray(0, Math.floor(body.length / 2))
    await new Promise<void>((resolve) => outgoing.write(half, () => resolve()))
    if (fault.truncate) outgoing.socket?.end()
    return half.length
  }
  outgoing.end(body)
  return body.length
}

/** JSON may begin with any number of spaces, so only the size of such a response is wrong. */
async function sendOversize(outgoing: ServerResponse, body: Uint8Array, size: number): Promise<number> {
  function* parts(): Generator<Uint8Array> {
    const block = Buffer.alloc(64 * 1024, " ")
    for (let left = size; left > 0; left -= block.length) yield block.subarray(0, Math.min(block.length, left))
    yield body
  }
  await pipeline(Readable.from(parts(), { objectMode: false }), outgoing)
  return size + body.length
}
