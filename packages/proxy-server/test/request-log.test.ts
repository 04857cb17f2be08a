import { Context, Effect, Layer, Logger, References, Tracer } from "effect"
import { Hono } from "hono"
import { describe, expect, test } from "vitest"
import type { LogEvent } from "../src/observability/log-events.ts"
import { logRequests } from "../src/observability/request-log.ts"
import { requestSpans } from "../src/observability/request-span.ts"
import { aLockedProxy } from "./a-locked-proxy.ts"
import { type Any, aProxy, noCache, type TestedProxy } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const list = "/api/storage-resources/"
const traceId = "0af7651916cd43dd8448eb211c80319c"
const spanId = "b7ad6b7169203331"

const lines = (proxy: TestedProxy, event: LogEvent = "request"): ReadonlyArray<Any> =>
  proxy.logs.map((line) => JSON.parse(line)).filter((line) => line.annotations.event === event)
const last = (proxy: TestedProxy, event?: LogEvent) => lines(proxy, event).at(-1)?.annotations
const withId = (id: string) => ({ headers: { "X-Request-Id": id } })

/** The requests to Waldur while `act` ran, by their headers. */
const headersSent = async ({ sandbox }: TestedProxy, act: () => Promise<unknown>) => {
  const before = sandbox.calls.of("waldur").length
  await act()
  const headers = sandbox.calls
    .of("waldur")
    .slice(before)
    .map((call) => call.headers)
  expect(headers.length).toBeGreaterThan(0)
  return (name: string) => [...new Set(headers.map((each) => each.get(name)))]
}

describe("the request ID", () => {
  test("is each request's own, even if the app's host passes one environment for all", async () => {
    const { app } = await aProxy({ world: aWorld(10) })
    const server = {}
    const ask = async () => (await app.fetch(new Request(`http://proxy${list}`), server)).headers.get("X-Request-Id")
    expect(new Set([await ask(), ...(await Promise.all([ask(), ask()]))]).size).toBe(3)
    expect(server).toEqual({})
  })

  test("is in every response, and in one log line", async () => {
    const proxy = await aProxy({ world: aWorld(10) })
    proxy.app.get("/broken", () => {
      throw new Error("broken")
    })
    const { headers } = await proxy.list()
    const asked: ReadonlyArray<readonly [string, RequestInit, number]> = [
      [list, {}, 200],
      [list, { method: "HEAD" }, 200],
      [list, { headers: { Accept: "application/x-ndjson" } }, 200],
      [list, { headers: { "If-None-Match": headers.get("etag") ?? "" } }, 304],
      ["/nowhere", {}, 404],
      [list, { method: "POST" }, 405],
      [`${list}?snapshot=gone`, {}, 410],
      [`${list}?page=0`, {}, 422],
      ["/broken", {}, 500],
      ["/healthz/live", {}, 200],
      ["/metrics", {}, 200],
      ["/docs/", {}, 200],
    ]
    for (const [position, [path, init, status]] of asked.entries()) {
      const id = `my.own_id-${position}`
      const got = await proxy.get(path, { ...init, headers: { ...init.headers, "X-Request-Id": id } })
      expect([path, got.status, got.headers.get("x-request-id")]).toEqual([path, status, id])
      const own = lines(proxy).filter(({ annotations }) => annotations.request_id === id)
      expect([path, own.map(({ annotations }) => annotations.status)]).toEqual([path, [status]])
    }
  })

  test("is a new one unless every log and server accepts the caller's", async () => {
    const proxy = await aProxy({ world: aWorld(5) })
    const given = ["", "a b", "a,b", "é", "a/b", '"a"', "$(id)", "a\tb", "x".repeat(129)]
    const answered = await Promise.all(
      given.map(async (id) => (await proxy.get("/healthz/live", withId(id))).headers.get("x-request-id")),
    )
    for (const id of answered) expect(id).toMatch(uuid)
    expect(new Set(answered).size).toBe(given.length)
    const longest = "x".repeat(128)
    expect((await proxy.get("/healthz/live", withId(longest))).headers.get("x-request-id")).toBe(longest)
  })

  test("is in what a handler logs, and in the requests that it sends to upstreams", async () => {
    const proxy = await aProxy({ world: aWorld(5) })
    await proxy.list()
    const header = await headersSent(proxy, () => proxy.get(`${list}?debug=true`, withId("mine")))
    expect(header("x-request-id")).toContain("mine")
    proxy.sandbox.faults.set("waldur", { status: 403 })
    await proxy.pass("1 day")
    expect((await proxy.get(list, withId("mine-too"))).status).toBe(502)
    expect(last(proxy, "request-failed").request_id).toBe("mine-too")
  })

  test("differs for a refresh, whichever request started it", async () => {
    const proxy = await aProxy({ world: aWorld(5) })
    await proxy.list()
    const headers = { ...noCache.headers, ...withId("mine").headers, traceparent: `00-${traceId}-${spanId}-01` }
    const header = await headersSent(proxy, () => proxy.get(list, { headers }))
    expect(header("x-request-id")).toEqual([expect.stringMatching(uuid)])
    expect(header("traceparent").join()).not.toContain(traceId)
    expect(last(proxy, "snapshot-taken").request_id).toBe("mine")
  })
})

describe("the request's trace", () => {
  const debug = (proxy: TestedProxy, headers: Record<string, string>) =>
    headersSent(proxy, () => proxy.get(`${list}?debug=true`, { headers: { ...withId("mine").headers, ...headers } }))
  const spansOf = (header: (name: string) => ReadonlyArray<string | null>) =>
    header("traceparent").map((value) => /^00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])$/.exec(value ?? "")?.slice(1))

  test("continues upstream under our own spans, with its flag and its state", async () => {
    const proxy = await aProxy({ world: aWorld(5) })
    await proxy.list()
    await proxy.list()
    for (const flag of ["00", "01"]) {
      const header = await debug(proxy, { traceparent: `00-${traceId}-${spanId}-${flag}`, tracestate: "a=1,b=2" })
      const ours = spansOf(header).filter((span) => span?.[0] === traceId)
      expect(ours.length).toBeGreaterThan(0)
      for (const span of ours) expect(span).toEqual([traceId, expect.not.stringMatching(spanId), flag])
      expect(header("tracestate")).toContain("a=1,b=2")
      expect(last(proxy).trace_id).toBe(traceId)
    }
  })

  test("is a new one if none comes, or an invalid one", async () => {
    const proxy = await aProxy({ world: aWorld(5) })
    await proxy.list()
    const malformed = [
      "",
      `00-${"0".repeat(32)}-${spanId}-01`,
      `00-${traceId}-${"0".repeat(16)}-01`,
      `ff-${traceId}-${spanId}-01`,
      `00-${traceId.toUpperCase()}-${spanId}-01`,
      `00-${traceId}-${spanId}-1`,
      `00-${traceId}-${spanId}`,
      `00-${traceId}-${spanId}-01-more`,
      `00-${traceId.slice(1)}-${spanId}-01`,
      `00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`,
    ]
    for (const traceparent of malformed) {
      const header = await debug(proxy, { traceparent, tracestate: "a=1" })
      for (const span of spansOf(header)) {
        expect([traceparent, span]).toEqual([traceparent, [expect.stringMatching(/[1-9a-f]/), expect.anything(), "01"]])
        expect(span?.[0]).not.toBe(traceId)
      }
      expect(header("tracestate")).toEqual([null])
      expect(last(proxy)).not.toHaveProperty("trace_id")
    }
  })

  test("goes on without a state that cannot be sent upstream", async () => {
    const proxy = await aProxy({ world: aWorld(5) })
    await proxy.list()
    for (const tracestate of ["é=1", `a=${"1".repeat(600)}`]) {
      const header = await debug(proxy, { traceparent: `00-${traceId}-${spanId}-01`, tracestate })
      expect(header("tracestate")).toEqual([null])
      expect(last(proxy).status).toBe(200)
    }
  })
})

describe("the request's log line", () => {
  test("has method, path, known parameters, status and time", async () => {
    const proxy = await aProxy({ world: aWorld(5) })
    await proxy.get(`${list}?page_size=2&status=active&page=x`, withId("mine"))
    expect(lines(proxy)).toEqual([
      expect.objectContaining({
        message: "Request",
        level: "INFO",
        annotations: {
          event: "request",
          request_id: "mine",
          method: "GET",
          path: list,
          query: "page_size=2&status=active&page=x",
          status: 422,
          milliseconds: expect.any(Number),
        },
      }),
    ])
    const { text } = await proxy.list("page_size=2")
    expect(last(proxy).bytes).toBe(text.length)
    await proxy.get(list, { method: "HEAD" })
    expect(last(proxy)).not.toHaveProperty("bytes")
  })

  test("shows only known parts of a query, and never too much of anything", async () => {
    const proxy = await aProxy({ world: aWorld(5) })
    await proxy.list(`access_token=hunter2&data_type=${"d".repeat(500)}&hunter2&PAGE=hunter2&page%5Fsize=hunter2`)
    expect(last(proxy).query).toBe(`data_type=${"d".repeat(80)}…`)
    await proxy.get(`/${"p".repeat(1000)}?access_token=hunter2`)
    expect(last(proxy).path).toBe(`/${"p".repeat(199)}…`)
    await proxy.list("page=1&".repeat(1000))
    expect(last(proxy).query.length).toBeLessThan(200)
    expect(proxy.logs.join()).not.toContain("hunter2")
  })

  test("stays one line, whatever the path and the query", async () => {
    const proxy = await aProxy({ world: aWorld(5) })
    for (const path of ["/a%0A%7B%22level%22:%22ERROR%22%7D", "/%0d%0a%1b[31m", "/%E2%80%A8", "/é"]) {
      await proxy.get(`${path}?status=%0A%1B`)
      expect(last(proxy).path).toMatch(/^[\x21-\x7e]+$/)
      expect(last(proxy).query).toBe("status=%0A%1B")
    }
    expect(lines(proxy).length).toBe(4)
  })

  test("is at debug level for probes; for a 5xx it is a warning beside the error", async () => {
    const proxy = await aProxy({ world: aWorld(5), prepare: ({ faults }) => faults.set("waldur", { status: 403 }) })
    for (const path of ["/healthz/live", "/healthz/ready", "/metrics"]) await proxy.get(path)
    expect(lines(proxy).map(({ level }) => level)).toEqual(["DEBUG", "DEBUG", "DEBUG"])
    await proxy.list()
    expect(lines(proxy).at(-1).level).toBe("WARN")
    expect(lines(proxy, "request-failed").map(({ level }) => level)).toEqual(["ERROR"])
  })

  test("names the principal of the token, and shows no token", async () => {
    const proxy = await aLockedProxy()
    const token = await proxy.sandbox.issuer.issueToken({ preferred_username: `robot\n${"x".repeat(200)}` })
    const { status, headers } = await proxy.bearing(token)
    expect([status, headers.get("x-request-id")]).toEqual([200, expect.stringMatching(uuid)])
    expect(last(proxy).caller).toBe(`robot\n${"x".repeat(94)}`)
    const refused = await proxy.asking("Bearer no.token.atall")
    expect(refused.status).toBe(401)
    expect(last(proxy)).not.toHaveProperty("caller")
    expect(last(proxy, "token-refused").request_id).toBe(refused.headers.get("x-request-id"))
    for (const secret of [token, "no.token.atall"]) expect(proxy.logs.join()).not.toContain(secret)
  })
})

describe("a cached page", () => {
  test("has the bytes, headers, and log line of the response that made it", async () => {
    const proxy = await aLockedProxy()
    const token = await proxy.sandbox.issuer.issueToken({ preferred_username: `robot\n${"x".repeat(200)}` })
    const etag = (await proxy.bearing(token)).headers.get("etag") ?? ""
    const asked: ReadonlyArray<RequestInit & { readonly headers?: Readonly<Record<string, string>> }> = [
      {},
      { method: "HEAD" },
      { headers: { "If-None-Match": etag } },
      { headers: { "Accept-Encoding": "gzip" } },
      { headers: { traceparent: `00-${traceId}-${spanId}-01`, "Cache-Control": "max-age=0" } },
    ]
    for (const [position, init] of asked.entries()) {
      const ask = async () => {
        const headers = { ...init.headers, Authorization: `Bearer ${token}`, "X-Request-Id": "the-same" }
        const got = await proxy.get(`${list}?page_size=${position + 1}`, { ...init, headers })
        const line = last(proxy)
        return { ...got, headers: [...got.headers], line: { ...line, milliseconds: typeof line.milliseconds } }
      }
      const made = await ask()
      expect([position, await ask()]).toEqual([position, made])
      expect(made.line).toMatchObject({ event: "request", request_id: "the-same", caller: expect.any(String) })
    }
  })
})

describe("request logging in any context", () => {
  /** What a small app logs and traces, with the given services in its context. */
  const observing = async (more: Layer.Layer<never> = Layer.empty) => {
    const logged: Array<Any> = []
    const logger = Logger.map(Logger.formatStructured, (line) => void logged.push(line))
    const make = Effect.gen(function* () {
      const spans = yield* requestSpans((path) => (path === "/known" ? path : undefined))
      const log = yield* logRequests({ spans, quiet: ["/quiet"], parameters: [] })
      return new Hono().all("/:any", (c) => log(c, () => c.text("", c.req.query("status") === "500" ? 500 : 200)))
    })
    const app = await Effect.runPromise(make.pipe(Effect.provide(Layer.merge(Logger.layer([logger]), more))))
    return { app, logged }
  }
  const levels = (level: "Debug" | "Warn" | "Error") => Layer.succeed(References.MinimumLogLevel, level)
  const ask = async (app: Hono) => {
    for (const path of ["/known", "/quiet", "/known?status=500"]) await app.request(path)
  }

  test("logs no lines below the minimum level", async () => {
    const reported = async (level: "Debug" | "Warn" | "Error") => {
      const { app, logged } = await observing(levels(level))
      await ask(app)
      return logged.map((line) => line.level)
    }
    expect(await reported("Debug")).toEqual(["INFO", "DEBUG", "WARN"])
    expect(await reported("Warn")).toEqual(["WARN"])
    expect(await reported("Error")).toEqual([])
  })

  test("keeps annotations of that context", async () => {
    const { app, logged } = await observing(Layer.succeed(References.CurrentLogAnnotations, { replica: "a" }))
    await app.request("/known")
    expect(logged[0].annotations).toMatchObject({ replica: "a", path: "/known" })
  })

  test("has a span for each request with a tracer, under the caller's, as OpenTelemetry describes it", async () => {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      },
    })
    const { app, logged } = await observing(Layer.succeed(Tracer.Tracer, tracer))
    await app.request("/known?status=500", { headers: { traceparent: `00-${traceId}-${spanId}-00` } })
    await app.request("/no-such-path")
    const [first, second] = spans
    expect(spans.length).toBe(2)
    expect(first).toMatchObject({ name: "GET /known", kind: "server", sampled: false, traceId })
    expect(Object.fromEntries(first?.attributes ?? [])).toEqual({
      "http.request.method": "GET",
      "http.route": "/known",
      "url.path": "/known",
      "http.response.status_code": 500,
    })
    expect(first?.status).toMatchObject({ _tag: "Ended", exit: { _tag: "Failure" } })
    expect(second).toMatchObject({ name: "GET", sampled: true, status: { exit: { _tag: "Success" } } })
    expect(second?.attributes.has("http.route")).toBe(false)
    expect(logged.map(({ annotations }) => annotations.trace_id)).toEqual([traceId, second?.traceId])
  })

  test("has no span without a tracer", async () => {
    const { app, logged } = await observing()
    await app.request("/known")
    expect(logged[0].annotations).not.toHaveProperty("trace_id")
    // No tracer means Effect's own, which is always there.
    expect(Context.get(Context.empty(), Tracer.Tracer)).toBe(Tracer.nativeTracer)
  })
})
