import { keyOf, type StorageEntry, waldurStates } from "@cscs/storage-model"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { matcherOf, placeOf, queryOf } from "../src/place.ts"
import { branchesOf, effectOfKey, entriesOf, rowsOf, type Tree, treeOf } from "../src/tree.ts"
import { entry, list } from "./example-list.ts"

const filtersOf = (query: string) => placeOf(query).filters
const select = (query = "", entries = list) => branchesOf(treeOf(entries).systems, matcherOf(filtersOf(query)))
const namesIn = (query: string) =>
  entriesOf(select(query)).map(({ mountPoint }) => mountPoint.default.replace("/capstor/store/", ""))
const open = (query = "", entries = list) => rowsOf(select(query, entries), () => true)
/** An entry of a project whose item comes from Waldur's `backend_metadata`. */
const entryWithKey = (key: unknown): StorageEntry => {
  const one = entry("/capstor/store/climate", "project", null)
  return { ...one, target: { targetType: "project", targetItem: { itemId: one.itemId, unixGid: 31001, key } } }
}

describe("the explorer's tree", () => {
  it("puts each entry below its parent, its data type and its system", () => {
    expect(open().map(({ level, branch }) => `${level} ${branch.node.name}`)).toEqual([
      "1 CAPSTOR",
      "2 store",
      "3 Name of cscs",
      "4 Name of ethz",
      "5 climate",
      "5 ocean",
      "4 Name of psi",
      "5 beam",
    ])
  })

  it("puts an entry whose parent is not in the list below its data type", () => {
    const lone = entry("/vast/users/x/y/z", "project", "elsewhere")
    expect(rowsOf(select("", [lone]), () => true).map(({ level }) => level)).toEqual([1, 2, 3])
  })

  it("names a project by its directory if its item from Waldur has no usable key", () => {
    for (const key of [undefined, null, "", 7, { toString: 1, valueOf: 1 }]) {
      const [, , { branch } = { branch: undefined }] = open("", [entryWithKey(key)])
      expect(branch?.node.name).toBe("climate")
    }
  })

  it("keeps the branches of one customer in two data types apart", () => {
    const [a, b] = ["store", "archive"].map((type) => [
      entry(`/capstor/${type}/cscs`, "tenant", null, { itemId: "tenant" }),
      entry(`/capstor/${type}/cscs/ethz`, "customer", "tenant", { itemId: "customer" }),
      entry(`/capstor/${type}/cscs/ethz/${type}-project`, "project", "customer"),
    ]) as [ReturnType<typeof entry>[], ReturnType<typeof entry>[]]
    const rows = rowsOf(select("", [...a, ...b]), () => true)
    expect(new Set(rows.map(({ branch }) => branch.node.key)).size).toBe(rows.length)
    expect(rows.filter(({ level }) => level === 5)).toHaveLength(2)
  })

  it("sums the entries below a row, without removed ones", () => {
    const [system] = select()
    expect(system?.sum).toEqual({ entries: 3, waiting: 1, spaceSoft: 2, spaceHard: 4, inodesSoft: 20, inodesHard: 40 })
    expect(select("?status=updating")[0]?.sum).toMatchObject({ entries: 1, spaceHard: 2 })
  })

  it("selects by filters and search, and includes the parents of each match", () => {
    expect(namesIn("?status=updating")).toEqual(["cscs", "cscs/psi", "cscs/psi/beam"])
    expect(namesIn("?q=ETHZ+clim")).toEqual(["cscs", "cscs/ethz", "cscs/ethz/climate"])
    expect(namesIn("?q=name+of+psi")).toEqual(["cscs", "cscs/psi", "cscs/psi/beam"])
    expect(namesIn("?q=31001&status=active")).toEqual(["cscs", "cscs/ethz", "cscs/ethz/climate"])
    expect(namesIn("?storage_system=vast")).toEqual([])
  })

  it("numbers each row among its siblings, as assistive technology needs", () => {
    for (const row of open()) {
      const siblings = open().filter(({ parent, level }) => parent === row.parent && level === row.level)
      expect(row.siblings).toBe(siblings.length)
      expect(siblings[row.position - 1]?.branch.node.key).toBe(row.branch.node.key)
    }
  })

  it("reuses the equal entries and leaves of the previous tree, so that their rows are the same objects", () => {
    const before = treeOf(list)
    const after = treeOf(
      structuredClone(list).map((one) =>
        one.itemId === "/capstor/store/cscs/psi/beam" ? { ...one, status: "error" as const } : one,
      ),
      before,
    )
    const branchOf = (tree: Tree, key: string) =>
      rowsOf(
        branchesOf(tree.systems, () => true),
        () => true,
      ).find(({ branch }) => branch.node.key === key)?.branch
    for (const [key, { kind, entry }] of after.nodes) {
      const isChanged = entry?.itemId.endsWith("/beam")
      expect(entry === before.nodes.get(key)?.entry).toBe(!isChanged)
      if (kind === "project") expect(branchOf(after, key) === branchOf(before, key)).toBe(!isChanged)
    }
  })

  it("has the same content whichever tree came before it", () => {
    const someEntries = fc.array(
      fc.record({
        one: fc.constantFrom(...list),
        name: fc.constantFrom("x", "y"),
        status: fc.constantFrom("active" as const, "updating" as const),
      }),
    )
    // A list has each key once, and parents before their children.
    const listOf = (some: ReadonlyArray<{ one: StorageEntry; name: string; status: StorageEntry["status"] }>) => {
      const byKey = new Map(some.map((made) => [keyOf(made.one), made]))
      return list.flatMap((one) => {
        const made = byKey.get(keyOf(one))
        if (made === undefined) return []
        const { target } = one
        const named = { ...target, targetItem: { ...target.targetItem, name: made.name } } as StorageEntry["target"]
        return [{ ...one, status: made.status, target: named }]
      })
    }
    const shown = (tree: Tree) =>
      rowsOf(
        branchesOf(tree.systems, () => true),
        () => true,
      ).map(({ branch: { node, sum }, ...row }) => [
        ...[node.key, node.name, node.text, node.entry, sum, row.level, row.position, row.siblings],
      ])
    fc.assert(
      fc.property(someEntries, someEntries, (first, second) => {
        const anew = treeOf(listOf(second))
        const updated = treeOf(listOf(second), treeOf(listOf(first)))
        expect(shown(updated)).toEqual(shown(anew))
        expect(updated.waiting).toEqual(anew.waiting)
      }),
    )
  })

  it("shows no rows below a collapsed row", () => {
    expect(rowsOf(select(), (_, level) => level < 2)).toHaveLength(2)
  })
})

describe("a key in the tree grid", () => {
  const rows = open()
  it("expands and collapses a row, and moves to its first child and to its parent", () => {
    expect(effectOfKey(rows, 0, "ArrowLeft", 3)).toEqual({ toggle: 0 })
    expect(effectOfKey(rows, 0, "ArrowRight", 3)).toEqual({ focus: 1 })
    expect(effectOfKey(rows, 4, "ArrowLeft", 3)).toEqual({ focus: 3 })
    expect(effectOfKey(rows, 4, "ArrowRight", 3)).toBeUndefined()
    expect(
      effectOfKey(
        rowsOf(select(), () => false),
        0,
        "ArrowRight",
        3,
      ),
    ).toEqual({ toggle: 0 })
    expect(effectOfKey(rows, 4, "Enter", 3)).toEqual({ open: 4 })
  })

  it("never moves the focus out of the grid", () => {
    const keys = ["ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End", "ArrowLeft", "ArrowRight", "Enter", "x"]
    const anyKey = fc.constantFrom(...keys)
    fc.assert(
      fc.property(fc.nat(rows.length - 1), anyKey, fc.integer({ min: 1, max: 50 }), (at, key, page) => {
        const effect = effectOfKey(rows, at, key, page)
        const [index = 0] = effect === undefined ? [] : (Object.values(effect) as Array<number>)
        return index >= 0 && index < rows.length
      }),
    )
  })
})

describe("a place in the explorer", () => {
  it("has no view and no Waldur state that do not exist", () => {
    expect(placeOf("?view=x&state=y")).toEqual(placeOf(""))
  })

  it("survives a round trip through a URL, whatever its filters contain", () => {
    const text = fc.string({ unit: "grapheme" }).filter((value) => value.isWellFormed())
    const state = fc.constantFrom("", ...waldurStates)
    const filters = fc.record({ storage_system: text, data_type: text, status: text, state, q: text })
    const place = fc.record({ view: fc.constantFrom("tree" as const, "waiting" as const), filters, entry: text })
    fc.assert(
      fc.property(place, (given) => {
        expect(placeOf(queryOf(given))).toEqual(given)
      }),
    )
  })
})
