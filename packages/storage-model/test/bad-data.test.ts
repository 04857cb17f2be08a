import { describe, expect, it } from "vitest"
import { decodeResources, waldurResourceFields } from "../src/index.ts"
import { ofOneRecord } from "../src/rules/ruling.ts"
import { anOrder, aResource, dashedNumber, type Row, resourceId, uuidNumber } from "./a-resource.ts"
import { gidsOf, only, refusalWith, resourcesOf, treeOf, treeWith } from "./a-tree.ts"

const identity = { uuid: resourceId, slug: "climate-store", offering_slug: "capstor" }

describe("a malformed row", () => {
  it.each<[string, Row, unknown, Row]>([
    ["uuid", { uuid: undefined }, null, { uuid: null }],
    ["uuid", { uuid: null }, null, { uuid: null }],
    ["uuid", { uuid: "x" }, "x", { uuid: null }],
    ["slug", { slug: undefined }, null, { slug: null }],
    ["slug", { slug: "" }, "", { slug: "" }],
    ["slug", { slug: 5 }, 5, { slug: null }],
    ["created", { created: 5 }, 5, {}],
    ["offering_uuid", { offering_uuid: "capstor" }, "capstor", {}],
    ["offering_uuid", { offering_uuid: null }, null, {}],
    ["offering_slug", { offering_slug: undefined }, null, { offering_slug: null }],
    ["offering_slug", { offering_slug: "" }, "", { offering_slug: "" }],
    ["provider_slug", { provider_slug: null }, null, {}],
    ["provider_slug", { provider_slug: "" }, "", {}],
    ["provider_name", { provider_name: 5 }, 5, {}],
    ["customer_uuid", { customer_uuid: "ethz" }, "ethz", {}],
    ["customer_slug", { customer_slug: undefined }, null, {}],
    ["customer_name", { customer_name: {} }, {}, {}],
    ["project_slug", { project_slug: null }, null, {}],
    ["project_slug", { project_slug: "" }, "", {}],
    ["project_name", { project_name: 5 }, 5, {}],
    ["attributes", { attributes: [] }, [], {}],
    ["attributes", { attributes: "775" }, "775", {}],
    ["order_in_progress", { order_in_progress: "Update" }, "Update", {}],
    ["order_in_progress", { order_in_progress: [] }, [], {}],
    ["order_in_progress.state", { order_in_progress: anOrder({ state: 5 }) }, 5, {}],
    ["order_in_progress.type", { order_in_progress: anOrder({ type: {} }) }, {}, {}],
  ])("is skipped for its %s: %j", (field, changes, found, who) => {
    expect(refusalWith(changes)).toEqual({
      code: "bad-data",
      ...identity,
      ...who,
      field,
      found,
      reason: expect.stringContaining("expected"),
    })
  })

  it("is reported with all missing fields", () => {
    const { field, reason } = refusalWith({
      slug: undefined,
      customer_slug: 5,
      order_in_progress: anOrder({ state: 5 }),
    })
    expect(field).toBe("slug")
    expect(reason).toBe(
      "missing; expected a string; also customer_slug: expected string; also order_in_progress.state: expected string | null",
    )
    for (const name of [
      "uuid",
      "slug",
      "offering_uuid",
      "offering_slug",
      "provider_slug",
      "customer_slug",
      "project_slug",
    ]) {
      const [none] = treeOf([{}]).skipped
      expect(`${none?.field} ${none?.reason}`).toContain(name)
    }
  })

  it.each([
    "slug",
    "offering_slug",
    "provider_slug",
    "provider_name",
    "customer_slug",
    "customer_name",
    "project_slug",
    "project_name",
    "created",
  ])("may have a %s of at most 1,000 characters", (field) => {
    const fits = decodeResources([aResource({ [field]: "x".repeat(1000) })])
    expect([fits.resources.length, fits.skipped.length]).toEqual([1, 0])
    const [skipped] = decodeResources([aResource({ [field]: "x".repeat(5_000_000) })]).skipped
    expect(skipped).toMatchObject({ code: "bad-data", field })
    expect(JSON.stringify(skipped).length).toBeLessThan(1000)
  })

  it.each(Object.keys(aResource()))("never throws, whatever its %s contains", (field) => {
    let deep: unknown = 5
    for (let level = 0; level < 200_000; level += 1) deep = level % 2 === 0 ? [deep] : { a: deep }
    const hostile = [
      { toString: 1 },
      { toString: 1, valueOf: 1, toJSON: 1 },
      JSON.parse('{"__proto__": null, "constructor": null, "hasOwnProperty": 1, "length": -1}'),
      deep,
      { a: deep },
      "x".repeat(5_000_000),
      `${"1".repeat(1_000_000)}x`,
      Array.from({ length: 100_000 }, () => ({})),
      Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`k${at}`, { storage_data_type: "a" }])),
      "\ud800\u2028\0",
    ]
    const other = aResource({ uuid: uuidNumber(9), project_slug: "other" })
    const alone = JSON.stringify(resourcesOf(treeOf([other])))
    for (const value of hostile) {
      const row = aResource({ project_slug: "hostile", [field]: value })
      const tree = treeOf([row, other], { gids: gidsOf([other]) })
      expect(JSON.stringify(resourcesOf(tree).filter(({ itemId }) => itemId === dashedNumber(9)))).toBe(alone)
    }
  })

  it.each([null, undefined, 5, "row", true, [], [[]]])("is reported as malformed if it is %j", (row) => {
    expect(only(treeOf([row]).skipped)).toMatchObject({
      code: "bad-data",
      uuid: null,
      slug: null,
      offering_slug: null,
      field: "",
      found: row ?? null,
    })
  })

  it("is skipped alone, at any position among others", () => {
    const bad = [null, aResource({ slug: 5 }), {}, "row", aResource({ attributes: { permissions: 5 } })]
    const good = [1, 2, 3].map((number) => aResource({ uuid: uuidNumber(number), project_slug: `p${number}` }))
    for (const rows of [
      [...bad, ...good],
      [...good, ...bad],
      [bad[0], good[0], bad[1], bad[2], good[1], bad[3], good[2], bad[4]],
    ]) {
      const tree = treeOf(rows)
      expect(resourcesOf(tree).map(({ itemId }) => itemId)).toEqual([1, 2, 3].map(dashedNumber))
      expect(tree.skipped).toHaveLength(5)
    }
  })

  it("is reported with its offering if known, else with null", () => {
    expect(refusalWith({ project_slug: null, offering_slug: 5 })).toMatchObject({ offering_slug: null })
    expect(decodeResources([{ slug: "a", offering_slug: "vast" }]).skipped).toEqual([
      expect.objectContaining({ uuid: null, slug: "a", offering_slug: "vast", field: "uuid" }),
    ])
  })
})

describe("the found value in a finding", () => {
  it("is truncated if it is a long text", () => {
    const { found } = refusalWith({ attributes: { permissions: "x".repeat(100_000) } })
    expect(found).toBe(`${"x".repeat(200)}…`)
  })

  it("is truncated if it is a long structure", () => {
    const { found } = refusalWith({ attributes: { permissions: Array.from({ length: 10_000 }, () => 7) } })
    expect(String(found).length).toBeLessThan(300)
  })

  it("is unchanged if it is a short structure", () => {
    expect(refusalWith({ attributes: { permissions: { a: [1] } } }).found).toEqual({ a: [1] })
  })

  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  let deep: unknown = "end"
  for (let depth = 0; depth < 100_000; depth += 1) deep = [deep]
  it.each([
    ["a number that JSON has not", Number.NaN],
    ["a number that JSON has not", Number.POSITIVE_INFINITY],
    ["an integer that JSON has not", 10n],
    ["a cycle", cycle],
    ["deeper than JSON text goes", deep],
    ["a symbol", Symbol("x")],
    ["a function", () => 5],
  ])("is JSON and not null for %s", (_, permissions) => {
    const skipped = refusalWith({ attributes: { permissions } })
    const { found } = JSON.parse(JSON.stringify(skipped))
    expect(found).not.toBeNull()
    expect(found).toBeDefined()
  })
})

describe("findings", () => {
  it("have one order, independent of the order of rows without identity", () => {
    const rows = [
      { offering_slug: "vast" },
      { offering_slug: "capstor" },
      { offering_slug: "iopsstor" },
      {},
      { slug: "b" },
      { slug: "a" },
      { uuid: "x" },
      { uuid: "y" },
      null,
      5,
      [],
    ]
    expect(JSON.stringify(treeOf(rows.toReversed()))).toBe(JSON.stringify(treeOf(rows)))
    expect(treeOf(rows).skipped).toHaveLength(rows.length)
  })
})

describe("a resource of a foreign offering", () => {
  it.each(["other", "Capstor", "capstor ", "__proto__"])("(%s) is skipped without parents", (offering_slug) => {
    const tree = treeWith({ offering_slug })
    expect(tree.entries).toEqual([])
    expect(tree.skipped).toEqual([
      {
        code: "foreign-offering",
        ...identity,
        offering_slug,
        field: "offering_slug",
        found: offering_slug,
        reason: expect.stringContaining("capstor, vast, iopsstor"),
      },
    ])
  })
})

describe("a resource that Waldur sends twice", () => {
  it("is served once", () => {
    const tree = treeOf([aResource(), aResource(), aResource()])
    expect(resourcesOf(tree)).toHaveLength(1)
    expect(tree.skipped.map(({ code, uuid, field, found }) => [code, uuid, field, found])).toEqual([
      ["duplicate", resourceId, "uuid", resourceId],
      ["duplicate", resourceId, "uuid", resourceId],
    ])
    expect(tree.warnings).toEqual([])
  })

  it("is recognised by its uuid in any notation", () => {
    expect(treeOf([aResource(), aResource({ uuid: resourceId.toUpperCase() })]).skipped).toHaveLength(1)
  })

  it("with different content gives the same result in either order", () => {
    const rows = [aResource({ state: "Updating" }), aResource({ state: "OK" }), aResource({ project_slug: "moved" })]
    const permuted = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ].map((order) => JSON.stringify(treeOf(order.map((at) => rows[at]))))
    expect(new Set(permuted).size).toBe(1)
  })

  it("has no path conflict with itself", () => {
    expect(treeOf([aResource({ state: "Terminated" }), aResource()]).skipped.map(({ code }) => code)).toEqual([
      "duplicate",
    ])
  })
})

describe("the fields requested from Waldur", () => {
  it("are all that the model reads", () => {
    expect([...waldurResourceFields].toSorted()).toEqual(Object.keys(aResource()).toSorted())
  })

  it("are sufficient", () => {
    const whole = { ...aResource(), offering_name: "Capstor", plan: null, available_actions: [], creation_order: {} }
    expect(treeOf([whole])).toEqual(treeOf([aResource()]))
  })
})

describe("a record that no rule foresees", () => {
  it("is skipped, with a reason that quotes nothing of it", () => {
    const throwing = ofOneRecord((): never => {
      throw new RangeError("secret")
    })
    expect(throwing).toEqual({
      code: "bad-data",
      problem: { field: "", found: null, reason: "cannot be processed: an error of the kind RangeError" },
      rulings: [],
      remarks: [],
    })
    expect(ofOneRecord(() => 5)).toBe(5)
  })

  it("does not affect other records", () => {
    const odd = aResource({ uuid: uuidNumber(2), project_slug: "odd" })
    let throws = 0
    const throwing = new Proxy(odd, {
      get: (row, key) => {
        if (key === "attributes" && throws++ === 0) throw new Error("no")
        return Reflect.get(row, key)
      },
    })
    const tree = treeOf([aResource(), throwing])
    expect(resourcesOf(tree).map(({ itemId }) => itemId)).toEqual([resourceId])
    expect(tree.skipped).toMatchObject([
      { code: "bad-data", uuid: dashedNumber(2), reason: expect.stringContaining("cannot be processed") },
    ])
  })
})
