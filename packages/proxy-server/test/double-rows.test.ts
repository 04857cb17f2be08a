import { startSandbox } from "@cscs/sandbox"
import { expect, onTestFinished, test } from "vitest"
import { noCache, startProxy } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"

test("a deletion is noticed by a read of changes although Waldur's list contains another row twice", async () => {
  const sandbox = await startSandbox({ world: aWorld(40) })
  onTestFinished(() => sandbox.close())
  // As a join on Waldur's side does it: counted twice, equal, on one page.
  const { resources } = sandbox.world
  resources.splice(20, 0, structuredClone(resources[20]) as never)
  const proxy = await startProxy({ sandbox, environment: { CACHE_FULL_REFRESH_EVERY: "1000h" } })
  onTestFinished(() => proxy.close())
  const listed = async () => (await proxy.get("/api/storage-resources/?page_size=500", noCache)).json.resources.length
  const before = await listed()
  resources.splice(30, 1)
  await proxy.pass("10 minutes")
  const after = await listed()
  const fresh = await startProxy({ sandbox })
  onTestFinished(() => fresh.close())
  const expected = (await fresh.list("page_size=500")).json.resources.length
  expect(after).toBe(expected)
  expect(before).toBeGreaterThan(after)
})
