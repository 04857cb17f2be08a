import type { World } from "@cscs/sandbox"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { isOddLoss } from "../src/snapshot/loss-guard.ts"
import { type Any, aProxy, noCache, type TestedProxy } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"

/** Every refresh reads all, and entries are guarded for an hour, as by default. */
const guarded = { CACHE_EMPTY_GUARD: "1h" }

/** Takes resources of an offering out of Waldur's list, all but some. */
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
  test("keeps its last good entries, and it is said in the log and in readiness", async () => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: guarded })
    const before = (await proxy.list("page_size=500")).text
    const count = countOf(world, "vast")
    lose(world, "vast", 0)
    await renewed(proxy)
    expect((await proxy.list("page_size=500")).text).toBe(before)
    const said = `0 of ${count} live entries of vast (${count} vanish and 0 turn to removing; Waldur shows 0 resources of it where it showed ${count})`
    expect((await proxy.ready()).json.warnings.join("\n")).toContain(said)
    expect(proxy.logs.filter((line) => line.includes(said) && line.includes('"ERROR"')).length).toBe(1)
    await renewed(proxy)
    expect(proxy.logs.filter((line) => line.includes(said)).length).toBe(1)
  })

  test("while what changes in the others is seen, in the order of the list", async () => {
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

  test("for an hour; then what Waldur shows counts", async () => {
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
    expect((await proxy.ready()).json.warnings.join("\n")).not.toContain("live entries of vast")
  })

  test("or until it is there again, which begins the hour anew", async () => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: guarded })
    const before = (await proxy.list("page_size=500")).text
    const lost = lose(world, "vast", 0)
    await renewed(proxy)
    world.resources = [...world.resources, ...lost]
    await proxy.pass("50 minutes")
    await renewed(proxy)
    expect((await proxy.list("page_size=500")).text).toBe(before)
    expect(proxy.logs.some((line) => line.includes("vast are taken as they are again"))).toBe(true)
    lose(world, "vast", 0)
    await renewed(proxy)
    await proxy.pass("59 minutes")
    await renewed(proxy)
    expect((await entriesOf(proxy, "vast")).length).toBeGreaterThan(0)
  })

  test("also where refreshes read only what changed", async () => {
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

  test("also where our user has lost its role everywhere; after the hour that is a failure, not an empty list", async () => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: guarded })
    const before = (await proxy.list("page_size=500")).text
    const rows = world.resources
    world.resources = []
    const offerings = world.offerings
    world.offerings = []
    // Longer than a failing Waldur would be borne with.
    await proxy.pass("20 minutes")
    await renewed(proxy)
    expect((await proxy.list("page_size=500")).text).toBe(before)
    await proxy.pass("1 hour")
    expect((await proxy.get("/api/storage-resources/", noCache)).status).toBe(502)
    Object.assign(world, { resources: rows, offerings })
    await proxy.pass("10 seconds")
    expect((await proxy.get("/api/storage-resources/?page_size=500", noCache)).text).toBe(before)
  })

  test("not where the guard is switched off", async () => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: { CACHE_EMPTY_GUARD: "0" } })
    await proxy.list()
    lose(world, "vast", 0)
    await renewed(proxy)
    expect(await entriesOf(proxy, "vast")).toEqual([])
  })
})

const systems = ["capstor", "vast", "iopsstor"]

describe("what is an odd loss", () => {
  test("all of a system's resources, or more than half of ten or more", () => {
    const judged = [
      [0, 0],
      [1, 0],
      [1, 1],
      [9, 1],
      [9, 4],
      [10, 5],
      [10, 4],
      [11, 6],
      [11, 5],
      [1000, 500],
      [1000, 499],
    ].map(([before = 0, now = 0]) => [before, now, isOddLoss(before, now)])
    expect(judged.filter(([, , isOdd]) => isOdd)).toEqual([
      [1, 0, true],
      [10, 4, true],
      [11, 5, true],
      [1000, 499, true],
    ])
  })

  test("never a gain", () => {
    fc.assert(fc.property(fc.nat(), fc.nat(), (before, more) => !isOddLoss(before, before + more)))
  })
})
