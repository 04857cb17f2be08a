import { randomBytes } from "node:crypto"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Effect, Schema } from "effect"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { Coding } from "../src/routes/content-coding.ts"
import { keptPages } from "../src/routes/kept-pages.ts"
import type { StoragePage } from "../src/routes/storage-list.ts"
import { storageQuerySchema } from "../src/routes/storage-query.ts"
import { aProxy } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"

const aPage = (body: Buffer<ArrayBuffer>, link = "<?page=1>"): StoragePage => ({
  body,
  digest: "digest",
  link,
  total: 1,
  hasEntries: true,
  slugs: [],
})
const bound = 16 * 1024 * 1024

describe("cached pages", () => {
  test("take a bounded number of bytes, whatever their keys, bodies, headers and codings are", async () => {
    const pages = keptPages(() => 0)
    for (let index = 0; index < 3000; index++) {
      pages.put(
        `${index}${"k".repeat(index % 7 === 0 ? 15_000 : 10)}`,
        aPage(Buffer.from(`${index}`), "l".repeat(8000)),
      )
      expect(pages.bytes()).toBeLessThanOrEqual(bound)
    }
    // Noise, which does not compress: its compressed form is as large as the page itself.
    for (let index = 0; index < 40; index++) {
      pages.put(`noise ${index}`, aPage(randomBytes(500_000)))
      await pages.get(`noise ${index}`, "gzip")
      expect(pages.bytes()).toBeLessThanOrEqual(bound)
    }
    pages.put("last", aPage(randomBytes(1_000_000)))
    const compressed = await pages.get("last", "gzip")
    expect(compressed?.headers["Content-Encoding"]).toBe("gzip")
    expect(pages.get("last", "gzip")).toBe(compressed)
  })

  test("are compressed two at a time, and ten a second after a burst; beyond that, pages are sent uncompressed", async () => {
    let now = 0
    const pages = keptPages(() => now)
    const codingsOf = async (from: number, count: number) => {
      const codings: Array<string> = []
      for (let index = from; index < from + count; index++) {
        pages.put(String(index), aPage(Buffer.alloc(2000, "x")))
        const coded = await pages.get(String(index), "br")
        codings.push(coded?.headers["Content-Encoding"] ?? "identity")
      }
      return codings
    }
    for (const index of [0, 1, 2, 3]) pages.put(String(index), aPage(Buffer.alloc(2000, "x")))
    const together = await Promise.all([0, 0, 1, 2, 3, 0].map((index) => pages.get(String(index), "br")))
    expect(together.map((coded) => coded?.headers["Content-Encoding"] ?? "identity")).toEqual([
      "br",
      "br",
      "br",
      "identity",
      "identity",
      "br",
    ])
    const codings = await codingsOf(10, 500)
    const first = codings.indexOf("identity")
    expect([first > 10, first < 100]).toEqual([true, true])
    expect(new Set(codings.slice(first))).toEqual(new Set(["identity"]))
    now += 2000
    expect((await codingsOf(1000, 30)).filter((coding) => coding === "br").length).toBe(20)
  })

  test("serve the page of their key in an accepted coding, whatever was requested before", async () => {
    const step = fc.record({
      key: fc.integer({ min: 0, max: 30 }),
      size: fc.integer({ min: 1, max: 3000 }),
      coding: fc.constantFrom<Coding>("identity", "gzip", "br"),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        let now = 0
        const pages = keptPages(() => (now += 1000))
        const bodies = new Map<number, Buffer>()
        for (const { key, size, coding } of steps) {
          const body = bodies.get(key) ?? Buffer.alloc(size, `${key} `)
          if (!bodies.has(key)) pages.put(String(key), aPage(body as Buffer<ArrayBuffer>))
          bodies.set(key, body)
          const got = await pages.get(String(key), coding)
          const sent = got?.headers["Content-Encoding"]
          expect([undefined, coding]).toContain(sent)
          if (sent === undefined) expect(body.equals(got?.body ?? Buffer.alloc(0))).toBe(true)
        }
      }),
      { numRuns: 20 },
    )
  })
})

describe("the list", () => {
  test("keeps its memory bounded under many long queries, and still serves cached pages", async () => {
    const proxy = await aProxy({ world: aWorld(20), environment: { CACHE_FRESH_FOR: "3600" } })
    const etag = (await proxy.list()).headers.get("etag")
    setFlagsFromString("--expose-gc")
    const collectGarbage = runInNewContext("gc") as () => void
    collectGarbage()
    const before = process.memoryUsage()
    const rounds = 3000
    for (let round = 0; round < rounds; round++) {
      const { status, headers } = await proxy.list(`unknown=${round}${"x".repeat(15_000)}`)
      expect([status, headers.get("etag")]).toEqual([200, etag])
      if (round % 10 === 0) await proxy.list(`data_type=${round}${"x".repeat(15_000)}`)
    }
    collectGarbage()
    const after = process.memoryUsage()
    // The text of the queries alone is 45 MB; a cached page for each would take another 100 MB.
    expect(after.external + after.arrayBuffers - before.external - before.arrayBuffers).toBeLessThan(60 * 1024 * 1024)
  })

  test("decodes hostile queries without a fault: thousands of parameters, broken codes, names that objects have", async () => {
    const proxy = await aProxy({ world: aWorld(6) })
    const queries = [
      "a=1&".repeat(4000),
      "page=1&".repeat(2000),
      "&".repeat(15_000),
      "=".repeat(15_000),
      "%".repeat(15_000),
      "__proto__=1&constructor=2&toString=3&page=1",
      `page=${"9".repeat(15_000)}`,
      `page_size=1&snapshot=${"%00".repeat(5000)}`,
    ]
    for (const query of queries) expect([200, 410]).toContain((await proxy.list(query)).status)
    const wrong = await proxy.list(`page=${"9".repeat(15_000)}x`)
    expect([wrong.status, wrong.json.detail[0].type]).toEqual([422, "int_parsing"])
    const decode = Schema.decodeUnknownEffect(storageQuerySchema([]))
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.string()), async (query) => {
        await Effect.runPromise(Effect.exit(decode(query)))
        const { status } = await proxy.list(String(new URLSearchParams(query)))
        expect([200, 410, 422]).toContain(status)
      }),
      { numRuns: 50 },
    )
  })

  test("is served in spite of headers with thousands of entries", async () => {
    const proxy = await aProxy({ world: aWorld(6) })
    const path = "/api/storage-resources/"
    const many = Array.from({ length: 3000 }, (_, index) => `"${index}"`).join(",")
    const etag = (await proxy.list()).headers.get("etag") ?? ""
    const cases = [
      [{ "If-None-Match": many }, 200],
      [{ "If-None-Match": `${many},${etag}` }, 304],
      [{ "If-None-Match": '"'.repeat(15_001) }, 200],
      [{ "Accept-Encoding": "br,".repeat(4000) }, 200],
      [{ "Accept-Encoding": `x${";q=0.1".repeat(2000)}` }, 200],
      [{ Accept: `${"a/b,".repeat(3000)}application/x-ndjson` }, 200],
      [{ "Cache-Control": `${",".repeat(8000)}${" ".repeat(8000)}x` }, 200],
    ] as const
    for (const [headers, status] of cases) {
      const got = await proxy.get(path, { headers })
      expect([headers, got.status]).toEqual([headers, status])
      if (status === 200) expect([got.headers.get("content-encoding"), got.json.status]).toEqual([null, "success"])
    }
  })
})
