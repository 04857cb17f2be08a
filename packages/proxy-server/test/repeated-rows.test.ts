import { startSandbox } from "@cscs/sandbox"
import { expect, onTestFinished, test } from "vitest"
import { noCache, startProxy, type TestedProxy } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"

/** A Waldur whose list of all resources ends with rows of the test's choice. */
const aWaldurWithMore = async () => {
  const sandbox = await startSandbox({ world: aWorld(40) })
  onTestFinished(() => sandbox.close())
  let more: ReadonlyArray<unknown> = []
  sandbox.faults.set("waldur", {
    path: "/api/marketplace-provider-resources/",
    method: "GET",
    rewrite: (response) => {
      const rows = JSON.parse(Buffer.from(response.body).toString())
      if (!Array.isArray(rows) || rows.length < 20) return response
      response.headers.set("X-Result-Count", String(Number(response.headers.get("X-Result-Count")) + more.length))
      return { ...response, body: Buffer.from(JSON.stringify([...rows, ...more])) }
    },
  })
  return {
    set: (rows: ReadonlyArray<unknown>) => {
      more = rows
    },
    proxyOf: async (fullRefreshEvery: string) => {
      const proxy = await startProxy({ sandbox, environment: { CACHE_FULL_REFRESH_EVERY: fullRefreshEvery } })
      onTestFinished(() => proxy.close())
      return proxy
    },
  }
}

const reported = async (proxy: TestedProxy) => {
  await proxy.get("/api/storage-resources/", noCache)
  const { skipped, warnings } = (await proxy.list("debug=true&page_size=1")).json
  const { entries, skipped: count } = (await proxy.ready()).json.snapshot
  return { skipped, warnings, entries, count }
}

const [x, y] = [{ slug: "x" }, { slug: "y" }]
const nameless = { slug: "no-uuid", offering_slug: "capstor", state: "OK" }
const five = { uuid: "a".repeat(32), slug: 5, offering_slug: "capstor", state: "OK" }
const six = { ...five, slug: 6 }

test.each<[string, ReadonlyArray<ReadonlyArray<unknown>>]>([
  ["null, more and less often", [[null], [null, null], [null, null, null], [null], []]],
  ["a string", [["x"], ["x", "x"], ["x"], []]],
  ["a record without a UUID", [[nameless], [nameless, nameless], [nameless], []]],
  ["three records of one UUID, two of them equal", [[x, y, five, six, five], [five, six, five], []]],
  ["a mixture", [[null, nameless], [nameless, null, nameless, null], [nameless], [null, null, nameless], [null]]],
])("a row that a list contains several times has a finding for each, after any change: %s", async (_, lists) => {
  const { set, proxyOf } = await aWaldurWithMore()
  const [whole, updated] = [await proxyOf("0"), await proxyOf("1ms")]
  for (const rows of [[], ...lists]) {
    set(rows)
    const expected = await reported(await proxyOf("0"))
    expect(await reported(whole)).toEqual(expected)
    expect(await reported(updated)).toEqual(expected)
  }
})
