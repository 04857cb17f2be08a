import { changeResource } from "@cscs/sandbox"
import { HierarchyBuilder, noResources } from "@cscs/storage-model"
import { expect, onTestFinished, test, vi } from "vitest"
import { type Any, aProxy, noCache } from "./a-proxy.ts"
import { aWorld, dashed, rowOf } from "./a-world.ts"

test("an entry that an update of the tree loses by error is back with the first full read after an hour", async () => {
  const world = aWorld(20)
  const row = rowOf(world, 10)
  const proxy = await aProxy({ world, environment: { CACHE_FULL_REFRESH_EVERY: "10m" } })
  const isListed = async () =>
    (await proxy.get("/api/storage-resources/", noCache)).json.resources.some(
      ({ itemId }: Any) => itemId === dashed(row.uuid),
    )
  expect(await isListed()).toBe(true)
  const { update } = HierarchyBuilder.prototype
  const faulty = vi.spyOn(HierarchyBuilder.prototype, "update")
  onTestFinished(() => faulty.mockRestore())
  faulty.mockImplementationOnce(function (this: HierarchyBuilder, change, take) {
    return update.call(this, { ...change, added: noResources }, take)
  })
  changeResource(world, row, { state: "Erred" })
  // Changes are read first, then all of Waldur every ten minutes.
  await proxy.pass("9 minutes")
  expect(await isListed()).toBe(false)
  for (let minute = 19; minute <= 59; minute += 10) {
    await proxy.pass("10 minutes")
    expect([minute, await isListed()]).toEqual([minute, false])
  }
  await proxy.pass("10 minutes")
  expect(await isListed()).toBe(true)
})
