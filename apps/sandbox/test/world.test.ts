import { expect, test } from "vitest"
import { buildDemoWorld, buildWorld, TOKENS, worldOf } from "../src/index.ts"
import { asObject } from "../src/json.ts"

const world = buildWorld()

test("one seed always builds the same world", () => {
  const again = buildWorld({ seed: 7, resources: 900 })
  expect(JSON.stringify(buildWorld({ seed: 7, resources: 900 }).resources)).toBe(JSON.stringify(again.resources))
})

test("another seed builds different ordinary resources and the same hand-written ones", () => {
  const one = buildWorld({ seed: 1, resources: 900 })
  const other = buildWorld({ seed: 2, resources: 900 })
  expect(JSON.stringify(one.resources)).not.toBe(JSON.stringify(other.resources))
  expect(JSON.stringify([...one.cases])).toBe(JSON.stringify([...other.cases]))
})

test("every hand-written resource of the sandbox has a label with a description", () => {
  expect(world.resources).toHaveLength(world.cases.size)
  for (const [label, { about, row }] of world.cases) {
    expect(label).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
    expect(about).not.toBe("")
    if (typeof row.uuid === "string") expect(world.labels.get(row.uuid)).toBe(label)
  }
})

test("a built world has every type of order in every state that counts as in progress", () => {
  const found = new Set(
    world.resources.flatMap((row) => {
      const order = asObject(row.order_in_progress)
      return order === undefined ? [] : [`${row.state} ${order.type} ${order.state}`]
    }),
  )
  for (const [state, type] of [
    ["Creating", "Create"],
    ["Updating", "Update"],
    ["Terminating", "Terminate"],
  ]) {
    for (const orderState of [
      "pending-consumer",
      "pending-project",
      "pending-start-date",
      "pending-provider",
      "executing",
    ]) {
      expect(found).toContain(`${state} ${type} ${orderState}`)
    }
  }
})

test("a built world has every data type of every offering, and every Waldur state", () => {
  for (const state of ["Creating", "OK", "Erred", "Updating", "Terminating", "Terminated"]) {
    expect(world.resources.some((row) => row.state === state)).toBe(true)
  }
  for (const system of ["capstor", "vast", "iopsstor"]) {
    for (const type of ["store", "archive", "users", "scratch"]) {
      const row = world.cases.get(`${system}-${type}`)?.row
      expect(row?.offering_slug).toBe(system)
      expect(asObject(row?.attributes)?.storage_data_type).toBe(type)
    }
  }
})

test("a built world has resources created at the same microsecond", () => {
  const label = (name: string) => world.cases.get(name)?.row.created
  expect(label("created-tied-first")).toBe(label("created-tied-second"))
  expect(label("created-tied-first")).toBe(label("created-tied-third"))
})

test("a built world has a customer that is missing from its offering's customers list", () => {
  const row = world.cases.get("unlisted-customer")?.row
  const listed = world.customersByOffering.get(String(row?.offering_uuid)) ?? []
  expect(listed.length).toBeGreaterThan(5)
  expect(listed.map((customer) => customer.uuid)).not.toContain(row?.customer_uuid)
})

test("a world without edge cases has exactly the requested number of resources, each with its own path", () => {
  const plain = buildWorld({ resources: 3000, edgeCases: false })
  expect(plain.resources).toHaveLength(3000)
  const paths = plain.resources.map((row) =>
    [row.offering_slug, asObject(row.attributes)?.storage_data_type, row.customer_slug, row.project_slug].join("/"),
  )
  expect(new Set(paths).size).toBe(3000)
})

test("about 3% of ordinary resources have an order in progress, and projects have one or two resources", () => {
  const { resources } = buildWorld({ resources: 20_000, edgeCases: false })
  const share = resources.filter((row) => row.order_in_progress !== null).length / resources.length
  expect(share).toBeGreaterThan(0.02)
  expect(share).toBeLessThan(0.04)
  const perProject = resources.length / new Set(resources.map((row) => row.project_slug)).size
  expect(perProject).toBeGreaterThan(1.3)
  expect(perProject).toBeLessThan(1.7)
})

test("every project of an ordinary resource has a GID of its own", () => {
  const { resources, gids } = buildWorld({ resources: 2000, edgeCases: false })
  for (const row of resources) expect(gids.get(String(row.project_slug))).toBeGreaterThan(1000)
  expect(new Set(gids.values()).size).toBe(gids.size)
})

test("buildWorld can build 100,000 resources", () => {
  const large = buildWorld({ resources: 100_000 })
  expect(large.resources).toHaveLength(100_000)
  expect(new Set(large.resources.map((row) => row.uuid)).size).toBeGreaterThan(99_990)
})

test("worldOf provides the usual tokens", () => {
  const own = worldOf({ resources: [{ anything: true }] })
  expect(own.resources).toEqual([{ anything: true }])
  expect(own.tokens.size).toBe(Object.keys(TOKENS).length)
})

test("the demo's world has about 25 resources of 5 to 2,000 TB, with updates, a creation and a removal in progress", () => {
  const { resources, gids } = buildDemoWorld()
  expect(resources.length).toBeGreaterThanOrEqual(20)
  expect(resources.length).toBeLessThanOrEqual(25)
  const sizes = resources.map((row) => Number(asObject(row.limits)?.storage))
  expect([Math.min(...sizes), Math.max(...sizes)]).toEqual([5, 2000])
  const under = resources.flatMap((row) => asObject(row.order_in_progress)?.type ?? [])
  expect(under.sort()).toEqual(["Create", "Terminate", "Update", "Update"])
  for (const row of resources) expect(gids.get(String(row.project_slug))).toBeGreaterThan(0)
})
