import { setImmediate as turn } from "node:timers/promises"
import { gunzipSync } from "node:zlib"
import { Hono } from "hono"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { linesResponse } from "../src/routes/storage-response.ts"
import { type Any, aProxy, startProxy, type TestedProxy, until } from "./a-proxy.ts"
import { aServedApp, bodyOf } from "./a-served-app.ts"
import { aWorld, rowOf } from "./a-world.ts"
import { snapshotOf } from "./links-of.ts"

const path = "/api/storage-resources/"
const type = "application/x-ndjson"

const linesOf = ({ get }: TestedProxy, query = "", headers: Readonly<Record<string, string>> = {}) =>
  get(`${path}?${query}`, { headers: { Accept: type, ...headers } })

const world = aWorld(60)
let proxy: TestedProxy
beforeAll(async () => {
  proxy = await startProxy({ world })
})
afterAll(() => proxy.close())

describe("the list as lines", () => {
  test("is every entry of the pages, byte for byte, whatever the page", async () => {
    const filters = ["", "storage_system=vast", "data_type=store&status=active", "state=Erred", "status=", "foo=1"]
    for (const filter of filters) {
      const wanted: Array<Any> = []
      for (let page = 1, pages = 1; page <= pages; page += 1) {
        const { json } = await proxy.list(`${filter}&page_size=20&page=${page}`)
        wanted.push(...json.resources)
        pages = json.pagination.pages
      }
      expect(wanted.length).toBeGreaterThan(2)
      for (const paging of ["", "&page=2&page_size=3", "&page=99"]) {
        const { status, headers, text } = await linesOf(proxy, `${filter}${paging}`)
        expect([status, headers.get("content-type"), headers.get("link")]).toEqual([200, type, null])
        expect(text).toBe(wanted.map((entry) => `${JSON.stringify(entry)}\n`).join(""))
      }
    }
  })

  test("states in X-Total-Count how many entries it has, as each page and each 304 does", async () => {
    for (const filter of ["", "storage_system=vast", "data_type=store&status=active", "data_type=nothing", "page=99"]) {
      const lines = await linesOf(proxy, filter)
      const total = String(lines.text.split("\n").length - 1)
      const page = await proxy.list(`page_size=3&${filter}`)
      const unchanged = [page, lines].map(({ headers }) => ({ "If-None-Match": headers.get("etag") ?? "" }))
      const answers = [
        lines,
        page,
        await proxy.get(`${path}?page_size=3&${filter}`, { headers: unchanged[0] ?? {} }),
        await linesOf(proxy, filter, unchanged[1]),
      ]
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 304, 304])
      expect(page.json.pagination.total).toBe(Number(total))
      for (const { headers } of answers) expect([filter, headers.get("x-total-count")]).toEqual([filter, total])
    }
  })

  test("is empty if nothing is selected", async () => {
    for (const query of ["data_type=nothing", "status=OK"]) {
      const { status, text, headers } = await linesOf(proxy, query)
      expect([status, text, headers.get("content-type")]).toEqual([200, "", type])
    }
  })

  test("has the times and headers of a page", async () => {
    const [page, lines] = [await proxy.list(), await linesOf(proxy)]
    for (const name of [...page.headers.keys()]) {
      if (["etag", "content-type", "content-length", "link", "x-request-id"].includes(name)) continue
      expect([name, lines.headers.get(name)]).toEqual([name, page.headers.get(name)])
    }
  })

  test("has a tag of its own for each filter, whatever the page", async () => {
    const filters = ["", "storage_system=vast", "storage_system=capstor", "data_type=store", "status=store", "state=OK"]
    const tags = await Promise.all(filters.map(async (filter) => (await linesOf(proxy, filter)).headers.get("etag")))
    expect(new Set(tags).size).toBe(filters.length)
    for (const tag of tags) expect(tag).toMatch(/^"[\w-]+"$/)
    expect((await linesOf(proxy, "page=2&page_size=7")).headers.get("etag")).toBe(tags[0])
    const again = await linesOf(proxy, "page=3", { "If-None-Match": tags[0] ?? "" })
    expect([again.status, again.text]).toEqual([304, ""])
  })

  test("is refused as a page is", async () => {
    for (const query of ["page=0", "page_size=501", "state=ok", "storage_system=", "snapshot=x&page=y"]) {
      expect([query, (await linesOf(proxy, query)).status]).toEqual([query, 422])
    }
    expect((await linesOf(proxy, "debug=true")).json.debug_mode).toBe(true)
    const failing = await aProxy({ world: aWorld(6), prepare: ({ faults }) => faults.set("waldur", { status: 403 }) })
    const { status, json } = await linesOf(failing)
    expect([status, json.error]).toEqual([502, "UpstreamServiceError"])
  })

  test("is as fresh as a page: read again past fresh_for, not before, and at once with no-cache", async () => {
    const changing = aWorld(10)
    const proxy = await aProxy({ world: changing })
    const first = await linesOf(proxy)
    rowOf(changing, 9).state = "Erred"
    expect((await linesOf(proxy)).text).toBe(first.text)
    const renewed = await linesOf(proxy, "", { "Cache-Control": "no-cache" })
    expect(renewed.text).not.toBe(first.text)
    rowOf(changing, 9).state = "OK"
    await proxy.pass("10 seconds")
    expect((await linesOf(proxy)).text).toBe(first.text)
  })

  test("is held for a walk too, and counts as a request that keeps the list warm", async () => {
    const changing = aWorld(10)
    const proxy = await aProxy({ world: changing, environment: { CACHE_KEEP_WARM_FOR: "1m" } })
    const id = snapshotOf((await proxy.list()).headers)
    const first = await linesOf(proxy)
    rowOf(changing, 9).state = "Erred"
    for (let round = 0; round < 5; round += 1) {
      await proxy.pass("15 seconds")
      await until(async () => (await proxy.ready()).json.snapshot.age < 10)
      expect(Number((await linesOf(proxy)).headers.get("age"))).toBeLessThan(10)
    }
    expect((await linesOf(proxy)).text).not.toBe(first.text)
    expect((await linesOf(proxy, `snapshot=${id}`)).text).toBe(first.text)
  })
})

describe("Accept", () => {
  const wanted: ReadonlyArray<readonly [string | undefined, boolean]> = [
    [undefined, false],
    ["", false],
    ["*/*", false],
    ["application/*", false],
    ["application/json", false],
    [type, true],
    ["Application/X-NDJSON", true],
    [`${type}; charset=utf-8`, true],
    [`${type}, application/json;q=0.5`, true],
    [`application/json;q=0.5, ${type};q=0.6`, true],
    [`application/json, ${type};q=0.9`, false],
    [`${type};q=0`, false],
    [`${type};q=0, */*`, false],
    [`text/html, ${type}`, true],
    [`*/*;q=0.1, ${type}`, true],
    [`*/*, ${type};q=0.1`, false],
    [`application/json;q=0, ${type};q=0.1`, true],
    ["application/x-ndjson-seq", false],
    [`"${type}"`, false],
    ["text/html", false],
  ]

  test.each(wanted)("%j selects lines: %j", async (accept, isLines) => {
    const headers = accept === undefined ? {} : { Accept: accept }
    for (const query of ["page_size=3", "page_size=3", "page_size=3&page=2"]) {
      const got = await proxy.get(`${path}?${query}`, { headers })
      expect([got.status, got.headers.get("content-type")]).toEqual([200, isLines ? type : "application/json"])
      expect(got.headers.get("vary")).toBe("Accept, Accept-Encoding")
    }
  })
})

describe("over a socket", () => {
  test("lines come whole, and HEAD has the headers of GET, without a body", async () => {
    const { ask } = await aServedApp(proxy.app)
    const got = await ask(path, { accept: type })
    expect((await bodyOf(got)).toString()).toBe((await linesOf(proxy)).text)
    for (const headers of [{}, { accept: type }, { "accept-encoding": "gzip" }, { "accept-encoding": "br" }]) {
      const [head, get] = [await ask(path, headers, "HEAD"), await ask(path, headers)]
      const [none, body] = [await bodyOf(head), await bodyOf(get)]
      expect([head.statusCode, none.length]).toEqual([200, 0])
      for (const name of [
        "etag",
        "content-length",
        "content-type",
        "content-encoding",
        "link",
        "age",
        "vary",
        "x-total-count",
      ]) {
        expect([name, head.headers[name]]).toEqual([name, get.headers[name]])
      }
      if (get.headers["content-length"] !== undefined) expect(Number(get.headers["content-length"])).toBe(body.length)
      if (get.headers["content-encoding"] === "gzip") {
        expect(gunzipSync(body).toString()).toBe((await proxy.list()).text)
      }
    }
    const met = await ask(path, { "if-none-match": "*" })
    expect([met.statusCode, (await bodyOf(met)).length]).toEqual([304, 0])
  })

  test("lines are of one list, even if it is replaced while they are sent", async () => {
    const changing = aWorld(3000)
    const proxy = await aProxy({ world: changing, environment: { CACHE_FRESH_FOR: "0" } })
    const whole = (await linesOf(proxy)).text
    const { ask } = await aServedApp(proxy.app)
    const answer = await ask(path, { accept: type })
    answer.pause()
    for (const row of changing.resources) row.state = "Erred"
    expect((await linesOf(proxy)).text).not.toBe(whole)
    expect((await bodyOf(answer)).toString()).toBe(whole)
  })

  test("a caller that disconnects in the middle of the lines is not a fault, and affects no other response", async () => {
    const proxy = await aProxy({ world: aWorld(3000) })
    const whole = (await linesOf(proxy)).text
    const { ask } = await aServedApp(proxy.app)
    const leaving = await Promise.all(Array.from({ length: 5 }, () => ask(path, { accept: type })))
    const staying = ask(path, { accept: type }).then(bodyOf)
    for (const answer of leaving) {
      answer.once("data", () => answer.destroy())
      answer.resume()
    }
    expect((await staying).toString()).toBe(whole)
    await until(() => leaving.every(({ destroyed }) => destroyed))
    expect((await linesOf(proxy)).text).toBe(whole)
    expect(proxy.logs.filter((line) => /"level":"(ERROR|FATAL)"/.test(line))).toEqual([])
  })
})

describe("the stream of lines", () => {
  /** Endless lines, and what becomes of them. */
  const endless = () => {
    const seen = { blocks: 0, ended: false }
    const lines = {
      digest: "d",
      total: 0,
      slugs: [],
      *blocks() {
        try {
          for (;;) {
            seen.blocks += 1
            yield Buffer.alloc(64 * 1024, "x\n")
          }
        } finally {
          seen.ended = true
        }
      },
    }
    const taken: Any = { snapshot: { guarded: [] }, readStartedAt: 0, changedAt: 0 }
    const app = new Hono().get("/", (c) => linesResponse(c, lines, taken, 0))
    return { seen, app }
  }
  const turns = async () => {
    for (let count = 0; count < 50; count += 1) await turn()
  }

  test("is produced as the caller reads, not ahead of it", async () => {
    const { seen, app } = endless()
    const response = await app.request("/")
    await turns()
    expect(seen.blocks).toBe(0)
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    for (let read = 1; read <= 20; read += 1) {
      await reader.read()
      await turns()
      expect(seen.blocks).toBe(read)
    }
    await reader.cancel()
  })

  test("ends when the caller disconnects", async () => {
    const { seen, app } = endless()
    const reader = ((await app.request("/")).body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    expect(seen.ended).toBe(false)
    await reader.cancel()
    await until(() => seen.ended)
    const { blocks } = seen
    await turns()
    expect(seen.blocks).toBe(blocks)
  })

  test("ends if a caller that never reads it disconnects from the socket", async () => {
    const { seen, app } = endless()
    const { ask } = await aServedApp(app as unknown as Hono)
    const answer = await ask("/")
    answer.pause()
    answer.destroy()
    await until(() => seen.ended)
    expect(seen.blocks).toBeLessThan(1000)
  })
})
