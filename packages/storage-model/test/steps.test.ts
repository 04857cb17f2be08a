import fc from "fast-check"
import { describe, expect, it, vi } from "vitest"
import {
  buildHierarchy,
  decodeResources,
  type Hierarchy,
  HierarchyBuilder,
  type HierarchyInput,
  noResources,
  type PlacedEntry,
  type WaldurResource,
} from "../src/index.ts"
import { collect, inOrder } from "../src/tree/order.ts"
import { runAtOnce } from "../src/tree/pass.ts"
import { aResource, dashedNumber, type Row, uuidNumber } from "./a-resource.ts"
import { gidsOf, listedCustomers, settingsWith } from "./a-tree.ts"
import { anyRow, surrounding } from "./hostile-rows.ts"

// Many runs are slow on a busy machine; that is not a failure.
vi.setConfig({ testTimeout: 120_000 })

const treeIn = (input: HierarchyInput) => {
  const steps: Array<ReadonlyArray<PlacedEntry>> = []
  const { decoded, customers, gids, ...frame } = input
  const change = { removed: noResources, added: decoded, customers, gids }
  const { passes, end } = new HierarchyBuilder(frame).update(change, ({ entries }) => steps.push(entries))
  runAtOnce(passes)
  const { skipped, warnings } = end()
  return { steps: steps.filter((step) => step.length > 0), tree: { entries: steps.flat(), skipped, warnings } }
}

const inputOf = (rows: ReadonlyArray<unknown>): HierarchyInput => ({
  decoded: decodeResources(rows),
  customers: listedCustomers,
  gids: gidsOf(rows),
  settings: settingsWith(),
})

/** Rows of one customer, the youngest first. */
const rowsOf = (count: number, from: number, changes: Row = {}): ReadonlyArray<Row> =>
  Array.from({ length: count }, (_, at) =>
    aResource({ uuid: uuidNumber(from + at), created: `2025-01-01T00:00:00.${String(999 - at)}Z`, ...changes }),
  )

/** The customers to which the entries of a step belong; a tenant's own entry counts as a customer of its own. */
const ownersOf = (step: ReadonlyArray<PlacedEntry>) =>
  new Set(
    step.map(({ entry }) => {
      const { targetType } = entry.target
      const owner = targetType === "tenant" ? "" : targetType === "customer" ? entry.itemId : entry.parentItemId
      return JSON.stringify([entry.storageSystem.key, entry.storageDataType.key, owner])
    }),
  )

const kindOf = ({ entry }: PlacedEntry) => entry.target.targetType

const anyInput: fc.Arbitrary<HierarchyInput> = fc
  .tuple(fc.array(anyRow, { maxLength: 24 }), surrounding)
  .map(([rows, around]) => ({ decoded: decodeResources(rows), ...around }))

const sameTree = (one: Hierarchy, other: Hierarchy) => {
  expect(one).toEqual(other)
  expect(one.entries.map(({ states }) => [...states])).toEqual(other.entries.map(({ states }) => [...states]))
}

describe("the steps of a tree", () => {
  it("together equal the tree built at once", () => {
    fc.assert(
      fc.property(anyInput, (input) => sameTree(treeIn(input).tree, buildHierarchy(input))),
      { numRuns: 200 },
    )
  })

  it("never contain two customers, and a tenant only alone", () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        for (const step of treeIn(input).steps) {
          expect(ownersOf(step).size).toBe(1)
          if (step.some((placed) => kindOf(placed) === "tenant")) expect(step).toHaveLength(1)
          expect(step.slice(1).map(kindOf)).not.toContain("customer")
        }
      }),
      { numRuns: 200 },
    )
  })

  // The customer's own entry is one of them.
  it.each([
    [14, [1, 15]],
    [15, [1, 16]],
    [16, [1, 16, 1]],
    [17, [1, 16, 2]],
    [31, [1, 16, 16]],
    [40, [1, 16, 16, 9]],
  ])("hold the entries of a customer with %i resources in order, at most 16 each", (count, lengths) => {
    const { steps, tree } = treeIn(inputOf(rowsOf(count, 1)))
    expect(steps.map(({ length }) => length)).toEqual(lengths)
    const youngestLast = Array.from({ length: count }, (_, at) => dashedNumber(count - at))
    expect(tree.entries.slice(2).map(({ entry }) => entry.itemId)).toEqual(youngestLast)
  })

  it("of one customer have the same boundaries regardless of other customers", () => {
    const physics = rowsOf(20, 1)
    const alone = treeIn(inputOf(physics)).steps
    const other = { customer_slug: "biology", customer_uuid: uuidNumber(9999), project_slug: "cells" }
    const { steps } = treeIn(inputOf([...rowsOf(17, 1001, other), ...physics]))
    expect(steps.map(({ length }) => length)).toEqual([1, 16, 2, 16, 5])
    expect(steps.slice(3)).toEqual(alone.slice(1))
  })

  it("keep their boundaries if a resource among them is skipped", () => {
    const rows = rowsOf(40, 1)
    const whole = treeIn(inputOf(rows)).steps
    const { steps } = treeIn(inputOf(rows.map((row, at) => (at === 39 ? { ...row, project_name: null } : row))))
    expect(steps.map(({ length }) => length)).toEqual([1, 15, 16, 9])
    expect(steps.slice(2)).toEqual(whole.slice(2))
  })

  it("are the same in any order of many rows", () => {
    const states = ["OK", "Terminated", "Erred", "Updating", 5]
    const rows = Array.from({ length: 1500 }, (_, at) =>
      aResource({
        uuid: uuidNumber(at % 1400),
        state: states[at % 5],
        created: at % 3 === 0 ? null : `2025-01-01T00:00:00.${String(at % 7)}Z`,
        provider_slug: `tenant-${at % 2}`,
        provider_name: at % 11 === 0 ? `Tenant ${at}` : null,
        customer_slug: at % 4 === 0 ? "large" : `small-${at % 301}`,
        customer_uuid: at % 5 === 0 ? null : uuidNumber(5000 + (at % 401)),
        customer_name: at % 13 === 0 ? null : `Customer ${at}`,
        project_slug: `project-${at % 700}`,
        project_name: at % 5 === 1 ? null : "A Project",
        backend_id: at % 6 === 0 ? `/fs/t/c/${at % 50}` : at % 7 === 0 ? "/a/../b" : "",
      }),
    )
    const tree = buildHierarchy(inputOf(rows))
    expect(tree.skipped.length).toBeGreaterThan(300)
    expect(tree.warnings.length).toBeGreaterThan(300)
    sameTree(buildHierarchy(inputOf(rows.toReversed())), tree)
    const shuffled = fc.sample(fc.shuffledSubarray(rows, { minLength: rows.length }), 3)
    for (const one of shuffled) sameTree(buildHierarchy(inputOf(one)), tree)
  })

  // Counts reads, because a duration would depend on the machine.
  it.each<[string, (at: number) => Row]>([
    ["of one customer", () => ({})],
    ["of a customer each", (at) => ({ customer_slug: `c-${at}` })],
    ["of a tenant each", (at) => ({ provider_slug: `t-${at}`, provider_name: null })],
    ["of a customer each that has no valid name", (at) => ({ customer_slug: `c-${at}/` })],
    ["of one customer without a name", () => ({ customer_slug: "nameless", customer_uuid: null })],
    ["of one customer that is in no list", () => ({ customer_uuid: uuidNumber(9999), customer_name: null })],
    ["of a tenant that has no name", () => ({ provider_name: null })],
    ["of a foreign offering", () => ({ offering_slug: "foreign" })],
    ["that are one and the same", () => ({ uuid: uuidNumber(1) })],
    ["that are being removed", () => ({ state: "Terminating" })],
    ["whose records are bad", () => ({ attributes: { storage_data_type: "a/b" } })],
  ])("never read all of 20,000 resources %s", (_, changes) => {
    const rows = Array.from({ length: 20_000 }, (_, at) => aResource({ uuid: uuidNumber(at), ...changes(at) }))
    const input = inputOf(rows)
    let reads = 0
    const watch: ProxyHandler<WaldurResource> = {
      get: (resource, key) => {
        reads += 1
        return Reflect.get(resource, key)
      },
    }
    const resources = input.decoded.resources.map((resource) => new Proxy(resource, watch))
    const change = { ...input, removed: noResources, added: { ...input.decoded, resources } }
    const { passes } = new HierarchyBuilder(input).update(change, () => {})
    let [most, before] = [0, 0]
    const count = () => {
      most = Math.max(most, reads - before)
      before = reads
    }
    for (const pass of passes) {
      pass((items, visit) => {
        for (const item of items) {
          count()
          visit(item)
          count()
        }
        count()
      })
    }
    expect(most).toBeLessThan(15_000)
  })
})

describe("a list that is sorted while it is collected", () => {
  const byKey = (a: { key: number }, b: { key: number }) => a.key - b.key

  const sorted = (items: ReadonlyArray<{ key: number; at: number }>) => {
    const collected: Array<{ key: number; at: number }> = []
    for (const item of items) collect(collected, item, byKey)
    return inOrder(collected, byKey)
  }

  it("equals the result of a stable sort", () => {
    const lists = fc.oneof(
      fc.array(fc.nat(9), { maxLength: 20 }),
      fc.array(fc.nat(2000), { minLength: 200, maxLength: 1600, size: "max" }),
    )
    fc.assert(
      fc.property(lists, (keys) => {
        const items = keys.map((key, at) => ({ key, at }))
        expect([...sorted(items)]).toEqual(items.toSorted(byKey))
      }),
      { numRuns: 100 },
    )
  })

  it("is the same at each iteration", () => {
    const items = Array.from({ length: 700 }, (_, at) => ({ key: (at * 7919) % 101, at }))
    const order = sorted(items)
    expect([...order]).toEqual([...order])
  })

  it("makes at most a few thousand comparisons before it continues", () => {
    const items = Array.from({ length: 5000 }, (_, at) => ({ key: (at * 7919) % 5003 }))
    let [compared, last] = [0, 0]
    const perStep: Array<number> = []
    const count = () => {
      perStep.push(compared - last)
      last = compared
    }
    const order = (a: { key: number }, b: { key: number }) => {
      compared += 1
      return byKey(a, b)
    }
    const collected: Array<{ key: number }> = []
    for (const item of items) {
      collect(collected, item, order)
      count()
    }
    for (const _ of inOrder(collected, order)) count()
    expect(Math.max(...perStep)).toBeLessThan(3000)
  })
})
