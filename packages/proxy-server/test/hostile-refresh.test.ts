import { describe, expect, test } from "vitest"
import { chunkEncoder, entryTable } from "../src/snapshot/entry-table.ts"
import { type Any, aProxy } from "./a-proxy.ts"
import { aWorld, dashed, rowOf } from "./a-world.ts"

const placed = (itemId: string, entry: Any = {}, states: ReadonlyArray<string> = ["OK"]): Any => ({
  offeringSlug: "capstor",
  states: new Set(states),
  entry: {
    itemId,
    status: "active",
    mountPoint: { default: `/${itemId}` },
    target: { targetType: "project" },
    storageDataType: { key: "store" },
    ...entry,
  },
})

describe("an entry that cannot be encoded", () => {
  test("is skipped and reported, and costs no other entry its place", () => {
    let deep: Any = {}
    for (let level = 0; level < 100_000; level += 1) deep = { deep }
    const reported: Array<string> = []
    const encode = chunkEncoder(undefined, ({ entry }) => void reported.push(entry.itemId))
    const table = entryTable(
      encode([placed("a"), placed("b", { target: { targetType: "project", deep } }), placed("c")]),
    )
    expect(reported).toEqual(["b"])
    expect([...table.resources()]).toEqual(["a", "c"])
    expect(encode([placed("b", { deep })])).toEqual([])
  })
})

describe("unknown states", () => {
  test("never become facets, however long or many they are", () => {
    const long = "x".repeat(1_000_000)
    const states = Array.from({ length: 300 }, (_, index) => `state ${index}`)
    const [chunk] = chunkEncoder(undefined)([
      placed("a", {}, [long, "OK"]),
      placed("b", {}, states),
      placed("c", {}, ["OK"]),
    ])
    expect(chunk?.facets.map((facets) => [...facets.states])).toEqual([["OK"], []])
    expect([...(chunk?.facetsAt ?? [])]).toEqual([0, 1, 0])
  })
})

describe("a value of any type in a row", () => {
  test("costs no other row its place, and the list is there on a cold start", async () => {
    const world = aWorld(60)
    const hostile: ReadonlyArray<Any> = [
      { backend_metadata: "m".repeat(2_000_000) },
      { backend_metadata: [[]] },
      { state: { toString: 1 } },
      { offering_uuid: { toString: 1, valueOf: 1 } },
      { project_slug: ["a"] },
      { uuid: null, slug: { length: 3 } },
      { customer_slug: 5, attributes: "x" },
    ]
    for (const [index, values] of hostile.entries()) Object.assign(rowOf(world, 20 + index), values)
    const others = world.resources.filter(
      (_, index) => index < 20 || index >= 20 + hostile.length,
    ) as ReadonlyArray<Any>
    const proxy = await aProxy({ world })
    const { status, json } = await proxy.list("page_size=500")
    expect(status).toBe(200)
    const listed = new Set(json.resources.map(({ itemId }: Any) => itemId))
    for (const { uuid, state } of others) {
      if (state !== "Terminating") expect([uuid, listed.has(dashed(uuid))]).toEqual([uuid, true])
    }
  })
})
