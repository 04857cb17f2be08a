import { describe, expect, it } from "vitest"
import { isGid, type ProjectGid } from "../src/index.ts"
import { aResource, dashedNumber, type Row, uuidNumber } from "./a-resource.ts"
import { customersOf, entryWith, refusalWith, resourcesOf, settingsWith, tenantsOf, treeOf } from "./a-tree.ts"

const answers = (answer?: ProjectGid) => ({
  gids: new Map<string, ProjectGid>(answer === undefined ? [] : [["climate-sim", answer]]),
})

describe("a GID", () => {
  it.each([
    [1000, {}],
    [1001, {}],
    [31_001, {}],
    [65_533, {}],
    [65_536, {}],
    [2_147_483_647, {}],
    [1, { minGid: 1 }],
    [4_294_967_293, { maxGid: 4_294_967_293 }],
  ])("may be %d with the settings %j", (gid, settings) => {
    expect(isGid(gid, settingsWith(settings))).toBe(true)
    expect(entryWith({}, { ...answers({ status: "known", gid }), settings }).target.targetItem).toMatchObject({
      unixGid: gid,
    })
  })

  it.each([
    [999, {}],
    [0, {}],
    [-1, {}],
    [1000.5, {}],
    [4999, { minGid: 5000 }],
    [2_147_483_648, {}],
    [5001, { maxGid: 5000 }],
    [65_534, {}],
    [65_535, {}],
    [65_534, { minGid: 65_534, maxGid: 65_534 }],
    [Number.NaN, {}],
    [Number.POSITIVE_INFINITY, {}],
    [2 ** 53, { maxGid: 2 ** 53 }],
  ])("is unknown if it is %d with the settings %j", (gid, settings) => {
    expect(isGid(gid, settingsWith(settings))).toBe(false)
    expect(refusalWith({}, { ...answers({ status: "known", gid }), settings })).toMatchObject({
      code: "gid-unknown",
      field: "project_slug",
      found: "climate-sim",
    })
  })

  it.each(["31001", null, undefined, true, [31_001], {}, 31_001n])("is not %o", (gid) => {
    expect(isGid(gid, settingsWith())).toBe(false)
  })

  it("unknown to the API skips only the project's resources, with the reason", () => {
    const gids = new Map<string, ProjectGid>([
      ["climate-sim", { status: "unknown", reason: "not in the answer" }],
      ["other", { status: "known", gid: 31_002 }],
    ])
    const tree = treeOf(
      [
        aResource({ uuid: uuidNumber(1) }),
        aResource({ uuid: uuidNumber(2), attributes: { storage_data_type: "users" } }),
        aResource({ uuid: uuidNumber(3), project_slug: "other" }),
      ],
      { gids },
    )
    expect(resourcesOf(tree).map(({ itemId }) => itemId)).toEqual([dashedNumber(3)])
    expect(tree.skipped.map(({ uuid, code }) => [uuid, code])).toEqual([
      [dashedNumber(1), "gid-unknown"],
      [dashedNumber(2), "gid-unknown"],
    ])
    expect([tenantsOf(tree).length, customersOf(tree).length]).toEqual([2, 2])
  })

  it.each<[ProjectGid | undefined, string, string]>([
    [{ status: "unknown", reason: "two values for one name" }, "gid-unknown", "two values for one name"],
    [{ status: "unavailable", reason: "timed out" }, "gid-unavailable", "timed out"],
    [undefined, "gid-unavailable", "not looked up"],
  ])("lookup with the response %j is reported as such: %s", (answer, code, reason) => {
    expect(refusalWith({}, answers(answer))).toEqual({
      code,
      uuid: "44d1e266-9fbc-50bc-8c11-fe312cab9dd3",
      slug: "climate-store",
      offering_slug: "capstor",
      field: "project_slug",
      found: "climate-sim",
      reason: expect.stringContaining(reason),
    })
  })

  it.each<[string, Row]>([
    ["project_name", { project_name: null }],
    ["project_slug", { project_slug: "..", backend_id: "/fs/t/c/p" }],
    ["attributes.permissions", { attributes: { permissions: "rwx" } }],
  ])("that is unavailable is not the reason if %s is bad: the resource fails no refresh", (field, changes) => {
    expect(refusalWith(changes, answers())).toMatchObject({ code: "bad-data", field })
  })

  it("is looked up by the project's exact slug", () => {
    const gids = new Map<string, ProjectGid>([["Climate-Sim", { status: "known", gid: 31_001 }]])
    expect(refusalWith({}, { gids })).toMatchObject({ code: "gid-unavailable" })
  })

  it("for a user's directory is the primary project's", () => {
    const entry = entryWith({ attributes: { storage_data_type: "users" } }, answers({ status: "known", gid: 31_005 }))
    expect(entry.target.targetItem).toMatchObject({ primaryProject: { name: "climate-sim", unixGid: 31_005 } })
  })
})
