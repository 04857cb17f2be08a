import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { compareLists } from "../src/compare-lists.ts"

const ids = ["6e168add-c431-559a-bb09-fe9b6f21c106", "6e168addc431559abb09fe9b6f21c106", "a", "B"]
const named = (key: string) => fc.record({ key: fc.constant(key), path: fc.jsonValue({ maxDepth: 1 }) })
/** Few ids, mount points and systems, so that entries meet; any field may be missing or anything else. */
const entries = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
    {
      weight: 5,
      arbitrary: fc.record(
        {
          itemId: fc.oneof(fc.constantFrom(...ids), fc.jsonValue({ maxDepth: 1 })),
          mountPoint: fc.oneof(
            fc.record({ default: fc.constantFrom("/a/b", "/a/c", "/x") }),
            fc.jsonValue({ maxDepth: 1 }),
          ),
          storageSystem: named("capstor"),
          storageDataType: fc.oneof(named("store"), named("users")),
          quotas: fc.jsonValue({ maxDepth: 2 }),
          // As an own key, which only JSON can have.
          odd: fc.constant(JSON.parse('{"__proto__": {"toString": 1}, "constructor": null}')),
        },
        { requiredKeys: [] },
      ),
    },
  ),
  { maxLength: 12 },
)

/** Texts of the entries, however their keys are ordered, each once. */
const distinct = (list: ReadonlyArray<unknown>): number => {
  const ordered = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(ordered)
      : typeof value === "object" && value !== null
        ? Object.entries(value)
            .toSorted(([a], [b]) => (a < b ? -1 : 1))
            .reduce((text, [key, part]) => `${text}${JSON.stringify([key, ordered(part)])}`, "an object ")
        : value
  return new Set(list.map((entry) => JSON.stringify(ordered(entry)))).size
}

const reversedKeys = (entry: unknown): unknown =>
  typeof entry === "object" && entry !== null && !Array.isArray(entry)
    ? Object.fromEntries(Object.entries(entry).reverse())
    : entry

const item = (itemId: string, mountPoint: string, more: object = {}) => ({
  itemId,
  mountPoint: { default: mountPoint },
  storageSystem: { key: "capstor" },
  storageDataType: { key: "store" },
  ...more,
})

const kindsOf = (...lists: Parameters<typeof compareLists>) =>
  compareLists(...lists).differences.map(({ kind }) => kind)

describe("compareLists", () => {
  test("finds no difference between a list and itself in another order, with repeated entries", () => {
    fc.assert(
      fc.property(entries, (list) => {
        const other = [...list, ...list].reverse().map(reversedKeys)
        expect(compareLists(list, other)).toEqual({ equal: distinct(list), differences: [] })
      }),
    )
  })

  test("accounts for each entry of both lists exactly once", () => {
    fc.assert(
      fc.property(entries, entries, (old, next) => {
        const { equal, differences } = compareLists(old, next)
        expect(equal + differences.filter((one) => one.old !== undefined).length).toBe(distinct(old))
        expect(equal + differences.filter((one) => one.new !== undefined).length).toBe(distinct(next))
        for (const { kind, changes } of differences)
          expect(changes.length > 0).toBe(kind !== "gone" && kind !== "added")
      }),
    )
  })

  test("finds the mirrored differences if the lists are exchanged", () => {
    const mirrored = { added: "gone", gone: "added", changed: "changed", moved: "moved", replaced: "replaced" } as const
    fc.assert(
      fc.property(entries, entries, (old, next) => {
        expect(kindsOf(next, old).toSorted()).toEqual(
          kindsOf(old, next)
            .map((kind) => mirrored[kind])
            .toSorted(),
        )
      }),
    )
  })

  test("reports a changed field with the old and the new value, and an absent one without", () => {
    const old = item("a", "/a/b", { target: { targetItem: { unixGid: 31_000, key: "x" } }, quotas: [{ quota: 10 }] })
    const next = item("a", "/a/b", {
      target: { targetItem: { unixGid: 31_001 } },
      quotas: [{ quota: 10.0 }],
      oldQuotas: null,
    })
    expect(compareLists([old], [next]).differences).toMatchObject([
      {
        kind: "changed",
        changes: [
          { field: "target.targetItem.unixGid", old: 31_000, new: 31_001 },
          { field: "target.targetItem.key", old: "x" },
          { field: "oldQuotas", new: null },
        ],
      },
    ])
  })

  test("finds an item that moved, an item that took over a mount point, an added one and a removed one", () => {
    const moved = compareLists([item("a", "/a/b")], [item("a", "/a/c")])
    expect(moved.differences).toMatchObject([
      {
        kind: "moved",
        old: { mountPoint: "/a/b" },
        new: { mountPoint: "/a/c" },
        changes: [{ field: "mountPoint.default" }],
      },
    ])
    expect(kindsOf([item("a", "/a/b")], [item("b", "/a/b")])).toEqual(["replaced"])
    expect(kindsOf([item("a", "/a/b")], [item("b", "/x")])).toEqual(["gone", "added"])
  })

  test("matches the entries of a customer, which all have its id, by system and data type", () => {
    const users = { storageDataType: { key: "users" } }
    const old = [item("a", "/a/b"), item("a", "/users/b", users)]
    const next = [item("a", "/new/users/b", users), item("a", "/new/b")]
    expect(compareLists(old, next).differences).toMatchObject([
      { kind: "moved", old: { mountPoint: "/a/b" }, new: { mountPoint: "/new/b" } },
      { kind: "moved", old: { mountPoint: "/users/b" }, new: { mountPoint: "/new/users/b" } },
    ])
  })

  test("ignores given fields, but never that an item moved or another one took its place", () => {
    const [dashed = "", plain = ""] = ids
    const ignored = ["itemId", "mountPoint", "target.targetItem"]
    const other = { target: { targetItem: { key: "x" } } }
    expect(kindsOf([item(plain, "/a/b")], [item(dashed, "/a/b")])).toEqual(["changed"])
    expect(compareLists([item(plain, "/a/b")], [item(dashed, "/a/b")], ignored)).toEqual({ equal: 1, differences: [] })
    expect(kindsOf([item("a", "/a/b")], [item("b", "/a/b")], ignored)).toEqual(["replaced"])
    expect(kindsOf([item("a", "/a/b")], [item("a", "/a/c")], ignored)).toEqual(["moved"])
    expect(kindsOf([item("a", "/a/b", other)], [item("a", "/a/b", { target: {} })], ignored)).toEqual([])
  })
})
