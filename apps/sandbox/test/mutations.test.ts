import { expect, test } from "vitest"
import { ALL_MUTATIONS, buildWorld, changeResource, mutate, type World } from "../src/index.ts"

const seeds = Array.from({ length: 40 }, (_, index) => index + 1)
const copyOf = (world: World) => new Map(world.resources.map((row) => [row.uuid, structuredClone(row)]))

const orderAlone = ["order-appears", "order-moves", "order-ends-unseen"]

test.each(ALL_MUTATIONS)(
  "the mutation %s updates modified of the resources it changes, unless it affects only an order",
  (what) => {
    const world = buildWorld({ resources: 60, edgeCases: false })
    let changed = 0
    for (const seed of seeds) {
      const before = copyOf(world)
      const { now } = world
      mutate(world, what, seed)
      expect(world.now > now).toBe(true)
      for (const row of world.resources) {
        const was = before.get(row.uuid)
        if (JSON.stringify(was) === JSON.stringify(row)) continue
        changed++
        if (orderAlone.includes(what)) expect({ ...row, order_in_progress: was?.order_in_progress }).toEqual(was)
        else expect(row.modified).toBe(now)
      }
      if (world.resources.length < before.size) changed++
    }
    expect(changed > 0).toBe(what !== "an-hour-passes")
  },
)

test("mutations depend only on the seed and the world", () => {
  const [one, other] = [buildWorld(), buildWorld()]
  for (const seed of seeds)
    for (const what of ALL_MUTATIONS) for (const world of [one, other]) mutate(world, what, seed)
  expect(other.resources).toEqual(one.resources)
  expect(other.now).toBe(one.now)
})

test("mutations do nothing in a world without resources", () => {
  const world = buildWorld({ resources: 0, edgeCases: false })
  for (const what of ALL_MUTATIONS) mutate(world, what, 1)
  expect(world.resources).toEqual([])
})

test("changeResource updates modified and the world's time", () => {
  const world = buildWorld({ resources: 1, edgeCases: false })
  const { now } = world
  const row = world.resources[0] ?? {}
  changeResource(world, row, { state: "Erred" })
  expect(row).toMatchObject({ state: "Erred", modified: now })
  expect(world.now > now).toBe(true)
})
