/** The sandbox's three servers, and VAST, which is started separately. */
export type Upstream = "waldur" | "hpcUserApi" | "issuer" | "vast"

/** One request as received. */
export interface Call {
  upstream: Upstream
  method: string
  /** Without the query string. */
  path: string
  query: URLSearchParams
  /** Names in lowercase. */
  headers: Headers
  /** The request's body as text; empty if there was none. */
  body: string
  /** The status of the response; 0 until it is sent, and permanently if none is sent (reset, hang, client disconnected). */
  status: number
  /** Bytes of the response's body that were written to the socket. */
  bytes: number
  /** The request's number, from 1, in the order in which requests were complete, across all upstreams. */
  startedAt: number
}

/** The requests that the sandbox received. */
export interface CallLog {
  /** By number. */
  readonly all: readonly Call[]
  of(upstream: Upstream): Call[]
  /** Requests in flight. */
  inFlight(upstream: Upstream): number
  /** The maximum number of simultaneous requests since the start or the last `clear()`. */
  maxConcurrency(upstream: Upstream): number
  /** Discards the calls and the maxima; `startedAt` continues to count. */
  clear(): void
}

/** The log, with the methods that the listeners call. */
export interface CallRecorder extends CallLog {
  started(call: Omit<Call, "startedAt" | "status" | "bytes">): Call
  finished(call: Call): void
}

/** If `keep` is false, only the counts are kept, and `all` stays empty. */
export function callRecorder(keep = true): CallRecorder {
  let calls: Call[] = []
  let count = 0
  const current = new Map<Upstream, number>()
  const most = new Map<Upstream, number>()
  return {
    get all() {
      return calls
    },
    of: (upstream) => calls.filter((call) => call.upstream === upstream),
    inFlight: (upstream) => current.get(upstream) ?? 0,
    maxConcurrency: (upstream) => most.get(upstream) ?? 0,
    clear() {
      calls = []
      most.clear()
      // Requests in flight still count after clearing.
      for (const [upstream, running] of current) most.set(upstream, running)
    },
    started(received) {
      count += 1
      const call: Call = { ...received, status: 0, bytes: 0, startedAt: count }
      if (keep) calls.push(call)
      const running = (current.get(call.upstream) ?? 0) + 1
      current.set(call.upstream, running)
      most.set(call.upstream, Math.max(running, most.get(call.upstream) ?? 0))
      return call
    },
    finished(call) {
      current.set(call.upstream, (current.get(call.upstream) ?? 1) - 1)
    },
  }
}
