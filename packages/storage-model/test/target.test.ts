import { describe, expect, it } from "vitest"
import { mockGid } from "../src/index.ts"
import { aResource, customerId, offeringId, resourceId, uuidNumber } from "./a-resource.ts"
import { customersOf, entryWith, only, refusalWith, tenantsOf, treeOf, treeWith } from "./a-tree.ts"

describe("a tenant's target", () => {
  it("has the offering as its id, and the provider as its key and name", () => {
    const tenant = only(tenantsOf(treeWith()))
    expect(tenant.itemId).toBe(offeringId)
    expect(tenant.parentItemId).toBeNull()
    expect(tenant.target).toEqual({
      targetType: "tenant",
      targetItem: { itemId: offeringId, key: "cscs", name: "CSCS" },
    })
  })

  it.each([
    ["Swiss National Supercomputing Centre", "Swiss National Supercomputing Centre"],
    [undefined, "CSCS-LUGANO"],
    [null, "CSCS-LUGANO"],
    ["", "CSCS-LUGANO"],
  ])("of the provider name %j is named %s", (provider_name, name) => {
    const tenant = only(tenantsOf(treeWith({ provider_slug: "cscs-lugano", provider_name })))
    expect(tenant.target.targetItem).toMatchObject({ key: "cscs-lugano", name })
  })

  it("is distinct per provider, system and data type", () => {
    const rows = [
      {},
      { project_slug: "same-tenant" },
      { provider_slug: "psi" },
      { offering_slug: "vast", offering_uuid: uuidNumber(99) },
      { attributes: { storage_data_type: "archive" } },
    ].map((changes, at) => aResource({ uuid: uuidNumber(at + 1), ...changes }))
    expect(tenantsOf(treeOf(rows)).map(({ itemId, mountPoint }) => [itemId, mountPoint.default])).toEqual([
      [offeringId, "/capstor/archive/cscs"],
      [offeringId, "/capstor/store/cscs"],
      [offeringId, "/capstor/store/psi"],
      ["00000000-0000-0000-0000-000000000063", "/vast/store/cscs"],
    ])
  })
})

describe("a customer's target", () => {
  it("has the customer as its id and key, below its tenant", () => {
    const customer = only(customersOf(treeWith()))
    expect(customer.itemId).toBe(customerId)
    expect(customer.parentItemId).toBe(offeringId)
    expect(customer.target).toEqual({
      targetType: "customer",
      targetItem: { itemId: customerId, key: "university-physics", name: "University of Physics" },
    })
  })
})

describe("a project's target", () => {
  it("has the id of the resource's slug, and the project's slug and name", () => {
    expect(entryWith().itemId).toBe(resourceId)
    expect(entryWith().parentItemId).toBe(customerId)
    expect(entryWith().target).toEqual({
      targetType: "project",
      targetItem: {
        itemId: "1cb09797-4457-59c6-9052-68b72ac90935",
        key: "climate-sim",
        name: "Climate Simulation",
        status: "active",
        unixGid: 31_001,
        active: true,
      },
    })
  })

  it.each([undefined, null])("is missing if the project's name is %j", (project_name) => {
    expect(refusalWith({ project_name })).toMatchObject({ code: "bad-data", field: "project_name", found: null })
  })
})

describe("a user's target", () => {
  // Python: 20000 + int.from_bytes(hashlib.sha256(slug.encode()).digest()[:4], "big") % 10000
  it.each([
    ["climate-store", 20_197],
    ["climate-sim", 29_165],
    ["ethz-p01", 22_352],
    ["a", 26_610],
    ["capstor-000", 26_337],
  ])("of the resource %s has the UID %d", (slug, unixUid) => {
    const { target } = entryWith({ slug, attributes: { storage_data_type: "scratch" } })
    expect(target).toMatchObject({
      targetType: "user",
      targetItem: {
        unixUid,
        email: `user-${slug}@example.com`,
        primaryProject: { name: "climate-sim", unixGid: 31_001 },
      },
    })
  })

  it("has the id of the resource's slug in the scope of users", () => {
    expect(entryWith({ attributes: { storage_data_type: "users" } }).target).toEqual({
      targetType: "user",
      targetItem: {
        itemId: "d9fdb1e9-1302-577f-9133-a61142b54d4c",
        status: "active",
        email: "user-climate-store@example.com",
        unixUid: 20_197,
        primaryProject: { name: "climate-sim", unixGid: 31_001, active: true },
        active: true,
      },
    })
  })

  it("needs no project name", () => {
    const entry = entryWith({ project_name: null, attributes: { storage_data_type: "users" } })
    expect(entry.target.targetType).toBe("user")
  })
})

describe("a mock GID", () => {
  // Python: 30000 + int.from_bytes(hashlib.sha256(slug.encode()).digest()[:4], "big") % 10000
  it.each([
    ["climate-sim", 39_165],
    ["climate-store", 30_197],
    ["ethz-p01", 32_352],
    ["epfl-p02", 35_235],
    ["a", 36_610],
    ["", 32_610],
    ["größe", 33_639],
  ])("of %j is %d", (slug, gid) => {
    expect(mockGid(slug)).toBe(gid)
  })
})
