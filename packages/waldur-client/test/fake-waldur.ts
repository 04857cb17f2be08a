import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Context, Effect, Layer, Logger, Redacted, References } from "effect"
import { WaldurClient, type WaldurClientOptions } from "../src/index.ts"

/** A row of a list: the fields that the fake reads, and any others. */
export interface Row {
  readonly [name: string]: unknown
  readonly uuid?: unknown
  readonly created?: unknown
  readonly state?: unknown
  readonly offering_slug?: unknown
  /** The offering on the server, if the row itself has none. */
  readonly filed_under?: unknown
  readonly order_in_progress?: { readonly state: string; readonly type: string } | null
}

export const token = "0123456789abcdef0123456789abcdef01234567"

/** One request as received. */
export interface Seen {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Reply {
  readonly status: number
  readonly body?: string
  readonly headers?: Record<string, string>
}

/** A fake Waldur on loopback with lists, their filters and pages, and arbitrary test behaviour for reads. */
export interface FakeWaldur {
  readonly url: string
  readonly seen: ReadonlyArray<Seen>
  /** The maximum number of simultaneous requests. */
  readonly highWater: () => number
  /** In the server's order. Sorting by `created` is stable, so rows with equal times keep their order. */
  resources: Array<Row>
  offerings: Array<Row>
  customers: Array<Row>
  /** A Waldur before 8 ignores the filter. */
  knowsOfferingSlug: boolean
  orderState: "refused" | "obeyed" | "ignored"
  /** Runs before each response, and may change the data. */
  before: (request: Seen) => void
  /** A response that replaces the list's or the object's own. */
  instead: (request: Seen) => Reply | "reset" | undefined
  /** The order of rows with equal times in this response; unchanged by default. */
  arrange: (rows: Array<Row>, request: Seen) => Array<Row>
  /** While it returns true, responses wait for further requests. */
  holds: () => boolean
}

const html = (status: number, words: string): Reply => ({
  status,
  body: `<!doctype html><html><head><style>body { color: red }</style></head><body><h1>${words}</h1></body></html>`,
  headers: { "content-type": "text/html" },
})
export const pages = {
  notFound: html(404, "Not Found"),
  serverError: html(500, "Server Error (500)"),
  badGateway: html(502, "Bad Gateway"),
}
export const json = (status: number, body: unknown, headers: Record<string, string> = {}): Reply => ({
  status,
  body: JSON.stringify(body),
  headers: { "content-type": "application/json", ...headers },
})

/** Starts a fake Waldur that ends with the scope. */
export const startFakeWaldur = Effect.acquireRelease(
  Effect.callback<{ fake: FakeWaldur; stop: () => Promise<void> }>((resume) => {
    const seen: Array<Seen> = []
    const waiting: Array<() => void> = []
    let inFlight = 0
    let highWater = 0
    const server = createServer((request, response) => {
      highWater = Math.max(highWater, ++inFlight)
      response.on("close", () => {
        inFlight--
      })
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const url = new URL(request.url ?? "/", "http://fake")
        const one: Seen = {
          method: request.method ?? "",
          path: url.pathname,
          query: url.searchParams,
          headers: request.headers,
          body: Buffer.concat(chunks).toString(),
        }
        waiting.push(() => {
          seen.push(one)
          fake.before(one)
          send(response, fake.instead(one) ?? responseTo(fake, one), one.method)
        })
        if (!fake.holds()) afterTurns(20, () => waiting.splice(0).forEach((go) => void go()))
      })
    })
    const fake: FakeWaldur = {
      get url() {
        return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      },
      seen,
      highWater: () => highWater,
      resources: [],
      offerings: [],
      customers: [],
      knowsOfferingSlug: true,
      orderState: "refused",
      before: () => {},
      instead: () => undefined,
      arrange: (rows) => rows,
      holds: () => false,
    }
    const stop = () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ fake, stop })))
  }),
  ({ stop }) => Effect.promise(stop),
).pipe(Effect.map(({ fake }) => fake))

/** Lets requests in flight arrive, by turns of the event loop rather than time. */
const afterTurns = (turns: number, run: () => void): void => {
  if (turns === 0) run()
  else setImmediate(() => afterTurns(turns - 1, run))
}

const send = (response: ServerResponse, reply: Reply | "reset", method: string) => {
  if (reply === "reset") {
    response.destroy()
    return
  }
  response.writeHead(reply.status, reply.headers)
  response.end(method === "HEAD" ? undefined : reply.body)
}

const responseTo = (fake: FakeWaldur, request: Seen): Reply => {
  if (request.headers.authorization !== `Token ${token}`) return json(401, { detail: "Invalid token." })
  const path = request.path.replace("/api/", "")
  if (request.method === "POST") return json(200, { status: "done" })
  if (path === "version/") return json(200, { version: "8.1.3" })
  if (path === "marketplace-provider-offerings/") return listed(fake.offerings, request)
  if (path.endsWith("/customers/")) return listed(fake.customers, request)
  if (path === "marketplace-provider-resources/") return resources(fake, request)
  const detail = /^(marketplace-provider-resources|marketplace-provider-offerings)\/([^/]+)\/$/.exec(path)
  if (detail !== null) {
    const of = detail[1] === "marketplace-provider-resources" ? fake.resources : fake.offerings
    const row = of.find(({ uuid }) => uuid === detail[2])
    return row === undefined
      ? json(404, { detail: "No Resource matches the given query." })
      : json(200, trimmed(row, request))
  }
  return pages.notFound
}

const orderStates = [
  "pending-consumer",
  "pending-provider",
  "pending-project",
  "pending-start-date",
  "executing",
  "done",
]

/** In a database these are always texts, whatever the test uses. */
const textOf = (value: unknown): string => (typeof value === "string" ? value : "")

const resources = (fake: FakeWaldur, request: Seen): Reply => {
  let rows = [...fake.resources]
  const asked = request.query.get("offering_slug")
  if (fake.knowsOfferingSlug && asked) {
    const slugs = asked.split(",")
    rows = rows.filter((row) => slugs.includes(textOf(row.filed_under ?? row.offering_slug)))
  }
  const asOrdered = request.query.getAll("order_state")
  if (fake.orderState !== "ignored" && asOrdered.length > 0) {
    const bad = asOrdered.filter((state) => !orderStates.includes(state))
    if (fake.orderState === "refused" && bad.length > 0) {
      return json(400, { order_state: [`Select a valid choice. ${bad[0]} is not one of the available choices.`] })
    }
    rows = rows.filter((row) => asOrdered.includes(textOf(row.order_in_progress?.state)))
  }
  const resourceStates = request.query.getAll("state")
  if (resourceStates.length > 0) rows = rows.filter((row) => resourceStates.includes(textOf(row.state)))
  rows = fake.arrange(rows, request)
  if (request.query.get("o") === "created") {
    rows.sort((a, b) => textOf(a.created).localeCompare(textOf(b.created)))
  }
  return listed(rows, request)
}

const listed = (rows: ReadonlyArray<Row>, request: Seen): Reply => {
  const size = Math.min(300, Number(request.query.get("page_size") ?? 10) || 10)
  const page = Number(request.query.get("page") ?? 1)
  if (page < 1 || (page > 1 && (page - 1) * size >= rows.length)) return json(404, { detail: "Invalid page." })
  const some = rows.slice((page - 1) * size, page * size).map((row) => trimmed(row, request))
  return json(200, some, { "x-result-count": String(rows.length) })
}

const trimmed = (row: Row, request: Seen): Row => {
  const fields = request.query.getAll("field")
  const kept = Object.fromEntries(Object.entries(row).filter(([name]) => fields.includes(name)))
  return Object.keys(kept).length === 0 ? row : kept
}

/** A client of the fake with quick retries. It ends with the scope. */
export const clientOf = (fake: FakeWaldur, options: Partial<WaldurClientOptions> = {}) =>
  Effect.map(
    Layer.build(
      WaldurClient.layer({
        apiUrl: fake.url,
        token: Redacted.make(token),
        retry: { times: 2, base: "1 millis", cap: "1 millis", maxRetryAfter: "0 seconds" },
        ...options,
      }),
    ),
    (context) => Context.get(context, WaldurClient),
  )

/** A number as 32 hex digits. */
export const uuidOf = (number: number): string => number.toString(16).padStart(32, "0")

/** The UUIDs of rows, sorted. */
export const uuidsIn = (rows: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  rows.map((row) => String((row as Row).uuid)).sort()

/** Resources of capstor, all created at the same time. */
export const tied = (count: number, from = 0): Array<Row> =>
  Array.from({ length: count }, (_, index) => ({
    uuid: uuidOf(from + index),
    slug: `resource-${from + index}`,
    state: "OK",
    offering_slug: "capstor",
    created: "2026-11-23T00:00:00Z",
  }))

/** A seeded generator of numbers from 0 below 1 (mulberry32). */
export const seeded = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

export const shuffled = <A>(items: ReadonlyArray<A>, random: () => number): Array<A> =>
  items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)

/** A line of the log: its level, its event, and its other annotations. */
export type LogLine = Readonly<Record<string, unknown>>

/** Collects what is logged. */
export const captureLogs = (into: Array<LogLine>) =>
  Effect.provide(
    Logger.layer([
      Logger.make(({ logLevel, fiber }) => {
        into.push({ level: logLevel, ...fiber.getRef(References.CurrentLogAnnotations) })
      }),
    ]),
  )
