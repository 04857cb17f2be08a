import { describe, expect, it } from "vitest"
import { decodeResources, projectsWithoutItem } from "../src/index.ts"
import { anOrder, aResource, type Row, uuidNumber } from "./a-resource.ts"
import { entryWith, type Surroundings, settingsWith, treeWith, warningsWith } from "./a-tree.ts"

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
  ])("%s is the target item of %j unchanged, without a GID lookup", (key, changes, item) => {
    const row = { ...changes, backend_metadata: { [key]: item } }
    expect(JSON.stringify(entryWith(row, noGid).target.targetItem)).toBe(JSON.stringify(item))
    expect(projectsWithoutItem(decodeResources([aResource(row)]), settingsWith())).toEqual(new Set())
  })

  it.each(["0F5E8A6E55D44C8EA7A00D9AD4D5A0AA", "0F5E8A6E-55D4-4C8E-A7A0-0D9AD4D5A0AA"])(
    "has its UUID %s dashed and in lowercase, in its place",
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
  ])("%s is not the target item of %j", (key, attributes) => {
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
    65_534,
    65_535,
    2_147_483_648,
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
    ["with an id that is not a UUID", { itemId: "climate", unixGid: 4711 }],
    ["with an id that is null", { itemId: null, unixGid: 4711 }],
    ["with an id that is a number", { itemId: 5, unixGid: 4711 }],
    ["whose fields only a prototype has", JSON.parse(`{"__proto__": ${JSON.stringify(projectItem)}}`)],
    ...badGids.map((unixGid) => [`with the GID ${String(unixGid)}`, { ...projectItem, unixGid }] as [string, unknown]),
  ])("that is a project's, %s, is ignored with a warning", (_, item) => {
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
  ])("that is a user's, %s, is ignored with a warning", (_, item) => {
    const row = { attributes: users, backend_metadata: { user_item: item } }
    expect(entryWith(row).target.targetItem).toMatchObject({ email: "user-climate-store@example.com" })
    expect(warningsWith(row)).toEqual([
      expect.objectContaining({ code: "ignored-value", field: "backend_metadata.user_item" }),
    ])
  })

  it.each([null, undefined, {}, [], "project_item", 5])("is absent if the metadata are %j", (backend_metadata) => {
    expect(entryWith({ backend_metadata }).target.targetItem).toMatchObject({ unixGid: 31_001 })
  })

  it("has a GID of at least the smallest allowed", () => {
    const row = { backend_metadata: { project_item: { ...projectItem, unixGid: 5000 } } }
    expect(entryWith(row, { settings: { minGid: 5000 } }).target.targetItem).toMatchObject({ unixGid: 5000 })
    expect(entryWith(row, { settings: { minGid: 5001 } }).target.targetItem).toMatchObject({ unixGid: 31_001 })
    expect(
      entryWith({ backend_metadata: { project_item: { ...projectItem, unixGid: 1000 } } }).target.targetItem,
    ).toMatchObject({ unixGid: 1000 })
  })

  it("has a GID of at most the largest allowed", () => {
    const row = { backend_metadata: { project_item: projectItem } }
    expect(entryWith(row, { settings: { maxGid: 4711 } }).target.targetItem).toMatchObject({ unixGid: 4711 })
    expect(
      warningsWith(row, {
        settings: { maxGid: 4710 },
        gids: new Map([["climate-sim", { status: "known", gid: 4000 }]]),
      }),
    ).toHaveLength(1)
  })

  const nested = (levels: number, by: (inner: unknown) => unknown): unknown => {
    let value: unknown = 5
    for (let level = 0; level < levels; level += 1) value = by(value)
    return value
  }
  const list = (inner: unknown) => [inner]
  const object = (inner: unknown) => ({ a: inner })

  it.each([
    ["lists", list],
    ["objects", object],
  ])("may have at most 20 levels of %s, itself included; beyond that it is ignored with a warning", (_, by) => {
    const deepest = { ...projectItem, extra: nested(19, by) }
    expect(entryWith({ backend_metadata: { project_item: deepest } }, noGid).target.targetItem).toEqual(deepest)
    for (const levels of [20, 5000, 1_000_000]) {
      const row = { backend_metadata: { project_item: { ...projectItem, extra: nested(levels, by) } } }
      expect(entryWith(row).target.targetItem).toMatchObject({ unixGid: 31_001 })
      expect(warningsWith(row)).toEqual([
        expect.objectContaining({ code: "ignored-value", field: "backend_metadata.project_item" }),
      ])
    }
  })

  it("may have at most 64,000 bytes of JSON in UTF-8; beyond that it is ignored with a warning", () => {
    const room = 64_000 - Buffer.byteLength(JSON.stringify({ ...projectItem, extra: "" }))
    const cases: ReadonlyArray<[string, boolean]> = [
      ["x".repeat(room), true],
      ["x".repeat(room + 1), false],
      ["ü".repeat(room / 2), true],
      ["ü".repeat(room / 2 + 1), false],
      ["\u2028".repeat(room / 3 + 1), false],
      ['"'.repeat(room / 2 + 1), false],
      ["x".repeat(50_000_000), false],
    ]
    for (const [extra, fits] of cases) {
      const item = { ...projectItem, extra }
      const row = { backend_metadata: { project_item: item } }
      expect(entryWith(row).target.targetItem).toMatchObject({ unixGid: fits ? 4711 : 31_001 })
      expect(warningsWith(row)).toHaveLength(fits ? 0 : 1)
    }
  })

  it("with very many keys or items is ignored, with a short warning", () => {
    for (const extra of [
      Array.from({ length: 1_000_000 }, () => 0),
      Object.fromEntries(Array.from({ length: 200_000 }, (_, at) => [at, at])),
    ]) {
      const { warnings } = treeWith({ backend_metadata: { project_item: { ...projectItem, extra } } })
      expect(JSON.stringify(warnings).length).toBeLessThan(1000)
      expect(warnings).toHaveLength(1)
    }
  })

  it("has its own status and active unchanged", () => {
    const item = { ...projectItem, status: "anything", active: "no" }
    expect(entryWith({ state: "OK", backend_metadata: { project_item: item } }, noGid).target.targetItem).toEqual(item)
  })

  it("is ignored if target items are mocked", () => {
    const row = { backend_metadata: { project_item: projectItem } }
    const around = { settings: { useMockTargetItems: true } }
    expect(entryWith(row, around).target.targetItem).toMatchObject({ key: "climate-sim", unixGid: 31_001 })
    expect(warningsWith(row, around)).toEqual([])
    expect(projectsWithoutItem(decodeResources([aResource(row)]), settingsWith(around.settings))).toEqual(
      new Set(["climate-sim"]),
    )
  })
})

describe("the projects that need a GID", () => {
  const needed = (...rows: ReadonlyArray<Row>) => [...projectsWithoutItem(decodeResources(rows), settingsWith())]

  it("are each listed once", () => {
    expect(
      needed(
        aResource(),
        aResource({ uuid: uuidNumber(2), attributes: users }),
        aResource({ uuid: uuidNumber(3), project_slug: "other" }),
      ),
    ).toEqual(["climate-sim", "other"])
  })

  it("include that of a resource without an item, even if another of the project has one", () => {
    expect(
      needed(aResource({ backend_metadata: { project_item: projectItem } }), aResource({ uuid: uuidNumber(2) })),
    ).toEqual(["climate-sim"])
  })

  it("do not include those of resources that are not served at all", () => {
    expect(needed(aResource({ state: "Creating", order_in_progress: anOrder({ state: "pending-consumer" }) }))).toEqual(
      [],
    )
    expect(needed(aResource({ attributes: { storage_data_type: 5 } }), aResource({ slug: 5 }))).toEqual([])
  })
})
