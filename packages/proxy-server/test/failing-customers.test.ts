import { expect, test } from "vitest"
import { aProxy } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"

test("failing customer lists cost names, not the tree, however many pages there are", async () => {
  const proxy = await aProxy({
    world: aWorld(6000),
    prepare: ({ faults }) => {
      faults.set("waldur", { path: /\/customers\/$/, status: 503, headers: { "Retry-After": "3600" } })
      faults.set("waldur", { path: "/api/marketplace-provider-resources/", method: "GET", latencyMs: 40 })
    },
  })
  const { status } = await proxy.hurried(proxy.list())
  const why = proxy.logs.filter((line) => line.includes('"event":"refresh-failed"'))
  expect([status, why]).toEqual([200, []])
})
