import { describe, expect, it } from "vitest"
import { decodeResources, explain } from "../src/index.ts"
import { anOrder, aResource, type Row, resourceId } from "./a-resource.ts"
import { entryWith, gidsOf, listedCustomers, refusalWith, settingsWith, warningsWith } from "./a-tree.ts"

const folder = { storage_data_type: "archive", permissions: "2750" }
const inAttributes = (values: Row): Row => ({ attributes: { name: "x", "storage-folder": values } })

/** The relevant result for a row: data type, permissions, quotas. */
const valuesOf = (changes: Row) => {
  const entry = entryWith({ limits: { storage: 10 }, ...changes })
  return [entry.storageDataType.key, entry.permission.value, ...(entry.quotas ?? []).map(({ quota }) => quota)]
}
const byLimit = [10, 10, 13_300_000, 20_000_000]

describe("a storage folder", () => {
  it.each(["storage_folder", "storage-folder", "Folder", "permissions2", "constructor", "0", "", "ü"])(
    "under the attribute %j determines the data type, the permissions and the path",
    (key) => {
      const changes = { attributes: { [key]: folder } }
      expect(valuesOf(changes)).toEqual(["archive", "2750", ...byLimit])
      expect(entryWith(changes).mountPoint.default).toBe("/capstor/archive/cscs/university-physics/climate-sim")
      expect(warningsWith(changes)).toEqual([])
    },
  )

  it.each<[Row, ReadonlyArray<number>]>([
    [{ hard_quota_space: 20 }, [10, 20, 13_300_000, 20_000_000]],
    [{ hard_quota_space: "20.5" }, [10, 20.5, 13_300_000, 20_000_000]],
    [{ soft_quota_inodes: 5, hard_quota_inodes: 6 }, [10, 10, 5, 6]],
    // Its soft space quota is the limit, and the other spellings are the options'.
    [{ soft_quota_space: 5, soft_quota_indoes: 5 }, byLimit],
    [{ hard_quota_space: null, soft_quota_inodes: null, hard_quota_inodes: null }, byLimit],
  ])("with %j has the quotas %j", (quotas, expected) => {
    const values = { ...folder, ...quotas }
    expect(valuesOf(inAttributes(values)).slice(2)).toEqual(expected)
    expect(valuesOf({ attributes: {}, options: { any: values } })).toEqual(["archive", "2750", ...expected])
    expect(warningsWith({ limits: { storage: 10 }, ...inAttributes(values) })).toEqual([])
  })

  it.each(["hard_quota_space", "soft_quota_inodes", "hard_quota_inodes"])(
    "with a bad %s is served without it, with a warning that has its path",
    (field) => {
      for (const value of [0, -1, "many", "", [], true, 2 ** 53]) {
        const changes = { limits: { storage: 10 }, ...inAttributes({ ...folder, [field]: value }) }
        expect(valuesOf(changes).slice(2)).toEqual(byLimit)
        expect(warningsWith(changes)).toEqual([
          { code: "ignored-value", field: `attributes.storage-folder.${field}`, found: value },
        ])
      }
    },
  )

  it.each<[string, Row, ReadonlyArray<unknown>]>([
    ["empty texts", { storage_data_type: " ", permissions: "" }, ["store", "775"]],
    ["a text to be trimmed", { storage_data_type: " Users\n", permissions: "0700" }, ["users", "0700"]],
  ])("with %s is read like the flat values", (_, values, expected) => {
    expect(valuesOf(inAttributes(values)).slice(0, 2)).toEqual(expected)
  })

  it.each<[string, Row, string]>([
    ["permissions that are not octal", { ...folder, permissions: "rwx" }, "permissions"],
    ["a data type that is not a component", { ...folder, storage_data_type: "a/b" }, "storage_data_type"],
  ])("with %s is bad data, reported with its path", (_, values, field) => {
    expect(refusalWith(inAttributes(values))).toMatchObject({
      code: "bad-data",
      uuid: resourceId,
      field: `attributes.storage-folder.${field}`,
      found: values[field],
    })
  })

  it("with an unknown data type is served, with a warning that has its path", () => {
    expect(warningsWith(inAttributes({ ...folder, storage_data_type: "media" }))).toEqual([
      { code: "unknown-data-type", field: "attributes.storage-folder.storage_data_type", found: "media" },
    ])
  })

  it("has a key of bounded length in findings", () => {
    const { field } = refusalWith({ attributes: { ["k".repeat(1_000_000)]: { ...folder, permissions: "rwx" } } })
    expect(field.length).toBeLessThan(300)
  })
})

describe("an object that is not a storage folder", () => {
  it.each<[string, unknown]>([
    ["permissions that are a number", { storage_data_type: "archive", permissions: 2750 }],
    ["no permissions", { storage_data_type: "archive" }],
    ["a data type that is null", { storage_data_type: null, permissions: "2750" }],
  ])("because it has %s has no effect, but causes a warning", (_, values) => {
    expect(valuesOf({ attributes: { folder: values } })).toEqual(["store", "775", ...byLimit])
    expect(warningsWith({ attributes: { folder: values }, options: { folder: values } })).toEqual([
      { code: "ignored-value", field: "attributes.folder", found: values },
      { code: "ignored-value", field: "options.folder", found: values },
    ])
  })

  it.each([[[folder]], "archive", 5, null, { nested: folder }, { permissions: "2750" }, {}])(
    "such as %j causes no warning",
    (value) => {
      expect(valuesOf({ attributes: { folder: value } })).toEqual(["store", "775", ...byLimit])
      expect(warningsWith({ attributes: { folder: value } })).toEqual([])
    },
  )
})

describe("a hundred thousand objects that are not storage folders", () => {
  it("cause a single warning", () => {
    const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`f${at}`, { storage_data_type: 5 }]))
    expect(warningsWith({ attributes: many })).toEqual([
      { code: "ignored-value", field: "attributes.f0", found: { storage_data_type: 5 } },
    ])
  })
})

describe("a value with several sources", () => {
  const places = (value: string) => [
    { options: { storage_data_type: value, permissions: `70${value.length}` } },
    { options: { f: { storage_data_type: value, permissions: `70${value.length}` } } },
    { attributes: { storage_data_type: value, permissions: `70${value.length}` } },
    { attributes: { f: { storage_data_type: value, permissions: `70${value.length}` } } },
  ]
  const merged = (...rows: ReadonlyArray<Row>): Row => ({
    attributes: Object.assign({}, ...rows.map(({ attributes }) => attributes)),
    options: Object.assign({}, ...rows.map(({ options }) => options)),
  })
  const orders = [
    [0, 1],
    [1, 2],
    [2, 3],
    [0, 3],
  ] as const

  it.each(orders)("from source %d takes precedence over that from source %d", (first, second) => {
    const changes = merged(places("archive")[first] ?? {}, places("fast")[second] ?? {})
    expect(valuesOf(changes).slice(0, 2)).toEqual(["archive", "707"])
  })

  it.each([
    [{ hard_quota_space: 40 }, { hard_quota_space: 30 }, { hard_quota_space: 20 }, { hard_quota_space: 15 }, 40],
    [{}, { hard_quota_space: 30 }, { hard_quota_space: 20 }, { hard_quota_space: 15 }, 30],
    [{}, {}, { hard_quota_space: 20 }, { hard_quota_space: 15 }, 20],
    [{}, {}, {}, { hard_quota_space: 15 }, 15],
    [{ hard_quota_space: 0 }, { hard_quota_space: null }, { hard_quota_space: "x" }, { hard_quota_space: 15 }, 15],
    [{}, {}, {}, {}, 10],
  ])("of the options %j, their folder %j, the attributes %j and theirs %j gives %d TB of hard space", (...given) => {
    const [flat, inOptions, attributes, inTheirs, hard] = given
    const changes = {
      options: { ...flat, f: { ...folder, ...inOptions } },
      attributes: { ...attributes, f: { ...folder, ...inTheirs } },
    }
    expect(valuesOf(changes)[3]).toBe(hard)
  })

  it("counts as missing if it is null or empty", () => {
    const changes = {
      options: { storage_data_type: "", permissions: null },
      attributes: { storage_data_type: null, permissions: "", f: folder },
    }
    expect(valuesOf(changes).slice(0, 2)).toEqual(["archive", "2750"])
  })

  it("that is valid in the options' folder replaces a bad attribute's permissions; a bad one is ignored with a warning", () => {
    const attributes = { permissions: 775 }
    expect(valuesOf({ attributes, options: { f: folder } })[1]).toBe("2750")
    const bad = { ...folder, permissions: "rwx" }
    expect(refusalWith({ attributes, options: { f: bad } })).toMatchObject({ field: "attributes.permissions" })
    expect(warningsWith({ options: { f: bad } })).toEqual([
      { code: "ignored-value", field: "options.f.permissions", found: "rwx" },
    ])
  })

  it("that names the data type in the options must be a text", () => {
    expect(refusalWith({ options: { storage_data_type: 5 } })).toMatchObject({
      code: "bad-data",
      field: "options.storage_data_type",
      found: 5,
    })
  })
})

describe("two storage folders in one place", () => {
  it.each(["attributes", "options"])("(%s) that differ are bad data", (place) => {
    for (const other of [
      { permissions: "2770" },
      { storage_data_type: "store" },
      { hard_quota_space: 5 },
      { soft_quota_inodes: "5" },
      { hard_quota_inodes: 5 },
    ]) {
      expect(refusalWith({ [place]: { a: folder, b: { ...folder, ...other } } })).toMatchObject({
        code: "bad-data",
        field: `${place}.b`,
      })
    }
  })

  it("that are equal count as one", () => {
    const reordered = { permissions: "2750", hard_quota_space: null, storage_data_type: "archive" }
    expect(valuesOf({ attributes: { a: folder, b: reordered } }).slice(0, 2)).toEqual(["archive", "2750"])
  })

  it("may differ if they are in two places", () => {
    const changes = { attributes: { a: { ...folder, permissions: "700" } }, options: { b: folder } }
    expect(valuesOf(changes)[1]).toBe("2750")
  })
})

describe("an Update order", () => {
  const quotasOf = (order: Row, changes: Row) => {
    const row = { state: "Updating", limits: { storage: 10 }, ...changes, order_in_progress: anOrder(order) }
    const { quotas, oldQuotas, newQuotas } = entryWith(row)
    return [quotas, oldQuotas, newQuotas].map((list) => list?.map(({ quota }) => quota))
  }

  it("with a storage folder in its old and new options determines the quotas before and after", () => {
    const attributes = {
      old_options: { f: { ...folder, hard_quota_space: 15, hard_quota_inodes: 30_000_000 } },
      new_options: { f: { ...folder, hard_quota_space: 25, soft_quota_inodes: 5 } },
    }
    expect(quotasOf({ attributes }, { options: { f: { ...folder, hard_quota_space: 12 } } })).toEqual([
      [10, 12, 13_300_000, 20_000_000],
      [10, 15, 13_300_000, 30_000_000],
      [10, 25, 5, 20_000_000],
    ])
  })

  it("merges its options by key: a flat option of the resource still takes precedence over a folder of the order", () => {
    const attributes = { new_options: { f: { ...folder, hard_quota_space: 25 } } }
    expect(quotasOf({ attributes }, { options: { hard_quota_space: 12 } })[2]?.[1]).toBe(12)
    expect(
      quotasOf(
        { attributes: { new_options: { f: null } } },
        { options: { f: { ...folder, hard_quota_space: 12 } } },
      )[2]?.[1],
    ).toBe(10)
  })

  it("with a bad value in its folder is reported with the value's path", () => {
    const attributes = { new_options: { f: { ...folder, hard_quota_space: -5 } } }
    const changes = { limits: { storage: 10 }, order_in_progress: anOrder({ attributes }) }
    expect(warningsWith(changes).map(({ field }) => field)).toEqual([
      "order_in_progress.attributes.new_options.f.hard_quota_space",
    ])
  })

  it("with two folders that differ, or with one beside another of the resource's, is bad data", () => {
    const other = { ...folder, hard_quota_space: 5 }
    for (const [options, newOptions] of [
      [{}, { a: folder, b: other }],
      [{ a: folder }, { b: other }],
    ]) {
      expect(
        refusalWith({ options, order_in_progress: anOrder({ attributes: { new_options: newOptions } }) }),
      ).toMatchObject({ code: "bad-data", field: "order_in_progress.attributes.new_options.b" })
    }
  })
})

describe("explain", () => {
  it("reports the field in the storage folder that a value came from", () => {
    const rows = [aResource({ limits: { storage: 10 }, ...inAttributes({ ...folder, hard_quota_space: 20 }) })]
    const around = { customers: listedCustomers, gids: gidsOf(rows), settings: settingsWith() }
    const { found } = explain({ decoded: decodeResources(rows), ...around }, { uuid: resourceId })
    const notes = Object.fromEntries((found[0]?.notes ?? []).map(({ part, from }) => [part, from]))
    expect(notes).toMatchObject({
      "data type": "attributes.storage-folder.storage_data_type",
      path: "offering_slug, attributes.storage-folder.storage_data_type, provider_slug, customer_slug, project_slug",
      permission: "attributes.storage-folder.permissions",
      target: "attributes.storage-folder.storage_data_type",
      "space soft": "limits.storage",
      "space hard": "attributes.storage-folder.hard_quota_space",
    })
  })
})
