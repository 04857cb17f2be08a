import { describe, expect, it } from "vitest"
import { knownDataTypes } from "../src/index.ts"
import { entryWith, refusalWith, warningsWith } from "./a-tree.ts"

describe("a storage data type", () => {
  it.each([
    ["store", "project"],
    ["archive", "project"],
    ["users", "user"],
    ["scratch", "user"],
  ])("%s is known and has a %s as its target", (dataType, targetType) => {
    expect(knownDataTypes).toContain(dataType)
    expect(entryWith({ attributes: { storage_data_type: dataType } }).target.targetType).toBe(targetType)
    expect(warningsWith({ attributes: { storage_data_type: dataType } })).toEqual([])
  })

  it.each([
    ["STORE", "store"],
    ["Users", "users"],
    [" scratch", "scratch"],
    ["\tArchive\r\n", "archive"],
    ["", "store"],
    ["   ", "store"],
    ["\n", "store"],
    [null, "store"],
    [undefined, "store"],
  ])("%j is read as %s", (written, dataType) => {
    const entry = entryWith({ attributes: { storage_data_type: written } })
    expect(entry.storageDataType.key).toBe(dataType)
    expect(entry.storageDataType.path).toBe(dataType)
    expect(entry.mountPoint.default).toBe(`/capstor/${dataType}/cscs/university-physics/climate-sim`)
  })

  it.each([null, undefined, {}])("is store if the attributes are %j", (attributes) => {
    expect(entryWith({ attributes }).storageDataType.key).toBe("store")
  })

  it("is not read from a prototype", () => {
    const attributes = JSON.parse('{"__proto__": {"storage_data_type": "users", "permissions": "777"}}')
    const entry = entryWith({ attributes })
    expect(entry.storageDataType.key).toBe("store")
    expect(entry.permission.value).toBe("775")
  })

  it.each(["media", "constructor", "__proto__", "store2", "tostring"])(
    "%s is a project's, with a warning",
    (dataType) => {
      const attributes = { storage_data_type: dataType }
      const entry = entryWith({ attributes })
      expect(entry.target.targetType).toBe("project")
      expect(entry.target.targetItem).toMatchObject({ key: "climate-sim", unixGid: 31_001 })
      expect(entry.storageDataType).toMatchObject({ key: dataType, name: dataType.toUpperCase(), path: dataType })
      expect(warningsWith({ attributes })).toEqual([
        { code: "unknown-data-type", field: "attributes.storage_data_type", found: dataType },
      ])
    },
  )

  // The Kelvin sign lowercases to k, the dotted capital I to i and a combining dot; a long s and full-width letters stay.
  it.each(["bac\u212Aup", "arch\u0130ve", "\u017ftore", "ａrchive", "ＳＴＯＲＥ"])(
    "%j is bad data, even if it looks like a known one",
    (written) => {
      expect(refusalWith({ attributes: { storage_data_type: written } })).toMatchObject({
        code: "bad-data",
        field: "attributes.storage_data_type",
        found: written,
      })
    },
  )

  it.each([5, 0, true, false, [], ["store"], {}, { key: "store" }])("%j is bad data", (written) => {
    expect(refusalWith({ attributes: { storage_data_type: written } })).toEqual({
      code: "bad-data",
      uuid: "44d1e266-9fbc-50bc-8c11-fe312cab9dd3",
      slug: "climate-store",
      offering_slug: "capstor",
      field: "attributes.storage_data_type",
      found: written,
      reason: expect.stringContaining("expected"),
    })
  })
})
