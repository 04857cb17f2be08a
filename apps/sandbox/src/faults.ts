/** Faults that tests and the soak inject into the sandbox's upstreams. */
import type { Upstream } from "./call-log.ts"
import type { Json } from "./json.ts"

/** A response before it is sent. */
export interface MockResponse {
  status: number
  headers: Headers
  body: Uint8Array
}

/** What goes wrong, and for how long. Omitted fields change nothing. */
export interface Fault {
  /** Only requests whose path (without the query) equals or matches this. Default: every path. */
  path?: string | RegExp
  /** Only requests with this method. Default: every method. */
  method?: string
  /** The number of requests that the fault applies to. Default: until it is cleared. */
  times?: number
  /** Waits this many milliseconds before the request is handled. Latencies of several faults add up. */
  latencyMs?: number
  /** Waits until this settles before the request is handled. */
  until?: Promise<void>
  /** `"real"`: Waldur's lists take as long per row as on a real Waldur (`waldur/pace.ts`). */
  pace?: "real"
  /** Responds with this status without calling the actual server. */
  status?: number
  /** Set on the response, both on the server's own and on that of `status`. */
  headers?: Record<string, string>
  /**
   * The body. With `status`: `json` (default) is `{"detail": …}`. Without: replaces the body of the
   * server's own response. `truncated` is the first half of the JSON, sent as a complete response; `garbage` is not valid
   * text; `{ json }` is that value.
   */
  body?: "json" | "html" | "empty" | "truncated" | "garbage" | { json: Json }
  /** Destroys the socket (TCP reset) before a byte of the response is sent. */
  reset?: boolean
  /** Declares the full length, sends half of the body, then closes the socket; HEAD has no body and gets a full response. */
  truncate?: boolean
  /** Never responds: `true` sends nothing at all, `"mid-body"` sends headers and half of the body first; HEAD gets a full response. */
  hang?: boolean | "mid-body"
  /** Sends this many spaces before the body, without Content-Length: a valid response, but much too large. */
  oversizeBytes?: number
  /** Rewrites the final response, for faults that the other fields cannot express. */
  rewrite?: (response: MockResponse) => MockResponse
}

/** An active fault. */
export interface SetFault {
  /** The number of requests that the fault has applied to. */
  readonly struck: number
  clear(): void
}

export interface Faults {
  /**
   * Adds a fault to an upstream. All faults that match a request apply; for a field set by several, the last one counts
   * (latencies add up).
   */
  set(upstream: Upstream, fault: Fault): SetFault
  /** Clears the faults of one upstream, or all. Requests that already hang continue to, until their client or the sandbox closes. */
  clear(upstream?: Upstream): void
}

/** The faults, with the method that the listeners call. */
export interface FaultBook extends Faults {
  /** Returns the faults for this request, merged, and counts the request for each. */
  apply(upstream: Upstream, method: string, path: string): Fault
}

interface Entry {
  upstream: Upstream
  fault: Fault
  struck: number
  cleared: boolean
}

export function faultBook(): FaultBook {
  let entries: Entry[] = []
  const remove = (entry: Entry): void => {
    entry.cleared = true
    entries = entries.filter((other) => !other.cleared)
  }
  return {
    set(upstream, fault) {
      const entry: Entry = { upstream, fault, struck: 0, cleared: false }
      entries.push(entry)
      return {
        get struck() {
          return entry.struck
        },
        clear: () => remove(entry),
      }
    },
    clear(upstream) {
      for (const entry of [...entries]) if (upstream === undefined || entry.upstream === upstream) remove(entry)
    },
    apply(upstream, method, path) {
      let merged: Fault = {}
      for (const entry of entries) {
        const { fault } = entry
        if (entry.upstream !== upstream || !applies(fault, method, path)) continue
        entry.struck += 1
        const latencyMs = (merged.latencyMs ?? 0) + (fault.latencyMs ?? 0)
        merged = { ...merged, ...fault, latencyMs, headers: { ...merged.headers, ...fault.headers } }
      }
      for (const entry of [...entries]) if (entry.struck >= (entry.fault.times ?? Infinity)) remove(entry)
      return merged
    },
  }
}

function applies(fault: Fault, method: string, path: string): boolean {
  if (fault.method !== undefined && fault.method.toUpperCase() !== method) return false
  if (fault.path === undefined) return true
  // safe-regex: the pattern comes from the test
  return typeof fault.path === "string" ? fault.path === path : new RegExp(fault.path).test(path)
}

const REASONS: Record<number, string> = {
  400: "Bad request.",
  401: "Invalid token.",
  403: "You do not have permission to perform this action.",
  404: "Not found.",
  429: "Request was throttled.",
  500: "A server error occurred.",
  502: "Bad gateway.",
  503: "Service unavailable.",
  504: "Gateway timeout.",
}

/** The response of a fault with a `status`, before its body is changed. */
export function responseOf(status: number): MockResponse {
  return {
    status,
    headers: new Headers({ "Content-Type": "application/json" }),
    body: Buffer.from(JSON.stringify({ detail: REASONS[status] ?? `Status ${status}.` })),
  }
}

/** The response with the fault's body, headers and rewriting. */
export function withFault(response: MockResponse, fault: Fault): MockResponse {
  const headers = new Headers(response.headers)
  let body = response.body
  const replace = (type: string, bytes: Uint8Array): void => {
    headers.set("Content-Type", type)
    body = bytes
  }
  if (fault.body === "html") {
    const title = `${response.status} ${REASONS[response.status] ?? "Error"}`
    replace("text/html", Buffer.from(`<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>`))
  } else if (fault.body === "empty") body = new Uint8Array()
  else if (fault.body === "truncated") body = body.subarray(0, Math.floor(body.length / 2))
  else if (fault.body === "garbage")
    replace("application/json", Buffer.from([0xff, 0xfe, 0x00, 0x1f, 0x8b, 0x7b, 0xc3]))
  else if (typeof fault.body === "object") replace("application/json", Buffer.from(JSON.stringify(fault.body.json)))
  for (const [name, value] of Object.entries(fault.headers ?? {})) headers.set(name, value)
  const changed = { status: response.status, headers, body }
  return fault.rewrite === undefined ? changed : fault.rewrite(changed)
}
