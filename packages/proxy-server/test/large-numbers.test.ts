import { startSandbox } from "@cscs/sandbox"
import { expect, onTestFinished, test } from "vitest"
import { noCache, startProxy, type TestedProxy } from "./a-proxy.ts"
import { aWorld, rowOf } from "./a-world.ts"

const reported = async (proxy: TestedProxy) => {
  const { resources } = (await proxy.get("/api/storage-resources/?page_size=500", noCache)).json
  const { skipped, warnings } = (await proxy.list("debug=true&page_size=1")).json
  return { entries: resources.length, skipped, warnings }
}

// A number beyond the largest double is Infinity once it is parsed, for which JSON.stringify writes null.
test.each([
  ["created", "1e999", "null"],
  ["created", "null", "1e999"],
  ["customer_uuid", "1e999", "null"],
  ["limits", '{"storage":1e999}', '{"storage":null}'],
])("a refresh sees that %s changes from %s to %s", async (field, before, after) => {
  const sandbox = await startSandbox({ world: aWorld(40) })
  onTestFinished(() => sandbox.close())
  rowOf(sandbox.world, 20)[field] = "MARK"
  let value = before
  sandbox.faults.set("waldur", {
    path: /marketplace-provider-resources/,
    rewrite: (response) => ({
      ...response,
      body: Buffer.from(Buffer.from(response.body).toString().replaceAll('"MARK"', value)),
    }),
  })
  const proxyOf = async (every: string) => {
    const proxy = await startProxy({ sandbox, environment: { CACHE_FULL_REFRESH_EVERY: every } })
    onTestFinished(() => proxy.close())
    return proxy
  }
  const [whole, updated] = [await proxyOf("0"), await proxyOf("1ms")]
  await reported(whole)
  await reported(updated)
  value = after
  const expected = await reported(await proxyOf("0"))
  expect(await reported(whole)).toEqual(expected)
  expect(await reported(updated)).toEqual(expected)
})
