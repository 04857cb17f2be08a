import type { Sandbox, World } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { type Any, aProxy, asked, isPageOfAll, listPath, type TestedProxy, until } from "./a-proxy.ts"
import { aWorld, dashed, rowOf } from "./a-world.ts"

const pagesOfAll = ({ sandbox }: TestedProxy) => sandbox.calls.of("waldur").filter(isPageOfAll)
const pagesOfOrders = ({ sandbox }: TestedProxy) =>
  sandbox.calls.of("waldur").filter(({ method, query }) => method === "GET" && query.has("order_state"))
const calls = ({ sandbox }: TestedProxy) => sandbox.calls.all.length

const entryOf = (json: Any, world: World, index: number): Any =>
  json.resources.find(({ itemId }: Any) => itemId === dashed(rowOf(world, index).uuid))

const down = { path: listPath, status: 403 } as const

describe("one read for all callers", () => {
  test("50 callers on a cold start share one read of Waldur and one of the HPC User API", async () => {
    const proxy = await aProxy({ world: aWorld() })
    const got = await Promise.all(Array.from({ length: 50 }, () => proxy.list()))
    expect(new Set(got.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
    expect(got[0]?.status).toBe(200)
    expect([pagesOfAll(proxy).length, pagesOfOrders(proxy).length]).toEqual([1, 1])
    // Three offerings and their customers; every URL was requested once.
    const urls = asked(proxy.sandbox, "waldur")
    expect(new Set(urls).size).toBe(urls.length)
    expect(urls.filter((url) => url.includes("/customers/")).length).toBe(3)
    expect(asked(proxy.sandbox, "hpcUserApi").length).toBe(1)
    expect(asked(proxy.sandbox, "issuer").length).toBe(1)
  })

  test("50 callers after the snapshot has aged share one read again", async () => {
    const proxy = await aProxy({ world: aWorld() })
    await proxy.list()
    await proxy.pass("10 seconds")
    proxy.sandbox.calls.clear()
    await Promise.all(Array.from({ length: 50 }, () => proxy.list()))
    expect(pagesOfAll(proxy).length).toBe(1)
  })

  test("a caller that disconnects does not end the refresh", async () => {
    const proxy = await aProxy({ world: aWorld(10), prepare: ({ faults }) => faults.set("waldur", { latencyMs: 60 }) })
    const leaving = new AbortController()
    const first = proxy.get("/api/storage-resources/", { signal: leaving.signal })
    const second = proxy.list()
    await until(() => proxy.sandbox.calls.inFlight("waldur") > 0)
    leaving.abort()
    expect((await second).status).toBe(200)
    // Only the log shows it.
    expect((await first).status).toBe(503)
    expect(pagesOfAll(proxy).length).toBe(1)
  })

  test("order_in_progress is requested only if there is an order", async () => {
    const world = aWorld()
    Object.assign(rowOf(world, 9), {
      state: "Updating",
      order_in_progress: {
        type: "Update",
        state: "executing",
        url: `${world.apiUrl}marketplace-orders/${"a".repeat(32)}/`,
        attributes: { old_limits: { storage: 1 } },
        limits: { storage: 2 },
      },
    })
    const proxy = await aProxy({ world })
    const { json } = await proxy.list("page_size=500")
    const plain = pagesOfAll(proxy)
    expect(plain.length).toBe(1)
    for (const { query } of plain) {
      expect(query.getAll("field")).toContain("limits")
      expect(query.getAll("field")).not.toContain("order_in_progress")
      expect(query.getAll("offering_slug")).toEqual(["capstor,vast,iopsstor"])
      expect(query.get("visible_to_providers")).toBe("true")
    }
    for (const { query } of pagesOfOrders(proxy)) expect(query.getAll("field")).toContain("order_in_progress")
    const entry = entryOf(json, world, 9)
    expect(entry.set_state_done_url).toBe(
      `${proxy.sandbox.waldur.url}marketplace-orders/${"a".repeat(32)}/set_state_done/`,
    )
    expect([entry.oldQuotas[0].quota, entry.newQuotas[0].quota]).toEqual([1, 2])
  })
})

describe("freshness", () => {
  test("no upstream is called within cache.fresh_for; after it a changed state shows", async () => {
    const world = aWorld()
    const proxy = await aProxy({ world })
    const before = await proxy.list("page_size=500")
    expect(entryOf(before.json, world, 9).status).toBe("active")
    rowOf(world, 9).state = "Erred"
    const asked = calls(proxy)
    await proxy.pass("9999 millis")
    expect((await proxy.list("page_size=500")).text).toBe(before.text)
    expect((await proxy.list("status=error")).json.pagination.total).toBe(1)
    await proxy.ready()
    expect(calls(proxy)).toBe(asked)
    await proxy.pass("1 millis")
    const after = await proxy.list("page_size=500")
    expect(entryOf(after.json, world, 9).status).toBe("error")
    expect(calls(proxy)).toBeGreaterThan(asked)
  })

  test("cache.fresh_for is a setting, in the environment too", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world, environment: { CACHE_FRESH_FOR: "2m" } })
    await proxy.list()
    rowOf(world, 9).state = "Erred"
    await proxy.pass("119 seconds")
    expect(entryOf((await proxy.list()).json, world, 9).status).toBe("active")
    await proxy.pass("1 second")
    expect(entryOf((await proxy.list()).json, world, 9).status).toBe("error")
  })

  test("every request sees the current Waldur with fresh_for 0", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world, document: () => ({ cache: { fresh_for: 0 } }) })
    for (const [state, status] of [
      ["OK", "active"],
      ["Erred", "error"],
      ["Updating", "updating"],
      ["OK", "active"],
    ]) {
      rowOf(world, 9).state = state
      expect(entryOf((await proxy.list()).json, world, 9).status).toBe(status)
    }
  })

  test("a resource that goes and one that comes show after the next refresh", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world })
    const { total } = (await proxy.list()).json.pagination
    const gone = world.resources.pop()
    await proxy.pass("10 seconds")
    expect((await proxy.list()).json.pagination.total).toBeLessThan(total)
    world.resources.push(gone as Any)
    await proxy.pass("10 seconds")
    expect((await proxy.list()).json.pagination.total).toBe(total)
  })
})

describe("a failing Waldur", () => {
  test("leaves the last good list in place until stale_if_error has passed, then 502", async () => {
    const proxy = await aProxy({ world: aWorld() })
    const good = await proxy.list()
    proxy.sandbox.faults.set("waldur", down)
    for (const at of ["10 seconds", "100 seconds", "199 seconds"] as const) {
      await proxy.pass(at)
      expect((await proxy.list()).text).toBe(good.text)
      const { status, json } = await proxy.ready()
      expect(status).toBe(200)
      expect(json.warnings.some((warning: string) => /stale/.test(warning))).toBe(true)
    }
    // 309 seconds after the read: fresh for ten seconds, stale for five minutes.
    await proxy.pass("1 second")
    const { status, json } = await proxy.list()
    expect([status, json.error]).toEqual([502, "UpstreamServiceError"])
    expect((await proxy.ready()).status).toBe(200)
  })

  test("that recovers yields new data without any request, and readiness forgets the failure", async () => {
    const world = aWorld()
    const proxy = await aProxy({ world })
    await proxy.list()
    const fault = proxy.sandbox.faults.set("waldur", down)
    await proxy.pass("10 seconds")
    await proxy.list()
    expect((await proxy.ready()).json.upstreams.waldur.status).toBe("failing")
    fault.clear()
    rowOf(world, 9).state = "Erred"
    await proxy.pass("10 seconds")
    // The first request does not wait for an upstream that failed a moment ago.
    await proxy.list()
    await until(async () => entryOf((await proxy.list("page_size=500")).json, world, 9).status === "error")
    const { json } = await proxy.ready()
    expect(json.upstreams.waldur).toEqual({ status: "ok" })
    expect(json.warnings).toEqual(["authentication is disabled: anyone can read the list"])
  })

  test("is tried again five seconds after a 502, however many requests come; then the list is there", async () => {
    const proxy = await aProxy({ world: aWorld() })
    const good = await proxy.list()
    const fault = proxy.sandbox.faults.set("waldur", down)
    await proxy.pass("1 hour")
    expect((await proxy.list()).status).toBe(502)
    const { struck } = fault
    for (let request = 0; request < 10; request += 1) expect((await proxy.list()).status).toBe(502)
    expect(fault.struck).toBe(struck)
    fault.clear()
    await proxy.pass("5 seconds")
    const { status, text } = await proxy.list()
    expect(status).toBe(200)
    expect(text).toBe(good.text)
  })

  test("is tried once per fresh_for at most while the last good list is served", async () => {
    const proxy = await aProxy({ world: aWorld() })
    await proxy.list()
    proxy.sandbox.faults.set("waldur", { status: 403 })
    await proxy.pass("10 seconds")
    await proxy.list()
    const failures = () => proxy.logs.filter((line) => line.includes('"event":"refresh-failed"')).length
    await until(() => failures() === 1)
    for (let request = 0; request < 20; request += 1) {
      await proxy.list()
      // A round trip of our own: a call that the request started has arrived by then.
      await fetch(proxy.sandbox.issuer.discoveryUrl)
    }
    expect(failures()).toBe(1)
    await proxy.pass("10 seconds")
    await proxy.list()
    await until(() => failures() === 2)
  })

  test("with stale_if_error 0 is 502 as soon as the list is no longer fresh", async () => {
    const proxy = await aProxy({ world: aWorld(10), document: () => ({ cache: { stale_if_error: "0s" } }) })
    await proxy.list()
    proxy.sandbox.faults.set("waldur", down)
    await proxy.pass("9 seconds")
    expect((await proxy.list()).status).toBe(200)
    await proxy.pass("1 second")
    expect((await proxy.list()).status).toBe(502)
  })

  test("on a cold start is 502, and 200 once it works", async () => {
    const proxy = await aProxy({ world: aWorld(10), prepare: ({ faults }) => faults.set("waldur", { status: 403 }) })
    expect((await proxy.list()).status).toBe(502)
    proxy.sandbox.faults.clear()
    await proxy.pass("5 seconds")
    expect((await proxy.list()).status).toBe(200)
  })

  test("on a cold start is retried without any request, until readiness is 200", async () => {
    const proxy = await aProxy({ world: aWorld(10), prepare: ({ faults }) => faults.set("waldur", { status: 403 }) })
    await until(async () => (await proxy.ready()).json.upstreams.waldur.status === "failing")
    expect((await proxy.ready()).status).toBe(503)
    const tries = calls(proxy)
    await proxy.pass("10 seconds")
    await until(() => calls(proxy) > tries && proxy.sandbox.calls.inFlight("waldur") === 0)
    expect((await proxy.ready()).status).toBe(503)
    proxy.sandbox.faults.clear()
    await until(async () => {
      await proxy.pass("1 second")
      return (await proxy.ready()).status === 200
    })
    expect((await proxy.list()).status).toBe(200)
  })

  test("that fails briefly is retried before callers notice", async () => {
    for (const fault of [{ status: 503 }, { reset: true }, { status: 502, body: "html" }] as const) {
      const proxy = await aProxy({
        world: aWorld(10),
        prepare: ({ faults }) => faults.set("waldur", { ...fault, path: listPath, times: 3 }),
      })
      expect((await proxy.hurried(proxy.list())).status).toBe(200)
    }
  })

  test("whose responses are not lists is 502, whatever they are", async () => {
    for (const fault of [
      { body: "html" },
      { body: "garbage" },
      { body: "truncated" },
      { body: { json: { detail: "no" } } },
      { status: 301, headers: { Location: "https://elsewhere.invalid/" } },
    ] as const) {
      const proxy = await aProxy({
        world: aWorld(10),
        prepare: ({ faults }) => faults.set("waldur", { ...fault, path: listPath, method: "GET" }),
      })
      const { status, text } = await proxy.hurried(proxy.list())
      expect([JSON.stringify(fault), status]).toEqual([JSON.stringify(fault), 502])
      expect(text).not.toMatch(/127\.0\.0\.1|invalid|html/)
    }
  })

  test("is logged with Waldur's message", async () => {
    const proxy = await aProxy({ world: aWorld(10), prepare: ({ faults }) => faults.set("waldur", { status: 403 }) })
    await proxy.list()
    const line = proxy.logs.find((one) => one.includes('"event":"refresh-failed"')) ?? ""
    expect(JSON.parse(line)).toMatchObject({
      level: "ERROR",
      annotations: { error: "WaldurRejected", last_good: "none" },
    })
    expect(line).toContain("responded with 403")
  })
})

describe("customers in the list", () => {
  test("are named by that offering's own list", async () => {
    const world = aWorld(10)
    for (const list of world.customersByOffering.values()) {
      for (const customer of list) customer.name = `${customer.name}, renamed`
    }
    // A reader may not read it; an owner may.
    const document = ({ waldur }: Sandbox) => ({ waldur_api_token: waldur.tokens.owner })
    const { json } = await (await aProxy({ world, document })).list("page_size=500")
    const names = json.resources.filter(({ target }: Any) => target.targetType === "customer")
    expect(names.length).toBeGreaterThan(3)
    for (const { target } of names) expect(target.targetItem.name).toMatch(/, renamed$/)
  })

  test.each([
    { status: 404, isReported: true },
    { status: 403, isReported: false },
  ])(
    "whose list returns $status keep the names of their resources; reported: $isReported",
    async ({ status: answer, isReported }) => {
      const world = aWorld(10)
      for (const list of world.customersByOffering.values()) for (const customer of list) customer.name = "of the list"
      const proxy = await aProxy({
        world,
        prepare: ({ faults }) => faults.set("waldur", { path: /customers/, status: answer }),
      })
      const { status, json } = await proxy.list("page_size=500")
      expect(status).toBe(200)
      const named = json.resources.filter(({ target }: Any) => target.targetType === "customer")
      const byUuid = new Map(world.resources.map((row) => [dashed(row.customer_uuid), row.customer_name]))
      for (const { itemId, target } of named) expect(target.targetItem.name).toBe(byUuid.get(itemId))
      const projects = json.resources.filter(({ target }: Any) => ["project", "user"].includes(target.targetType))
      expect(projects.length).toBe(world.resources.length)
      const { warnings } = (await proxy.list("debug=true")).json
      expect(warnings.some(({ reason }: Any) => reason.includes("list of customers"))).toBe(isReported)
      expect(proxy.logs.some((line) => line.includes('"event":"customers-unavailable"'))).toBe(isReported)
    },
  )
})

describe("an unsuitable Waldur", () => {
  test("that is too old is 502, in plain words in the log and in readiness", async () => {
    const proxy = await aProxy({
      world: aWorld(10),
      prepare: ({ waldur }) => Object.assign(waldur, { dialect: "7.0.7" }),
    })
    const { status, text } = await proxy.list()
    expect(status).toBe(502)
    expect(text).not.toContain("127.0.0.1")
    const { warnings, upstreams } = (await proxy.ready()).json
    for (const words of [upstreams.waldur.detail, warnings.join(" "), proxy.logs.join(" ")]) {
      expect(words).toMatch(/too old|version 8|8\.x/i)
    }
    expect((await proxy.list("debug=true")).status).toBe(502)
  })

  test("whose token has no role is 502, and the missing role is reported", async () => {
    const proxy = await aProxy({
      world: aWorld(10),
      document: ({ waldur }) => ({ waldur_api_token: waldur.tokens.blind }),
    })
    expect((await proxy.list()).status).toBe(502)
    const { status, json } = await proxy.ready()
    expect(status).toBe(503)
    expect(json.upstreams.waldur.detail).toMatch(/sees none of the offerings capstor, vast, iopsstor.*role/)
    expect(proxy.logs.join(" ")).toContain("OfferingsInvisible")
  })

  test("whose token has a role in one offering serves that one, with a warning for each other", async () => {
    const proxy = await aProxy({
      world: aWorld(),
      document: ({ waldur }) => ({ waldur_api_token: waldur.tokens.partial }),
    })
    const { status, json } = await proxy.list("page_size=500")
    expect(status).toBe(200)
    expect(new Set(json.resources.map(({ storageSystem }: Any) => storageSystem.key))).toEqual(new Set(["capstor"]))
    const { warnings } = (await proxy.ready()).json
    expect(warnings.filter((one: string) => /does not see the offering (vast|iopsstor)\b/.test(one)).length).toBe(2)
    expect(warnings.some((one: string) => /capstor/.test(one))).toBe(false)
  })

  test("that shows a marketplace without resources is an empty list, not a failure", async () => {
    const world = aWorld(10)
    world.resources.length = 0
    const proxy = await aProxy({ world })
    const { status, json } = await proxy.list()
    expect([status, json.resources, json.pagination.total]).toEqual([200, [], 0])
    const ready = await proxy.ready()
    expect(ready.status).toBe(200)
    expect(ready.json.warnings).toEqual([
      "authentication is disabled: anyone can read the list",
      ...["capstor", "vast", "iopsstor"].map((slug) => expect.stringContaining(`no resource of the offering ${slug}`)),
    ])
    expect(asked(proxy.sandbox, "hpcUserApi")).toEqual([])
  })

  test("whose token expired is 502", async () => {
    const proxy = await aProxy({
      world: aWorld(6),
      document: ({ waldur }) => ({ waldur_api_token: waldur.tokens.expired }),
    })
    expect((await proxy.list()).status).toBe(502)
    expect((await proxy.ready()).json.upstreams.waldur.detail).toMatch(/token.*expired/)
  })
})

describe("a malformed row", () => {
  test("costs no other row its place", async () => {
    const world = aWorld(20)
    const proxy = await aProxy({ world })
    const good = (await proxy.list("page_size=500")).json.resources as ReadonlyArray<Any>
    const bends: ReadonlyArray<(row: Any) => void> = [
      (row) => Object.assign(row, { uuid: null }),
      (row) => Object.assign(row, { slug: 42 }),
      (row) => Object.assign(row, { project_slug: "../../etc" }),
      (row) => Object.assign(row, { attributes: { ...row.attributes, permissions: 775 } }),
      (row) => Object.assign(row, { attributes: { ...row.attributes, permissions: "rwx" } }),
      (row) => Object.assign(row, { attributes: "junk" }),
      (row) => Object.assign(row, { customer_slug: "" }),
      (row) => Object.assign(row, { offering_uuid: "x" }),
    ]
    for (const bend of bends) {
      const row = rowOf(world, 10)
      const whole = structuredClone(row)
      bend(row)
      await proxy.pass("10 seconds")
      const { status, json } = await proxy.list("page_size=500")
      expect([bend.toString(), status]).toEqual([bend.toString(), 200])
      const projects = (entries: ReadonlyArray<Any>) =>
        entries.filter(({ target }) => ["project", "user"].includes(target.targetType))
      expect(projects(json.resources)).toEqual(projects(good).filter(({ itemId }) => itemId !== dashed(whole.uuid)))
      expect((await proxy.ready()).json.snapshot.skipped).toBe(1)
      for (const key of Object.keys(row)) delete row[key]
      Object.assign(row, whole)
    }
  })

  test("is logged once, not with every refresh", async () => {
    const world = aWorld(10)
    Object.assign(rowOf(world, 9).attributes as object, { permissions: "rwx" })
    const proxy = await aProxy({ world })
    for (let refresh = 0; refresh < 4; refresh += 1) {
      await proxy.list()
      await proxy.pass("10 seconds")
    }
    const lines = proxy.logs.filter((line) => line.includes('"event":"resource-skipped"'))
    expect(lines.length).toBe(1)
    expect(lines[0]).toContain(dashed(rowOf(world, 9).uuid))
    expect(lines[0]).toContain("attributes.permissions")
    expect(proxy.logs.filter((line) => line.includes('"event":"snapshot-taken"')).length).toBe(4)
  })
})
