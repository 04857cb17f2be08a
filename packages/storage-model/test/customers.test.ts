import { describe, expect, it } from "vitest"
import type { OfferingCustomer } from "../src/index.ts"
import { aResource, customerId, dashedNumber, offeringId, type Row, uuidNumber } from "./a-resource.ts"
import { customersOf, only, refusalWith, resourcesOf, treeOf, treeWith } from "./a-tree.ts"

const listing = (...customers: ReadonlyArray<OfferingCustomer>) => ({ customers: new Map([[offeringId, customers]]) })
const physics = { uuid: customerId, slug: "university-physics", name: "Listed Name" }

describe("a customer", () => {
  it("has the name from the offering's own list", () => {
    const customer = only(customersOf(treeWith({}, listing(physics))))
    expect(customer.target.targetItem).toEqual({ itemId: customerId, key: "university-physics", name: "Listed Name" })
    expect(treeWith({}, listing(physics)).warnings).toEqual([])
  })

  it.each([customerId, customerId.replaceAll("-", ""), customerId.toUpperCase()])(
    "is found in the list as %s",
    (uuid) => {
      const around = listing({ ...physics, uuid })
      expect(only(customersOf(treeWith({}, around))).target.targetItem).toMatchObject({ name: "Listed Name" })
    },
  )

  it("has the resource's name if the listed name is longer than 1,000 characters", () => {
    const tree = treeWith({}, listing({ ...physics, name: "x".repeat(1001) }))
    expect(only(customersOf(tree)).target.targetItem).toMatchObject({ name: "University Physics" })
    expect(only(tree.warnings).code).toBe("customer-fallback")
    const fits = listing({ ...physics, name: "x".repeat(1000) })
    expect(only(customersOf(treeWith({}, fits))).target.targetItem).toMatchObject({ name: "x".repeat(1000) })
  })

  it("is found by its uuid even if its slug has changed", () => {
    const around = listing(
      { ...physics, slug: "renamed" },
      { uuid: uuidNumber(9), slug: "university-physics", name: "Another Name" },
    )
    expect(only(customersOf(treeWith({}, around))).target.targetItem).toEqual({
      itemId: customerId,
      key: "university-physics",
      name: "Listed Name",
    })
  })

  it("is the one with the resource's customer_uuid, even if an older resource without one would give another", () => {
    const rows = [
      aResource({ uuid: uuidNumber(1), created: "2020-01-01T00:00:00Z", project_slug: "old", customer_uuid: null }),
      aResource({ uuid: uuidNumber(2), project_slug: "new" }),
    ]
    const around = listing(
      { ...physics, slug: "renamed" },
      { uuid: uuidNumber(9), slug: "university-physics", name: "Another Name" },
    )
    expect(only(customersOf(treeOf(rows, around))).itemId).toBe(customerId)
  })

  it("is not taken from another offering's list", () => {
    const around = { customers: new Map([[dashedNumber(7), [physics]]]) }
    expect(only(customersOf(treeWith({}, around))).target.targetItem).toMatchObject({ name: "University Physics" })
  })

  it.each<[string, ReadonlyMap<string, ReadonlyArray<OfferingCustomer>>]>([
    ["is not in the list", new Map([[offeringId, [{ uuid: uuidNumber(9), slug: "other", name: "Other" }]]])],
    ["has an offering with an empty list", new Map([[offeringId, []]])],
    ["has an offering whose list could not be read", new Map()],
  ])("that %s has the resource's name, with a warning", (_, customers) => {
    const tree = treeWith({}, { customers })
    expect(only(customersOf(tree)).target.targetItem).toEqual({
      itemId: customerId,
      key: "university-physics",
      name: "University Physics",
    })
    expect(resourcesOf(tree)).toHaveLength(1)
    expect(tree.warnings).toEqual([
      expect.objectContaining({ code: "customer-fallback", field: "customer_uuid", found: customerId }),
    ])
  })

  it("is distinct per provider, customer, system and data type", () => {
    const rows = [
      {},
      { project_slug: "same-customer" },
      { provider_slug: "psi" },
      { customer_slug: "biology", customer_uuid: uuidNumber(9), customer_name: "Biology" },
      { offering_slug: "vast", offering_uuid: uuidNumber(8) },
      { attributes: { storage_data_type: "archive" } },
    ].map((changes, at) => aResource({ uuid: uuidNumber(at + 1), ...changes }))
    expect(customersOf(treeOf(rows)).map(({ itemId, mountPoint }) => [itemId, mountPoint.default])).toEqual([
      [customerId, "/capstor/archive/cscs/university-physics"],
      [dashedNumber(9), "/capstor/store/cscs/biology"],
      [customerId, "/capstor/store/cscs/university-physics"],
      [customerId, "/capstor/store/psi/university-physics"],
      [customerId, "/vast/store/cscs/university-physics"],
    ])
  })

  it("is found by its slug if the resource has no customer_uuid", () => {
    const tree = treeWith({ customer_uuid: null }, listing(physics))
    expect(only(customersOf(tree)).itemId).toBe(customerId)
    expect(only(resourcesOf(tree)).parentItemId).toBe(customerId)
  })

  it("has the resource's name, without a warning, if the token may not read the list", () => {
    const refused = { customers: new Map([[offeringId, "refused" as const]]) }
    const tree = treeWith({}, refused)
    expect(only(customersOf(tree)).target.targetItem).toMatchObject({ itemId: customerId, name: "University Physics" })
    expect(tree.warnings).toEqual([])
    expect(refusalWith({ customer_uuid: null }, refused)).toMatchObject({ code: "bad-data", field: "customer_uuid" })
    expect(refusalWith({ customer_name: null }, refused)).toMatchObject({ code: "bad-data", field: "customer_name" })
  })

  it("is found by its slug beside a listed one without a usable uuid, in any order of the list", () => {
    for (const uuid of ["", "!", "none"]) {
      const list = [{ ...physics, uuid }, physics]
      for (const order of [list, list.toReversed()]) {
        expect(only(customersOf(treeWith({ customer_uuid: null }, listing(...order)))).itemId).toBe(customerId)
      }
    }
  })

  it.each<[string, Row]>([
    ["customer_uuid", { customer_uuid: null }],
    ["customer_uuid", { customer_uuid: undefined }],
    ["customer_name", { customer_name: null }],
    ["customer_name", { customer_name: undefined }],
  ])("without any %s is bad data", (field, changes) => {
    expect(refusalWith(changes, { customers: new Map() })).toMatchObject({ code: "bad-data", field, found: null })
  })
})

describe("a customer without a usable name in its first resource", () => {
  it.each<[string, Row]>([
    ["no uuid", { customer_uuid: null }],
    ["no name", { customer_name: null }],
    ["neither", { customer_uuid: undefined, customer_name: undefined }],
  ])("(%s) is named by the next resource with one", (_, bad) => {
    const rows = [
      aResource({ uuid: uuidNumber(1), created: "2024-01-01T00:00:00Z", project_slug: "one", ...bad }),
      aResource({ uuid: uuidNumber(2), created: "2025-01-01T00:00:00Z", project_slug: "two" }),
    ]
    const tree = treeOf(rows, { customers: new Map() })
    expect(tree.skipped).toEqual([])
    expect(only(customersOf(tree)).target.targetItem).toMatchObject({ itemId: customerId, name: "University Physics" })
    expect(resourcesOf(tree).map(({ parentItemId }) => parentItemId)).toEqual([customerId, customerId])
  })

  it("(another uuid, no name) is named by the list entry of the next resource", () => {
    const rows = [
      aResource({ uuid: uuidNumber(1), customer_uuid: uuidNumber(9), customer_name: null, project_slug: "one" }),
      aResource({ uuid: uuidNumber(2), project_slug: "two" }),
    ]
    const tree = treeOf(rows, listing(physics))
    expect(only(customersOf(tree)).itemId).toBe(customerId)
    expect(resourcesOf(tree)).toHaveLength(2)
  })
})

describe("two customers with one slug", () => {
  const rows = [
    aResource({ uuid: uuidNumber(1), project_slug: "one" }),
    aResource({ uuid: uuidNumber(2), project_slug: "two", customer_uuid: uuidNumber(9) }),
  ]

  it("share a directory, with a warning", () => {
    const tree = treeOf(rows, listing(physics))
    expect(only(customersOf(tree)).itemId).toBe(customerId)
    expect(tree.warnings).toEqual([
      expect.objectContaining({ code: "shared-mount-point", field: "customer_slug", found: "university-physics" }),
    ])
  })

  it("share a directory, with a warning, even if neither is in the list", () => {
    expect(treeOf(rows, listing()).warnings.map(({ code }) => code)).toEqual([
      "shared-mount-point",
      "customer-fallback",
    ])
  })

  it("give the same tree in either order of a list with a duplicate", () => {
    const twice = [physics, { ...physics, name: "Another Name" }]
    const bySlug = [
      { uuid: uuidNumber(8), slug: "university-physics", name: "A" },
      { uuid: uuidNumber(9), slug: "university-physics", name: "B" },
    ]
    expect(treeWith({}, listing(...twice))).toEqual(treeWith({}, listing(...twice.toReversed())))
    const nameless = { customer_uuid: null }
    expect(treeWith(nameless, listing(...bySlug))).toEqual(treeWith(nameless, listing(...bySlug.toReversed())))
  })
})
