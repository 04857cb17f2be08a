import { posix } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { buildHierarchy, decodeResources } from "../src/index.ts"
import { anOrder, aResource, dashedNumber, type Row, terminating, uuidNumber } from "./a-resource.ts"
import {
  entriesOf,
  gidsOf,
  listedCustomers,
  mountPointsOf,
  resourcesOf,
  type Surroundings,
  settingsWith,
  treeOf,
} from "./a-tree.ts"

const named = "/capstor/store/cscs/university-physics/climate-sim"
/** A removal of resource 2 at a path, with the names of another project. */
const goneAt = (backend_id: string, changes: Row = {}) =>
  aResource({ uuid: uuidNumber(2), state: "Terminated", project_slug: "gone", backend_id, ...changes })

/** The result of a removal at a path beside another row: the code that holds it back, or that of its warning. */
const removalBeside = (row: unknown, path: string, around: Surroundings = {}) => {
  const tree = treeOf([row, goneAt(path)], around)
  const held = tree.skipped.find(({ uuid }) => uuid === dashedNumber(2))
  const isServed = resourcesOf(tree).some(({ itemId }) => itemId === dashedNumber(2))
  expect(isServed).toBe(held === undefined)
  return held?.code ?? tree.warnings.find(({ uuid }) => uuid === dashedNumber(2))?.code ?? "served"
}

describe("a live backend_id that is not served protects its directory", () => {
  it.each([
    "/fs/t/c/live/",
    "/fs/t/c/live//",
    "//fs/t/c/live",
    "/fs//t///c/live",
    "/fs/./t/c/live/.",
    "/fs/t/x/../c/live",
    "/../fs/t/c/live",
    " /fs/t/c/live",
    "/fs/t/c/live\n",
    "\t/fs/t/c/live \r\n",
    "\u00a0/fs/t/c/live\u2003",
    "\ufeff/fs/t/c/live",
    "/fs/t/c/li\u200bve",
    "/fs/t/c/live\u0000",
    "/fs/t/c/live\u0000/below",
    "/fs/t/c/live\u202e",
    "／fs／t／c／live",
    "/ｆｓ/t/c/live",
    "/fs/t/x/．．/c/live",
    "/fs/t/x/‥/c/live",
    "/fs\u2215t\u2044c/live",
    "/fs%2Ft%2fc/live",
    "%2Ffs/t/c/live",
    "/fs/t/x/%2e%2E/c/live",
    "/fs%252Ft/c/live",
    "/fs％2Ft/c/live",
    "%EF%BC%8Ffs%EF%BC%8Ft/c/live",
    "nfs://storage.example.org/fs/t/c/live",
    "https://user@storage.example.org:8443/fs/t/c/live",
    `${" ".repeat(20_000)}/fs/t/c/live`,
    `${"/".repeat(20_000)}fs/t/c/live`,
    "file:///fs/t/c/live",
    "storage.example.org:/fs/t/c/live",
    '"/fs/t/c/live"',
    "/fs/t/c/live, /fs/t/c/other",
    "/fs/t/c/other;/fs/t/c/live",
    "\\fs\\t\\c\\live",
    `/fs/t/c/live/${" ".repeat(10_000)}`,
  ])("as %j", (backend_id) => {
    const live = aResource({ uuid: uuidNumber(1), backend_id })
    expect(removalBeside(live, "/fs/t/c/live")).toBe("removal-of-live-path")
    expect(removalBeside(live, "/fs/t/c")).toBe("removal-of-live-path")
    expect(removalBeside(live, "/fs/t/cc")).toBe("served")
    // The directory of its names too, if that is served.
    expect(removalBeside(live, named)).toBe("removal-of-live-path")
  })

  it.each(["/fs/tä/../t/c/live", "/fs/t/a b/../c/live", "/fs/*/../t/c/live"])(
    "as %j, whose .. removes an invalid component",
    (backend_id) => {
      const live = aResource({ uuid: uuidNumber(1), backend_id })
      expect(removalBeside(live, "/fs/t/c/live")).toBe("removal-of-live-path")
    },
  )

  it.each(["", "fs/t/c/live", "t/c/live", null, 5, ["/fs/t/c/live"]])(
    "but not as %j, which is not an absolute path",
    (backend_id) => {
      const live = aResource({ uuid: uuidNumber(1), backend_id })
      expect(removalBeside(live, "/fs/t/c/live")).toBe("served")
      expect(removalBeside(live, named)).toBe("removal-of-live-path")
    },
  )

  it("but not one in another letter case", () => {
    expect(removalBeside(aResource({ uuid: uuidNumber(1), backend_id: "/fs/t/c/Live/" }), "/fs/t/c/live")).toBe(
      "served",
    )
  })

  it.each<[string, Row, Surroundings]>([
    ["outside the mount roots", { backend_id: "/other/t/c/live" }, { settings: { mountRoots: ["/fs", "/capstor"] } }],
    ["in a system directory", { backend_id: "/etc/ceph/live" }, {}],
  ])("%s, and the directory of its names too, because it is uncertain which one applies", (_, changes, around) => {
    expect(removalBeside(aResource({ uuid: uuidNumber(1), ...changes }), named, around)).toBe("removal-of-live-path")
  })

  it("at a mount root, with a warning about removals inside it", () => {
    const live = aResource({ uuid: uuidNumber(1), backend_id: "/fs/t/c/live" })
    const settings = { mountRoots: ["/capstor", "/fs/t/c/live"] }
    expect(removalBeside(live, "/fs/t/c/live/below", { settings })).toBe("nested-mount-point")
  })

  it("but a valid one alone counts: the directory of the names may be removed", () => {
    expect(removalBeside(aResource({ uuid: uuidNumber(1), backend_id: "/fs/t/c/live" }), named)).toBe("served")
  })

  it("of another offering, too", () => {
    const foreign = aResource({ uuid: uuidNumber(1), offering_slug: "other", backend_id: "/fs/t/c/live/" })
    expect(removalBeside(foreign, "/fs/t/c/live")).toBe("removal-of-live-path")
  })
})

describe("a live record with bad names protects the paths of its good ones", () => {
  const customer = "/capstor/store/cscs/university-physics"
  it.each<[string, Row, path: string, becomes: string]>([
    ["project_slug", { project_slug: ".." }, customer, "removal-of-live-path"],
    ["project_slug", { project_slug: ".." }, "/capstor/store/cscs", "removal-of-live-path"],
    ["project_slug", { project_slug: ".." }, `${customer}/any`, "removal-of-live-path"],
    ["project_slug", { project_slug: ".." }, `${customer}/any/below`, "removal-of-live-path"],
    ["project_slug", { project_slug: "a b" }, "/capstor/store/cscs/biology/any", "served"],
    ["project_slug", { project_slug: "../biology/cells" }, "/capstor/store/cscs/biology/cells", "removal-of-live-path"],
    [
      "project_slug",
      { project_slug: "../biology/cells\0x" },
      "/capstor/store/cscs/biology/cells",
      "removal-of-live-path",
    ],
    [
      "project_slug",
      { project_slug: "../biology/cells x" },
      "/capstor/store/cscs/biology/cells",
      "removal-of-live-path",
    ],
    ["project_slug", { project_slug: 5 }, `${customer}/any`, "removal-of-live-path"],
    ["customer_slug", { customer_slug: "a/b" }, "/capstor/store/cscs", "removal-of-live-path"],
    ["customer_slug", { customer_slug: "a/b" }, "/capstor/store/cscs/any", "removal-of-live-path"],
    ["customer_slug", { customer_slug: "" }, "/capstor/store/cscs/any/climate-sim", "removal-of-live-path"],
    ["customer_slug", { customer_slug: "" }, "/capstor/store/cscs/any/another", "served"],
    [
      "provider_slug",
      { provider_slug: null },
      `/capstor/store/any/university-physics/climate-sim`,
      "removal-of-live-path",
    ],
    ["provider_slug", { provider_slug: null }, `/capstor/store/any/university-physics/other`, "served"],
    ["data type", { attributes: { storage_data_type: 5 } }, named, "removal-of-live-path"],
    [
      "attributes",
      { attributes: "store" },
      "/capstor/scratch/cscs/university-physics/climate-sim",
      "removal-of-live-path",
    ],
    ["offering_slug", { offering_slug: 5 }, named, "removal-of-live-path"],
    ["offering_slug", { offering_slug: 5 }, `${customer}/other`, "served"],
    ["two slugs", { customer_slug: 5, project_slug: 5 }, "/capstor/store/cscs/any/any", "removal-of-live-path"],
    ["two slugs", { customer_slug: 5, project_slug: 5 }, "/capstor/store/psi/any/any", "served"],
    ["two slugs", { offering_slug: "a b", project_slug: "a b" }, named, "removal-of-live-path"],
    ["two slugs", { offering_slug: 5, project_slug: 5 }, "/capstor/store/cscs/biology/any", "served"],
    [
      "project_slug, without a data type",
      { project_slug: "../other", attributes: 5 },
      "/capstor/store/cscs/other",
      "removal-of-live-path",
    ],
    [
      "data type",
      { attributes: { storage_data_type: "a/b" } },
      "/capstor/a/b/cscs/university-physics/climate-sim",
      "removal-of-live-path",
    ],
    [
      "data type",
      { attributes: { storage_data_type: "../vast/store" } },
      "/vast/store/cscs/university-physics/climate-sim",
      "removal-of-live-path",
    ],
    ["two slugs", { customer_slug: "..", project_slug: 5 }, "/capstor/store/any/any/any", "served"],
    ["all but the customer's", { offering_slug: 5, provider_slug: 5, project_slug: 5 }, named, "removal-of-live-path"],
  ])("(%s: %j) from a removal at %s, which is %s", (_, bad, path, becomes) => {
    expect(removalBeside(aResource({ uuid: uuidNumber(1), ...bad }), path)).toBe(becomes)
  })

  it.each([null, {}, "row", 5, [], { state: "OK" }])("unless the record is %j, which names nothing", (row) => {
    expect(removalBeside(row, named)).toBe("served")
  })

  it.each<[string, Row]>([
    ["is being removed as ordered", terminating],
    ["is gone", { state: "Terminated" }],
    ["is not there yet", { state: "Creating", order_in_progress: anOrder({ state: "pending-project" }) }],
  ])("unless it %s", (_, changes) => {
    expect(removalBeside(aResource({ uuid: uuidNumber(1), project_slug: "..", ...changes }), `${customer}/any`)).toBe(
      "served",
    )
  })

  it.each<[string, Row]>([
    ["a state that is none", { state: 5 }],
    ["no state", { state: undefined }],
    ["a state in other letters", { state: "terminated" }],
    ["an order that cannot be read", { state: "Terminating", order_in_progress: "Terminate" }],
    [
      "an order in a state that cannot be read",
      { ...terminating, order_in_progress: anOrder({ type: "Terminate", state: 5 }) },
    ],
  ])("also with %s, because it counts as live", (_, changes) => {
    expect(removalBeside(aResource({ uuid: uuidNumber(1), slug: 5, ...changes }), named)).toBe("removal-of-live-path")
  })
})

describe("a live resource with two data types", () => {
  const archive = "/capstor/archive/cscs/university-physics/climate-sim"
  const folder = { storage_data_type: "archive", permissions: "775" }
  const update = (attributes: Row) => ({ state: "Updating", order_in_progress: anOrder({ attributes }) })

  it.each<[string, Row]>([
    ["its attributes, which an option goes before", { options: { storage_data_type: "archive" } }],
    ["a storage folder, which a flat value goes before", { attributes: { storage_data_type: "store", folder } }],
    ["a storage folder of the options", { options: { folder } }],
    ["the options that its order sets", update({ new_options: { storage_data_type: "Archive " } })],
    ["the folder that its order sets", update({ new_options: { folder } })],
    ["the options before its order", update({ old_options: { folder } })],
  ])("protects the directories of both: %s", (_, changes) => {
    const live = aResource({ uuid: uuidNumber(1), ...changes })
    for (const path of [named, archive]) expect(removalBeside(live, path)).toBe("removal-of-live-path")
    expect(removalBeside(live, "/capstor/scratch/cscs/university-physics/climate-sim")).toBe("served")
  })

  it("protects the directories of any type if it has more than it has places for", () => {
    const options = Object.fromEntries(Array.from({ length: 9 }, (_, at) => [at, { storage_data_type: `type-${at}` }]))
    const live = aResource({ uuid: uuidNumber(1), options })
    expect(removalBeside(live, archive)).toBe("removal-of-live-path")
    expect(removalBeside(live, "/capstor/archive/cscs/university-physics/another")).toBe("served")
  })

  it.each(["a/b", "../a/b", "../A/b"])(
    "protects the directory that %j leads to, which an option goes before",
    (type) => {
      const attributes = { storage_data_type: type }
      const live = aResource({ uuid: uuidNumber(1), attributes, options: { storage_data_type: "archive" } })
      for (const spelt of [type, type.toLowerCase()]) {
        const path = posix.resolve(`/capstor/${spelt}/cscs/university-physics/climate-sim`)
        expect(removalBeside(live, path)).toBe("removal-of-live-path")
      }
      expect(removalBeside(live, named)).toBe("served")
    },
  )

  it("protects the directory that a type leads to although it has more than it has places for", () => {
    const types = Array.from({ length: 10_000 }, (_, at) => `type-${at}`).concat("../vast/store")
    const options = Object.fromEntries(types.map((storage_data_type, at) => [at, { storage_data_type }]))
    const path = "/vast/store/cscs/university-physics/climate-sim"
    expect(removalBeside(aResource({ uuid: uuidNumber(1), options }), path)).toBe("removal-of-live-path")
  })

  it("protects the directories of both if its record is malformed", () => {
    const live = aResource({ uuid: uuidNumber(1), slug: 5, options: { folder } })
    for (const path of [named, archive]) expect(removalBeside(live, path)).toBe("removal-of-live-path")
  })

  it("protects neither if backend_id gives its path", () => {
    const live = aResource({ uuid: uuidNumber(1), backend_id: "/fs/t/c/live", options: { folder } })
    for (const path of [named, archive]) expect(removalBeside(live, path)).toBe("served")
  })
})

describe("a live record does not hold back removals elsewhere", () => {
  const types = (count: number): Row =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [at, { storage_data_type: `type-${at}` }]))
  const elsewhere = "/vast/store/psi/biology/cells"

  it.each<[string, Row]>([
    ["two data types", { attributes: { storage_data_type: "store" }, options: { storage_data_type: "archive" } }],
    [
      "a valid data type and one that is not a text",
      { attributes: { storage_data_type: "store" }, options: { storage_data_type: 5 } },
    ],
    ["more data types than places", { options: types(9) }],
    ["a data type that is a path", { attributes: { storage_data_type: "store/psi" } }],
    ["a data type that leads back", { attributes: { storage_data_type: "store/psi/.." } }],
    [
      "a data type that is a path, and an empty slug",
      { attributes: { storage_data_type: "store/psi" }, project_slug: "." },
    ],
  ])("without a slug, by %s", (_, row) => {
    expect(removalBeside({ state: "OK", ...row }, elsewhere)).toBe("served")
  })

  it.each<[string, Row, path: string]>([
    ["a slug with the model's own notation", { project_slug: `../../../..${"/--unknown--".repeat(5)}` }, elsewhere],
    ["a slug with the model's own notation", { project_slug: "../../../../--unknown--/store" }, elsewhere],
    ["a slug with the model's own notation", { project_slug: `../../../..${"/*".repeat(5)}` }, elsewhere],
    [
      "slugs that lead to any storage system's data type",
      { offering_slug: 5, attributes: { storage_data_type: "x" }, provider_slug: "../store", project_slug: ".." },
      elsewhere,
    ],
    [
      "a slug that ends with a space, and no data type",
      { provider_slug: "cscs ", attributes: { storage_data_type: 5 } },
      "/capstor/archive/cscs/biology/cells",
    ],
    [
      "a data type that begins like another",
      { options: { storage_data_type: "archive", folder: { storage_data_type: "store x" } } },
      "/capstor/store/cscs/biology/cells",
    ],
    [
      "a data type with the model's own notation",
      { options: { storage_data_type: "archive", folder: { storage_data_type: "--unknown--" } } },
      "/capstor/scratch/cscs/university-physics/climate-sim",
    ],
  ])("by %s: %j at %s", (_, changes, path) => {
    expect(removalBeside(aResource({ uuid: uuidNumber(1), ...changes }), path)).toBe("served")
  })
})

describe("a live record with any names", () => {
  const anyText = fc.constantFrom(
    ...["one", "Two", "", ".", "..", "/", "*", "a*b", "a/b", "../one", "../../vast/x", "a/../b", "/abs", "a/"],
    ...[
      "a--unknown--b",
      "a b",
      " one ",
      "one\n",
      "o\u200bne",
      "\uff0e\uff0e/one",
      "\u2025/one",
      "a\uff0fb",
      "a\u2215b",
      "a\u2044b",
    ],
    ...[
      "a\\b",
      "a%2Fb",
      "%2e%2e/one",
      "%252e./one",
      "\u24deone",
      "\u00e9",
      "\u2024",
      "\uff0a",
      "__proto__",
      "x".repeat(300),
    ],
  )
  const anyName = fc.oneof(
    { weight: 3, arbitrary: anyText },
    fc.constantFrom("one", 5, 0, null, undefined, [], ["one"], {}),
  )
  const slugs = ["offering_slug", "provider_slug", "customer_slug", "project_slug"]
  const anyNames = fc.record(Object.fromEntries(slugs.map((slug) => [slug, anyName])), { requiredKeys: [] })
  const inPlaces = (types: ReadonlyArray<unknown>): Row => {
    const [own, option, folder, optionFolder, before, after] = types.map((storage_data_type) => ({ storage_data_type }))
    const attributes = { old_options: before, new_options: { folder: after } }
    return {
      attributes: { ...own, folder: { ...folder, permissions: "775" } },
      options: { ...option, folder: { ...optionFolder, permissions: "775" } },
      state: "Updating",
      order_in_progress: anOrder({ attributes }),
    }
  }

  /** The paths of a text, as a kernel reads it, and as a person does. Independent of the model, as its check. */
  const readingsOf = (text: string) => {
    const decoded = [1, 2].reduce((encoded) => decodeURIComponent(encoded).normalize("NFKC"), text.normalize("NFKC"))
    const slashed = decoded.replace(/[\\\u2215\u2044]/g, "/")
    return [text, slashed, slashed.replace(/[\s\u200b]/g, "")].map((one) => posix.resolve(one))
  }
  const isComponent = (name: unknown) => typeof name === "string" && /^\w[\w.-]{0,254}$/.test(name)
  const isAbsent = (attributes: unknown) => attributes == null || JSON.stringify(attributes) === "{}"
  const upwards = (path: string): ReadonlyArray<string> =>
    path.lastIndexOf("/") <= 0 ? [] : [path, ...upwards(posix.dirname(path))]

  it("holds back each removal at or above a directory that any reading of them leads to", () => {
    fc.assert(
      fc.property(
        anyNames,
        fc.oneof(
          anyName.map((type) => ({ attributes: { storage_data_type: type }, types: [type ?? ""] })),
          anyName.map((attributes) => ({ attributes, types: [isAbsent(attributes) ? "" : 5] })),
          fc.array(anyName, { minLength: 6, maxLength: 6 }).map((types) => ({
            ...inPlaces(types),
            types: types.filter((type) => typeof type === "string" && type.trim() !== ""),
          })),
        ),
        (names, { types, ...given }: Row & { readonly types: ReadonlyArray<unknown> }) => {
          const live = aResource({ uuid: uuidNumber(1), ...names, ...given })
          const [offering, ...others] = slugs.map((slug) => live[slug])
          fc.pre([offering, ...others].some((name) => typeof name === "string"))
          const texts = types.map((type) =>
            typeof type === "string" ? type.trim().toLowerCase() || "store" : undefined,
          )
          const paths = texts.flatMap((type) =>
            readingsOf(
              `/${[offering, type, ...others].map((name) => (typeof name === "string" ? name : "any-name")).join("/")}`,
            ),
          )
          const ofSlugs = [offering, ...others].flatMap((name) =>
            typeof name === "string" ? readingsOf(`/${name}`).flatMap((path) => path.slice(1).split("/")) : [],
          )
          const isWhole = (components: ReadonlyArray<string>) =>
            components.length >= 5 && components.some((name) => name !== "" && ofSlugs.includes(name))
          // What a missing name leaves at the end of a path that is short or has no slug is any directory beside it.
          const known = paths.map((path) =>
            isWhole(path.slice(1).split("/")) ? path : path.replace(/(\/any-name)+$/, ""),
          )
          const pattern = [offering, texts[0], ...others].map((name) => (isComponent(name) ? name : "any-name"))
          const isPattern = pattern.includes("any-name") && [offering, ...others].some(isComponent)
          if (isPattern && given.state === undefined) known.push(`/${pattern.join("/")}/below`)
          const removals = [...new Set(known.flatMap(upwards))].filter(
            (path) => path.slice(1).split("/").every(isComponent) && !/^\/any-name(?:\/[^/]+)?$/.test(path),
          )
          const rows = removals.map((path, at) => goneAt(path, { uuid: uuidNumber(at + 2) }))
          const listed = resourcesOf(treeOf([live, ...rows])).filter(({ status }) => status === "removed")
          expect(mountPointsOf(listed)).toEqual([])
        },
      ),
      { numRuns: 1000 },
    )
  })
})

describe("a removal inside a live directory", () => {
  it("is served, with a warning about both", () => {
    const live = aResource({ uuid: uuidNumber(1), backend_id: "/fs/t/c/live" })
    const tree = treeOf([live, goneAt("/fs/t/c/live/scratch")])
    expect(resourcesOf(tree)).toHaveLength(2)
    expect(tree.warnings).toEqual([
      expect.objectContaining({
        code: "nested-mount-point",
        uuid: dashedNumber(2),
        field: "backend_id",
        found: "/fs/t/c/live/scratch",
        reason: `is being removed inside /fs/t/c/live, the directory of ${dashedNumber(1)}`,
      }),
    ])
  })

  it("is recognised by path components: a sibling with a common prefix is not inside", () => {
    const live = aResource({ uuid: uuidNumber(1), backend_id: "/fs/t/c/live" })
    expect(removalBeside(live, "/fs/t/c/live2")).toBe("served")
    expect(removalBeside(live, "/fs/t/c/liv")).toBe("served")
  })
})

describe("a protected path", () => {
  const protectedPaths = [{ path: "/fs/t/c/kept", by: "an entry that the loss guard keeps" }]
  it.each([
    ["/fs/t/c/kept", "removal-of-live-path"],
    ["/fs/t/c", "removal-of-live-path"],
    ["/fs/t/c/kept/below", "nested-mount-point"],
    ["/fs/t/c/kept2", "served"],
  ])("changes a removal at %s to: %s", (path, becomes) => {
    expect(removalBeside(aResource({ uuid: uuidNumber(1), project_slug: "other" }), path, { protectedPaths })).toBe(
      becomes,
    )
  })

  it("is reported with its owner, without a warning about live resources there", () => {
    const tree = treeOf([aResource({ uuid: uuidNumber(1), backend_id: "/fs/t/c/kept" }), goneAt("/fs/t/c")], {
      protectedPaths,
    })
    expect(tree.warnings).toEqual([])
    const held = treeOf([goneAt("/fs/t/c/kept")], { protectedPaths })
    expect(held.skipped[0]?.reason).toBe("is where an entry that the loss guard keeps may be live")
  })

  it("is parsed leniently", () => {
    const spelt = [{ path: " //fs/t/c/kept/ ", by: "a guard" }]
    expect(removalBeside(null, "/fs/t/c/kept", { protectedPaths: spelt })).toBe("removal-of-live-path")
  })
})

describe("a removal", () => {
  const orderFields = (row: Row) => {
    const tree = treeOf([aResource({ state: "Terminating", ...row })])
    return [resourcesOf(tree)[0]?.status, tree.skipped[0]?.code, tree.skipped[0]?.field]
  }

  it.each(["pending-provider", "executing"])("is served if its order is %s", (state) => {
    expect(orderFields({ order_in_progress: anOrder({ type: "Terminate", state }) })).toEqual([
      "removing",
      undefined,
      undefined,
    ])
  })

  it.each<[string, unknown, string]>([
    ["is null", null, "order_in_progress"],
    ["is missing", undefined, "order_in_progress"],
    ["is an Update", anOrder({ type: "Update" }), "order_in_progress.type"],
    ["has no type", anOrder({ type: undefined }), "order_in_progress.type"],
    ["has a type in other letters", anOrder({ type: "terminate" }), "order_in_progress.type"],
    ["has no state", anOrder({ type: "Terminate", state: null }), "order_in_progress.state"],
    ["is of a later Waldur", anOrder({ type: "Terminate", state: "pending-director" }), "order_in_progress.state"],
    ["is in other letters", anOrder({ type: "Terminate", state: "Executing " }), "order_in_progress.state"],
    ...["done", "erred", "canceled", "rejected", ""].map((state): [string, unknown, string] => [
      `is ${state}`,
      anOrder({ type: "Terminate", state }),
      "order_in_progress.state",
    ]),
  ])("is held back if its order %s, and its parents stay", (_, order_in_progress, field) => {
    expect(orderFields({ order_in_progress })).toEqual([undefined, "removal-without-order", field])
    const tree = treeOf([aResource({ state: "Terminating", order_in_progress })])
    expect(mountPointsOf(entriesOf(tree))).toEqual(["/capstor/store/cscs", "/capstor/store/cscs/university-physics"])
  })

  it.each(["Creating", "Updating", "Terminated"])("needs no order if the resource is %s", (state) => {
    expect(resourcesOf(treeOf([aResource({ state, order_in_progress: null })]))).toHaveLength(1)
  })

  it.each(["Restore", "restore", "Terminate "])(
    "that is already gone is held back while it has an order of type %j",
    (type) => {
      const row = { state: "Terminated", order_in_progress: anOrder({ type, state: "executing" }) }
      expect(orderFields(row)).toEqual([undefined, "removal-without-order", "order_in_progress.type"])
      expect(removalBeside(aResource({ uuid: uuidNumber(1), ...row }), named)).toBe("removal-of-live-path")
      expect(orderFields({ ...row, order_in_progress: anOrder({ type, state: "done" }) })[0]).toBe("removed")
    },
  )

  it("without its order counts as live data: no other removal may take it", () => {
    const doubtful = aResource({ uuid: uuidNumber(1), state: "Terminating", backend_id: "/fs/t/c/doubtful" })
    expect(removalBeside(doubtful, "/fs/t/c/doubtful")).toBe("removal-of-live-path")
    expect(removalBeside(doubtful, "/fs/t/c")).toBe("removal-of-live-path")
    const spelt = aResource({ uuid: uuidNumber(1), state: "Terminating", backend_id: "/fs/t/c/doubtful/" })
    expect(removalBeside(spelt, "/fs/t/c/doubtful")).toBe("removal-of-live-path")
    expect(removalBeside(spelt, named)).toBe("removal-of-live-path")
  })
})

describe("two rows with one uuid", () => {
  const one = (changes: Row) => aResource({ uuid: uuidNumber(1), ...changes })

  it.each<[string, Row]>([
    ["gone", { state: "Terminated" }],
    ["being removed", terminating],
    ["being removed without an order", { state: "Terminating" }],
    ["not there yet", { state: "Creating", order_in_progress: anOrder({ state: "pending-consumer" }) }],
  ])("count as the live one in any order, if the other is %s", (_, other) => {
    // One path sorts before the other row's, one after it: the text must not decide.
    for (const backend_id of ["/a/b/c", "/z/b/c"]) {
      const rows = [one({ backend_id }), one({ ...other, backend_id: "/m/b/c", uuid: dashedNumber(1).toUpperCase() })]
      for (const order of [rows, rows.toReversed()]) {
        const tree = treeOf(order)
        expect(resourcesOf(tree).map(({ status, mountPoint }) => [status, mountPoint.default])).toEqual([
          ["active", backend_id],
        ])
        expect(tree.skipped.map(({ code, uuid }) => [code, uuid])).toEqual([["duplicate", dashedNumber(1)]])
      }
    }
  })

  it("protect the paths of both", () => {
    for (const path of ["/a/b/c", "/z/b/c"]) {
      const tree = treeOf([one({ backend_id: "/a/b/c" }), one({ backend_id: "/z/b/c" }), goneAt(path)])
      expect(tree.skipped.map(({ code }) => code)).toEqual(["duplicate", "removal-of-live-path"])
    }
  })

  it.each<[string, Row]>([
    ["gone", { state: "Terminated" }],
    ["being removed", terminating],
  ])("protect the paths of both, also of one that is %s", (_, going) => {
    for (const malformed of [{}, { slug: 5 }]) {
      const rows = [
        one({ backend_id: "/a/b/c" }),
        one({ ...going, ...malformed, backend_id: "/z/b/c" }),
        goneAt("/z/b/c"),
      ]
      for (const order of [rows, rows.toReversed()]) {
        const tree = treeOf(order)
        expect(mountPointsOf(resourcesOf(tree))).toEqual(["/a/b/c"])
        expect(tree.skipped.map(({ code }) => code)).toContain("removal-of-live-path")
      }
    }
  })

  it("with an undecodable live one do not remove the other, even at another path", () => {
    const dashed = { slug: 5, backend_id: "/a/b/c", uuid: dashedNumber(1).toUpperCase() }
    const tree = treeOf([one({ ...terminating, backend_id: "/z/b/c" }), one(dashed)])
    expect(resourcesOf(tree)).toEqual([])
    expect(tree.skipped.map(({ code }) => code)).toEqual(["bad-data", "removal-of-live-path"])
  })

  it("that are both being removed are one removal", () => {
    for (const malformed of [{}, { slug: 5 }]) {
      const tree = treeOf([one({ ...terminating, ...malformed, backend_id: "/a/b/c" }), one({ ...terminating })])
      expect(resourcesOf(tree)).toHaveLength(1)
    }
  })

  it("are compared in linear time, even if the kept one is large", () => {
    const large = one({ attributes: { note: "x".repeat(1_000_000) } })
    // Comparing the large one with each of these would take minutes.
    const rows = Array.from({ length: 20_000 }, (_, at) =>
      one({ project_name: `Project ${at}`, attributes: { z: at } }),
    )
    expect(resourcesOf(treeOf([large, ...rows]))).toHaveLength(1)
  }, 60_000)

  it("with an undecodable one protect its path, also from a removal of the other", () => {
    const tree = treeOf([goneAt("/fs/t/c/it"), aResource({ uuid: uuidNumber(2), slug: 5, backend_id: "/fs/t/c/it" })])
    expect(tree.skipped.map(({ code }) => code).toSorted()).toEqual(["bad-data", "removal-of-live-path"])
  })
})

describe("paths that branch anywhere", () => {
  const path = fc
    .array(fc.constantFrom("a", "b", "aa", "a.b"), { minLength: 2, maxLength: 6 })
    .map((names) => `/${names.join("/")}`)
  const someRows = fc.array(fc.record({ backend_id: path, isLive: fc.boolean(), isClean: fc.boolean() }), {
    maxLength: 12,
  })

  it("hold back each removal at or above a live one, and cause a warning about each inside one", () => {
    fc.assert(
      fc.property(someRows, (some) => {
        const rows = some.map(({ backend_id, isLive, isClean }, at) =>
          aResource({
            uuid: uuidNumber(at + 1),
            project_slug: `p-${at}`,
            backend_id: isLive && !isClean ? `${backend_id}/` : backend_id,
            ...(isLive ? {} : { state: "Terminated" }),
          }),
        )
        const tree = treeOf(rows)
        const live = some.filter(({ isLive }) => isLive).map(({ backend_id }) => `${backend_id}/`)
        some.forEach(({ backend_id, isLive }, at) => {
          if (isLive) return
          const uuid = dashedNumber(at + 1)
          const isHeld = live.some((one) => one.startsWith(`${backend_id}/`))
          const isInside = !isHeld && live.some((one) => `${backend_id}/`.startsWith(one))
          expect(tree.skipped.some((one) => one.uuid === uuid)).toBe(isHeld)
          expect(tree.warnings.some((one) => one.uuid === uuid && one.code === "nested-mount-point")).toBe(isInside)
        })
      }),
      { numRuns: 150 },
    )
  })

  it("take memory proportional to their number and length, not to their depth", () => {
    // A tree node for each component of these would take gigabytes.
    const rows = Array.from({ length: 4000 }, (_, at) =>
      aResource({ uuid: uuidNumber(at + 1), backend_id: `/fs/d${at}${"/a".repeat(2000)}` }),
    )
    expect(resourcesOf(treeOf(rows))).toHaveLength(4000)
    expect(removalBeside(rows[0], `/fs/d0${"/a".repeat(1999)}`)).toBe("removal-of-live-path")
    expect(removalBeside(rows[0], `/fs/d0${"/a".repeat(1999)}/b`)).toBe("served")
  }, 120_000)
})

describe("20,000 records", () => {
  // In quadratic time these would take half a minute each, and many minutes at 100,000.
  it.each<[string, (at: number) => Row]>([
    ["on one path", () => ({ backend_id: "/fs/t/c/one" })],
    ["each below the other's directory", (at) => ({ backend_id: `/fs/t/c/d${at}/x` })],
    ["with a path that is not served", (at) => ({ backend_id: `/fs/t/c/d${at}/` })],
    ["with bad names", (at) => ({ project_slug: `a b ${at}` })],
    ["with one GID", () => ({})],
    [
      "that are removed from one live directory",
      (at) => (at === 0 ? { backend_id: "/fs/t" } : { backend_id: `/fs/t/d${at}`, state: "Terminated" }),
    ],
    ["of one project slug and as many projects", (at) => ({ project_slug: "one", project_uuid: uuidNumber(at + 1) })],
  ])(
    "%s still give a tree, with short findings",
    (_, changes) => {
      const rows = Array.from({ length: 20_000 }, (_, at) =>
        aResource({ uuid: uuidNumber(at + 1), project_slug: `p-${at}`, ...changes(at) }),
      )
      const tree = buildHierarchy({
        decoded: decodeResources(rows),
        customers: listedCustomers,
        gids: new Map([...gidsOf(rows).keys()].map((slug) => [slug, { status: "known", gid: 31_001 }])),
        settings: settingsWith(),
      })
      for (const { reason } of [...tree.skipped, ...tree.warnings]) expect(reason.length).toBeLessThan(1000)
    },
    120_000,
  )
})
