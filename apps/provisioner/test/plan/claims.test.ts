import { keyOf, type StorageEntry } from "@cscs/storage-model"
import { expect, test } from "vitest"
import type { ItemRecord } from "../../src/journal/journal.ts"
import { type Observation, plan } from "../../src/plan/plan.ts"
import { anEntry, aTenant, executing, itemId, quotas, waiting } from "../an-entry.ts"

const root = "/capstor/store/a"
const removing = { status: "removing", ...executing } as const

/** The plan for some entries of a list; each directory is where `at` says, or where it is listed. */
const itemsOf = (
  entries: ReadonlyArray<StorageEntry>,
  about: Partial<{
    readonly only: ReadonlyArray<StorageEntry>
    readonly at: Readonly<Record<string, string>>
    readonly notUnderstood: string | Pick<StorageEntry, "itemId">
    readonly journal: Readonly<Record<string, ItemRecord>>
  }> = {},
) => {
  const observed = (entry: StorageEntry): readonly [string, Observation] => {
    const path = about.at?.[entry.itemId] ?? entry.mountPoint.default
    const isThere = path === entry.mountPoint.default
    const atPath = isThere ? { uid: 0, gid: 31_001, mode: 0o2770, itemId: entry.itemId, quotas: {} } : null
    const listed = { itemId: entry.itemId, path: entry.mountPoint.default, gid: 31_001, mode: 0o2770, quotas: null }
    return [keyOf(entry), { whereabouts: { at: "path", path }, atPath, listed, differences: [] }]
  }
  const { items } = plan({
    list: {
      etag: "",
      entries,
      notUnderstood:
        about.notUnderstood === undefined
          ? []
          : [
              typeof about.notUnderstood === "string"
                ? { index: 0, itemId: undefined, mountPoint: about.notUnderstood, reason: "" }
                : { index: 0, itemId: about.notUnderstood.itemId, mountPoint: undefined, reason: "" },
            ],
    },
    entries: about.only ?? entries,
    observations: new Map(entries.map(observed)),
    journal: new Map(Object.entries(about.journal ?? {})),
    held: new Set(),
    settings: {
      policy: () => ({ verdict: "approve" }),
      maxRemovals: 9,
      erredAfter: 3,
      reportsBackendId: false,
      mayRemove: true,
    },
  })
  return items.filter(({ system }) => system !== "")
}
const planned = (...about: Parameters<typeof itemsOf>) =>
  itemsOf(...about).map(({ sign, path, acts }) => [sign, path, ...acts.map(({ act }) => act)])

const outer = anEntry({ path: root, ...removing })
const inner = (more: Partial<StorageEntry> = {}) => anEntry({ itemId: itemId(2), path: `${root}/b`, ...more })

test.each<[string, Partial<StorageEntry>]>([
  ["active", {}],
  ["in error", { status: "error" }],
  ["in error with an order that waits", { status: "error", ...waiting }],
  ["updating without an order", { status: "updating" }],
  ["removing without an order", { status: "removing" }],
  ["removing with an order that waits", { status: "removing", ...waiting }],
  ["about to be made", { status: "pending", ...executing }],
])("a directory is not removed while one below it is %s", (_, below) => {
  expect(planned([outer, inner(below)])).toContainEqual(["!", root])
})

test("a directory is removed if the only one below it is not made yet, or is removed in Waldur", () => {
  for (const status of ["pending", "removed"] as const)
    expect(planned([outer, inner({ status })])).toEqual([["-", root, "trash", "done"]])
})

test("of two removals, one inside the other, the inner one is carried out first", () => {
  expect(planned([outer, inner(removing)])).toEqual([
    ["!", root],
    ["-", `${root}/b`, "trash", "done"],
  ])
})

test("entries out of scope keep their claims: on a directory below, and on the same directory", () => {
  expect(planned([outer, inner()], { only: [outer] })).toEqual([["!", root]])
  const same = anEntry({ itemId: itemId(3), path: root })
  expect(planned([outer, same], { only: [outer] })).toEqual([["!", root]])
})

test("an entry that is not understood keeps its claim on the directory that it names", () => {
  expect(planned([outer], { notUnderstood: `${root}/b` })).toEqual([["!", root]])
  expect(planned([outer], { notUnderstood: root })).toEqual([["!", root]])
  expect(planned([outer], { notUnderstood: `${root}-other` })).toEqual([["-", root, "trash", "done"]])
})

test("nothing is done for entries with one itemId, whether both are understood or one is not", () => {
  const twin = anEntry({ itemId: outer.itemId, path: "/capstor/store/b" })
  expect(planned([outer, twin])).toEqual([
    ["!", root],
    ["!", "/capstor/store/b"],
  ])
  expect(planned([outer], { notUnderstood: { itemId: outer.itemId } })).toEqual([["!", root]])
})

test("an entry with the directory or the itemId of another names that entry", () => {
  const notes = (...about: Parameters<typeof itemsOf>) => itemsOf(...about).map(({ note }) => note)
  const [entry, other] = [anEntry({ path: root }), anEntry({ itemId: itemId(2), path: root })]
  expect(notes([entry, other])).toEqual([
    `the entry ${other.itemId} has the same directory`,
    `the entry ${entry.itemId} has the same directory`,
  ])
  expect(notes([entry, anEntry({ path: "/capstor/b" })])).toEqual([
    "the entry of /capstor/b has the same itemId",
    `the entry of ${root} has the same itemId`,
  ])
  expect(notes([entry], { notUnderstood: root })).toEqual(["the entry that is not understood has the same directory"])
})

test("neither an item's own listed path nor the folder of a tenant below its directory holds back its removal", () => {
  const at = { [outer.itemId]: root }
  const below = anEntry({ path: `${root}/b`, ...removing })
  expect(planned([below], { at })).toEqual([["-", `${root}/b`, "trash", "done"]])
  const folder = aTenant({ status: "active", path: `${root}/b` })
  expect(planned([outer, folder])).toEqual([["-", root, "trash", "done"]])
})

test("what counts is where a directory is, not where it is listed, for a removal and for a move", () => {
  const at = { [outer.itemId]: root }
  for (const more of [removing, {}]) {
    const elsewhere = anEntry({ path: "/capstor/archive/a", ...more })
    expect(planned([elsewhere, inner()], { at })).toEqual([["!", "/capstor/archive/a"]])
  }
  const moves = planned([anEntry({ path: "/capstor/archive/a" })], { at })
  expect(moves).toEqual([["~", "/capstor/archive/a", "move", "change"]])
})

test("a directory that is still inside another one is not removed or moved with it, whether it is listed elsewhere or not at all", () => {
  const record = { system: "capstor", path: `${root}/b` }
  const journal = { [itemId(2)]: record }
  const moving = inner({ mountPoint: { default: "/capstor/store/b" } })
  expect(planned([outer, moving], { at: { [itemId(2)]: record.path }, journal })).toEqual([
    ["!", root],
    ["~", "/capstor/store/b", "move", "change"],
  ])
  expect(planned([outer], { journal })).toEqual([["!", root]])
  const moved = anEntry({ path: "/capstor/archive/a" })
  expect(planned([moved], { at: { [outer.itemId]: root }, journal })).toEqual([["!", "/capstor/archive/a"]])
  const inTrash = { [itemId(2)]: { ...record, trash: { order: "", since: "" } } }
  expect(planned([outer], { journal: inTrash })).toEqual([["-", root, "trash", "done"]])
  expect(planned([outer, inner({ status: "removed" })], { journal })).toContainEqual(["-", root, "trash", "done"])
})

test("an order for a directory that another entry has is not approved", () => {
  const order = anEntry({ itemId: itemId(2), path: root, status: "pending", quotas: [...quotas(1)], ...waiting })
  expect(planned([anEntry({ path: root }), order])).toEqual([["!", root]])
  expect(planned([order])).toEqual([["~", root, "approve"]])
})
