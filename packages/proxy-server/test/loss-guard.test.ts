import type { World } from "@cscs/sandbox"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { compareEntries, isSuspiciousLoss, type ListedEntry } from "../src/refresh/loss-guard.ts"
import type { Loss } from "../src/snapshot/snapshot.ts"
import { type Any, aProxy, noCache, type ProxyOptions, type TestedProxy } from "./a-proxy.ts"
import { aWorld, dashed, withoutCallbackUrls } from "./a-world.ts"

/** Every refresh is a full one, and entries are guarded for an hour, as by default. */
const guarded = { CACHE_EMPTY_GUARD: "1h" }

/** Removes resources of an offering from Waldur's list, all but `left`. */
const lose = (world: World, slug: string, left: number): ReadonlyArray<Any> => {
  const rows = world.resources.filter((row) => row.offering_slug === slug)
  const lost = new Set<unknown>(rows.slice(left))
  world.resources = world.resources.filter((row) => !lost.has(row))
  return [...lost] as Any
}

const countOf = (world: World, slug: string) => world.resources.filter((row) => row.offering_slug === slug).length

const entriesOf = async (proxy: TestedProxy, slug: string) => {
  const { json } = await proxy.list(`storage_system=${slug}&page_size=500`)
  return json.resources
}

const renewed = async (proxy: TestedProxy) => {
  expect((await proxy.get("/api/storage-resources/", noCache)).status).toBe(200)
}

describe("a storage system that Waldur suddenly does not show", () => {
  test("keeps its last good entries, as reported in the log and in readiness", async () => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: guarded })
    const before = (await proxy.list("page_size=500")).text
    const count = countOf(world, "vast")
    lose(world, "vast", 0)
    await renewed(proxy)
    expect((await proxy.list("page_size=500")).text).toBe(before)
    const reported = `Waldur shows 0 resources of vast where it showed ${count}`
    expect((await proxy.ready()).json.warnings.join("\n")).toContain(reported)
    const logged = () => proxy.logs.filter((line) => line.includes('"event":"system-guarded"'))
    expect(logged().map((line) => JSON.parse(line).level)).toEqual(["ERROR"])
    await renewed(proxy)
    expect(logged().length).toBe(1)
  })

  test("does not hide changes in the others, in the order of the list", async () => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: guarded })
    await proxy.list()
    lose(world, "vast", 0)
    const other = world.resources.find((row) => row.offering_slug === "iopsstor" && row.state === "OK") as Any
    other.state = "Erred"
    await renewed(proxy)
    const { resources } = (await proxy.list("page_size=500")).json
    expect(resources.some((entry: Any) => entry.status === "error" && entry.storageSystem.key === "iopsstor")).toBe(
      true,
    )
    const order = resources.map((entry: Any) => entry.storageSystem.key)
    expect(order).toEqual(order.toSorted((a: string, b: string) => systems.indexOf(a) - systems.indexOf(b)))
    expect(order).toContain("vast")
  })

  test("keeps its entries for an hour; then what Waldur shows counts", async () => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: guarded })
    await proxy.list()
    lose(world, "vast", 0)
    await renewed(proxy)
    await proxy.pass("3599 seconds")
    await renewed(proxy)
    expect((await entriesOf(proxy, "vast")).length).toBeGreaterThan(0)
    await proxy.pass("1 second")
    await renewed(proxy)
    expect(await entriesOf(proxy, "vast")).toEqual([])
    expect((await proxy.ready()).json.warnings.join("\n")).not.toContain("where it showed")
  })

  test("is not guarded by a refresh that loses nothing, although it lost entries before and has ten by now", async () => {
    const world = aWorld(100)
    const ofVast = world.resources.filter(({ offering_slug, state }) => offering_slug === "vast" && state === "OK")
    const others = world.resources.filter(({ offering_slug }) => offering_slug !== "vast")
    world.resources = [...others, ...ofVast.slice(0, 9)]
    const proxy = await aProxy({ world, environment: guarded })
    await proxy.list()
    world.resources = [...others, ...ofVast.slice(0, 3)]
    await renewed(proxy)
    world.resources = [...others, ...ofVast.slice(0, 3), ...ofVast.slice(9, 11)]
    await renewed(proxy)
    await renewed(proxy)
    expect((await proxy.ready()).json.warnings.join("\n")).not.toContain("where it showed")
    world.resources = [...others, ...ofVast.slice(0, 3), ...ofVast.slice(9, 12)]
    await renewed(proxy)
    expect((await entriesOf(proxy, "vast")).filter(({ quotas }: Any) => quotas !== null).length).toBe(6)
  })

  test("keeps its entries until Waldur shows it again, which restarts the hour", async () => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: guarded })
    const before = (await proxy.list("page_size=500")).text
    const lost = lose(world, "vast", 0)
    await renewed(proxy)
    world.resources = [...world.resources, ...lost]
    await proxy.pass("50 minutes")
    await renewed(proxy)
    expect((await proxy.list("page_size=500")).text).toBe(before)
    expect(proxy.logs.some((line) => line.includes('"event":"system-released"'))).toBe(true)
    lose(world, "vast", 0)
    await renewed(proxy)
    await proxy.pass("59 minutes")
    await renewed(proxy)
    expect((await entriesOf(proxy, "vast")).length).toBeGreaterThan(0)
  })

  test("keeps its entries even if refreshes read only changes", async () => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: { ...guarded, CACHE_FULL_REFRESH_EVERY: "10h" } })
    await proxy.list()
    lose(world, "vast", 0)
    await renewed(proxy)
    const other = world.resources.find((row) => row.offering_slug === "iopsstor" && row.state === "OK") as Any
    Object.assign(other, { state: "Erred", modified: world.now })
    await renewed(proxy)
    expect((await entriesOf(proxy, "vast")).length).toBeGreaterThan(0)
    expect((await proxy.list("storage_system=iopsstor&status=error")).json.pagination.total).toBeGreaterThan(0)
    await proxy.pass("1 hour")
    await renewed(proxy)
    expect(await entriesOf(proxy, "vast")).toEqual([])
  })

  test("keeps its entries even if our user has lost its role everywhere; after the hour that is a failure, not an empty list", async () => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: guarded })
    const before = (await proxy.list("page_size=500")).text
    const rows = world.resources
    world.resources = []
    const offerings = world.offerings
    world.offerings = []
    // Longer than a failing Waldur would be tolerated.
    await proxy.pass("20 minutes")
    await renewed(proxy)
    expect((await proxy.list("page_size=500")).text).toBe(withoutCallbackUrls(before))
    await proxy.pass("1 hour")
    expect((await proxy.get("/api/storage-resources/", noCache)).status).toBe(502)
    Object.assign(world, { resources: rows, offerings })
    await proxy.pass("10 seconds")
    expect((await proxy.get("/api/storage-resources/?page_size=500", noCache)).text).toBe(before)
  })

  test("loses its entries at once if the guard is switched off", async () => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: { CACHE_EMPTY_GUARD: "0" } })
    await proxy.list()
    lose(world, "vast", 0)
    await renewed(proxy)
    expect(await entriesOf(proxy, "vast")).toEqual([])
  })
})

const systems = ["capstor", "vast", "iopsstor"]

const ofVast = (world: World): ReadonlyArray<Any> => world.resources.filter((row) => row.offering_slug === "vast")

const change = (world: World, changed: (row: Any, index: number) => Any): void => {
  for (const [index, row] of ofVast(world).entries()) Object.assign(row, changed(row, index))
}

/** What happens to all or part of vast, and the reason in the log. */
const causes: ReadonlyArray<readonly [string, (world: World, proxy: TestedProxy) => void, RegExp]> = [
  [
    "all permissions become numbers",
    (world) => change(world, (row) => ({ attributes: { ...row.attributes, permissions: 775 } })),
    /0 of \d+ live entries of vast .*skipped: bad-data \d+/,
  ],
  [
    "a field is renamed",
    (world) => change(world, () => ({ project_slug: undefined, project: "x" })),
    /0 of \d+ live entries of vast .*skipped: bad-data \d+/,
  ],
  [
    "more than half turn to removing at once",
    (world) =>
      change(world, (_, index) => (index < 14 ? { state: "Terminating", order_in_progress: terminating } : {})),
    /[1-7] of \d+ live entries of vast \(\d+ vanish and \d+ turn to removing/,
  ],
  [
    "all projects are replaced",
    (world) => change(world, (_, index) => ({ project_slug: `another-${index}` })),
    /0 of \d+ live entries of vast/,
  ],
]
const isResource = ({ target }: Any) => target.targetType === "project" || target.targetType === "user"
const terminating = { type: "Terminate", state: "executing", url: null, attributes: {}, limits: {} }

describe("the live entries of a storage system stay for an hour, whatever the cause:", () => {
  test.each(causes)("%s", async (_, cause, reported) => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: guarded })
    const before = await entriesOf(proxy, "vast")
    cause(world, proxy)
    await renewed(proxy)
    expect(await entriesOf(proxy, "vast")).toEqual(before)
    expect((await proxy.ready()).json.warnings.join("\n")).toMatch(reported)
    expect(proxy.logs.filter((line) => /"ERROR"/.test(line) && /"event":"system-guarded"/.test(line)).length).toBe(1)
    expect((await proxy.list("debug=true")).json.warnings.map(({ reason }: Any) => reason).join("\n")).toMatch(reported)
    const metrics = (await proxy.get("/metrics")).text
    expect(metrics).toMatch(/guarded_systems\{storage_system="vast"\} 1\n/)
    expect(metrics).toMatch(/guarded_lost_entries\{storage_system="vast"\} [1-9]/)
  })

  test("a slow loss, two fifths at a time", async () => {
    const world = aWorld(200)
    const proxy = await aProxy({ world, environment: guarded })
    await proxy.list()
    const count = countOf(world, "vast")
    lose(world, "vast", Math.ceil(count * 0.6))
    await renewed(proxy)
    const left = await entriesOf(proxy, "vast")
    expect((await proxy.ready()).json.warnings.join("\n")).not.toContain("of vast")
    await proxy.pass("10 minutes")
    lose(world, "vast", Math.ceil(count * 0.36))
    await renewed(proxy)
    expect(await entriesOf(proxy, "vast")).toEqual(left)
    expect((await proxy.ready()).json.warnings.join("\n")).toContain(`of ${count} live entries of vast`)
  })

  test("a slow move: an entry at another path counts as lost, and not as a gain that makes up for it", async () => {
    const world = aWorld(200)
    const proxy = await aProxy({ world, environment: guarded })
    await proxy.list()
    const count = (await entriesOf(proxy, "vast")).filter(isResource).length
    const move = (from: number, to: number) =>
      change(world, (row, index) =>
        index >= count * from && index < count * to ? { backend_id: `/moved/to/${row.uuid}` } : {},
      )
    move(0, 0.4)
    await renewed(proxy)
    const left = await entriesOf(proxy, "vast")
    expect((await proxy.ready()).json.warnings.join("\n")).not.toContain("live entries of vast")
    await proxy.pass("10 minutes")
    move(0.4, 0.7)
    await renewed(proxy)
    expect((await entriesOf(proxy, "vast")).filter(isResource)).toEqual(left.filter(isResource))
    expect((await proxy.ready()).json.warnings.join("\n")).toContain("live entries of vast")
    await proxy.pass("1 hour")
    await renewed(proxy)
    expect((await proxy.ready()).json.warnings.join("\n")).not.toContain("live entries of vast")
  })

  test("two fifths in one hour and two fifths of the rest in the next do not count as a loss of one hour", async () => {
    const world = aWorld(200)
    const proxy = await aProxy({ world, environment: guarded })
    await proxy.list()
    const count = countOf(world, "vast")
    for (const share of [0.6, 0.36]) {
      lose(world, "vast", Math.ceil(count * share))
      await renewed(proxy)
      await proxy.pass("61 minutes")
    }
    expect((await proxy.ready()).json.warnings.join("\n")).not.toContain("of vast")
  })

  test("all of a small system become Terminated from one refresh to the next, without an order seen for it", async () => {
    const world = aWorld(60)
    lose(world, "vast", 3)
    change(world, () => ({ state: "OK", order_in_progress: null }))
    const proxy = await aProxy({ world, environment: guarded })
    const before = await entriesOf(proxy, "vast")
    change(world, () => ({ state: "Terminated" }))
    await renewed(proxy)
    expect(await entriesOf(proxy, "vast")).toEqual(before)
    await proxy.pass("1 hour")
    await renewed(proxy)
    expect(new Set((await entriesOf(proxy, "vast")).map(({ status }: Any) => status))).toEqual(
      new Set(["pending", "removed"]),
    )
  })

  test("all of a small system vanish; but a resource may be removed by its order, and get its path while it is created", async () => {
    const world = aWorld(60)
    lose(world, "vast", 1)
    const [row] = ofVast(world)
    Object.assign(row, { state: "Creating", order_in_progress: null, backend_id: "" })
    const proxy = await aProxy({ world, environment: guarded })
    await proxy.list()
    const resource = async () => (await entriesOf(proxy, "vast")).find(({ itemId }: Any) => itemId === dashed(row.uuid))
    Object.assign(row, { state: "OK", backend_id: "/vast/by/backend/id" })
    await renewed(proxy)
    expect((await resource()).mountPoint.default).toBe("/vast/by/backend/id")
    Object.assign(row, { state: "Terminating", order_in_progress: terminating })
    await renewed(proxy)
    expect((await resource()).status).toBe("removing")
    Object.assign(row, { state: "OK", order_in_progress: null })
    await renewed(proxy)
    Object.assign(row, { attributes: { permissions: 775 } })
    await renewed(proxy)
    expect((await resource()).status).toBe("active")
  })
})

describe("entries that a guard keeps", () => {
  const losing = async (prepare: (world: World) => void, options: ProxyOptions = {}) => {
    const world = aWorld(60)
    prepare(world)
    const proxy = await aProxy({ world, environment: guarded, ...options })
    const before = await entriesOf(proxy, "vast")
    lose(world, "vast", 0)
    return { world, proxy, before }
  }

  test("have no callback URLs, and their Age is that of the read that returned them", async () => {
    const { proxy, before } = await losing((world) => {
      const [row] = ofVast(world)
      row.state = "Erred"
      row.order_in_progress = {
        ...terminating,
        type: "Update",
        url: `${waldurUrl}/api/marketplace-orders/${"a".repeat(32)}/`,
      }
    })
    await proxy.pass("5 minutes")
    await renewed(proxy)
    const after = await entriesOf(proxy, "vast")
    expect(after.length).toBe(before.length)
    expect(JSON.stringify(after)).not.toContain("_url")
    await proxy.pass("5 seconds")
    expect((await proxy.list()).headers.get("age")).toBe("305")
    expect((await proxy.ready()).json.snapshot.age).toBe(305)
    const metrics = (await proxy.get("/metrics")).text
    expect(metrics.match(/^storage_proxy_snapshot_age_seconds (.*)$/m)?.[1]).toBe("305")
  })

  test("age only the responses that may contain them: those of their storage system, and of all, as pages and as lines", async () => {
    const { world, proxy } = await losing(() => {})
    await proxy.pass("5 minutes")
    await renewed(proxy)
    await proxy.pass("5 seconds")
    const agesOf = async (query: string) => {
      const lines = { headers: { Accept: "application/x-ndjson" } }
      const page = await proxy.list(query)
      const responses = [
        page,
        // From the kept page, and as a 304.
        await proxy.list(query),
        await proxy.get(`/api/storage-resources/?${query}`, {
          headers: { "If-None-Match": page.headers.get("etag") ?? "" },
        }),
        await proxy.get(`/api/storage-resources/?${query}`, lines),
      ]
      return responses.map(({ headers }) => headers.get("age"))
    }
    const all = (age: string) => Array.from({ length: 4 }, () => age)
    for (const query of ["", "storage_system=vast", "data_type=store", "storage_system=vast&status=active&page=99"])
      expect([query, await agesOf(query)]).toEqual([query, all("305")])
    for (const query of ["storage_system=capstor", "storage_system=iopsstor&data_type=store"])
      expect([query, await agesOf(query)]).toEqual([query, all("5")])
    // What they show is of that age.
    const other = world.resources.find((row) => row.offering_slug === "capstor" && row.state === "OK") as Any
    other.state = "Erred"
    const { json, headers } = await proxy.get("/api/storage-resources/?storage_system=capstor&status=error", noCache)
    expect([headers.get("age"), json.resources.some(({ itemId }: Any) => itemId === dashed(other.uuid))]).toEqual([
      "0",
      true,
    ])
  })

  const removalsAt = (entries: ReadonlyArray<Any>, path: string) =>
    entries.filter(({ mountPoint, status }) => mountPoint.default === path && status.startsWith("remov")).length

  test("are neither removing nor removed at a path that is in use by now", async () => {
    const { world, proxy, before } = await losing((world) => {
      const [first, second] = ofVast(world)
      Object.assign(first, { state: "Terminating", order_in_progress: terminating, backend_id: "/vast/going" })
      Object.assign(second, { state: "Terminated", order_in_progress: null, backend_id: "/vast/gone" })
    })
    const removals = (entries: ReadonlyArray<Any>) => ["/vast/going", "/vast/gone"].map((at) => removalsAt(entries, at))
    expect(removals(before)).toEqual([1, 1])
    await renewed(proxy)
    expect(removals(await entriesOf(proxy, "vast"))).toEqual([1, 1])
    const others = world.resources.filter((row) => row.offering_slug === "iopsstor" && row.state === "OK") as Any
    Object.assign(others[0], { backend_id: "/vast/going/inside" })
    Object.assign(others[1], { backend_id: "/vast/gone" })
    await renewed(proxy)
    expect(removals(await entriesOf(proxy, "vast"))).toEqual([0, 0])
    expect(
      (await entriesOf(proxy, "iopsstor")).some(({ mountPoint }: Any) => mountPoint.default === "/vast/gone"),
    ).toBe(true)
  })

  test("are not removing if that is a part of the loss, or if the refresh shows them live", async () => {
    const world = aWorld(60)
    const [early, half] = ofVast(world)
    Object.assign(early, { state: "Terminating", order_in_progress: terminating, backend_id: "/vast/early" })
    half.backend_id = "/vast/half"
    const proxy = await aProxy({ world, environment: guarded })
    await proxy.list()
    const turn = async (from: number, to: number) => {
      for (const row of ofVast(world).slice(from, to)) {
        Object.assign(row, { state: "Terminating", order_in_progress: terminating })
      }
      await renewed(proxy)
      const entries = await entriesOf(proxy, "vast")
      return ["/vast/early", "/vast/half"].map((at) => removalsAt(entries, at))
    }
    expect(await turn(1, 7)).toEqual([1, 1])
    expect(await turn(7, 14)).toEqual([1, 0])
    Object.assign(early, { state: "OK", order_in_progress: null })
    expect(await turn(14, 14)).toEqual([0, 0])
  })
})

describe("a kept entry that is removed", () => {
  test("is skipped while a malformed live record may lie at its directory", async () => {
    const world = aWorld(60)
    const [first] = ofVast(world)
    Object.assign(first, { state: "Terminated", order_in_progress: null, backend_id: "/vast/gone" })
    const proxy = await aProxy({ world, environment: guarded })
    const gone = async () =>
      (await entriesOf(proxy, "vast")).filter(({ mountPoint }: Any) => mountPoint.default === "/vast/gone").length
    expect(await gone()).toBe(1)
    lose(world, "vast", 0)
    await renewed(proxy)
    expect(await gone()).toBe(1)
    const other = world.resources.find((row) => row.offering_slug === "iopsstor" && row.state === "OK") as Any
    Object.assign(other, { backend_id: "/vast/gone//", attributes: { permissions: 775 } })
    await renewed(proxy)
    expect(await gone()).toBe(0)
  })
})

const waldurUrl = "http://waldur.example.org"

describe("a suspicious loss", () => {
  const fate = ({ before = 0, vanished = 0, removing = 0 }) => ({ before, vanished, removing })

  test("is that of the last live entry, or of more than half of at least ten", () => {
    const suspicious = (before: number, vanished: number, removing: number) =>
      isSuspiciousLoss(fate({ before, vanished, removing }))
    expect([
      suspicious(0, 0, 0),
      suspicious(1, 0, 0),
      suspicious(9, 8, 0),
      suspicious(10, 5, 0),
      suspicious(10, 0, 5),
      suspicious(9, 0, 9),
    ]).toEqual(Array(6).fill(false))
    expect([
      suspicious(1, 1, 0),
      suspicious(9, 9, 0),
      suspicious(10, 6, 0),
      suspicious(10, 0, 6),
      suspicious(10, 3, 3),
      suspicious(3, 1, 2),
    ]).toEqual(Array(6).fill(true))
  })

  const someListed = fc.record({
    itemId: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz"),
    mountPoint: fc.constantFrom("/a", "/b"),
    status: fc.constantFrom("active", "pending", "updating", "error", "removing", "removed"),
  })
  const someList = fc.uniqueArray(someListed, { maxLength: 26, selector: ({ itemId }) => itemId })
  const isLive = ({ status }: ListedEntry) => !status.startsWith("remov")
  const isSuspicious = (before: ReadonlyArray<ListedEntry>, after: ReadonlyArray<ListedEntry>) => {
    const { lost } = compareEntries(before, after, [])
    const removing = lost.filter(({ isRemoval }) => isRemoval).length
    return isSuspiciousLoss(fate({ before: before.filter(isLive).length, vanished: lost.length - removing, removing }))
  }

  test("is absent only if half of ten or more stay where they were, or one of fewer, whatever the lists", () => {
    fc.assert(
      fc.property(someList, someList, (before, after) => {
        if (isSuspicious(before, after)) return
        const live = before.filter(isLive)
        const stays = (entry: ListedEntry) =>
          after.some(
            (one) =>
              isLive(one) &&
              one.itemId === entry.itemId &&
              (one.mountPoint === entry.mountPoint || entry.status === "pending"),
          )
        const staying = live.filter(stays).length
        if (live.length >= 10) expect(staying).toBeGreaterThanOrEqual(live.length / 2)
        const isListed = (entry: ListedEntry) =>
          stays(entry) || after.some((one) => one.itemId === entry.itemId && one.mountPoint === entry.mountPoint)
        if (staying === 0) expect(live.every(isListed)).toBe(true)
      }),
    )
  })

  test("is never found in an unchanged or growing list, nor after an empty one", () => {
    fc.assert(
      fc.property(someList, someList, (before, more) => {
        const names = new Set(before.map(({ itemId }) => itemId))
        const after = [...before, ...more.filter(({ itemId }) => !names.has(itemId))]
        return !isSuspicious(before, before) && !isSuspicious(before, after) && !isSuspicious([], after)
      }),
    )
  })

  test("ends for an entry that is live again", () => {
    fc.assert(
      fc.property(someList, (list) => {
        const losses = list.map(
          ({ itemId, mountPoint }): Loss => ({ offeringSlug: "vast", itemId, mountPoint, at: 0, isRemoval: false }),
        )
        const { stillLost } = compareEntries([], list, losses)
        expect(stillLost.map(({ itemId }) => itemId)).toEqual(
          list.filter((one) => !isLive(one)).map(({ itemId }) => itemId),
        )
      }),
    )
  })
})

describe("live entries that the refresh does not show protect their directories from the removals of others:", () => {
  const path = "/shared/between/systems"
  /** A live resource of vast, and one of iopsstor that is being removed, at one path. */
  const aConflict = async (emptyGuard: string) => {
    const world = aWorld(60)
    const [live] = ofVast(world)
    const going = world.resources.find((row) => row.offering_slug === "iopsstor") as Any
    Object.assign(live, { state: "OK", order_in_progress: null, backend_id: path })
    Object.assign(going, { state: "Terminating", order_in_progress: terminating, backend_id: path })
    const proxy = await aProxy({ world, environment: { CACHE_EMPTY_GUARD: emptyGuard } })
    const removals = async () => {
      const { json } = await proxy.get("/api/storage-resources/?page_size=500", noCache)
      return json.resources.filter(
        ({ mountPoint, status }: Any) => mountPoint.default === path && status === "removing",
      ).length
    }
    expect(await removals()).toBe(0)
    return { world, proxy, removals }
  }

  test("entries that a guard keeps, until it ends", async () => {
    const { world, proxy, removals } = await aConflict("1h")
    lose(world, "vast", 0)
    expect(await removals()).toBe(0)
    expect((await proxy.list("debug=true")).json.skipped.map(({ reason }: Any) => reason).join("\n")).toMatch(
      /an entry of vast that the last good list had/,
    )
    await proxy.pass("1 hour")
    expect(await removals()).toBe(1)
  })

  test("entries of an offering that the token no longer sees, even without a guard, for as long as it does not", async () => {
    const { world, removals } = await aConflict("0")
    lose(world, "vast", 0)
    const offerings = world.offerings
    world.offerings = offerings.filter(({ slug }) => slug !== "vast")
    for (let refresh = 0; refresh < 3; refresh += 1) expect(await removals()).toBe(0)
    world.offerings = offerings
    expect(await removals()).toBe(1)
  })
})
