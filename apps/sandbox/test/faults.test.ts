import { once } from "node:events"
import { request as httpRequest } from "node:http"
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from "vitest"
import { type Sandbox, startSandbox } from "../src/index.ts"
import { request } from "./waldur-client.ts"

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(() => sandbox.close())
afterEach(() => {
  sandbox.faults.clear()
  sandbox.calls.clear()
})

const PATH = "/api/version/"
const version = (init?: RequestInit) => request(sandbox, "version/", init)

test("a fault with a status applies to the given number of requests, with its headers", async () => {
  const fault = sandbox.faults.set("waldur", { status: 429, headers: { "Retry-After": "7" }, times: 2 })
  const first = await version()
  expect(first.status).toBe(429)
  expect(first.headers.get("Retry-After")).toBe("7")
  expect(first.json).toEqual({ detail: "Request was throttled." })
  expect((await version()).status).toBe(429)
  expect((await version()).status).toBe(200)
  expect(fault.struck).toBe(2)
})

test("a fault applies only to its path, method and upstream", async () => {
  sandbox.faults.set("waldur", { path: /orders/, status: 500 })
  sandbox.faults.set("waldur", { method: "POST", status: 500 })
  sandbox.faults.set("issuer", { status: 500 })
  expect((await version()).status).toBe(200)
  expect((await request(sandbox, "marketplace-orders/")).status).toBe(500)
  expect((await version({ method: "POST" })).status).toBe(500)
  expect((await fetch(sandbox.issuer.jwksUrl)).status).toBe(500)
  sandbox.faults.clear("waldur")
  expect((await request(sandbox, "marketplace-orders/")).status).toBe(200)
  expect((await fetch(sandbox.issuer.jwksUrl)).status).toBe(500)
})

test("a fault's body can be HTML, empty, truncated, garbage or a given value", async () => {
  const bodyOf = async (body: "html" | "empty" | "truncated" | "garbage" | { json: number[] }) => {
    const fault = sandbox.faults.set("waldur", { path: PATH, body })
    const response = await version()
    fault.clear()
    return response
  }
  expect((await bodyOf("html")).text).toMatch(/^<html>/)
  expect((await bodyOf("empty")).text).toBe("")
  expect((await bodyOf("truncated")).text).toBe('{"version')
  expect((await bodyOf("garbage")).json).toBeUndefined()
  expect((await bodyOf({ json: [1, 2] })).json).toEqual([1, 2])
})

test("the faults reset and truncate break the connection", async () => {
  sandbox.faults.set("waldur", { reset: true, times: 1 })
  await expect(version()).rejects.toMatchObject({ cause: { code: "ECONNRESET" } })
  sandbox.faults.set("waldur", { truncate: true, times: 1 })
  await expect(version()).rejects.toMatchObject({ cause: { code: "UND_ERR_SOCKET" } })
  expect((await version()).status).toBe(200)
})

test("the fault hang sends no response, or stops in the middle of one", async () => {
  sandbox.faults.set("waldur", { hang: true, times: 1 })
  await expect(version({ signal: AbortSignal.timeout(60) })).rejects.toMatchObject({ name: "TimeoutError" })
  sandbox.faults.set("waldur", { hang: "mid-body", times: 1 })
  const headers = { Authorization: `Token ${sandbox.waldur.tokens.staff}` }
  // The headers may take time on a busy machine; nothing follows them.
  const patience = new AbortController()
  const response = await fetch(`${sandbox.waldur.url}version/`, { headers, signal: patience.signal })
  expect(response.status).toBe(200)
  setTimeout(() => patience.abort(), 60)
  await expect(response.text()).rejects.toMatchObject({ name: "AbortError" })
})

test("the fault oversize sends a valid but huge response", async () => {
  sandbox.faults.set("waldur", { oversizeBytes: 3_000_000 })
  const response = await version()
  expect(response.text.length).toBeGreaterThan(3_000_000)
  expect(response.json).toEqual({ version: "8.1.3" })
  expect(response.headers.get("Content-Length")).toBeNull()
})

test("the fault latency delays a response", async () => {
  sandbox.faults.set("waldur", { latencyMs: 60 })
  const start = performance.now()
  await version()
  expect(performance.now() - start).toBeGreaterThanOrEqual(58)
})

test("requests that a fault delays wait in parallel", async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  sandbox.faults.set("waldur", { until: promise })
  const responses = Promise.all(Array.from({ length: 10 }, () => version()))
  // No race with the delay, which ends only after all ten have arrived.
  await vi.waitUntil(() => sandbox.calls.of("waldur").length === 10, { timeout: 30_000 })
  resolve()
  await responses
  expect(sandbox.calls.maxConcurrency("waldur")).toBe(10)
})

test("a request whose client disconnects during a fault's delay changes nothing", async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const row = sandbox.world.resources.find(({ state }) => state === "Erred")
  const path = `marketplace-provider-resources/${row?.uuid}/set_state_ok/`
  sandbox.faults.set("waldur", { until: promise })
  const client = new AbortController()
  const pending = request(sandbox, path, { method: "POST", signal: client.signal }).catch((error: Error) => error.name)
  await vi.waitUntil(() => sandbox.calls.inFlight("waldur") === 1)
  client.abort()
  expect(await pending).toBe("AbortError")
  await vi.waitUntil(() => sandbox.calls.inFlight("waldur") === 0)
  resolve()
  await version()
  expect(row?.state).toBe("Erred")
  expect(sandbox.calls.of("waldur")[0]?.status).toBe(0)
})

test("a fault's function that throws is reported on standard error", async () => {
  const written = vi.spyOn(process.stderr, "write").mockReturnValue(true)
  onTestFinished(() => written.mockRestore())
  sandbox.faults.set("waldur", {
    rewrite: () => {
      throw new Error("a mistake in the test")
    },
  })
  await expect(version()).rejects.toThrow()
  expect(written.mock.calls.join()).toMatch(/^sandbox, waldur: Error: a mistake in the test/)
})

test("a request target that begins with two slashes is a path, not a host", async () => {
  const { port } = new URL(sandbox.waldur.url)
  const sent = httpRequest({ host: "127.0.0.1", port, path: "//other/version/" }).end()
  const [response] = await once(sent, "response")
  response.resume()
  await once(response, "end")
  expect(sandbox.calls.of("waldur")[0]).toMatchObject({ path: "//other/version/", status: 404 })
})

test("a 204 has no Content-Length", async () => {
  sandbox.faults.set("waldur", { status: 204, body: "empty" })
  const response = await version()
  expect(response.status).toBe(204)
  expect(response.headers.get("Content-Length")).toBeNull()
})

test("the real pace depends on the number of rows and the requested fields", async () => {
  sandbox.faults.set("waldur", { pace: "real" })
  const time = async (query: string): Promise<number> => {
    const start = performance.now()
    await request(sandbox, `marketplace-resources/?${query}`)
    return performance.now() - start
  }
  const [all, withOrder, trimmed] = await Promise.all([
    time("page_size=10"),
    time("page_size=10&field=uuid&field=order_in_progress"),
    time("page_size=10&field=uuid"),
  ])
  expect(all).toBeGreaterThanOrEqual(495)
  expect(withOrder).toBeGreaterThanOrEqual(145)
  expect(trimmed).toBeGreaterThanOrEqual(28)
})

test("a fault can rewrite a response freely", async () => {
  sandbox.faults.set("waldur", {
    rewrite: (response) => {
      response.headers.set("X-Result-Count", "1000000")
      return response
    },
  })
  expect((await request(sandbox, "marketplace-resources/")).headers.get("X-Result-Count")).toBe("1000000")
})

test("the call log contains requests and responses", async () => {
  await request(sandbox, "marketplace-resources/?state=OK&state=Erred")
  await request(sandbox, "nowhere/", { method: "POST", body: "{}" })
  const [first, second] = sandbox.calls.of("waldur")
  expect(first).toMatchObject({ upstream: "waldur", method: "GET", path: "/api/marketplace-resources/", status: 200 })
  expect(first?.query.getAll("state")).toEqual(["OK", "Erred"])
  expect(first?.headers.get("authorization")).toBe(`Token ${sandbox.waldur.tokens.staff}`)
  expect(first?.bytes).toBeGreaterThan(1000)
  expect(second).toMatchObject({ method: "POST", status: 404, body: "{}" })
  expect(second?.startedAt).toBe((first?.startedAt ?? 0) + 1)
  sandbox.calls.clear()
  expect(sandbox.calls.all).toEqual([])
})

test("the call log never counts consecutive requests as concurrent", async () => {
  for (let i = 0; i < 20; i++) await version()
  expect(sandbox.calls.maxConcurrency("waldur")).toBe(1)
})

test("closing the sandbox ends hanging requests", async () => {
  const own = await startSandbox()
  own.faults.set("waldur", { hang: true })
  const pending = request(own, "version/").catch((error: Error) => error.message)
  while (own.calls.inFlight("waldur") === 0) await new Promise((resolve) => setImmediate(resolve))
  await own.close()
  expect(await pending).toBe("fetch failed")
})

test("a fault can remove or change the Date of a response", async () => {
  sandbox.faults.set("waldur", {
    times: 1,
    rewrite: (response) => {
      response.headers.delete("Date")
      return response
    },
  })
  expect((await request(sandbox, "version/")).headers.get("Date")).toBeNull()
  sandbox.faults.set("waldur", { times: 1, headers: { Date: "soon" } })
  expect((await request(sandbox, "version/")).headers.get("Date")).toBe("soon")
})
