import type { World } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import {
  type Any,
  aProxy,
  asked,
  type Got,
  isPageOfAll,
  listPath,
  noCache,
  type TestedProxy,
  until,
} from "./a-proxy.ts"
import { aWorld, dashed, rowOf } from "./a-world.ts"

const warm = { CACHE_KEEP_WARM_FOR: "5m" }
const refused = { path: listPath, status: 403 } as const

/** Full refreshes: the resources of these worlds fit on one page. */
const reads = ({ sandbox }: TestedProxy) => sandbox.calls.of("waldur").filter(isPageOfAll).length

const statusOf = ({ json }: Got, world: World, index = 9): string =>
  json.resources.find(({ itemId }: Any) => itemId === dashed(rowOf(world, index).uuid)).status

const ageOf = ({ headers }: Got) => Number(headers.get("age"))

/** Resolves when a refresh that starts now has ended. */
const renewed = (proxy: TestedProxy) => until(async () => (await proxy.ready()).json.snapshot.age === 0)

/** Resolves when calls sent before have arrived and ended: a later round trip of our own arrives after them. */
const settled = async ({ sandbox }: TestedProxy) => {
  await fetch(sandbox.issuer.discoveryUrl)
  await until(() => sandbox.calls.inFlight("waldur") === 0)
}

const failures = ({ logs }: TestedProxy) => logs.filter((line) => line.includes('"event":"refresh-failed"')).length

const renewing = (proxy: TestedProxy) => proxy.get("/api/storage-resources/", noCache)

describe("while requests come", () => {
  test("the list is refreshed in the background as it ages: the next request sees the change without waiting", async () => {
    const world = aWorld(20)
    const proxy = await aProxy({ world, environment: warm })
    await proxy.list()
    rowOf(world, 9).state = "Erred"
    await proxy.pass("9999 millis")
    await settled(proxy)
    expect(reads(proxy)).toBe(1)
    await proxy.pass("1 millis")
    await renewed(proxy)
    expect(reads(proxy)).toBe(2)
    proxy.sandbox.faults.set("waldur", { hang: true })
    const got = await proxy.list()
    expect([statusOf(got, world), ageOf(got)]).toEqual(["error", 0])
  })

  test("a request during a background refresh is served at once from the previous list, in every form", async () => {
    const world = aWorld(20)
    const proxy = await aProxy({ world, environment: warm })
    const before = await proxy.list()
    rowOf(world, 9).state = "Erred"
    const fault = proxy.sandbox.faults.set("waldur", { hang: true })
    await proxy.pass("10 seconds")
    await until(() => fault.struck > 0)
    for (const init of [{}, { method: "HEAD" }, { headers: { Accept: "application/x-ndjson" } }]) {
      const got = await proxy.get("/api/storage-resources/", init)
      expect([got.status, ageOf(got)]).toEqual([200, 10])
    }
    const got = await proxy.list("page_size=99")
    expect(got.json.resources.length).toBe(before.json.resources.length)
    await proxy.pass("20 seconds")
    expect(ageOf(await proxy.list())).toBe(30)
  })

  test("the list stays fresh for long; only requests for the list count, for a kept page or not", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world, environment: warm })
    await proxy.list()
    for (let step = 1; step <= 100; step += 1) {
      await proxy.pass("10 seconds")
      await renewed(proxy)
      // A request every four minutes: every five would be enough.
      if (step % 24 === 0) expect(ageOf(await proxy.list(step % 48 === 0 ? "" : "page_size=3"))).toBe(0)
    }
    expect(reads(proxy)).toBe(101)
  })

  test("the list is refreshed for keep_warm_for after the last request, then not until the next, which waits for current data", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world, environment: { CACHE_KEEP_WARM_FOR: "25s" } })
    await proxy.list()
    for (const at of [10, 20]) {
      await proxy.pass("10 seconds")
      await renewed(proxy)
      expect([at, reads(proxy)]).toEqual([at, at / 10 + 1])
    }
    for (let step = 0; step < 30; step += 1) {
      await proxy.pass("10 seconds")
      // Health checks do not count as requests.
      await proxy.ready()
      await proxy.get("/healthz/live")
    }
    await settled(proxy)
    expect(reads(proxy)).toBe(3)
    rowOf(world, 9).state = "Erred"
    const got = await proxy.list()
    expect([statusOf(got, world), ageOf(got), reads(proxy)]).toEqual(["error", 0, 4])
    // From now on the list is kept warm again.
    await proxy.pass("10 seconds")
    await until(() => reads(proxy) === 5)
    await renewed(proxy)
  })

  test("nothing is read in the background if keep_warm_for is 0 or not above fresh_for", async () => {
    for (const keep of ["0", "5s", "10s"]) {
      const proxy = await aProxy({ world: aWorld(6), environment: { CACHE_KEEP_WARM_FOR: keep } })
      await proxy.list()
      for (let step = 0; step < 20; step += 1) await proxy.pass("5 seconds")
      await settled(proxy)
      expect([keep, reads(proxy)]).toEqual([keep, 1])
      expect(ageOf(await proxy.list())).toBe(0)
    }
  })

  test("only the first refresh runs before the first request", async () => {
    const proxy = await aProxy({ world: aWorld(6), environment: warm })
    await until(async () => (await proxy.ready()).status === 200)
    for (let step = 0; step < 20; step += 1) await proxy.pass("10 seconds")
    await settled(proxy)
    expect(reads(proxy)).toBe(1)
  })

  test("a failing Waldur makes no caller wait; the list ages, and is refreshed when Waldur is back", async () => {
    const world = aWorld(20)
    const proxy = await aProxy({ world, environment: warm })
    await proxy.list()
    const fault = proxy.sandbox.faults.set("waldur", refused)
    for (const [index, age] of [10, 15, 20].entries()) {
      await proxy.pass(index === 0 ? "10 seconds" : "5 seconds")
      await until(() => failures(proxy) === index + 1)
      expect(ageOf(await proxy.list())).toBe(age)
      expect((await proxy.ready()).json.upstreams.waldur.status).toBe("failing")
    }
    fault.clear()
    rowOf(world, 9).state = "Erred"
    await proxy.pass("5 seconds")
    await renewed(proxy)
    const got = await proxy.list()
    expect([statusOf(got, world), ageOf(got)]).toEqual(["error", 0])
    expect((await proxy.ready()).json.upstreams.waldur).toEqual({ status: "ok" })
  })

  test("a failing Waldur is tried every five seconds, and past stale_if_error the response is 502", async () => {
    const proxy = await aProxy({ world: aWorld(10), environment: { ...warm, CACHE_KEEP_WARM_FOR: "1h" } })
    await proxy.list()
    proxy.sandbox.faults.set("waldur", { status: 403 })
    await proxy.pass("10 seconds")
    await until(() => failures(proxy) === 1)
    for (let request = 0; request < 5; request += 1) {
      await proxy.list()
      await proxy.pass("900 millis")
    }
    await settled(proxy)
    expect(failures(proxy)).toBe(1)
    await proxy.pass("500 millis")
    await until(() => failures(proxy) === 2)
    await proxy.pass("294 seconds")
    const last = await proxy.list()
    expect([last.status, ageOf(last)]).toEqual([200, 309])
    await proxy.pass("1 second")
    expect((await proxy.list()).status).toBe(502)
  })
})

describe("an internal error in a refresh", () => {
  test("does not end the background refreshes", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world, environment: { ...warm, CACHE_FULL_REFRESH_EVERY: "2m" } })
    await proxy.list()
    const { model } = proxy.settings
    const { storageSystems } = model
    const fail = () => {
      throw new Error("a fault of our own")
    }
    Object.defineProperty(model, "storageSystems", { configurable: true, get: fail })
    const faults = () => proxy.logs.filter((line) => line.includes('"event":"refresh-crashed"')).length
    const passUntil = (holds: () => boolean | Promise<boolean>) =>
      until(async () => {
        await proxy.pass("5 seconds")
        await settled(proxy)
        return holds()
      })
    await passUntil(() => faults() >= 2)
    // No requests come any more, so only a background refresh can recover.
    Object.defineProperty(model, "storageSystems", { configurable: true, value: storageSystems })
    Object.assign(rowOf(world, 9), { state: "Erred", modified: world.now })
    const { calls } = proxy.sandbox
    calls.clear()
    await passUntil(async () => calls.of("waldur").length > 0 && (await proxy.ready()).json.snapshot.age <= 5)
    expect(statusOf(await proxy.list(), world)).toBe("error")
  })
})

describe("one refresh for all callers", () => {
  test("200 callers on a cold start share one read, and no other follows while the list is fresh", async () => {
    const proxy = await aProxy({ world: aWorld(60), environment: { ...warm, CACHE_FULL_REFRESH_EVERY: "10m" } })
    const kinds: ReadonlyArray<RequestInit> = [{}, { method: "HEAD" }, { headers: { Accept: "application/x-ndjson" } }]
    const got = await Promise.all(
      Array.from({ length: 200 }, (_, index) => proxy.get("/api/storage-resources/", kinds[index % 3])),
    )
    expect(got.every(({ status }) => status === 200)).toBe(true)
    expect(reads(proxy)).toBe(1)
    const urls = asked(proxy.sandbox, "waldur")
    expect(new Set(urls).size).toBe(urls.length)
    expect([asked(proxy.sandbox, "hpcUserApi").length, asked(proxy.sandbox, "issuer").length]).toEqual([1, 1])
    proxy.sandbox.calls.clear()
    await proxy.pass("9999 millis")
    for (const query of ["", "page=2&page_size=5", "status=active", "state=OK", "page=0"]) {
      for (const init of kinds) await proxy.get(`/api/storage-resources/?${query}`, init)
    }
    await settled(proxy)
    expect(asked(proxy.sandbox, "waldur")).toEqual([])
    expect(asked(proxy.sandbox, "hpcUserApi")).toEqual([])
  })

  test.each([{}, warm])("200 callers of an old list share one read, and none gets the old list: %j", async (more) => {
    const world = aWorld(20)
    const proxy = await aProxy({ world, environment: more })
    await proxy.list()
    // No requests for long, so nothing was read since.
    for (let minute = 0; minute < 20; minute += 1) {
      await proxy.pass("1 minute")
      await settled(proxy)
    }
    const there = reads(proxy)
    rowOf(world, 9).state = "Erred"
    const queries = ["", "page_size=500", "page_size=400"]
    const got = await Promise.all(Array.from({ length: 200 }, (_, index) => proxy.list(queries[index % 3])))
    expect(new Set(got.map((one) => `${statusOf(one, world)} ${ageOf(one)}`))).toEqual(new Set(["error 0"]))
    expect(reads(proxy)).toBe(there + 1)
  })

  test("with fresh_for 0 every request causes a read, and concurrent requests share one", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world, environment: { ...warm, CACHE_FRESH_FOR: "0" } })
    await proxy.list()
    const first = reads(proxy)
    for (let request = 1; request <= 3; request += 1) {
      await proxy.list()
      expect(reads(proxy)).toBe(first + request)
    }
    await Promise.all(Array.from({ length: 50 }, () => proxy.list()))
    expect(reads(proxy)).toBe(first + 4)
    await proxy.pass("10 minutes")
    await settled(proxy)
    expect(reads(proxy)).toBe(first + 4)
  })

  test("with fresh_for 0 a failure returns the last good list, and the first request after it sees Waldur again", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world, environment: { CACHE_FRESH_FOR: "0" } })
    await proxy.list()
    const fault = proxy.sandbox.faults.set("waldur", refused)
    await proxy.pass("5 seconds")
    for (let request = 0; request < 3; request += 1) {
      const { struck } = fault
      const got = await proxy.list()
      expect([got.status, ageOf(got), fault.struck > struck]).toEqual([200, 5, true])
    }
    fault.clear()
    rowOf(world, 9).state = "Erred"
    expect(statusOf(await proxy.list(), world)).toBe("error")
    proxy.sandbox.faults.set("waldur", refused)
    await proxy.pass("300 seconds")
    expect((await proxy.list()).status).toBe(502)
  })
})

describe("Cache-Control: no-cache", () => {
  test.each(["no-cache", "No-Cache", "max-age=0, no-cache", "no-cache,no-store", " no-cache "])(
    "as %j causes a read",
    async (given) => {
      const world = aWorld(10)
      const proxy = await aProxy({ world })
      await proxy.list()
      rowOf(world, 9).state = "Erred"
      const got = await proxy.get("/api/storage-resources/", { headers: { "Cache-Control": given } })
      expect([statusOf(got, world), reads(proxy)]).toEqual(["error", 2])
      // All callers have it.
      expect([statusOf(await proxy.list(), world), reads(proxy)]).toEqual(["error", 2])
    },
  )

  test.each(["max-age=0", "no-store", "x-no-cache", "no-cachet", "private=no", ""])(
    "as %j causes no read",
    async (given) => {
      const proxy = await aProxy({ world: aWorld(6) })
      await proxy.list()
      await proxy.get("/api/storage-resources/", { headers: { "Cache-Control": given } })
      expect(reads(proxy)).toBe(1)
    },
  )

  test("requires a read that began after the request: the one in flight does not count, and all waiting callers share the next", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world })
    await proxy.list()
    const fault = proxy.sandbox.faults.set("waldur", { latencyMs: 40 })
    const first = renewing(proxy)
    await until(() => proxy.sandbox.calls.inFlight("waldur") > 0)
    const others = Array.from({ length: 20 }, () => proxy.getNow("/api/storage-resources/", noCache))
    await first
    expect(reads(proxy)).toBe(2)
    // Only now, and still in time for callers that wait for the next read.
    rowOf(world, 9).state = "Erred"
    const got = await proxy.hurried(Promise.all(others))
    fault.clear()
    expect(new Set(got.map((one) => statusOf(one, world)))).toEqual(new Set(["error"]))
    expect(reads(proxy)).toBe(3)
  })

  test("on a cold start does not accept the read that began before it", async () => {
    const proxy = await aProxy({ world: aWorld(10), prepare: ({ faults }) => faults.set("waldur", { latencyMs: 30 }) })
    await until(() => proxy.sandbox.calls.inFlight("waldur") > 0)
    const now = () => proxy.getNow("/api/storage-resources/", noCache)
    const got = await Promise.all([now(), now(), proxy.list()])
    expect(got.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(reads(proxy)).toBe(2)
  })

  test("does not delay callers without it: they wait for no read while the list is fresh or warm", async () => {
    for (const [environment, later] of [
      [{}, "1 second"],
      [warm, "10 seconds"],
    ] as const) {
      const proxy = await aProxy({ world: aWorld(10), environment })
      await proxy.list()
      const fault = proxy.sandbox.faults.set("waldur", { hang: true })
      const leaving = new AbortController()
      const waiting = proxy.get("/api/storage-resources/", { ...noCache, signal: leaving.signal })
      await until(() => fault.struck > 0)
      await proxy.pass(later)
      expect((await proxy.list()).status).toBe(200)
      leaving.abort()
      await waiting
    }
  })

  test("while Waldur fails returns the last good list with its age, past stale_if_error 502", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world })
    await proxy.list()
    const fault = proxy.sandbox.faults.set("waldur", refused)
    await proxy.pass("3 seconds")
    const got = await renewing(proxy)
    expect([got.status, ageOf(got), fault.struck > 0]).toEqual([200, 3, true])
    // The list is still fresh.
    expect([(await proxy.list()).status, ageOf(await proxy.list())]).toEqual([200, 3])
    const { struck } = fault
    // Within five seconds of a failure Waldur is not tried again.
    await Promise.all(Array.from({ length: 300 }, () => proxy.getNow("/api/storage-resources/", noCache)))
    expect([fault.struck, failures(proxy)]).toEqual([struck, 1])
    await proxy.pass("5 seconds")
    await renewing(proxy)
    expect([fault.struck > struck, failures(proxy)]).toEqual([true, 2])
    await proxy.pass("301 seconds")
    expect((await renewing(proxy)).status).toBe(200)
    await proxy.pass("1 second")
    expect((await renewing(proxy)).status).toBe(502)
    fault.clear()
    rowOf(world, 9).state = "Erred"
    await proxy.pass("5 seconds")
    expect(statusOf(await renewing(proxy), world)).toBe("error")
  })

  test("counts as a request that keeps the list warm", async () => {
    const proxy = await aProxy({ world: aWorld(10), environment: { CACHE_KEEP_WARM_FOR: "15s" } })
    await until(async () => (await proxy.ready()).status === 200)
    await renewing(proxy)
    const there = reads(proxy)
    await proxy.pass("10 seconds")
    await until(() => reads(proxy) > there)
    await renewed(proxy)
  })

  test("may come from a caller that disconnects: the read that it began goes on for the others", async () => {
    const proxy = await aProxy({ world: aWorld(10), prepare: ({ faults }) => faults.set("waldur", { latencyMs: 30 }) })
    await until(() => reads(proxy) === 1)
    const leaving = new AbortController()
    const first = proxy.getNow("/api/storage-resources/", { ...noCache, signal: leaving.signal })
    const second = proxy.getNow("/api/storage-resources/", noCache)
    await until(() => reads(proxy) === 2)
    leaving.abort()
    expect([(await first).status, (await second).status, reads(proxy)]).toEqual([503, 200, 2])
  })
})
