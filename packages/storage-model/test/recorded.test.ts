import { describe, expect, it } from "vitest"
import { dashedUuid, mockGid, selectEntries, statusOf } from "../src/index.ts"
import { customersOf, entriesOf, resourcesOf, tenantsOf, treeOf } from "./a-tree.ts"
import customers from "./fixtures/customers-capstor.json" with { type: "json" }
import rows from "./fixtures/storage-query.json" with { type: "json" }

const capstor = "433b52ea-daa4-5d15-8502-80ac8e2ebc8a"
const offerings = new Set(rows.map(({ offering_uuid }) => dashedUuid(offering_uuid) ?? ""))
const tree = treeOf(rows, {
  customers: new Map(Array.from(offerings, (offering) => [offering, customers])),
  gids: new Map(rows.map(({ project_slug }) => [project_slug, { status: "known", gid: mockGid(project_slug) }])),
  settings: { waldurApiUrl: "http://127.0.0.1:8001/api/" },
})
const entryOf = (slug: string) => {
  const uuid = dashedUuid(rows.find((row) => row.slug === slug)?.uuid)
  return entriesOf(tree).find(({ itemId }) => itemId === uuid)
}

describe("the recorded rows", () => {
  it("are all served, below 8 tenants and 24 customers, without a finding", () => {
    expect(tree.skipped).toEqual([])
    expect(tree.warnings).toEqual([])
    expect([tenantsOf(tree).length, customersOf(tree).length, resourcesOf(tree).length]).toEqual([8, 24, 39])
  })

  it("have the mount points that Waldur's operators recorded, by uuid", () => {
    const written = rows.flatMap(({ uuid, backend_metadata }) =>
      "mountPoint" in backend_metadata ? [[dashedUuid(uuid), backend_metadata.mountPoint]] : [],
    )
    const served = new Map(resourcesOf(tree).map(({ itemId, mountPoint }) => [itemId, mountPoint.default]))
    expect(written).toHaveLength(13)
    expect(written).toEqual(written.map(([uuid]) => [uuid, served.get(uuid ?? "")]))
  })

  it("have the status for their state", () => {
    for (const { slug, state } of rows) expect(entryOf(slug)?.status).toBe(statusOf(state))
  })

  it.each([
    ["OK", 19],
    ["Creating", 7],
    ["Updating", 4],
    ["Terminated", 4],
    ["Terminating", 3],
    ["Erred", 2],
  ])("in the state %s are %d", (state, count) => {
    const selected = selectEntries(tree.entries, { state }).filter(({ entry }) =>
      ["project", "user"].includes(entry.target.targetType),
    )
    expect(selected).toHaveLength(count)
  })

  // Expected values worked out by hand from the limits, options and orders in the fixture.
  it.each([
    ["capstor-000", [50, 50, 66_500_000, 100_000_000], undefined, undefined],
    ["vast-001", [100, 200, 150_000_000, 200_000_000], undefined, undefined],
    ["iopsstor-006", [1, 2, 1_500_000, 2_000_000], undefined, undefined],
    [
      "iopsstor-022",
      [10, 20, 15_000_000, 20_000_000],
      [10, 20, 15_000_000, 20_000_000],
      // Two of its options repeat what the old limit gave.
      [20, 20, 15_000_000, 40_000_000],
    ],
    [
      "capstor-024",
      [250, 250, 332_500_000, 500_000_000],
      [250, 250, 332_500_000, 500_000_000],
      [500, 500, 665_000_000, 1_000_000_000],
    ],
    [
      "capstor-027",
      [100, 200, 150_000_000, 200_000_000],
      [100, 200, 150_000_000, 200_000_000],
      [200, 200, 150_000_000, 400_000_000],
    ],
    ["iopsstor-030", [10, 10, 13_300_000, 20_000_000], undefined, undefined],
  ])("of %s have the quotas %j, before %j, after %j", (slug, now, before, after) => {
    const entry = entryOf(slug)
    const numbers = [entry?.quotas, entry?.oldQuotas, entry?.newQuotas].map((list) => list?.map(({ quota }) => quota))
    expect(numbers).toEqual([now, before, after])
  })

  it("have callback URLs below their own Waldur", () => {
    const entry = entryOf("capstor-032")
    expect(Object.entries(entry ?? {}).filter(([key]) => key.endsWith("_url"))).toEqual([
      [
        "set_state_done_url",
        "http://127.0.0.1:8001/api/marketplace-orders/dc694c0025d251eabe3ae13a85e2100c/set_state_done/",
      ],
      [
        "set_state_erred_url",
        "http://127.0.0.1:8001/api/marketplace-orders/dc694c0025d251eabe3ae13a85e2100c/set_state_erred/",
      ],
      [
        "set_backend_id_url",
        `http://127.0.0.1:8001/api/marketplace-provider-resources/${entry?.itemId}/set_backend_id/`,
      ],
      ["set_state_ok_url", `http://127.0.0.1:8001/api/marketplace-provider-resources/${entry?.itemId}/set_state_ok/`],
    ])
  })

  it("are below the tenant of their offering", () => {
    const tenants = tenantsOf(tree).filter(({ storageSystem }) => storageSystem.key === "capstor")
    expect(tenants.map(({ itemId, mountPoint }) => [itemId, mountPoint.default])).toEqual(
      ["archive", "scratch", "store", "users"].map((dataType) => [capstor, `/capstor/${dataType}/cscs`]),
    )
  })
})
