import { describe, expect, it } from "vitest"
import { aResource, dashedNumber, type Row, uuidNumber } from "./a-resource.ts"
import { entriesOf, mountPointsOf, resourcesOf, type Surroundings, treeOf } from "./a-tree.ts"

const orderOf = (rows: ReadonlyArray<Row>, around?: Surroundings) =>
  resourcesOf(treeOf(rows, around)).map(({ itemId }) => itemId)

/** The numbers of resources created at these times, in the order of the list. */
const orderOfCreated = (...created: ReadonlyArray<unknown>) =>
  orderOf(created.map((time, at) => aResource({ uuid: uuidNumber(at + 1), created: time }))).map((id) =>
    Number.parseInt(id.slice(-12), 16),
  )

describe("the order of the list", () => {
  it("is system as configured, data type, tenant, customer, resource, each parent right before what is below it", () => {
    const rows = [
      { offering_slug: "capstor", project_slug: "p1" },
      { offering_slug: "vast", project_slug: "p2" },
      { attributes: { storage_data_type: "users" }, project_slug: "p3" },
      { attributes: { storage_data_type: "archive" }, project_slug: "p4" },
      { provider_slug: "aaa", project_slug: "p5" },
      { customer_slug: "aaa", customer_uuid: uuidNumber(9), project_slug: "p6" },
      { created: "2020-01-01T00:00:00Z", project_slug: "p7" },
    ].map((changes, at) => aResource({ uuid: uuidNumber(at + 1), ...changes }))
    const storageSystems = ["vast", "capstor"].map((name) => ({ name, offeringSlug: name }))
    expect(mountPointsOf(entriesOf(treeOf(rows, { settings: { storageSystems } })))).toEqual([
      "/vast/store/cscs",
      "/vast/store/cscs/university-physics",
      "/vast/store/cscs/university-physics/p2",
      "/capstor/archive/cscs",
      "/capstor/archive/cscs/university-physics",
      "/capstor/archive/cscs/university-physics/p4",
      "/capstor/store/aaa",
      "/capstor/store/aaa/university-physics",
      "/capstor/store/aaa/university-physics/p5",
      "/capstor/store/cscs",
      "/capstor/store/cscs/aaa",
      "/capstor/store/cscs/aaa/p6",
      "/capstor/store/cscs/university-physics",
      "/capstor/store/cscs/university-physics/p7",
      "/capstor/store/cscs/university-physics/p1",
      "/capstor/users/cscs",
      "/capstor/users/cscs/university-physics",
      "/capstor/users/cscs/university-physics/p3",
    ])
  })

  it.each([
    ["years", ["2025-01-01T00:00:00Z", "2024-01-01T00:00:00Z"]],
    ["microseconds", ["2025-01-01T00:00:00.470210Z", "2025-01-01T00:00:00.470209Z"]],
    // Waldur omits a fraction of 0.
    ["microseconds from none", ["2025-01-01T00:00:00.000001Z", "2025-01-01T00:00:00Z"]],
    ["microseconds to the next second", ["2025-01-01T00:00:01Z", "2025-01-01T00:00:00.999999Z"]],
    ["offsets from UTC", ["2025-01-01T00:00:00Z", "2025-01-01T00:30:00+01:00"]],
    ["fractions of another length", ["2025-01-01T00:00:00.5Z", "2025-01-01T00:00:00.499999Z"]],
  ])("by creation distinguishes %s", (_, times) => {
    expect(orderOfCreated(...times)).toEqual([2, 1])
    expect(orderOfCreated(...times.toReversed())).toEqual([1, 2])
  })

  it.each([
    ["2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"],
    ["2025-01-01T00:00:00Z", "2025-01-01T00:00:00.000000Z"],
    ["2025-01-01T00:00:00.47021Z", "2025-01-01T00:00:00.470210Z"],
    ["2025-01-01T01:00:00+01:00", "2025-01-01T00:00:00Z"],
    ["2025-01-01T00:00:00Z", "2025-01-01T01:00:00+01:00"],
    [null, undefined],
    ["soon", "later"],
    ["later", "soon"],
  ])("of %j and %j, which are the same time, is by uuid", (first, second) => {
    expect(orderOfCreated(first, second)).toEqual([1, 2])
  })

  it.each([null, undefined, "", "soon", "12", "2025", "2025-01-01T00:00:00", "Wed, 01 Jan 2020 00:00:00"])(
    "puts a resource created at %j, which is not an unambiguous time, last",
    (created) => {
      expect(orderOfCreated(created, "2025-01-01T00:00:00Z")).toEqual([2, 1])
    },
  )

  it("by uuid is textual", () => {
    const rows = [0xff, 0x0a, 0xa0].map((number) => aResource({ uuid: uuidNumber(number) }))
    expect(orderOf(rows)).toEqual([0x0a, 0xa0, 0xff].map(dashedNumber))
  })

  it("by slug is by code unit on every machine", () => {
    const rows = ["b", "a", "B", "_", "a-b", "a.b"].map((provider_slug, at) =>
      aResource({ uuid: uuidNumber(at + 1), provider_slug }),
    )
    expect(mountPointsOf(resourcesOf(treeOf(rows))).map((path) => path.split("/")[3])).toEqual([
      "B",
      "_",
      "a",
      "a-b",
      "a.b",
      "b",
    ])
  })

  it("does not depend on the order of the rows", () => {
    const rows = Array.from({ length: 12 }, (_, at) =>
      aResource({
        uuid: uuidNumber(at),
        project_slug: `p${at % 5}`,
        customer_slug: `c${at % 3}`,
        customer_uuid: uuidNumber(100 + (at % 3)),
        provider_slug: `t${at % 2}`,
        provider_name: at % 4 === 0 ? null : `T ${at}`,
      }),
    )
    expect(JSON.stringify(treeOf(rows.toReversed()))).toBe(JSON.stringify(treeOf(rows)))
  })
})
