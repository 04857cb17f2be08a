/**
 * Puts load on a server from a separate process, run by `startHelper`: a number of connections, each of which sends the
 * next request as soon as it has its response. Uses undici's raw dispatch rather than a full client or a tool such as
 * autocannon, whose JavaScript parser takes more time for a page than the server; bodies are discarded.
 */
import { createHistogram, performance } from "node:perf_hooks"
import { Client, type Dispatcher } from "undici"
import { serveCommands } from "./helpers.ts"

export interface Load {
  /** The origin, without a trailing slash. */
  readonly origin: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  readonly seconds: number
  /** Requests per second over all connections; by default as many as possible. */
  readonly perSecond?: number
}

export interface LoadResult {
  readonly requests: number
  /** Until the last response, which may arrive after the duration. */
  readonly seconds: number
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** Responses by status; `error` for missing ones. */
  readonly statuses: Readonly<Record<string, number>>
  /** Of the bodies, as sent. */
  readonly bytes: number
  /** This process's own use of a core, 0 to 1: near 1, the load and not the server is the limit. */
  readonly ownCpu: number
}

/** Waits for a slow server: a response that takes minutes counts too. */
const patienceMs = 20 * 60_000

const run = async ({ origin, path, headers, connections, seconds, perSecond }: Load): Promise<LoadResult> => {
  const latencies = createHistogram()
  const statuses: Record<string, number> = {}
  let requests = 0
  let bytes = 0
  let last = 0

  /** `begin` is when the request should have been sent. */
  const once = (client: Client, begin: number): Promise<void> =>
    new Promise((resolve) => {
      const done = (status: string): void => {
        last = performance.now()
        requests += 1
        statuses[status] = (statuses[status] ?? 0) + 1
        latencies.record(Math.max(1, Math.round((last - begin) * 1000)))
        resolve()
      }
      let status = 0
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart() {},
        onResponseStart(_controller, statusCode) {
          status = statusCode
        },
        onResponseData(_controller, chunk) {
          bytes += chunk.length
        },
        onResponseEnd() {
          done(String(status))
        },
        onResponseError() {
          done("error")
        },
      }
      client.dispatch({ origin, path, method: "GET", headers }, handler)
    })

  const begin = performance.now()
  const finish = begin + seconds * 1000
  const cpu = process.cpuUsage()
  let slots = 0
  const worker = async (): Promise<void> => {
    const client = new Client(origin, { headersTimeout: patienceMs, bodyTimeout: patienceMs })
    try {
      for (;;) {
        if (perSecond === undefined) {
          if (performance.now() >= finish) return
          await once(client, performance.now())
        } else {
          const slot = begin + (slots++ / perSecond) * 1000
          if (slot >= finish) return
          const early = slot - performance.now()
          if (early > 0) await new Promise((resolve) => setTimeout(resolve, early))
          // Waiting for a connection because the server was busy counts as waiting for the server.
          await once(client, early > 0 ? performance.now() : slot)
        }
        // Avoids a million requests to a server that refuses.
        if ((statuses.error ?? 0) > 1000) return
      }
    } finally {
      await client.destroy()
    }
  }
  await Promise.all(Array.from({ length: connections }, worker))
  const { user, system } = process.cpuUsage(cpu)
  const elapsed = (last - begin) / 1000
  return {
    requests,
    seconds: elapsed,
    perSecond: requests / elapsed,
    p50: latencies.percentile(50) / 1000,
    p99: latencies.percentile(99) / 1000,
    max: latencies.max / 1000,
    statuses,
    bytes,
    ownCpu: (user + system) / 1e6 / elapsed,
  }
}

const commands = { run }

export type LoadCommands = typeof commands

serveCommands(commands)
