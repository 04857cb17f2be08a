import fc from "fast-check"
import { describe, expect, it, vi } from "vitest"
import { decodeResources, explain, parseLookup, projectsWithoutItem, selectRows } from "../src/index.ts"
import { anOrder, aResource, dashedNumber, type Row, uuidNumber } from "./a-resource.ts"
import { entriesOf, gidsOf, listedCustomers, settingsWith, treeOf } from "./a-tree.ts"
import { hostileValue } from "./hostile-rows.ts"

vi.setConfig({ testTimeout: 120_000 })

/** Every place of a row and of its order that the model reads; `*` is any key. */
const places = [
  ...Object.keys(aResource()),
  "attributes.permissions",
  "attributes.storage_data_type",
  "attributes.hard_quota_space",
  "attributes.*",
  "attributes.*.permissions",
  "attributes.*.storage_data_type",
  "attributes.*.hard_quota_space",
  "limits.storage",
  "options.permissions",
  "options.storage_data_type",
  "options.soft_quota_space",
  "options.hard_quota_space",
  "options.soft_quota_inodes",
  "options.hard_quota_indoes",
  "options.*",
  "options.*.soft_quota_inodes",
  "backend_metadata.project_item",
  "backend_metadata.project_item.itemId",
  "backend_metadata.project_item.unixGid",
  "backend_metadata.project_item.*",
  "order_in_progress.type",
  "order_in_progress.state",
  "order_in_progress.url",
  "order_in_progress.limits",
  "order_in_progress.limits.storage",
  "order_in_progress.attributes",
  "order_in_progress.attributes.old_limits.storage",
  "order_in_progress.attributes.old_options",
  "order_in_progress.attributes.new_options.soft_quota_space",
  "order_in_progress.attributes.new_options.*",
]

const folder = { storage_data_type: "archive", permissions: "2750", hard_quota_space: 5 }
const full = aResource({
  uuid: uuidNumber(999),
  created: "2026-01-01T00:00:00Z",
  state: "Updating",
  project_slug: "hostile",
  attributes: { "*": folder },
  options: { "*": folder, soft_quota_space: 3 },
  backend_metadata: { project_item: { itemId: uuidNumber(7), unixGid: 4711, "*": 1 } },
  order_in_progress: anOrder({
    limits: { storage: 60 },
    attributes: {
      old_limits: { storage: 50 },
      old_options: { hard_quota_space: 4 },
      new_options: { soft_quota_space: 3, "*": folder },
    },
  }),
})

const replaced = (record: unknown, [key = "", ...rest]: ReadonlyArray<string>, value: unknown): Row => {
  const own = (record ?? {}) as Row
  return { ...own, [key]: rest.length === 0 ? value : replaced(own[key], rest, value) }
}
const rowWith = (place: string, value: unknown) => replaced(full, place.split("."), value)

const others = [1, 2, 3].map((number) =>
  aResource({ uuid: uuidNumber(number), project_slug: `p${number}`, order_in_progress: anOrder() }),
)
const around = { customers: listedCustomers, gids: gidsOf([...others, full]), settings: settingsWith() }
const textsOf = (rows: ReadonlyArray<unknown>) => entriesOf(treeOf(rows, around)).map((entry) => JSON.stringify(entry))
const alone = textsOf(others)

describe("a value of any depth, type and size", () => {
  it("at any place of a row does not change another record's entry, and its findings stay short", () => {
    fc.assert(
      fc.property(fc.constantFrom(...places), hostileValue, fc.nat(3), (place, value, at) => {
        const tree = treeOf(others.toSpliced(at, 0, rowWith(place, value)), around)
        const texts = entriesOf(tree).map((entry) => JSON.stringify(entry))
        expect(texts.filter((text) => alone.includes(text))).toEqual(alone)
        for (const finding of [...tree.skipped, ...tree.warnings]) {
          expect(JSON.stringify(finding).length).toBeLessThan(10_000)
        }
        expect(JSON.stringify(tree.entries).length).toBeLessThan(200_000)
      }),
      { numRuns: 1000 },
    )
  })

  it("at any place of a row makes none of the model's other functions throw", () => {
    fc.assert(
      fc.property(fc.constantFrom(...places), hostileValue, (place, value) => {
        const row = rowWith(place, value)
        const decoded = decodeResources([row, ...others])
        projectsWithoutItem(decoded, around.settings)
        selectRows([row], { dataType: "store", status: "active" })
        const { found } = explain({ decoded, ...around }, { uuid: dashedNumber(999) })
        expect(JSON.stringify(found).length).toBeLessThan(1_000_000)
      }),
      { numRuns: 250 },
    )
  })
})

describe("a text of a million characters", () => {
  // Each makes some backtracking expression take a number of steps quadratic in its length: hours.
  const length = 1_000_000
  const texts: ReadonlyArray<[string, string]> = [
    ["digits", `${"1".repeat(length)}x`],
    ["digits and points", `${"1.".repeat(length / 2)}x`],
    ["digits and exponents", `${"1e1".repeat(length / 3)}x`],
    ["spaces", `${" ".repeat(length)}x`],
    ["slashes", `${"/".repeat(length)}x`],
    ["components", `${"/a".repeat(length / 2)}/..`],
    ["a URL's slashes", `https://waldur.example.com/api/marketplace-orders/b9${"/".repeat(length)}x`],
    ["orders", `https://waldur.example.com${"/marketplace-orders/b9".repeat(length / 22)}?`],
    ["dashes", `${"a-".repeat(length / 2)}!`],
    ["hex digits", `${"a".repeat(length)}-`],
    ["fractions of a second", `2026-01-01T00:00:00.${"0".repeat(length)}x`],
  ]

  it.each(texts)(
    "(%s) at any place of a row changes no other record's entry, and takes no quadratic time",
    (_, text) => {
      for (const place of places) {
        expect(textsOf([...others, rowWith(place, text)])).toEqual(expect.arrayContaining(alone))
      }
    },
  )

  it.each(texts)("(%s) is accepted as the argument of explain", (_, text) => {
    expect(parseLookup(text)).toBeDefined()
  })

  it("of slashes only, or after a path, finds the path", () => {
    expect(parseLookup("/".repeat(length))).toEqual({ path: "/" })
    expect(parseLookup(`/a/b${"/".repeat(length)}`)).toEqual({ path: "/a/b" })
  })
})
