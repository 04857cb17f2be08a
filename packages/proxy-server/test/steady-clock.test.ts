import { describe, expect, test } from "vitest"
import { type Any, aProxy, noCache, until } from "./a-proxy.ts"
import { aWorld, dashed, rowOf } from "./a-world.ts"

const hours = (count: number) => count * 60 * 60 * 1000

describe("a wall clock that is set", () => {
  test.each([
    ["back by two hours", -hours(2)],
    ["forward by two hours", hours(2)],
  ])("%s changes no age: the list is refreshed when it is due and no earlier", async (_, by) => {
    const world = aWorld(10)
    const proxy = await aProxy({ world, environment: { CACHE_KEEP_WARM_FOR: "5m" } })
    await proxy.list()
    proxy.setWallClock(by)
    rowOf(world, 9).state = "Erred"
    const statusOf = async () =>
      (await proxy.list()).json.resources.find(({ itemId }: Any) => itemId === dashed(rowOf(world, 9).uuid)).status
    await proxy.pass("9 seconds")
    expect([(await proxy.list()).headers.get("age"), (await proxy.ready()).json.snapshot.age]).toEqual(["9", 9])
    expect(await statusOf()).toBe("active")
    await proxy.pass("1 second")
    await until(async () => (await proxy.ready()).json.snapshot.age === 0)
    expect(await statusOf()).toBe("error")
  })

  test("forward by two hours does not expire the last good list, and back does not keep it longer than allowed", async () => {
    for (const by of [hours(2), -hours(2)]) {
      const proxy = await aProxy({ world: aWorld(10) })
      await proxy.list()
      proxy.sandbox.faults.set("waldur", { status: 403 })
      proxy.setWallClock(by)
      await proxy.pass("200 seconds")
      expect((await proxy.list()).status).toBe(200)
      await proxy.pass("110 seconds")
      expect((await proxy.list()).status).toBe(502)
    }
  })

  test("neither ends a guard nor prolongs it", async () => {
    for (const by of [hours(2), -hours(2)]) {
      const world = aWorld(60)
      const proxy = await aProxy({ world, environment: { CACHE_EMPTY_GUARD: "1h" } })
      await proxy.list()
      world.resources = world.resources.filter((row) => row.offering_slug !== "vast")
      const entries = async () =>
        (await proxy.get("/api/storage-resources/?storage_system=vast", noCache)).json.pagination.total
      expect(await entries()).toBeGreaterThan(0)
      proxy.setWallClock(by)
      await proxy.pass("59 minutes")
      expect(await entries()).toBeGreaterThan(0)
      await proxy.pass("1 minute")
      expect(await entries()).toBe(0)
    }
  })

  test("shows in the response: Last-Modified is the time of the list's change by the wall clock", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world })
    await proxy.list()
    proxy.setWallClock(hours(2))
    rowOf(world, 9).state = "Erred"
    await proxy.get("/api/storage-resources/", noCache)
    expect((await proxy.list()).headers.get("last-modified")).toBe("Mon, 23 Nov 2026 11:00:00 GMT")
  })
})
