import type { Fault, MockResponse, Sandbox } from "@cscs/sandbox"

/**
 * How the proxy handles a fault of a call.
 *
 * - `repeated`: the call is sent again within seconds
 * - `reported`: the call is not sent again, and the cause is reported at once
 * - `awaited`: the call times out, then it is sent again
 */
export type Handling = "repeated" | "reported" | "awaited"

export interface FaultRow {
  readonly name: string
  readonly fault: (sandbox: Sandbox) => Fault
  readonly handling: Handling
  /** Seconds until the response arrives. */
  readonly late?: number
}

const row = (name: string, handling: Handling, fault: Fault | ((sandbox: Sandbox) => Fault)): FaultRow => ({
  name,
  handling,
  fault: typeof fault === "function" ? fault : () => fault,
})

/** A correct response that comes after so many seconds. */
export const late = (seconds: number): FaultRow => ({
  ...row(`an answer after ${seconds} seconds`, "awaited", {}),
  late: seconds,
})

/** An error page that echoes the last request of this upstream, as developer pages do. */
const repeatingTheRequest =
  (status: number) =>
  ({ calls }: Sandbox): Fault => ({
    status,
    rewrite: (answer: MockResponse): MockResponse => {
      const { headers, body } = calls.all.at(-1) ?? {}
      const reported = `${headers?.get("authorization")} ${body} ${new URLSearchParams(body).get("client_secret")}`
      return {
        ...answer,
        body: Buffer.from(JSON.stringify({ detail: reported, error: "x", error_description: reported })),
      }
    },
  })

// What goes wrong, how a call takes it, and the fault.
export const statuses: ReadonlyArray<FaultRow> = [
  row("500", "repeated", { status: 500 }),
  row("502 with a page of HTML", "repeated", { status: 502, body: "html" }),
  row("503", "repeated", { status: 503 }),
  row("500 that echoes our request", "repeated", repeatingTheRequest(500)),
  row("429", "repeated", { status: 429 }),
  row("401", "reported", { status: 401 }),
  row("401 that echoes our request", "reported", repeatingTheRequest(401)),
  row("403", "reported", { status: 403 }),
  row("404", "reported", { status: 404 }),
  row("a redirect", "reported", { status: 302, headers: { Location: "http://127.0.0.1:1/" } }),
  row("503 for an hour", "reported", { status: 503, headers: { "Retry-After": "3600" } }),
]

export const connections: ReadonlyArray<FaultRow> = [
  row("a reset connection", "repeated", { reset: true }),
  row("half of the body", "repeated", { truncate: true }),
  row("no response at all", "awaited", { hang: true }),
  row("half a response, then nothing", "awaited", { hang: "mid-body" }),
]

export const bodies: ReadonlyArray<FaultRow> = [
  row("half of the JSON", "repeated", { body: "truncated" }),
  row("bytes that are not text", "repeated", { body: "garbage" }),
  row("a page of HTML", "repeated", { body: "html" }),
  row("an empty body", "reported", { body: "empty" }),
  row("JSON of another shape", "reported", { body: { json: { detail: "no" } } }),
  row("null", "reported", { body: { json: null } }),
]

/** A correct response after so many superfluous bytes. */
export const tooLarge = (megabytes: number): FaultRow =>
  row("an oversized response", "reported", { oversizeBytes: megabytes * 1024 * 1024 })

const everyFault = [...statuses, ...connections, ...bodies]

export const only = (...names: ReadonlyArray<string>): ReadonlyArray<FaultRow> =>
  names.map((name) => {
    const found = everyFault.find((one) => one.name === name)
    if (found === undefined) throw new Error(`no fault is called ${name}`)
    return found
  })

/** The rows, some of them with another `handling`. */
export const handledAs = (rows: ReadonlyArray<FaultRow>, otherwise: Readonly<Record<string, Handling>>) => {
  const names = new Set(rows.map(({ name }) => name))
  for (const name of Object.keys(otherwise)) if (!names.has(name)) throw new Error(`no fault is called ${name}`)
  return rows.map((one): FaultRow => ({ ...one, handling: otherwise[one.name] ?? one.handling }))
}

/** One or two of each kind. */
export const someFaults = only(
  "502 with a page of HTML",
  "500 that echoes our request",
  "429",
  "401 that echoes our request",
  "403",
  "503 for an hour",
  "a reset connection",
  "half of the body",
  "no response at all",
  "half of the JSON",
  "an empty body",
  "JSON of another shape",
)

/** One of each kind. */
export const fewFaults = only(
  "500 that echoes our request",
  "401 that echoes our request",
  "a reset connection",
  "no response at all",
  "half of the JSON",
  "JSON of another shape",
)
