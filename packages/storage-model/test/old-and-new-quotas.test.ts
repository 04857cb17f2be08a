import { describe, expect, it } from "vitest"
import { anOrder, type Row } from "./a-resource.ts"
import { entryWith, warningsWith } from "./a-tree.ts"

const own = { limits: { storage: 10 }, options: { soft_quota_space: 8, soft_quota_inodes: 7 } }

const during = (order: Row, changes: Row = {}) => ({
  state: "Updating",
  ...own,
  ...changes,
  order_in_progress: anOrder(order),
})

/** The numbers of `quotas`, `oldQuotas` and `newQuotas`; `undefined` for an absent one. */
const allQuotas = (changes: Row) => {
  const { quotas, oldQuotas, newQuotas } = entryWith(changes)
  return [quotas, oldQuotas, newQuotas].map((list) => (list ? list.map(({ quota }) => quota) : list))
}

const now = [8, 10, 7, 20_000_000]

describe("an update order", () => {
  it.each<[string, Row, ReadonlyArray<number>, ReadonlyArray<number>]>([
    ["old limits", { attributes: { old_limits: { storage: 20 } } }, [8, 20, 7, 40_000_000], now],
    ["new limits", { limits: { storage: 20 } }, now, [8, 20, 7, 40_000_000]],
    ["old options", { attributes: { old_options: { soft_quota_space: 5 } } }, [5, 10, 7, 20_000_000], now],
    ["new options", { attributes: { new_options: { hard_quota_space: 30 } } }, now, [8, 30, 7, 20_000_000]],
    [
      "all four",
      {
        limits: { storage: 40 },
        attributes: {
          old_limits: { storage: 20 },
          old_options: { soft_quota_inodes: 1 },
          new_options: { soft_quota_space: 9, soft_quota_inodes: 2 },
        },
      },
      [8, 20, 1, 40_000_000],
      [9, 40, 2, 80_000_000],
    ],
    ["a key that is null", { attributes: { new_options: { soft_quota_space: null } } }, now, [10, 10, 7, 20_000_000]],
    ["a limit that is a text", { limits: { storage: "20.0" } }, now, [8, 20, 7, 40_000_000]],
    [
      "new options in the other spelling",
      { attributes: { new_options: { soft_quota_indoes: 3 } } },
      now,
      [8, 10, 3, 20_000_000],
    ],
    ["other keys alone", { limits: { cpu: 1 } }, now, now],
  ])("with %s gives old and new quotas, merged by key over the resource's own", (_, order, old, young) => {
    expect(allQuotas(during(order))).toEqual([now, old, young])
  })

  it.each(["pending-provider", "executing"])("that is %s gives old and new quotas", (state) => {
    expect(allQuotas(during({ state, limits: { storage: 20 } }))).toEqual([now, now, [8, 20, 7, 40_000_000]])
  })

  it.each<[string, Row]>([
    ["limits and attributes that are empty", { limits: {}, attributes: {} }],
    ["limits and attributes that are null", { limits: null, attributes: null }],
    ["limits and attributes that are missing", { limits: undefined, attributes: undefined }],
    ["other attributes", { attributes: { name: "x", old_limits: null, new_options: {} } }],
  ])("with %s gives no old or new quotas", (_, order) => {
    const entry = entryWith(during(order))
    expect("oldQuotas" in entry || "newQuotas" in entry).toBe(false)
  })

  it.each([5, "storage", []])("with limits of %j gives no old or new quotas, but a warning", (limits) => {
    const changes = during({ limits })
    expect(allQuotas(changes)).toEqual([now, undefined, undefined])
    expect(warningsWith(changes)).toEqual([{ code: "ignored-value", field: "order_in_progress.limits", found: limits }])
  })

  it("with a bad value is reported with the value's path in the order", () => {
    const changes = during({
      limits: { storage: "lots" },
      attributes: {
        old_limits: { storage: -1 },
        old_options: { hard_quota_space: "x" },
        new_options: { soft_quota_indoes: true },
      },
    })
    expect(allQuotas(changes)).toEqual([now, [0, 0, 0, 0], [0, 0, 0, 0]].map((list, at) => (at === 0 ? list : null)))
    expect(
      warningsWith(changes)
        .filter(({ code }) => code === "ignored-value")
        .map(({ field }) => field),
    ).toEqual([
      "order_in_progress.attributes.new_options.soft_quota_indoes",
      "order_in_progress.attributes.old_limits.storage",
      "order_in_progress.attributes.old_options.hard_quota_space",
      "order_in_progress.limits.storage",
    ])
  })

  it("that raises a soft quota above the hard one is reported with its path in the order", () => {
    const changes = during({ limits: { storage: 20 } }, { options: { hard_quota_space: 15 } })
    expect(allQuotas(changes)[2]).toEqual([15, 15, 26_600_000, 40_000_000])
    expect(warningsWith(changes)).toEqual([
      { code: "soft-above-hard", field: "order_in_progress.limits.storage", found: 20 },
    ])
  })

  it("repeats no warning about the resource's own values", () => {
    const changes = during({ limits: { storage: 20 } }, { options: { soft_quota_space: "x" } })
    expect(warningsWith(changes)).toEqual([{ code: "ignored-value", field: "options.soft_quota_space", found: "x" }])
  })

  it("with empty limits gives new quotas of null, which are present", () => {
    const entry = entryWith({ ...during({ limits: { storage: 0 } }), options: {} })
    expect(JSON.stringify(entry)).toContain('"newQuotas":null')
    expect(entry.oldQuotas).not.toBeNull()
  })
})

describe("an order of another type", () => {
  it.each(["Create", "Terminate", "update", "", null, undefined])("(%j) gives no old or new quotas", (type) => {
    const order = { type, limits: { storage: 20 }, attributes: { old_limits: { storage: 5 } } }
    expect(allQuotas(during(order))).toEqual([now, undefined, undefined])
  })
})

describe("an option that repeats the value of the old limit", () => {
  const reported = {
    soft_quota_space: 5,
    hard_quota_space: "5.0",
    soft_quota_inodes: 6_650_000,
    hard_quota_inodes: 10_000_000,
  }
  const grown = [10, 10, 13_300_000, 20_000_000]
  const raised = { limits: { storage: 10 }, attributes: { old_limits: { storage: 5 } } }

  it.each<[string, Row]>([
    ["flat", reported],
    ["in the other spelling", { soft_quota_indoes: 6_650_000, hard_quota_indoes: "10000000" }],
    ["in a storage folder", { folder: { storage_data_type: "store", permissions: "775", hard_quota_space: 5 } }],
  ])("(%s) is not an override in newQuotas if the order changes the limit", (_, options) => {
    const changes = during(raised, { limits: { storage: 5 }, options })
    expect(allQuotas(changes)[1]).toEqual([5, 5, 6_650_000, 10_000_000])
    expect(allQuotas(changes)[2]).toEqual(grown)
    expect(warningsWith(changes)).toEqual([])
  })

  it("is not an override if the form's own storage folder repeats it, either", () => {
    const folder = { storage_data_type: "store", permissions: "775", hard_quota_space: 5 }
    const changes = during(raised, { limits: { storage: 5 }, options: {}, attributes: { folder } })
    expect(allQuotas(changes)[2]).toEqual(grown)
  })

  it("is an override if the order contains it", () => {
    const order = { ...raised, attributes: { ...raised.attributes, new_options: { hard_quota_space: 5 } } }
    expect(allQuotas(during(order, { limits: { storage: 5 }, options: reported }))[2]).toEqual([
      5, 5, 13_300_000, 20_000_000,
    ])
  })

  it("is an override if the order does not change the limit", () => {
    const order = { limits: { storage: "5.0" }, attributes: { old_limits: { storage: 5 }, new_options: { other: 1 } } }
    expect(allQuotas(during(order, { limits: { storage: 5 }, options: reported }))[2]).toEqual([
      5, 5, 6_650_000, 10_000_000,
    ])
  })

  it("is distinguished from an option with another value", () => {
    const options = { ...reported, soft_quota_space: 4, hard_quota_inodes: 10_000_001 }
    expect(allQuotas(during(raised, { limits: { storage: 5 }, options }))[2]).toEqual([4, 10, 10_000_001, 10_000_001])
  })

  it("is recognised by the resource's own limit if the order has no old one", () => {
    const changes = during({ limits: { storage: 10 } }, { limits: { storage: 5 }, options: reported })
    expect(allQuotas(changes)[2]).toEqual(grown)
  })
})

describe("an Update order that has ended", () => {
  it.each(["done", "erred", "canceled", "rejected"])("(%s) gives no old or new quotas", (state) => {
    expect(allQuotas(during({ state, limits: { storage: 20 } }))).toEqual([now, undefined, undefined])
  })
})
