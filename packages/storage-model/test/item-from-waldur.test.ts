import { describe, expect, it } from "vitest"
import { decodeResources, projectsWithoutItem } from "../src/index.ts"
import { anOrder, aResource, type Row, uuidNumber } from "./a-resource.ts"
import { entryWith, type Surroundings, settingsWith, warningsWith } from "./a-tree.ts"

const projectItem = { itemId: "0f5e8a6e-55d4-4c8e-a7a0-0d9ad4d5a0aa", key: "odd key", unixGid: 4711, extra: { a: [1] } }
const userItem = {
  itemId: "0f5e8a6e-55d4-4c8e-a7a0-0d9ad4d5a0ab",
  email: "ada@example.org",
  unixUid: 1815,
  primaryProject: { name: "engine", unixGid: 1852 },
}
const noGid: Surroundings = { gids: new Map() }
const users = { storage_data_type: "users" }

describe("an item in backend_metadata", () => {
  it.each<[string, Row, Row]>([
    ["project_item", {}, projectItem],
    ["project_item", { attributes: { storage_data_type: "archive" } }, projectItem],
    ["project_item", { attributes: { storage_data_type: "media" } }, projectItem],
    ["user_item", { attributes: users }, userItem],
    ["user_item", { attributes: { storage_data_type: "scratch" } }, userItem],
  ])("%s is the target item of %j as it stands, without a GID looked up", (key, changes, item) => {
    const row = { ...changes, backend_metadata: { [key]: item } }
    expect(JSON.stringify(entryWith(row, noGid).target.targetItem)).toBe(JSON.stringify(item))
    expect(projectsWithoutItem(decodeResources([aResource(row)]), settingsWith())).toEqual(new Set())
  })

  it.each(["0F5E8A6E55D44C8EA7A00D9AD4D5A0AA", "0F5E8A6E-55D4-4C8E-A7A0-0D9AD4D5A0AA"])(
    "has its UUID %s dashed and in lower case, in its place",
    (itemId) => {
      const item = { unixGid: 4711, itemId, key: "k" }
      expect(JSON.stringify(entryWith({ backend_metadata: { project_item: item } }, noGid).target.targetItem)).toBe(
        JSON.stringify({ unixGid: 4711, itemId: "0f5e8a6e-55d4-4c8e-a7a0-0d9ad4d5a0aa", key: "k" }),
      )
    },
  )

  it("needs no project name", () => {
    const entry = entryWith({ project_name: null, backend_metadata: { project_item: projectItem } }, noGid)
    expect(entry.target.targetItem).toEqual(projectItem)
  })

  it.each<[string, Row]>([
    ["project_item", users],
    ["user_item", { storage_data_type: "store" }],
  ])("%s is not the one of %j", (key, attributes) => {
    const item = { ...userItem, ...projectItem }
    const row = { attributes, backend_metadata: { [key]: item } }
    expect(entryWith(row).target.targetItem).not.toEqual(item)
    expect(warningsWith(row)).toEqual([])
  })

  const badGids = [
    undefined,
    null,
    0,
    5,
    999,
    -1,
    1000.5,
    2 ** 53,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    "4711",
    true,
    [4711],
    {},
  ]
  it.each<[string, unknown]>([
    ["no object", "text"],
    ["no object", 5],
    ["no object", true],
    ["no object", []],
    ["no object", [projectItem]],
    ["without an id", { unixGid: 4711 }],
    ["with an id that is no UUID", { itemId: "climate", unixGid: 4711 }],
    ["with an id that is null", { itemId: null, unixGid: 4711 }],
    ["with an id that is a number", { itemId: 5, unixGid: 4711 }],
    ["whose fields only a prototype has", JSON.parse(`{"__proto__": ${JSON.stringify(projectItem)}}`)],
    ...badGids.map((unixGid) => [`with the GID ${String(unixGid)}`, { ...projectItem, unixGid }] as [string, unknown]),
  ])("that is a project's, %s, is ignored, and said", (_, item) => {
    const row = { backend_metadata: { project_item: item } }
    expect(entryWith(row).target.targetItem).toMatchObject({ key: "climate-sim", unixGid: 31_001 })
    expect(warningsWith(row)).toEqual([
      expect.objectContaining({ code: "ignored-value", field: "backend_metadata.project_item" }),
    ])
    expect(projectsWithoutItem(decodeResources([aResource(row)]), settingsWith())).toEqual(new Set(["climate-sim"]))
  })

  it.each<[string, unknown]>([
    ["no object", "text"],
    ["no object", [userItem]],
    ["without an id", { ...userItem, itemId: undefined }],
    ["without a primary project", { ...userItem, primaryProject: undefined }],
    ["with a primary project that is a list", { ...userItem, primaryProject: [{ unixGid: 1852 }] }],
    ...badGids.flatMap(
      (gid): Array<[string, unknown]> => [
        [`with the UID ${String(gid)}`, { ...userItem, unixUid: gid }],
        [`with the primary GID ${String(gid)}`, { ...userItem, primaryProject: { name: "engine", unixGid: gid } }],
      ],
    ),
  ])("that is a user's, %s, is ignored, and said", (_, item) => {
    const row = { attributes: users, backend_metadata: { user_item: item } }
    expect(entryWith(row).target.targetItem).toMatchObject({ email: "user-climate-store@example.com" })
    expect(warningsWith(row)).toEqual([
      expect.objectContaining({ code: "ignored-value", field: "backend_metadata.user_item" }),
    ])
  })

  it.each([null, undefined, {}, [], "project_item", 5])(
    "is not there where the metadata are %j",
    (backend_metadata) => {
      expect(entryWith({ backend_metadata }).target.targetItem).toMatchObject({ unixGid: 31_001 })
    },
  )

  it("has a GID of at least the smallest that is served", () => {
    const row = { backend_metadata: { project_item: { ...projectItem, unixGid: 5000 } } }
    expect(entryWith(row, { settings: { minGid: 5000 } }).target.targetItem).toMatchObject({ unixGid: 5000 })
    expect(entryWith(row, { settings: { minGid: 5001 } }).target.targetItem).toMatchObject({ unixGid: 31_001 })
    expect(
      entryWith({ backend_metadata: { project_item: { ...projectItem, unixGid: 1000 } } }).target.targetItem,
    ).toMatchObject({ unixGid: 1000 })
  })

  it("is ignored where target items are mocked", () => {
    const row = { backend_metadata: { project_item: projectItem } }
    const around = { settings: { useMockTargetItems: true } }
    expect(entryWith(row, around).target.targetItem).toMatchObject({ key: "climate-sim", unixGid: 31_001 })
    expect(warningsWith(row, around)).toEqual([])
    expect(projectsWithoutItem(decodeResources([aResource(row)]), settingsWith(around.settings))).toEqual(
      new Set(["climate-sim"]),
    )
  })
})

describe("the projects whose GID is needed", () => {
  const needed = (...rows: ReadonlyArray<Row>) => [...projectsWithoutItem(decodeResources(rows), settingsWith())]

  it("are each named once", () => {
    expect(
      needed(
        aResource(),
        aResource({ uuid: uuidNumber(2), attributes: users }),
        aResource({ uuid: uuidNumber(3), project_slug: "other" }),
      ),
    ).toEqual(["climate-sim", "other"])
  })

  it("are those of one resource without an item, though another of the project has one", () => {
    expect(
      needed(aResource({ backend_metadata: { project_item: projectItem } }), aResource({ uuid: uuidNumber(2) })),
    ).toEqual(["climate-sim"])
  })

  it("are not those of resources that are not served at all", () => {
    expect(needed(aResource({ state: "Creating", order_in_progress: anOrder({ state: "pending-consumer" }) }))).toEqual(
      [],
    )
    expect(needed(aResource({ attributes: { storage_data_type: 5 } }), aResource({ slug: 5 }))).toEqual([])
  })
})
