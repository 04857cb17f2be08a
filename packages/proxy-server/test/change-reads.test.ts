import { changeResource, type Sandbox, type WaldurRecord, type World } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { type Any, aProxy, asked, type Got, isPageOfAll, listPath, type TestedProxy, until } from "./a-proxy.ts"
import { aWorld, dashed, rowOf } from "./a-world.ts"

const byChanges = { CACHE_FULL_REFRESH_EVERY: "10m" }

/** Reads of all resources, from their first page. */
const fullReads = ({ calls }: Sandbox) =>
  calls.of("waldur").filter((call) => isPageOfAll(call) && call.query.get("page") === "1").length

/** Whether a query is that of the first page of all resources, which its count is not. */
const isFirstPage = (query: URLSearchParams) =>
  !query.has("order_state") && !query.has("state") && query.get("page") === "1" && query.get("page_size") !== "1"

const customerReads = (sandbox: Sandbox) => asked(sandbox, "waldur").filter((url) => url.includes("/customers/"))

/** The list after a refresh that starts now; the sandbox's calls are then those of this refresh. */
const next = async (proxy: TestedProxy): Promise<Got> => {
  await proxy.pass("10 seconds")
  proxy.sandbox.calls.clear()
  return proxy.list("page_size=500")
}

const entryOf = ({ json }: Got, row: WaldurRecord): Any =>
  json.resources.find(({ itemId }: Any) => itemId === dashed(row.uuid))

const start = async (world: World, environment: Readonly<Record<string, string>> = byChanges) => {
  const proxy = await aProxy({
    document: ({ waldur }) => ({ waldur_api_token: waldur.tokens.owner }),
    world,
    environment,
  })
  return { proxy, first: await proxy.list("page_size=500") }
}

describe("a refresh when nothing changed", () => {
  test("sends at most five requests, reads no page of all, and returns a byte-identical snapshot", async () => {
    const { proxy, first } = await start(aWorld(400))
    for (let refresh = 0; refresh < 3; refresh += 1) {
      const got = await next(proxy)
      expect(proxy.sandbox.calls.all.length).toBeLessThanOrEqual(5)
      expect(fullReads(proxy.sandbox)).toBe(0)
      expect([got.text, got.headers.get("link"), got.headers.get("age")]).toEqual([
        first.text,
        first.headers.get("link"),
        "0",
      ])
      expect(got.headers.get("last-modified")).toBe("Mon, 23 Nov 2026 09:00:00 GMT")
    }
    expect((await proxy.ready()).json.snapshot.age).toBe(0)
  })

  test("does so with orders in progress, unknown projects and bad records too", async () => {
    const world = aWorld(40)
    rowOf(world, 7).project_slug = "unknown"
    Object.assign(rowOf(world, 8).attributes as object, { permissions: "rwx" })
    rowOf(world, 9).order_in_progress = { type: "Update", state: "executing", limits: { storage: 2 }, url: "x" }
    const { proxy, first } = await start(world)
    const got = await next(proxy)
    expect(got.text).toBe(first.text)
    expect(proxy.sandbox.calls.all.length).toBeLessThanOrEqual(5)
    // The minute of the unknown project is over: it alone is looked up again.
    await proxy.pass("50 seconds")
    expect((await next(proxy)).text).toBe(first.text)
    expect(asked(proxy.sandbox, "hpcUserApi")).toEqual([expect.stringMatching(/\?projects=unknown$/)])
    expect(proxy.sandbox.calls.all.length).toBeLessThanOrEqual(5)
  })

  test("logs only at debug level", async () => {
    const { proxy } = await start(aWorld(10))
    const reported = proxy.logs.length
    await next(proxy)
    const lines = proxy.logs.slice(reported).map((line) => JSON.parse(line))
    const logged = lines.filter(
      ({ level, annotations }: Any) => level !== "DEBUG" && level !== "TRACE" && annotations.event !== "request",
    )
    expect(logged).toEqual([])
    const taken = lines.filter(({ annotations }: Any) => annotations.event === "snapshot-taken")
    expect(taken.map(({ annotations }: Any) => annotations.read)).toEqual(["changes"])
  })
})

describe("a full refresh", () => {
  test.each([false, true])("runs full_refresh_every after the start of the last one; changes: %s", async (changes) => {
    const world = aWorld(10)
    const { proxy } = await start(world, { CACHE_FULL_REFRESH_EVERY: "60s" })
    const full: Array<number> = []
    for (let at = 10; at <= 180; at += 10) {
      if (changes) changeResource(world, rowOf(world, 9), { limits: { storage: at } })
      await next(proxy)
      if (fullReads(proxy.sandbox) > 0) full.push(at)
    }
    expect(full).toEqual([60, 120, 180])
  })

  test("runs each time with full_refresh_every 0", async () => {
    const { proxy } = await start(aWorld(10), { CACHE_FULL_REFRESH_EVERY: "0" })
    for (let refresh = 0; refresh < 3; refresh += 1) {
      await next(proxy)
      expect(fullReads(proxy.sandbox)).toBe(1)
    }
  })

  test("runs if a resource is gone, or if another took its place", async () => {
    const world = aWorld(20)
    const { proxy, first } = await start(world)
    const [gone] = world.resources.splice(9, 1) as [WaldurRecord]
    const without = await next(proxy)
    expect([entryOf(without, gone), fullReads(proxy.sandbox)]).toEqual([undefined, 1])
    await next(proxy)
    expect(fullReads(proxy.sandbox)).toBe(0)
    const other = { ...structuredClone(rowOf(world, 10)), uuid: "0".repeat(32), slug: "other", project_slug: "other" }
    world.gids.set("other", 50_000)
    const replaced = rowOf(world, 9)
    world.resources.splice(9, 1, other)
    changeResource(world, other, {})
    const with_ = await next(proxy)
    expect([entryOf(with_, replaced), entryOf(with_, other).status]).toEqual([undefined, "active"])
    expect(fullReads(proxy.sandbox)).toBe(1)
    expect(with_.text).not.toBe(first.text)
  })

  test("runs if an offering empties: its entries go, and it is not taken for one that the token does not see", async () => {
    const world = aWorld(20)
    const { proxy } = await start(world)
    const kept = world.resources.filter(({ offering_slug }) => offering_slug !== "vast")
    world.resources.splice(0, world.resources.length, ...kept)
    const got = await next(proxy)
    expect(got.json.resources.some(({ storageSystem }: Any) => storageSystem.key === "vast")).toBe(false)
    expect((await proxy.ready()).json.warnings.join(" ")).not.toContain("vast")
  })

  test("shows what no change reveals: a customer's new name", async () => {
    const world = aWorld(20)
    const { proxy, first } = await start(world, { CACHE_FULL_REFRESH_EVERY: "25s" })
    for (const list of world.customersByOffering.values()) for (const customer of list) customer.name = "renamed"
    expect((await next(proxy)).text).toBe(first.text)
    expect(customerReads(proxy.sandbox)).toEqual([])
    await next(proxy)
    const names = new Set(
      (await next(proxy)).json.resources
        .filter(({ target }: Any) => target.targetType === "customer")
        .map(({ target }: Any) => target.targetItem.name),
    )
    expect([...names]).toEqual(["renamed"])
    expect(customerReads(proxy.sandbox).length).toBe(3)
  })
})

describe("a change", () => {
  const bends: ReadonlyArray<readonly [string, WaldurRecord, (entry: Any) => unknown, unknown]> = [
    ["state", { state: "Erred" }, ({ status }) => status, "error"],
    ["backend_id", { backend_id: "/a/b/c" }, ({ mountPoint }) => mountPoint.default, "/a/b/c"],
    ["limits", { limits: { storage: 4711 } }, ({ quotas }) => quotas[0].quota, 4711],
    ["options", { options: { soft_quota_space: 3, hard_quota_space: 4 } }, ({ quotas }) => quotas[0].quota, 3],
    ["permissions", { options: { permissions: "700" } }, ({ permission }) => permission.value, "700"],
  ]

  test.each(bends)("of %s shows, at the cost of one row", async (_, fields, seen, value) => {
    const world = aWorld(40)
    const { proxy } = await start(world)
    const row = rowOf(world, 9)
    changeResource(world, row, fields)
    const got = await next(proxy)
    expect(seen(entryOf(got, row))).toEqual(value)
    expect(proxy.sandbox.calls.all.length).toBeLessThanOrEqual(5)
    expect([fullReads(proxy.sandbox), customerReads(proxy.sandbox), asked(proxy.sandbox, "hpcUserApi")]).toEqual([
      0,
      [],
      [],
    ])
  })

  test("that makes a record bad removes its entry, and one that corrects it restores it", async () => {
    const world = aWorld(20)
    const { proxy, first } = await start(world)
    const row = rowOf(world, 9)
    const { attributes } = row
    changeResource(world, row, { attributes: { ...(attributes as object), permissions: "rwx" } })
    expect(entryOf(await next(proxy), row)).toBeUndefined()
    expect((await proxy.list("debug=true")).json.skipped.length).toBe(1)
    changeResource(world, row, { attributes: attributes ?? null })
    expect((await next(proxy)).text).toBe(first.text)
    expect((await proxy.ready()).json.snapshot.skipped).toBe(0)
  })

  test("of a project looks up the GID of that project alone", async () => {
    const world = aWorld(20)
    const { proxy } = await start(world)
    world.gids.set("newcomer", 50_001)
    changeResource(world, rowOf(world, 9), { project_slug: "newcomer" })
    const got = await next(proxy)
    const { targetItem } = entryOf(got, rowOf(world, 9)).target
    expect(targetItem.unixGid ?? targetItem.primaryProject.unixGid).toBe(50_001)
    expect(asked(proxy.sandbox, "hpcUserApi")).toEqual([expect.stringMatching(/\?projects=newcomer$/)])
  })

  test.each(["newcust", "that of another"])(
    "to a new customer reads the list of that offering alone, and no other change does: slug %s",
    async (given) => {
      const world = aWorld(30)
      const { proxy } = await start(world)
      const row = rowOf(world, 9)
      const uuid = "c".repeat(32)
      const list = world.customersByOffering.get(String(row.offering_uuid))
      // Two customers can share a slug, but not a UUID.
      const slug = given === "newcust" ? given : String(row.customer_slug)
      list?.push({ ...structuredClone(list[0]), uuid, slug, name: "Of the list" })
      changeResource(world, row, { customer_uuid: uuid, customer_slug: slug, customer_name: "Of the resource" })
      const got = await next(proxy)
      const entry = got.json.resources.find(({ itemId }: Any) => itemId === dashed(uuid))
      expect(entry.target.targetItem).toMatchObject({ key: slug, name: "Of the list" })
      expect(customerReads(proxy.sandbox)).toEqual([expect.stringContaining(dashed(row.offering_uuid))])
      changeResource(world, row, { limits: { storage: 4711 } })
      await next(proxy)
      expect(customerReads(proxy.sandbox)).toEqual([])
    },
  )

  test("of the first resource of an offering that the token did not see ends the warning", async () => {
    const world = aWorld(20)
    const moved = world.resources.filter(({ offering_slug }) => offering_slug === "vast")
    world.resources.splice(0, world.resources.length, ...world.resources.filter((row) => !moved.includes(row)))
    const hidden = world.offerings.findIndex(({ slug }) => slug === "vast")
    const offering = world.offerings.splice(hidden, 1)
    const { proxy } = await start(world)
    const isReported = async () => (await proxy.ready()).json.warnings.some((one: string) => /offering vast/.test(one))
    expect(await isReported()).toBe(true)
    await next(proxy)
    expect(await isReported()).toBe(true)
    const [row] = moved as [WaldurRecord]
    world.resources.push(row)
    world.offerings.push(...offering)
    changeResource(world, row, {})
    expect(entryOf(await next(proxy), row)).toBeDefined()
    expect([await isReported(), fullReads(proxy.sandbox)]).toEqual([false, 0])
  })

  test("is looked for since the last refresh, not since the last change", async () => {
    const world = aWorld(20)
    const { proxy } = await start(world, { CACHE_FULL_REFRESH_EVERY: "24h" })
    const since = () =>
      proxy.sandbox.calls.of("waldur").flatMap(({ query }) => query.getAll("modified").map((text) => Date.parse(text)))
    for (const hour of ["10", "11", "12"]) {
      await proxy.pass("1 hour")
      world.now = `2026-11-23T${hour}:00:00.000000Z`
      await next(proxy)
    }
    const [from = 0] = since()
    // By Waldur's clock, minus a margin for late commits.
    expect(from).toBeLessThan(Date.parse("2026-11-23T11:00:00Z"))
    expect(from).toBeGreaterThan(Date.parse("2026-11-23T10:50:00Z"))
  })

  test("is not lost if the refresh that would have seen it fails", async () => {
    const world = aWorld(20)
    const { proxy, first } = await start(world)
    world.now = "2026-11-23T12:00:00.000000Z"
    changeResource(world, rowOf(world, 9), { state: "Erred" })
    const fault = proxy.sandbox.faults.set("waldur", { path: listPath, status: 403 })
    expect((await next(proxy)).text).toBe(first.text)
    // Waldur's clock goes on; the next read of changes still starts at the last good one.
    world.now = "2026-11-23T15:00:00.000000Z"
    fault.clear()
    await proxy.pass("5 seconds")
    proxy.sandbox.calls.clear()
    const got = await proxy.get("/api/storage-resources/?page_size=500", { headers: { "Cache-Control": "no-cache" } })
    expect([entryOf(got, rowOf(world, 9)).status, fullReads(proxy.sandbox)]).toEqual(["error", 0])
  })

  test("whose GID lookup fails keeps the last good list, and shows once the lookup works", async () => {
    const world = aWorld(20)
    const { proxy, first } = await start(world)
    const fault = proxy.sandbox.faults.set("hpcUserApi", { status: 403 })
    world.gids.set("renamed", 50_002)
    changeResource(world, rowOf(world, 9), { project_slug: "renamed" })
    changeResource(world, rowOf(world, 8), { state: "Erred" })
    world.now = "2026-11-23T12:00:00.000000Z"
    expect((await next(proxy)).text).toBe(first.text)
    expect((await proxy.ready()).json.upstreams.hpc_user_api.status).toBe("failing")
    fault.clear()
    await proxy.pass("5 seconds")
    const got = await proxy.get("/api/storage-resources/?page_size=500", { headers: { "Cache-Control": "no-cache" } })
    expect(entryOf(got, rowOf(world, 8)).status).toBe("error")
    expect(entryOf(got, rowOf(world, 9)).mountPoint.default).toMatch(/renamed$/)
    expect(fullReads(proxy.sandbox)).toBe(0)
  })

  test("is not needed for a GID whose lookup failed: it is added once the lookup works, and the failure is forgotten", async () => {
    const world = aWorld(20)
    const { proxy } = await start(world)
    const fault = proxy.sandbox.faults.set("hpcUserApi", { status: 403 })
    const row = { ...structuredClone(rowOf(world, 9)), uuid: "d".repeat(32), slug: "added", project_slug: "added" }
    world.resources.push(row)
    world.gids.set("added", 50_003)
    changeResource(world, row, {})
    expect(entryOf(await next(proxy), row)).toBeUndefined()
    expect((await proxy.ready()).json.upstreams.hpc_user_api.status).toBe("failing")
    // Still failing: it is looked up each time, and the list is unchanged.
    expect(entryOf(await next(proxy), row)).toBeUndefined()
    expect(asked(proxy.sandbox, "hpcUserApi").length).toBe(1)
    fault.clear()
    expect(entryOf(await next(proxy), row).status).toBe("active")
    expect((await proxy.ready()).json.upstreams.hpc_user_api).toEqual({ status: "ok" })
    expect(fullReads(proxy.sandbox)).toBe(0)
  })
})

describe("a list of customers that could not be read", () => {
  test("is read again by the next refresh although nothing changed, and not after that", async () => {
    const world = aWorld(20)
    for (const list of world.customersByOffering.values()) for (const customer of list) customer.name = "of the list"
    const proxy = await aProxy({
      document: ({ waldur }) => ({ waldur_api_token: waldur.tokens.owner }),
      world,
      environment: byChanges,
      prepare: ({ faults }) => faults.set("waldur", { path: /customers/, status: 404, times: 1 }),
    })
    const names = ({ json }: Got) =>
      json.resources.flatMap(({ target }: Any) => (target.targetType === "customer" ? [target.targetItem.name] : []))
    expect(new Set(names(await proxy.list("page_size=500"))).size).toBeGreaterThan(1)
    const healed = await next(proxy)
    expect(new Set(names(healed))).toEqual(new Set(["of the list"]))
    expect(customerReads(proxy.sandbox).length).toBe(1)
    expect((await proxy.list("debug=true")).json.warnings).toEqual([])
    expect((await next(proxy)).text).toBe(healed.text)
    expect(customerReads(proxy.sandbox)).toEqual([])
  })
})

describe("a mock GID", () => {
  test("is generated again by each refresh, reported while it lasts, and gone once the API knows the project", async () => {
    const world = aWorld(20)
    const row = rowOf(world, 9)
    row.project_slug = "unknown-project"
    const proxy = await aProxy({ world, environment: { ...byChanges, HPC_USER_API_FALLBACK: "mock" } })
    const first = await proxy.list("page_size=500")
    const gidOf = (got: Got) => {
      const { targetItem } = entryOf(got, row).target
      return targetItem.unixGid ?? targetItem.primaryProject.unixGid
    }
    const isReported = async () =>
      (await proxy.ready()).json.warnings.some((one: string) => /GIDs of 1 projects/.test(one))
    expect([gidOf(first) >= 30_000 && gidOf(first) < 40_000, await isReported()]).toEqual([true, true])
    world.gids.set("unknown-project", 50_004)
    changeResource(world, rowOf(world, 8), { state: "Erred" })
    const second = await next(proxy)
    expect([gidOf(second), await isReported(), second.text === first.text]).toEqual([gidOf(first), true, false])
    await proxy.pass("1 minute")
    expect([gidOf(await next(proxy)), await isReported()]).toEqual([50_004, false])
    expect(fullReads(proxy.sandbox)).toBe(0)
  })
})

describe("a GID that turns out to equal its mock", () => {
  test("is no longer reported as a mock", async () => {
    const world = aWorld(20)
    rowOf(world, 9).project_slug = "unknown-project"
    world.gids.delete("unknown-project")
    const proxy = await aProxy({ world, environment: { ...byChanges, HPC_USER_API_FALLBACK: "mock" } })
    const first = await proxy.list("page_size=500")
    const { targetItem } = entryOf(first, rowOf(world, 9)).target
    const isReported = async () =>
      (await proxy.ready()).json.warnings.some((one: string) => /GIDs of \d+ proj/.test(one))
    expect(await isReported()).toBe(true)
    world.gids.set("unknown-project", targetItem.unixGid ?? targetItem.primaryProject.unixGid)
    await proxy.pass("1 minute")
    expect([(await next(proxy)).text === first.text, await isReported()]).toEqual([true, false])
  })
})

describe("an API that fails while GIDs are mocked", () => {
  test("is reported though the list stays byte-identical, and no longer once it works", async () => {
    const world = aWorld(20)
    rowOf(world, 9).project_slug = "unknown-project"
    const proxy = await aProxy({ world, environment: { ...byChanges, HPC_USER_API_FALLBACK: "mock" } })
    const first = await proxy.list("page_size=500")
    const status = async () => (await proxy.ready()).json.upstreams.hpc_user_api.status
    expect(await status()).toBe("ok")
    const fault = proxy.sandbox.faults.set("hpcUserApi", { status: 403 })
    await proxy.pass("1 minute")
    expect([(await next(proxy)).text === first.text, await status()]).toEqual([true, "failing"])
    fault.clear()
    expect([(await next(proxy)).text === first.text, await status()]).toEqual([true, "ok"])
    expect(fullReads(proxy.sandbox)).toBe(0)
  })
})

describe("a full read", () => {
  test("looks up customers and GIDs while pages still arrive", async () => {
    const world = aWorld(700)
    const proxy = await aProxy({
      world,
      prepare: (sandbox) => {
        // No page after the first ever arrives.
        sandbox.waldur.arrange = (rows, { query }) => {
          if (isFirstPage(query)) sandbox.faults.set("waldur", { path: listPath, method: "GET", hang: true })
          return rows
        }
      },
    })
    await until(() => customerReads(proxy.sandbox).length === 3 && asked(proxy.sandbox, "hpcUserApi").length > 0)
    expect((await proxy.ready()).status).toBe(503)
  })

  test("requests nothing twice: no page, no list, no project", async () => {
    const proxy = await aProxy({ world: aWorld(1300) })
    expect((await proxy.list()).status).toBe(200)
    const urls = asked(proxy.sandbox, "waldur")
    expect(new Set(urls).size).toBe(urls.length)
    expect(customerReads(proxy.sandbox).length).toBe(3)
    const projects = proxy.sandbox.calls.of("hpcUserApi").flatMap(({ query }) => query.getAll("projects"))
    expect(new Set(projects).size).toBe(projects.length)
    expect(new Set(projects)).toEqual(new Set(proxy.sandbox.world.resources.map(({ project_slug }) => project_slug)))
  })

  test("does not retry a failing API for each page: the rest is looked up once, at the end", async () => {
    const world = aWorld(1300)
    // So few on a page that those of many pages would go into one request.
    for (const [index, row] of world.resources.entries()) row.project_slug = `project-${index >> 4}`
    let isHeldUp = true
    const proxy = await aProxy({
      world,
      environment: { HPC_USER_API_FALLBACK: "mock" },
      prepare: (sandbox) => {
        sandbox.faults.set("hpcUserApi", { status: 403 })
        // Pages after the first arrive only once the API has failed.
        sandbox.waldur.arrange = (rows, { query }) => {
          if (isHeldUp && isFirstPage(query)) {
            sandbox.faults.set("waldur", { path: listPath, method: "GET", status: 503 })
          }
          return rows
        }
      },
    })
    const got = proxy.list()
    const gidCalls = () => proxy.sandbox.calls.of("hpcUserApi")
    await until(() => gidCalls().length === 1 && proxy.sandbox.calls.inFlight("hpcUserApi") === 0)
    isHeldUp = false
    proxy.sandbox.faults.clear("waldur")
    expect((await proxy.hurried(got)).status).toBe(200)
    const projects = gidCalls().flatMap(({ query }) => query.getAll("projects"))
    expect(new Set(projects).size).toBe(projects.length)
    expect(projects.length).toBe(Math.ceil(1300 / 16))
    expect(gidCalls().length).toBe(2)
  })
})
