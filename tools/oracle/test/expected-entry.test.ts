import { describe, expect, test } from "vitest"
import { expectedEntry, factsOf } from "../src/index.ts"

/** A Waldur row as in its API, with a test's changes. */
const entryOf = (more: object = {}, isKept = false) => {
  const row = {
    uuid: "0123456789abcdef0123456789abcdef",
    slug: "capstor-000001",
    offering_uuid: "a".repeat(32),
    offering_slug: "capstor",
    provider_slug: "cscs",
    provider_name: "CSCS",
    customer_uuid: "b".repeat(32),
    customer_slug: "eth",
    project_slug: "climate",
    attributes: { storage_data_type: "store", permissions: "2770" },
    created: "2026-01-01T00:00:00Z",
    state: "OK",
    limits: { storage: 10 },
    options: {},
    backend_id: "",
    order_in_progress: null,
    ...more,
  }
  const around = { projectName: "Climate", gid: 30_001, api: "https://waldur.example.org/api/", isKept }
  return JSON.parse(expectedEntry(factsOf(row as never), around))
}
const order = (more: object) => ({ order_in_progress: { uuid: "c".repeat(32), attributes: {}, ...more } })
const quotasOf = (quotas: ReadonlyArray<{ quota: number }> | null) => quotas?.map(({ quota }) => quota)
const urlsOf = (entry: object) => Object.keys(entry).flatMap((name) => /^(.*)_url$/.exec(name)?.[1] ?? [])

describe("the entry of a resource", () => {
  test("has its place, its project and its quotas", () => {
    expect(entryOf()).toMatchObject({
      itemId: "01234567-89ab-cdef-0123-456789abcdef",
      status: "active",
      mountPoint: { default: "/capstor/store/cscs/eth/climate" },
      permission: { permissionType: "octal", value: "2770" },
      target: { targetType: "project", targetItem: { key: "climate", name: "Climate", unixGid: 30_001, active: true } },
      parentItemId: "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb",
    })
    expect(quotasOf(entryOf().quotas)).toEqual([10, 10, 13_300_000, 20_000_000])
  })

  test("has the UUIDs of version 5 that consumers have stored", () => {
    // python3 -c "import uuid; print(uuid.uuid5(uuid.NAMESPACE_OID, 'storage_system:capstor'))"
    expect(entryOf().storageSystem.itemId).toBe("4b4a996a-8d6b-556d-ad60-202cefa6ecc3")
  })

  test("is at the mount point that the provider reported, with the permissions of the options", () => {
    const entry = entryOf({ backend_id: "/capstor/moved", options: { permissions: "0700" } })
    expect([entry.mountPoint.default, entry.permission.value]).toEqual(["/capstor/moved", "0700"])
  })

  test("has quotas of options before the limit; 0 is no override, and soft is at most hard", () => {
    const space = (options: object) => quotasOf(entryOf({ options }).quotas)?.slice(0, 2)
    expect(space({ soft_quota_space: 5, hard_quota_space: 7 })).toEqual([5, 7])
    expect(space({ soft_quota_space: 9, hard_quota_space: 7 })).toEqual([7, 7])
    expect(space({ hard_quota_space: 0 })).toEqual([10, 10])
    expect(entryOf({ limits: {} }).quotas).toBeNull()
  })

  test.each([
    ["OK", undefined, "active", ""],
    ["Erred", undefined, "error", "set_backend_id set_state_ok"],
    ["Terminating", "executing", "removing", "set_state_done set_state_erred set_backend_id set_state_ok"],
    ["Updating", "pending-consumer", "active", "set_backend_id"],
  ])("in state %s with an order %s is %s, with its callback URLs", (state, orderState, status, urls) => {
    const type = state === "Terminating" ? "Terminate" : "Update"
    const entry = entryOf({ state, ...(orderState === undefined ? {} : order({ type, state: orderState })) })
    expect([entry.status, urlsOf(entry).join(" ")]).toEqual([status, urls])
  })

  test("has no callback URL while the loss guard keeps it", () => {
    expect(urlsOf(entryOf({ state: "Erred" }, true))).toEqual([])
  })

  test("of an update has the old and the new quotas; options that repeat the old limit change with it", () => {
    const limits = { limits: { storage: 20 }, attributes: { old_limits: { storage: 10 } } }
    const update = order({ type: "Update", state: "executing", ...limits })
    const entry = entryOf({ state: "Updating", options: { hard_quota_space: 10 }, ...update })
    expect([quotasOf(entry.oldQuotas)?.[1], quotasOf(entry.newQuotas)?.[1]]).toEqual([10, 20])
  })

  test("of scratch space is a user's", () => {
    const { target } = entryOf({ attributes: { storage_data_type: "scratch", permissions: "770" } })
    expect(target).toMatchObject({
      targetType: "user",
      targetItem: { primaryProject: { name: "climate", unixGid: 30_001 } },
    })
    expect(target.targetItem.unixUid).toBeGreaterThanOrEqual(20_000)
  })
})
