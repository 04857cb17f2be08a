import type { WaldurRecord, World } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { type Any, aProxy, type Got, type TestedProxy } from "./a-proxy.ts"
import { aWorld, rowOf } from "./a-world.ts"
import { linksOf, snapshotOf } from "./links-of.ts"

/** Every request reads Waldur again, so each page could be of another list. */
const everChanging = { environment: { CACHE_FRESH_FOR: "0" } }

const linesOf = async (proxy: TestedProxy, query = ""): Promise<ReadonlyArray<Any>> => {
  const { text } = await proxy.get(`/api/storage-resources/?${query}`, { headers: { Accept: "application/x-ndjson" } })
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

let changes = 0
/** Makes a different change each time. */
const change = (world: World): void => {
  changes += 1
  rowOf(world, 10).limits = { storage: changes }
}

/** The id of the list's snapshot after another change. */
const another = async (proxy: TestedProxy): Promise<string> => {
  change(proxy.sandbox.world)
  return snapshotOf((await proxy.list()).headers)
}

const statusOf = async (proxy: TestedProxy, id: string, query = "") =>
  (await proxy.list(`${query}page=2&page_size=5&snapshot=${id}`)).status

describe("a walk", () => {
  const mutations: ReadonlyArray<(world: World, step: number) => void> = [
    (world) => void world.resources.shift(),
    (world, step) => Object.assign(rowOf(world, step), { state: "Erred" }),
    (world) => void world.resources.pop(),
    (world, step) =>
      void world.resources.unshift({
        ...structuredClone(rowOf(world, 3)),
        uuid: step.toString(16).padStart(32, "0"),
        created: "2001-01-01T00:00:00.000000Z",
      } as WaldurRecord),
  ]

  test("along next sees one list, though Waldur changes before every page", async () => {
    const world = aWorld(40)
    const proxy = await aProxy({ world, ...everChanging })
    const whole = await linesOf(proxy)
    let got = await proxy.list("page_size=6")
    const total = got.json.pagination.total
    const seen: Array<Any> = []
    const ids = new Set<string>()
    for (let step = 0; ; step += 1) {
      expect([got.status, got.json.pagination.total]).toEqual([200, total])
      seen.push(...got.json.resources)
      ids.add(snapshotOf(got.headers))
      const { next } = linksOf(got.headers)
      if (next === undefined) break
      mutations[step % mutations.length]?.(world, step)
      // Another caller sees the change meanwhile.
      expect(snapshotOf((await proxy.list()).headers)).not.toBe([...ids][0])
      got = await proxy.get(next)
    }
    expect(seen).toEqual(whole)
    expect(ids.size).toBe(1)
    expect(await linesOf(proxy)).not.toEqual(whole)
  })

  test("back from the last page sees one list too, with filters", async () => {
    const world = aWorld(40)
    const proxy = await aProxy({ world, ...everChanging })
    const filter = "storage_system=capstor&status=active&page_size=3"
    const whole = await linesOf(proxy, filter)
    expect(whole.length).toBeGreaterThan(6)
    let got = await proxy.get(linksOf((await proxy.list(filter)).headers).last ?? "")
    const seen: Array<Any> = []
    for (let step = 0; ; step += 1) {
      seen.unshift(...got.json.resources)
      mutations[step % mutations.length]?.(world, step)
      const { prev } = linksOf(got.headers)
      if (prev === undefined) break
      got = await proxy.get(prev)
    }
    expect(seen).toEqual(whole)
  })

  test("restarts at first, which is the newest list", async () => {
    const world = aWorld(20)
    const proxy = await aProxy({ world, ...everChanging })
    const before = await proxy.list("page_size=5")
    world.resources.pop()
    const second = await proxy.get(linksOf(before.headers).next ?? "")
    const { first = "" } = linksOf(second.headers)
    expect(first).toBe("?page_size=5&page=1")
    const again = await proxy.get(first)
    expect(snapshotOf(again.headers)).not.toBe(snapshotOf(before.headers))
    expect(again.json.pagination.total).toBeLessThan(second.json.pagination.total)
  })

  test("can be served by any replica that saw the same list", async () => {
    const world = aWorld(20)
    const one = await aProxy({ world, ...everChanging })
    const other = await aProxy({ sandbox: one.sandbox, ...everChanging })
    await other.list()
    const { next = "" } = linksOf((await one.list("page_size=5")).headers)
    const [here, there] = [await one.get(next), await other.get(next)]
    expect([there.status, there.text, there.headers.get("etag")]).toEqual([200, here.text, here.headers.get("etag")])
  })

  test("goes on while Waldur fails, longer than the list itself is served; Age and Last-Modified are those of its list", async () => {
    const proxy = await aProxy({ world: aWorld(20) })
    const { next = "" } = linksOf((await proxy.list("page_size=5")).headers)
    proxy.sandbox.faults.set("waldur", { status: 403 })
    await proxy.pass("400 seconds")
    expect((await proxy.list("page_size=5")).status).toBe(502)
    const { status, headers } = await proxy.get(next)
    expect([status, headers.get("age"), headers.get("last-modified")]).toEqual([
      200,
      "400",
      "Mon, 23 Nov 2026 09:00:00 GMT",
    ])
  })

  test("keeps the times of its own list while a newer one is held", async () => {
    const proxy = await aProxy({ world: aWorld(20) })
    const { next = "" } = linksOf((await proxy.list("page_size=5")).headers)
    await proxy.pass("60 seconds")
    change(proxy.sandbox.world)
    const newer = await proxy.list("page_size=5")
    await proxy.pass("1 second")
    const older = await proxy.get(next)
    expect([newer.headers.get("age"), newer.headers.get("last-modified")]).toEqual([
      "0",
      "Mon, 23 Nov 2026 09:01:00 GMT",
    ])
    expect([older.headers.get("age"), older.headers.get("last-modified")]).toEqual([
      "61",
      "Mon, 23 Nov 2026 09:00:00 GMT",
    ])
  })

  test("reads nothing from Waldur for a page of a snapshot, even with no-cache or if all lines are requested", async () => {
    const proxy = await aProxy({ world: aWorld(20), ...everChanging })
    const whole = await linesOf(proxy)
    const id = snapshotOf((await proxy.list()).headers)
    change(proxy.sandbox.world)
    proxy.sandbox.calls.clear()
    const renewing = await proxy.get(`/api/storage-resources/?page_size=500&snapshot=${id}`, {
      headers: { "Cache-Control": "no-cache" },
    })
    expect(renewing.json.resources).toEqual(whole)
    expect(await linesOf(proxy, `snapshot=${id}`)).toEqual(whole)
    expect(proxy.sandbox.calls.all).toEqual([])
    expect(await linesOf(proxy)).not.toEqual(whole)
  })
})

describe("a snapshot that is no longer held", () => {
  const unknown = ["", "x", "constructor", "__proto__", "A".repeat(22), "%00", "a%26page%3D1", "x".repeat(4000)]

  test("is 410 without a Link if that is too long for a header", async () => {
    const proxy = await aProxy({ world: aWorld(6) })
    const { status, headers, json } = await proxy.list(`snapshot=gone&data_type=${"(".repeat(10_000)}`)
    expect([status, headers.get("link"), json.help.length < 200]).toEqual([410, null, true])
  })

  test("is 410, whatever its id is", async () => {
    const proxy = await aProxy({ world: aWorld(6) })
    await proxy.list()
    for (const query of unknown.flatMap((id) => [`snapshot=${id}`, `page=2&snapshot=${id}`, `snapshot=${id}&foo=1`])) {
      const { status, headers, json } = await proxy.list(query)
      expect([query, status, json.error]).toEqual([query, 410, "SnapshotGone"])
      expect([headers.get("etag"), headers.get("content-type")]).toEqual([null, "application/json"])
    }
  })

  test("is reported with the way to restart: the same query's first page, which exists", async () => {
    const proxy = await aProxy({ world: aWorld(20) })
    const query = "storage_system=capstor&data_type=a%26b&status=active&state=OK&page_size=7"
    const got = await proxy.list(`${query}&page=3&foo=1&snapshot=gone`)
    const start = `?${query}&page=1`
    expect(got.status).toBe(410)
    expect(linksOf(got.headers)).toEqual({ first: start })
    expect(got.json).toEqual({
      detail: expect.stringMatching(/no longer available/),
      error: "SnapshotGone",
      help: `Start the walk again: GET ${start}`,
    })
    expect((await proxy.get(start)).status).toBe(200)
    // Not a fault, and nothing to investigate.
    expect(proxy.logs.filter((line) => /"level":"(WARN|ERROR)"/.test(line) && /410|Gone/.test(line))).toEqual([])
  })

  test("is 410 for HEAD, for lines and for a caller with some tag; a bad parameter is 422 first", async () => {
    const proxy = await aProxy({ world: aWorld(6) })
    const path = "/api/storage-resources/?snapshot=gone"
    const get = await proxy.get(path)
    const head = await proxy.get(path, { method: "HEAD" })
    expect([head.status, head.text, head.headers.get("link")]).toEqual([410, "", get.headers.get("link")])
    expect((await proxy.get(path, { headers: { Accept: "application/x-ndjson" } })).status).toBe(410)
    expect((await proxy.get(path, { headers: { "If-None-Match": "*" } })).status).toBe(410)
    expect((await proxy.list("snapshot=gone&page=0")).status).toBe(422)
    expect((await proxy.list("snapshot=gone&debug=true")).status).toBe(200)
  })

  test("is looked up by the last value of a repeated snapshot parameter", async () => {
    const proxy = await aProxy({ world: aWorld(20), ...everChanging })
    const old = await another(proxy)
    const newest = await another(proxy)
    const [a, b] = [await proxy.list(`snapshot=${old}&snapshot=${newest}`), await proxy.list(`snapshot=${newest}`)]
    expect(a.text).toBe(b.text)
    const [c, d] = [await proxy.list(`snapshot=${newest}&snapshot=${old}`), await proxy.list(`snapshot=${old}`)]
    expect(c.text).toBe(d.text)
    expect(c.text).not.toBe(a.text)
    expect((await proxy.list(`snapshot=${newest}&snapshot=gone`)).status).toBe(410)
    expect((await proxy.list(`snapshot=gone&snapshot=${newest}`)).status).toBe(200)
  })
})

describe("a replaced snapshot", () => {
  test("is held as one of the last three, however long ago it was replaced; a fourth is gone", async () => {
    const proxy = await aProxy({ world: aWorld(20), ...everChanging })
    const ids: Array<string> = []
    for (let index = 0; index < 4; index += 1) {
      ids.push(await another(proxy))
      await proxy.pass("6 minutes")
    }
    expect(new Set(ids).size).toBe(4)
    expect(await Promise.all(ids.map((id) => statusOf(proxy, id)))).toEqual([410, 200, 200, 200])
  })

  test("is held for five minutes, however many came since", async () => {
    const proxy = await aProxy({ world: aWorld(20), ...everChanging })
    const first = await another(proxy)
    // Counted from its replacement, not its creation: it was current for long.
    await proxy.pass("10 minutes")
    const later: Array<string> = []
    for (let index = 0; index < 10; index += 1) {
      later.push(await another(proxy))
      await proxy.pass("33 seconds")
      const held = index * 33 + 33 < 300 ? 200 : 410
      await another(proxy)
      expect([index, await statusOf(proxy, first)]).toEqual([index, held])
    }
    expect(await statusOf(proxy, later[9] ?? "")).toBe(200)
  })

  test("does not result from a refresh that changes nothing", async () => {
    const proxy = await aProxy({ world: aWorld(20), ...everChanging })
    const old = [await another(proxy), await another(proxy), await another(proxy)]
    for (let index = 0; index < 10; index += 1) {
      await proxy.pass("10 minutes")
      expect(snapshotOf((await proxy.list()).headers)).toBe(old[2])
    }
    expect(await Promise.all(old.map((id) => statusOf(proxy, id)))).toEqual([200, 200, 200])
    // It was the newest until now.
    for (let index = 0; index < 5; index += 1) await another(proxy)
    await proxy.pass("299 seconds")
    await another(proxy)
    expect(await statusOf(proxy, old[2] ?? "")).toBe(200)
    expect(await statusOf(proxy, old[1] ?? "")).toBe(410)
  })

  test("that comes back is new again: it counts once, and its five minutes begin when it goes", async () => {
    const world = aWorld(20)
    const proxy = await aProxy({ world, ...everChanging })
    const row = rowOf(world, 10)
    const list = async (storage: number): Promise<Got> => {
      row.limits = { storage }
      return proxy.list()
    }
    const a = await list(1001)
    const b = await list(1002)
    await proxy.pass("4 minutes")
    const back = await list(1001)
    expect(snapshotOf(back.headers)).toBe(snapshotOf(a.headers))
    // The list first became like this again now.
    expect(back.headers.get("last-modified")).toBe("Mon, 23 Nov 2026 09:04:00 GMT")
    await proxy.pass("4 minutes")
    for (const storage of [1003, 1004, 1005, 1006]) await list(storage)
    await proxy.pass("299 seconds")
    await list(1007)
    expect(await statusOf(proxy, snapshotOf(a.headers))).toBe(200)
    expect(await statusOf(proxy, snapshotOf(b.headers))).toBe(410)
    await proxy.pass("1 second")
    await list(1008)
    expect(await statusOf(proxy, snapshotOf(a.headers))).toBe(410)
  })

  test("that comes back counts once among the last three", async () => {
    const world = aWorld(20)
    const proxy = await aProxy({ world, ...everChanging })
    const ids: Array<string> = []
    for (const storage of [1, 2, 3, 2, 3, 2, 3]) {
      rowOf(world, 10).limits = { storage }
      ids.push(snapshotOf((await proxy.list()).headers))
      await proxy.pass("6 minutes")
    }
    expect(await statusOf(proxy, ids[0] ?? "")).toBe(200)
  })
})
