import { sandboxEnvironment } from "@cscs/harness"
import fc from "fast-check"
import { expect, test } from "vitest"
import { aSandbox, serving, until } from "./a-process.ts"
import { exchange, type RawResponse, request } from "./raw-http.ts"

const list = "/api/storage-resources/"

/** Without what differs between two responses of the same server. */
const comparable = ({ text }: RawResponse): string =>
  text
    .replace(/\r\nDate: [^\r]*/i, "")
    .replace(/\r\nAge: \d+/i, "\r\nAge: *")
    .replace(/X-Request-Id: [^\r]*/i, "id")

test("a page served from memory equals one whose query is decoded anew, in bytes, log line and count", async () => {
  const sandbox = await aSandbox()
  const token = await sandbox.issuer.issueToken({}, { expiresIn: 3600 })
  const server = await serving([], {
    environment: { ...sandboxEnvironment(sandbox, true), CACHE_FRESH_FOR: "1h", CACHE_FULL_REFRESH_EVERY: "1h" },
  })
  const bearing = (one: string) => `Authorization: Bearer ${one}`
  const ask = (query: string, headers: ReadonlyArray<string>, method: string) =>
    exchange(server.url, request(`${list}?${query}`, headers, method))
  await until(async () => (await ask("", [bearing(token)], "GET")).status === 200)
  const first = await ask("", [bearing(token)], "GET")
  const etag = first.headers.get("etag") ?? ""
  const snapshot = /snapshot=([\w-]+)/.exec((await ask("page_size=5", [bearing(token)], "GET")).text)?.[1] ?? ""
  const optional = (...lines: ReadonlyArray<string>) => fc.constantFrom("", ...lines)
  const requests = fc.record({
    query: fc.constantFrom(
      "",
      "page_size=5",
      "page=2&page_size=5",
      `page=2&page_size=5&snapshot=${snapshot}`,
      "page=99",
      "page=0",
      "snapshot=gone",
      "storage_system=capstor&status=active",
      "data_type=nothing",
    ),
    method: fc.constantFrom("GET", "GET", "HEAD", "POST"),
    headers: fc.tuple(
      fc.constantFrom(bearing(token), bearing(token), bearing(`${token.slice(0, -9)}AAAAAAAAA`), ""),
      optional("Accept: */*", "Accept: application/x-ndjson", "Accept: application/json;q=0.1, */*"),
      optional("Accept-Encoding: gzip", "Accept-Encoding: br;q=0.5, gzip;q=0.1"),
      optional(`If-None-Match: ${etag}`, "If-None-Match: *", 'If-None-Match: "other"', `If-None-Match: W/${etag}`),
      optional("Cache-Control: max-age=0"),
      optional("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "traceparent: none"),
    ),
  })
  const lines = (): ReadonlyArray<Record<string, unknown>> =>
    server
      .stderr()
      .split("\n")
      .filter((line) => line.includes('"event":"request"') && line.endsWith("}"))
      .map((line) => {
        const { timestamp: _, ...fields } = JSON.parse(line)
        return { ...fields, milliseconds: typeof fields.milliseconds }
      })
  const lineOf = (id: string) => lines().find(({ request_id }) => request_id === id)
  let count = 0
  await fc.assert(
    fc.asyncProperty(requests, async ({ query, method, headers }) => {
      count += 1
      const given = headers.filter((line) => line !== "")
      const of = (kind: string) => [...given, `X-Request-Id: ${kind}-${count}`]
      for (const _ of [1, 2]) await ask(query, of("before"), method)
      const warm = await ask(query, of("warm"), method)
      // The parameter is ignored, but no request had it before.
      const cold = await ask(`${query}${query === "" ? "" : "&"}unknown=${count}`, of("cold"), method)
      expect(comparable(warm)).toBe(comparable(cold))
      expect(warm.headers.get("x-request-id")).toBe(`warm-${count}`)
      await until(() => [`warm-${count}`, `cold-${count}`].every((id) => lineOf(id) !== undefined))
      expect({ ...lineOf(`warm-${count}`), request_id: "" }).toEqual({ ...lineOf(`cold-${count}`), request_id: "" })
    }),
    { numRuns: 150 },
  )
  const metrics = (await exchange(server.url, request("/metrics"))).text
  const counted = [...metrics.matchAll(/_http_requests_total\{[^}]*route="\/api\/[^}]*\} (\d+)/g)]
  const logged = lines().filter(({ path }) => path === list).length
  expect(counted.reduce((sum, [, number]) => sum + Number(number), 0)).toBe(logged)
})
