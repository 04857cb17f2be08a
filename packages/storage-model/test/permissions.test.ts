import { describe, expect, it } from "vitest"
import { resourceId } from "./a-resource.ts"
import { entryWith, refusalWith, warningsWith } from "./a-tree.ts"

const good = ["000", "777", "0775", "2770", "7777", "755"]
const bad = [
  "7",
  "77",
  "77777",
  "778",
  "rwx",
  "u+x",
  "0o775",
  " 775",
  "775 ",
  "775\n",
  "-775",
  "٧٧٥",
  775,
  2770,
  true,
  [],
  {},
  ["775"],
]

describe("the permissions", () => {
  it.each(good)("from the attribute %s are served unchanged", (permissions) => {
    expect(entryWith({ attributes: { permissions } }).permission).toEqual({
      permissionType: "octal",
      value: permissions,
    })
  })

  it.each([undefined, null, ""])("are 775 if the attribute is %j", (permissions) => {
    expect(entryWith({ attributes: { permissions } }).permission.value).toBe("775")
    expect(warningsWith({ attributes: { permissions } })).toEqual([])
  })

  it.each([undefined, null])("are 775 if the attributes are %j", (attributes) => {
    expect(entryWith({ attributes }).permission.value).toBe("775")
  })

  it.each(bad)("are bad data if the attribute is %j", (permissions) => {
    expect(refusalWith({ attributes: { permissions } })).toEqual({
      code: "bad-data",
      uuid: resourceId,
      slug: "climate-store",
      offering_slug: "capstor",
      field: "attributes.permissions",
      found: permissions,
      reason: expect.stringContaining("3 or 4 octal digits"),
    })
  })
})

describe("the option permissions", () => {
  it.each(good)("%s overrides the attribute", (permissions) => {
    expect(entryWith({ options: { permissions } }).permission.value).toBe(permissions)
  })

  it.each([undefined, null, "", ...bad])("overrides the attribute %j", (permissions) => {
    const options = { permissions: "700" }
    expect(entryWith({ attributes: { permissions }, options }).permission.value).toBe("700")
  })

  it.each(bad)("%j is ignored with a warning", (permissions) => {
    const options = { permissions }
    expect(entryWith({ options }).permission.value).toBe("2770")
    expect(entryWith({ options, attributes: {} }).permission.value).toBe("775")
    expect(warningsWith({ options })).toEqual([
      { code: "ignored-value", field: "options.permissions", found: permissions },
    ])
  })

  it.each([undefined, null, ""])("%j has no effect", (permissions) => {
    expect(entryWith({ options: { permissions } }).permission.value).toBe("2770")
    expect(warningsWith({ options: { permissions } })).toEqual([])
  })

  it.each(bad)("%j does not replace a bad attribute", (permissions) => {
    expect(refusalWith({ options: { permissions }, attributes: { permissions: "rwx" } })).toMatchObject({
      code: "bad-data",
      field: "attributes.permissions",
      found: "rwx",
    })
  })

  it.each([null, undefined, [], "777", 5])("is absent if the options are %j", (options) => {
    expect(entryWith({ options }).permission.value).toBe("2770")
  })
})
