import { brotliDecompressSync, gunzipSync } from "node:zlib"
import { changeResource, type World } from "@cscs/sandbox"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { aLockedProxy } from "./a-locked-proxy.ts"
import { aProxy, asked, type Got, startProxy, type TestedProxy } from "./a-proxy.ts"
import { aWorld, rowOf } from "./a-world.ts"
import { snapshotOf } from "./links-of.ts"

const path = "/api/storage-resources/"
const lines = "application/x-ndjson"
const everChanging = { environment: { CACHE_FRESH_FOR: "0" } }

interface Bytes {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
}

/** The bytes of a response as they are sent. */
const bytesOf = async (
  { app }: Pick<TestedProxy, "app">,
  query: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
): Promise<Bytes> => {
  // The same id each time, since the response repeats it.
  const identified = { "X-Request-Id": "same", ...headers }
  const response = await app.request(query === "" ? path : `${path}?${query}`, { headers: identified, method })
  return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) }
}

const decoded = ({ headers, body }: Bytes): string => {
  const coding = headers.get("content-encoding")
  if (coding === null) return body.toString()
  return (coding === "br" ? brotliDecompressSync(body) : gunzipSync(body)).toString()
}

const tag = ({ headers }: Bytes | Got): string => headers.get("etag") ?? ""

/** For read-only tests. */
const world = aWorld(40)
let proxy: TestedProxy
beforeAll(async () => {
  proxy = await startProxy({ world })
})
afterAll(() => proxy.close())

describe("an ETag", () => {
  test("is strong, and the same for the same page on every replica and after a restart", async () => {
    const other = await aProxy({ sandbox: proxy.sandbox })
    for (const query of ["", "page=2&page_size=7", "status=active", "data_type=nothing"]) {
      for (const coding of ["identity", "gzip", "br"]) {
        const headers = { "Accept-Encoding": coding }
        const [here, there] = [await bytesOf(proxy, query, headers), await bytesOf(other, query, headers)]
        expect(tag(here)).toMatch(/^"[\w-]+"$/)
        expect([tag(there), there.body.equals(here.body)]).toEqual([tag(here), true])
      }
    }
    expect(tag(await bytesOf(other, "", { Accept: lines }))).toBe(tag(await bytesOf(proxy, "", { Accept: lines })))
  })

  test("differs for other bytes: each page, filter, form and coding has its own", async () => {
    const queries = ["page_size=7", "page=2&page_size=7", "page_size=8", "status=active", "state=OK", "page=99"]
    const tags: Array<string> = []
    for (const query of queries) {
      for (const coding of ["identity", "gzip", "br"]) {
        const got = await bytesOf(proxy, query, { "Accept-Encoding": coding })
        if (got.headers.get("content-encoding") !== null || coding === "identity") tags.push(tag(got))
      }
    }
    for (const query of ["", "status=active", "state=OK", "data_type=store", "storage_system=vast"]) {
      tags.push(tag(await bytesOf(proxy, query, { Accept: lines })))
    }
    expect(new Set(tags).size).toBe(tags.length)
    expect(tags.length).toBeGreaterThan(20)
  })

  test("is stable while the page's content is, whatever happens elsewhere and however often it is read", async () => {
    const changing = aWorld(40)
    const proxy = await aProxy({ world: changing, ...everChanging })
    const vast = await bytesOf(proxy, "storage_system=vast")
    const capstor = await bytesOf(proxy, "storage_system=capstor")
    const plain = await bytesOf(proxy, "")
    await proxy.pass("1 minute")
    expect([tag(await bytesOf(proxy, "")), tag(plain)]).toEqual([tag(plain), tag(plain)])
    const row = changing.resources.find(({ offering_slug }) => offering_slug === "capstor")
    Object.assign(row ?? {}, { limits: { storage: 4711 } })
    expect(tag(await bytesOf(proxy, "storage_system=vast"))).toBe(tag(vast))
    expect(tag(await bytesOf(proxy, "storage_system=capstor"))).not.toBe(tag(capstor))
    expect(tag(await bytesOf(proxy, ""))).not.toBe(tag(plain))
    const has = { "If-None-Match": tag(vast) }
    expect((await bytesOf(proxy, "storage_system=vast", has)).status).toBe(304)
  })

  test("of all lines changes once there are none", async () => {
    const changing = aWorld(20)
    const proxy = await aProxy({ world: changing, ...everChanging })
    const before = await bytesOf(proxy, "state=Terminated", { Accept: lines })
    rowOf(changing, 4).state = "OK"
    const after = await bytesOf(proxy, "state=Terminated", { Accept: lines })
    expect(after.body.length).toBe(0)
    expect(tag(after)).not.toBe(tag(before))
  })
})

describe("If-None-Match", () => {
  const met: ReadonlyArray<readonly [string, (own: string) => string]> = [
    ["the tag", (own) => own],
    ["the tag with spaces around it", (own) => `  ${own} `],
    ["any", () => "*"],
    ["any with spaces", () => " * "],
    ["the weak tag", (own) => `W/${own}`],
    ["a list that ends with it", (own) => `"a", W/"b",${own}`],
    ["a list that begins with it", (own) => `${own} ,"a"`],
    ["a list with empty places", (own) => `, ,${own},`],
    ["a list with a comma in a tag", (own) => `"a,b", ${own}`],
  ]
  const unmet: ReadonlyArray<readonly [string, (own: string) => string]> = [
    ["nothing", () => ""],
    ["another tag", () => '"a"'],
    ["the tag without quotes", (own) => own.slice(1, -1)],
    ["the tag in small letters", (own) => own.toLowerCase()],
    ["the beginning of the tag", (own) => `${own.slice(0, -2)}"`],
    ["the tag and more", (own) => `${own.slice(0, -1)}x"`],
    ["the tag of a coding that is not the response's", (own) => `${own.slice(0, -1)}-gzip"`],
    ["a tag that has it within", (own) => `"a${own.slice(1, -1)}b"`],
    ["any in quotes", () => '"*"'],
    ["any beside others", () => '"a", "*"'],
    ["an empty tag", () => '""'],
    ["a lone quote", () => '"'],
  ]

  for (const query of ["page_size=7", "page_size=7&storage_system=capstor&snapshot=X"]) {
    test.each(met)(`as %s is 304 for ${query}`, async (_, given) => {
      const asked = query.replace("X", snapshotOf((await bytesOf(proxy, "")).headers))
      const whole = await bytesOf(proxy, asked)
      const got = await bytesOf(proxy, asked, { "If-None-Match": given(tag(whole)) })
      expect([got.status, got.body.length, tag(got)]).toEqual([304, 0, tag(whole)])
    })
  }

  test.each(unmet)("as %s gets a whole response", async (_, given) => {
    const whole = await bytesOf(proxy, "page_size=7")
    for (const headers of [{}, { Accept: lines }]) {
      const own = tag(await bytesOf(proxy, "page_size=7", headers))
      const got = await bytesOf(proxy, "page_size=7", { ...headers, "If-None-Match": given(own) })
      expect(got.status).toBe(200)
      expect(got.body.length).toBeGreaterThanOrEqual(whole.body.length)
    }
  })

  test("gets a whole response with the tag of another coding, and a 304 with its own", async () => {
    for (const [asks, has, status] of [
      ["gzip", "gzip", 304],
      ["br", "br", 304],
      ["gzip", "identity", 200],
      ["gzip", "br", 200],
      ["identity", "gzip", 200],
    ] as const) {
      const own = tag(await bytesOf(proxy, "", { "Accept-Encoding": has }))
      const got = await bytesOf(proxy, "", { "Accept-Encoding": asks, "If-None-Match": own })
      expect([asks, has, got.status]).toEqual([asks, has, status])
      if (status === 304) expect(got.headers.get("content-encoding")).toBeNull()
    }
    const either = await Promise.all(["gzip", "br"].map((coding) => bytesOf(proxy, "", { "Accept-Encoding": coding })))
    const got = await bytesOf(proxy, "", { "If-None-Match": either.map(tag).join(", "), "Accept-Encoding": "br" })
    expect([got.status, tag(got)]).toEqual([304, tag(either[1] as Bytes)])
  })

  test("does not match a page with the tag of lines", async () => {
    const [page, all] = [await bytesOf(proxy, ""), await bytesOf(proxy, "", { Accept: lines })]
    expect((await bytesOf(proxy, "", { Accept: lines, "If-None-Match": tag(page) })).status).toBe(200)
    expect((await bytesOf(proxy, "", { "If-None-Match": tag(all) })).status).toBe(200)
    const got = await bytesOf(proxy, "", { Accept: lines, "If-None-Match": tag(all) })
    expect([got.status, got.body.length]).toEqual([304, 0])
  })

  test("that matches gets all headers of the whole response, without a body", async () => {
    for (const accept of ["application/json", lines]) {
      const whole = await bytesOf(proxy, "page_size=7", { Accept: accept, "Accept-Encoding": "br" })
      const headers = { Accept: accept, "Accept-Encoding": "br", "If-None-Match": "*" }
      const expected = Object.fromEntries(whole.headers)
      for (const name of ["content-type", "content-length", "content-encoding"]) delete expected[name]
      expect(Object.fromEntries((await bytesOf(proxy, "page_size=7", headers)).headers)).toEqual(expected)
      expect(expected).toMatchObject({
        "cache-control": "private, no-cache",
        vary: "Accept, Accept-Encoding",
        age: "0",
        "last-modified": "Mon, 23 Nov 2026 09:00:00 GMT",
        "x-content-type-options": "nosniff",
      })
    }
  })

  test("hides no change, and matches again once all is as before", async () => {
    const changing = aWorld(10)
    const proxy = await aProxy({ world: changing, ...everChanging })
    const whole = await bytesOf(proxy, "")
    const has = { "If-None-Match": tag(whole) }
    expect((await bytesOf(proxy, "", has)).status).toBe(304)
    rowOf(changing, 9).state = "Erred"
    expect((await bytesOf(proxy, "", has)).status).toBe(200)
    rowOf(changing, 9).state = "OK"
    expect((await bytesOf(proxy, "", has)).status).toBe(304)
  })

  test("neither prevents a refresh nor hides an error", async () => {
    const proxy = await aProxy({ world: aWorld(10), document: () => ({ cache: { stale_if_error: 0 } }) })
    const has = { "If-None-Match": tag(await bytesOf(proxy, "")) }
    await proxy.pass("10 seconds")
    proxy.sandbox.calls.clear()
    const got = await bytesOf(proxy, "", has)
    expect([got.status, got.headers.get("age"), proxy.sandbox.calls.all.length > 0]).toEqual([304, "0", true])
    expect((await bytesOf(proxy, "page=0", { "If-None-Match": "*" })).status).toBe(422)
    proxy.sandbox.faults.set("waldur", { status: 403 })
    await proxy.pass("10 seconds")
    expect((await bytesOf(proxy, "", has)).status).toBe(502)
  })

  test("a caller's If-Modified-Since alone has no effect: whole seconds can hide a change", async () => {
    const got = await bytesOf(proxy, "", { "If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT" })
    expect(got.status).toBe(200)
  })
})

describe("Age and Last-Modified", () => {
  test("show how old the read is, and since when the list is like this", async () => {
    const changing: World = aWorld(10)
    const proxy = await aProxy({ world: changing })
    const times = async (query = "") => {
      const { headers } = await bytesOf(proxy, query)
      return [headers.get("age"), headers.get("last-modified")?.slice(17, 25)]
    }
    expect(await times()).toEqual(["0", "09:00:00"])
    await proxy.pass("1999 millis")
    expect(await times()).toEqual(["1", "09:00:00"])
    // A query that is new belongs to the same read.
    expect(await times("page_size=3")).toEqual(["1", "09:00:00"])
    await proxy.pass("9 seconds")
    // Read again, without a change.
    expect(await times()).toEqual(["0", "09:00:00"])
    await proxy.pass("20 seconds")
    rowOf(changing, 9).state = "Erred"
    expect(await times()).toEqual(["0", "09:00:30"])
    await proxy.pass("10 seconds")
    expect(await times()).toEqual(["0", "09:00:30"])
    proxy.sandbox.faults.set("waldur", { status: 403 })
    await proxy.pass("100 seconds")
    expect(await times()).toEqual(["100", "09:00:30"])
  })

  test("Age counts from the start of the read, not from its end", async () => {
    const proxy = await aProxy({
      world: aWorld(10),
      prepare: ({ faults }) => faults.set("waldur", { status: 503, headers: { "Retry-After": "2" }, times: 1 }),
    })
    const got = proxy.list()
    const hurried = await proxy.hurried(got)
    expect(Number(hurried.headers.get("age"))).toBeGreaterThan(0)
  })
})

describe("HEAD", () => {
  const asks: ReadonlyArray<readonly [string, Readonly<Record<string, string>>, string]> = [
    ["a page", {}, "page_size=7"],
    ["a page in gzip", { "Accept-Encoding": "gzip" }, "page_size=7"],
    ["a page in brotli", { "Accept-Encoding": "br" }, "page_size=7"],
    ["a small page in gzip", { "Accept-Encoding": "gzip" }, "data_type=nothing"],
    ["a page past the end", {}, "page=99"],
    ["lines", { Accept: lines }, ""],
    ["no lines", { Accept: lines }, "data_type=nothing"],
    ["a page that the caller has", { "If-None-Match": "*" }, "page_size=7"],
    ["a bad query", {}, "page=0"],
    ["a snapshot that is gone", {}, "snapshot=gone"],
  ]

  test.each(asks)("of %s has the headers of GET and no body, whichever comes first", async (_, headers, query) => {
    const fresh = await aProxy({ sandbox: proxy.sandbox })
    const head = await bytesOf(fresh, query, headers, "HEAD")
    const get = await bytesOf(fresh, query, headers)
    const again = await bytesOf(fresh, query, headers, "HEAD")
    for (const one of [head, again]) {
      expect([one.status, one.body.length]).toEqual([get.status, 0])
      expect(Object.fromEntries(one.headers)).toEqual(Object.fromEntries(get.headers))
    }
    const length = get.headers.get("content-length")
    if (length !== null) expect(Number(length)).toBe(get.body.length)
    expect(length !== null).toBe(get.status === 200 && headers.Accept !== lines)
    expect((await bytesOf(fresh, query, headers)).body.equals(get.body)).toBe(true)
  })
})

describe("Accept-Encoding", () => {
  const wanted: ReadonlyArray<readonly [string | undefined, "gzip" | "br" | null]> = [
    [undefined, null],
    ["", null],
    ["gzip", "gzip"],
    ["GZip", "gzip"],
    ["br", "br"],
    ["identity", null],
    ["gzip, deflate", "gzip"],
    ["deflate, zstd, compress", null],
    ["zstd, br;q=0.9", "br"],
    ["gzip;q=0.5, br;q=0.9", "br"],
    ["gzip;q=0.9,br;q=0.5", "gzip"],
    ["gzip;q=0", null],
    ["gzip;q=0.000, br", "br"],
    ["br;q=0, gzip;q=0", null],
    ["gzip;q=0.1, identity;q=0.9", null],
    ["identity;q=0.1, gzip;q=0.9", "gzip"],
    ["*", null],
    ["gzip;q=0, *", null],
    ["*;q=0, br", "br"],
    ["identity;q=0, gzip", "gzip"],
    ["identity;q=0, *", "gzip"],
    ["identity;q=0, gzip;q=0, *;q=0.1", "br"],
    // None is left: a response that the caller can refuse is better than none.
    ["identity;q=0", null],
    ["*;q=0", null],
    ["gzip;q=nonsense", "gzip"],
    [";;,,=", null],
    ["gzipped, brotli", null],
  ]

  test.each(wanted)("%j selects %j", async (accepted, coding) => {
    const headers = accepted === undefined ? undefined : { "Accept-Encoding": accepted }
    const plain = await bytesOf(proxy, "page_size=7")
    for (const query of ["page_size=7", "page_size=7", `page_size=7&${encodeURIComponent(accepted ?? "none")}`]) {
      const got = await bytesOf(proxy, query, headers)
      expect([got.status, got.headers.get("content-encoding")]).toEqual([200, coding])
      expect(decoded(got)).toBe(plain.body.toString())
      expect(got.headers.get("content-length")).toBe(String(got.body.length))
      expect(got.headers.get("vary")).toBe("Accept, Accept-Encoding")
      expect(tag(got)).toBe(coding === null ? tag(plain) : tag(plain).replace(/"$/, `-${coding}"`))
    }
  })

  test("makes a page smaller", async () => {
    const plain = await bytesOf(proxy, "")
    for (const coding of ["gzip", "br"]) {
      const { body } = await bytesOf(proxy, "", { "Accept-Encoding": coding })
      expect(body.length).toBeLessThan(plain.body.length / 4)
    }
  })

  test("is ignored for a small response, for lines, for an error and for debug mode", async () => {
    for (const [query, accept] of [
      ["data_type=nothing", "*/*"],
      ["", lines],
      ["page=0", "*/*"],
      ["debug=true", "*/*"],
    ] as const) {
      const plain = await bytesOf(proxy, query, { Accept: accept })
      const got = await bytesOf(proxy, query, { Accept: accept, "Accept-Encoding": "gzip, br" })
      expect(got.headers.get("content-encoding")).toBeNull()
      expect(tag(got)).toBe(tag(plain))
      expect(got.body.equals(plain.body)).toBe(true)
    }
  })

  test("of many concurrent callers, in all codings, gets each its own", async () => {
    const proxy = await aProxy({ world: aWorld(40) })
    const codings = ["gzip", "br", "identity"]
    const got = await Promise.all(
      Array.from({ length: 60 }, (_, index) => bytesOf(proxy, "", { "Accept-Encoding": codings[index % 3] ?? "" })),
    )
    const plain = got[2]?.body.toString()
    for (const [index, one] of got.entries()) {
      expect(one.headers.get("content-encoding") ?? "identity").toBe(codings[index % 3])
      expect(decoded(one)).toBe(plain)
    }
    expect(new Set(got.map(tag)).size).toBe(3)
  })
})

describe("cached pages", () => {
  test("equal newly made ones, with all headers of a first response", async () => {
    for (const query of ["", "page_size=7&page=2", "page=2&page_size=7", "status=active&foo=bar", "?", "=", "&"]) {
      const fresh = await aProxy({ sandbox: proxy.sandbox })
      const [first, second] = [await bytesOf(fresh, query), await bytesOf(fresh, query)]
      expect(second.body.equals(first.body)).toBe(true)
      expect(Object.fromEntries(second.headers)).toEqual(Object.fromEntries(first.headers))
    }
  })

  test("are distinguished by every letter of the query", async () => {
    const pages: ReadonlyArray<readonly [string, number]> = [
      ["page=1&page=2&page_size=5", 2],
      ["page=2&page=1&page_size=5", 1],
      ["page=2&page_size=5", 2],
      ["page_size=5&page=2", 2],
      ["page=%32&page_size=5", 2],
      // A plus is a space.
      ["page=+3&page_size=5", 422],
      ["page=%2B3&page_size=5", 3],
      ["page=03&page_size=5", 3],
      ["page_size=5&Page=2", 1],
      ["page_size=5;page=2", 422],
      ["page_size=5&amp;page=2", 1],
      ["page_size=5?page=2", 422],
    ]
    for (let round = 0; round < 2; round += 1) {
      for (const [query, page] of pages) {
        const { status, json } = await proxy.list(query)
        expect([query, status === 200 ? json.pagination.current : status]).toEqual([query, page])
      }
    }
  })

  test("are those of the current list, whatever was requested before", async () => {
    const changing = aWorld(20)
    const proxy = await aProxy({ world: changing, ...everChanging })
    const row = rowOf(changing, 9)
    const old = snapshotOf((await proxy.list("page_size=500")).headers)
    const seen = new Map<string, string>()
    for (const state of ["Erred", "OK", "Erred", "OK", "Updating"]) {
      row.state = state
      const [plain, named] = [await proxy.list("page_size=500"), await proxy.list(`page_size=500&snapshot=${old}`)]
      expect(seen.get(state) ?? plain.text).toBe(plain.text)
      seen.set(state, plain.text)
      expect(named.text).toBe(seen.get("OK") ?? named.text)
    }
    expect(new Set(seen.values()).size).toBe(3)
  })

  test("are not used for what is refused, nor for debug mode, which reads Waldur each time", async () => {
    const proxy = await aProxy({ world: aWorld(10) })
    for (const query of ["page=0", "storage_system=", "state=ok", "page_size=501&page=1"]) {
      const [first, second] = [await proxy.list(query), await proxy.list(query)]
      expect([first.status, second.status, second.text]).toEqual([422, 422, first.text])
      expect([first.headers.get("etag"), first.headers.get("age")]).toEqual([null, null])
    }
    for (const query of ["debug=true", "debug=1&page_size=5", "debug=false&debug=on"]) {
      await proxy.list(query)
      proxy.sandbox.calls.clear()
      const again = await proxy.list(query)
      expect([again.status, again.json.debug_mode, again.headers.get("etag")]).toEqual([200, true, null])
      expect(asked(proxy.sandbox, "waldur").length).toBeGreaterThan(0)
    }
    expect((await proxy.list("debug=true&debug=false")).json.pagination.current).toBe(1)
    const lastRefusal = await proxy.list("debug=perhaps")
    expect(lastRefusal.status).toBe(422)
  })

  test("are not returned in another form: Accept is checked before the cache", async () => {
    const proxy = await aProxy({ world: aWorld(10) })
    for (const [accept, type] of [
      ["*/*", "application/json"],
      [lines, lines],
      ["application/json", "application/json"],
      [lines, lines],
    ] as const) {
      const got = await bytesOf(proxy, "page_size=5", { Accept: accept })
      expect(got.headers.get("content-type")).toBe(type)
      expect(got.body.toString().startsWith(type === lines ? '{"itemId"' : '{"version"')).toBe(true)
    }
  })

  test("are never returned without a good token, in no form and to no method", async () => {
    const locked = await aLockedProxy()
    const good = { Authorization: `Bearer ${await locked.sandbox.issuer.issueToken()}` }
    const whole = await bytesOf(locked, "", good)
    const id = snapshotOf(whole.headers)
    for (const query of ["", "page_size=3", `snapshot=${id}`]) {
      expect((await bytesOf(locked, query, good)).status).toBe(200)
      expect((await bytesOf(locked, query, { ...good, "If-None-Match": "*" })).status).toBe(304)
    }
    const bad: ReadonlyArray<Readonly<Record<string, string>>> = [
      {},
      { Authorization: "Bearer x" },
      { Authorization: "Basic eDp4" },
      { Authorization: `${good.Authorization}x` },
    ]
    for (const without of bad) {
      for (const extra of [
        {},
        { "If-None-Match": tag(whole) },
        { "If-None-Match": "*" },
        { Accept: lines },
        { "Accept-Encoding": "gzip" },
        { "Cache-Control": "no-cache" },
      ]) {
        for (const method of ["GET", "HEAD"]) {
          for (const query of ["", "page_size=3", `snapshot=${id}`, "snapshot=gone", "page=0", "debug=true"]) {
            const got = await bytesOf(locked, query, { ...without, ...extra }, method)
            expect([query, method, got.status, got.headers.get("etag")]).toEqual([query, method, 401, null])
            expect(got.body.toString()).not.toContain("itemId")
          }
        }
      }
    }
    // A token that was good when the page was cached, and has expired since.
    await locked.pass("10 minutes")
    expect((await bytesOf(locked, "", good)).status).toBe(401)
  })

  test("vary by origin too if other origins may read", async () => {
    const proxy = await aProxy({
      world: aWorld(10),
      document: () => ({ cors: { allowed_origins: ["https://a.example", "https://b.example"] } }),
    })
    for (let round = 0; round < 2; round += 1) {
      for (const origin of ["https://a.example", "https://b.example", "https://c.example"]) {
        for (const extra of [{}, { "If-None-Match": "*" }, { Accept: lines }, { "Accept-Encoding": "br" }]) {
          const { headers } = await bytesOf(proxy, "", { Origin: origin, ...extra })
          expect(headers.get("vary")).toBe("Accept, Accept-Encoding, Origin")
          const allowed = origin === "https://c.example" ? null : origin
          expect(headers.get("access-control-allow-origin")).toBe(allowed)
        }
      }
    }
    const preflight = await proxy.get(path, {
      method: "OPTIONS",
      headers: { Origin: "https://a.example", "Access-Control-Request-Method": "GET" },
    })
    expect(preflight.headers.get("access-control-allow-headers")).toContain("If-None-Match")
    expect(preflight.headers.get("access-control-expose-headers")).toContain("ETag")
    expect(preflight.headers.get("access-control-expose-headers")).toContain("X-Total-Count")
  })
})

describe("an intermediate cache", () => {
  test("may store no error, health, metric or debug response, and must revalidate a page", async () => {
    const proxy = await aProxy({ world: aWorld(6) })
    await proxy.list()
    for (const [asks, init, status, control] of [
      [path, {}, 200, "private, no-cache"],
      [path, { headers: { "If-None-Match": "*" } }, 304, "private, no-cache"],
      [path, { headers: { Accept: lines } }, 200, "private, no-cache"],
      [`${path}?debug=true`, {}, 200, "no-store"],
      [`${path}?page=0`, {}, 422, "no-store"],
      [`${path}?snapshot=gone`, {}, 410, "no-store"],
      [path, { method: "POST" }, 405, "no-store"],
      ["/nothing", {}, 404, "no-store"],
      ["/healthz/live", {}, 200, "no-store"],
      ["/healthz/ready", { method: "HEAD" }, 200, "no-store"],
      ["/metrics", {}, 200, "no-store"],
    ] as const) {
      const got = await proxy.get(asks, init)
      expect([asks, got.status, got.headers.get("cache-control")]).toEqual([asks, status, control])
    }
    proxy.sandbox.faults.set("waldur", { status: 403 })
    const starting = await aProxy({ sandbox: proxy.sandbox })
    const failed = await starting.list()
    const unready = await starting.ready()
    for (const got of [failed, unready]) expect(got.headers.get("cache-control")).toBe("no-store")
    expect([failed.status, unready.status]).toEqual([502, 503])
  })
})

test.each(["0", "1ms", "10m"])(
  "replicas have the same ETag if Waldur writes the keys of an item in another order than before (full_refresh_every %s)",
  async (every) => {
    const environment = { CACHE_FULL_REFRESH_EVERY: every }
    const running = await aProxy({ world: aWorld(40), environment })
    const { sandbox } = running
    const row = rowOf(sandbox.world, 7)
    const item = { itemId: "7b1e4a52-3c0f-4d1a-9c55-1f0e2a3b4c5d", key: "k", name: "n", unixGid: 45_001, active: true }
    const write = (project_item: typeof item) =>
      changeResource(sandbox.world, row, { backend_metadata: { project_item } })
    write(item)
    await running.list()
    write(Object.fromEntries(Object.entries(item).toReversed()) as typeof item)
    await running.pass("61 minutes")
    await running.get(path, { headers: { "Cache-Control": "no-cache" } })
    const fresh = await aProxy({ sandbox, environment })
    const [one, other] = [await running.list(), await fresh.list()]
    expect(one.headers.get("etag")).toBe(other.headers.get("etag"))
    expect(one.text).toContain("45001")
  },
)
