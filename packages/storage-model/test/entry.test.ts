import { Schema } from "effect"
import { describe, expect, it } from "vitest"
import { StorageEntry } from "../src/index.ts"
import { anOrder, aResource } from "./a-resource.ts"
import { entriesOf, entryWith, only, tenantsOf, treeOf, treeWith } from "./a-tree.ts"

const systemNames =
  '"storageSystem":{"itemId":"4b4a996a-8d6b-556d-ad60-202cefa6ecc3","key":"capstor","name":"CAPSTOR","active":true},' +
  '"storageFileSystem":{"itemId":"a04204cf-e3bf-5eb6-8323-0f3121afdd3b","key":"lustre","name":"LUSTRE","active":true},'
const storeNames = `${systemNames}"storageDataType":{"itemId":"6cea66c5-3133-54e1-9e5d-469deb675ceb","key":"store","name":"STORE","active":true,"path":"store"},`
const usersNames = `${systemNames}"storageDataType":{"itemId":"3e8e89e4-0613-54cd-80bc-00fe1d8cafe6","key":"users","name":"USERS","active":true,"path":"users"},`
const ordersUrl = "https://waldur.example.com/api/marketplace-orders/b97da3cb155550148aaf4ba830f78240"
const resourcesUrl =
  "https://waldur.example.com/api/marketplace-provider-resources/44d1e266-9fbc-50bc-8c11-fe312cab9dd3"

const quotas = (space: number, soft: number, hard: number) =>
  `[{"type":"space","quota":${space},"unit":"tera","enforcementType":"soft"},` +
  `{"type":"space","quota":${space},"unit":"tera","enforcementType":"hard"},` +
  `{"type":"inodes","quota":${soft},"unit":"none","enforcementType":"soft"},` +
  `{"type":"inodes","quota":${hard},"unit":"none","enforcementType":"hard"}]`

describe("an entry, byte for byte", () => {
  it("is a tenant, then its customer, then its project", () => {
    expect(entriesOf(treeWith()).map((entry) => JSON.stringify(entry))).toEqual([
      '{"itemId":"433b52ea-daa4-5d15-8502-80ac8e2ebc8a","status":"pending","mountPoint":{"default":"/capstor/store/cscs"},' +
        '"permission":{"permissionType":"octal","value":"775"},"quotas":null,' +
        '"target":{"targetType":"tenant","targetItem":{"itemId":"433b52ea-daa4-5d15-8502-80ac8e2ebc8a","key":"cscs","name":"CSCS"}},' +
        `${storeNames}"parentItemId":null}`,
      '{"itemId":"ae3b26cf-e7e8-5fb1-ba5a-056af79c371f","status":"pending","mountPoint":{"default":"/capstor/store/cscs/university-physics"},' +
        '"permission":{"permissionType":"octal","value":"775"},"quotas":null,' +
        '"target":{"targetType":"customer","targetItem":{"itemId":"ae3b26cf-e7e8-5fb1-ba5a-056af79c371f","key":"university-physics","name":"University of Physics"}},' +
        `${storeNames}"parentItemId":"433b52ea-daa4-5d15-8502-80ac8e2ebc8a"}`,
      '{"itemId":"44d1e266-9fbc-50bc-8c11-fe312cab9dd3","status":"active","mountPoint":{"default":"/capstor/store/cscs/university-physics/climate-sim"},' +
        `"permission":{"permissionType":"octal","value":"2770"},"quotas":${quotas(50, 66_500_000, 100_000_000)},` +
        '"target":{"targetType":"project","targetItem":{"itemId":"1cb09797-4457-59c6-9052-68b72ac90935","key":"climate-sim","name":"Climate Simulation","status":"active","unixGid":31001,"active":true}},' +
        `${storeNames}"parentItemId":"ae3b26cf-e7e8-5fb1-ba5a-056af79c371f"}`,
    ])
  })

  it("for a user has a user's target", () => {
    expect(JSON.stringify(entryWith({ attributes: { storage_data_type: "users" } }))).toBe(
      '{"itemId":"44d1e266-9fbc-50bc-8c11-fe312cab9dd3","status":"active","mountPoint":{"default":"/capstor/users/cscs/university-physics/climate-sim"},' +
        `"permission":{"permissionType":"octal","value":"775"},"quotas":${quotas(50, 66_500_000, 100_000_000)},` +
        '"target":{"targetType":"user","targetItem":{"itemId":"d9fdb1e9-1302-577f-9133-a61142b54d4c","status":"active","email":"user-climate-store@example.com","unixUid":20197,' +
        '"primaryProject":{"name":"climate-sim","unixGid":31001,"active":true},"active":true}},' +
        `${usersNames}"parentItemId":"ae3b26cf-e7e8-5fb1-ba5a-056af79c371f"}`,
    )
  })

  it("under an update has old and new quotas after its quotas, and the callback URLs last", () => {
    const order = anOrder({ limits: { storage: 20 }, attributes: { old_limits: { storage: 10 } } })
    const entry = entryWith({ state: "Updating", limits: { storage: 10 }, order_in_progress: order })
    expect(JSON.stringify(entry)).toBe(
      '{"itemId":"44d1e266-9fbc-50bc-8c11-fe312cab9dd3","status":"updating","mountPoint":{"default":"/capstor/store/cscs/university-physics/climate-sim"},' +
        `"permission":{"permissionType":"octal","value":"2770"},"quotas":${quotas(10, 13_300_000, 20_000_000)},` +
        `"oldQuotas":${quotas(10, 13_300_000, 20_000_000)},"newQuotas":${quotas(20, 26_600_000, 40_000_000)},` +
        '"target":{"targetType":"project","targetItem":{"itemId":"1cb09797-4457-59c6-9052-68b72ac90935","key":"climate-sim","name":"Climate Simulation","status":"updating","unixGid":31001,"active":false}},' +
        `${storeNames}"parentItemId":"ae3b26cf-e7e8-5fb1-ba5a-056af79c371f",` +
        `"set_state_done_url":"${ordersUrl}/set_state_done/","set_state_erred_url":"${ordersUrl}/set_state_erred/",` +
        `"set_backend_id_url":"${resourcesUrl}/set_backend_id/","set_state_ok_url":"${resourcesUrl}/set_state_ok/"}`,
    )
  })

  it("has every callback URL of a pending order in the contract's order", () => {
    const order = anOrder({ type: "Create", state: "pending-provider" })
    const entry = entryWith({ state: "Creating", order_in_progress: order })
    expect(JSON.stringify(entry).split('"parentItemId":"ae3b26cf-e7e8-5fb1-ba5a-056af79c371f",')[1]).toBe(
      `"approve_by_provider_url":"${ordersUrl}/approve_by_provider/","reject_by_provider_url":"${ordersUrl}/reject_by_provider/",` +
        `"set_state_done_url":"${ordersUrl}/set_state_done/","update_resource_options_url":"${resourcesUrl}/update_options_direct/",` +
        `"set_backend_id_url":"${resourcesUrl}/set_backend_id/","set_state_ok_url":"${resourcesUrl}/set_state_ok/"}`,
    )
  })
})

describe("an entry", () => {
  it("decodes with the published schema", () => {
    const entries = entriesOf(treeOf([aResource(), aResource({ uuid: "1".repeat(32), project_slug: "two" })]))
    expect(entries.map((entry) => Schema.decodeUnknownSync(StorageEntry)(entry))).toEqual(entries)
  })

  it.each([0, -1, 65_534, 2 ** 32 - 1])("with the UID %d does not decode", (unixUid) => {
    const entry = entryWith({ attributes: { storage_data_type: "users" } })
    const target = { ...entry.target, targetItem: { ...entry.target.targetItem, unixUid } }
    expect(Schema.is(StorageEntry)(entry)).toBe(true)
    expect(Schema.is(StorageEntry)({ ...entry, target })).toBe(false)
  })

  it("has the permissions 775 and no quotas for a tenant or customer, regardless of its children", () => {
    const parents = entriesOf(treeWith({ attributes: { permissions: "700" }, limits: { storage: 9 } })).slice(0, 2)
    expect(parents.map(({ permission, quotas, status }) => [permission.value, quotas, status])).toEqual([
      ["775", null, "pending"],
      ["775", null, "pending"],
    ])
  })
})

describe("the names of a system, a file system and a data type", () => {
  it("come from the offering's slug, the settings and the attributes, on every level", () => {
    const tree = treeWith(
      { offering_slug: "Capstor", attributes: { storage_data_type: " Archive " } },
      { settings: { storageSystems: [{ name: "big", offeringSlug: "Capstor" }], storageFileSystem: "Lustre" } },
    )
    for (const entry of entriesOf(tree)) {
      expect(entry.storageSystem).toEqual({
        itemId: "16f1e8a6-f871-58f7-aef0-17116e8bdf83",
        key: "capstor",
        name: "CAPSTOR",
        active: true,
      })
      expect(entry.storageFileSystem).toEqual({
        itemId: "95e1c46d-17af-5580-bd06-259cf32bc63e",
        key: "lustre",
        name: "LUSTRE",
        active: true,
      })
      expect(entry.storageDataType).toEqual({
        itemId: "1bbb85a8-bb81-51cd-8bc4-affd7e97e2aa",
        key: "archive",
        name: "ARCHIVE",
        active: true,
        path: "archive",
      })
    }
    expect(tree.entries).toHaveLength(3)
  })

  it("have a path for the data type only", () => {
    const entry = only(tenantsOf(treeWith()))
    expect("path" in entry.storageSystem || "path" in entry.storageFileSystem).toBe(false)
    expect(entry.storageDataType.path).toBe("store")
  })
})
