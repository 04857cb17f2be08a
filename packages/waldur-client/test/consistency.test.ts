import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as consistency from "../src/consistency.ts"
import { rowKey } from "../src/rows.ts"
import { seeded, shuffled, uuidOf } from "./fake-waldur.ts"

const checkWalk = (walk: consistency.Walk) => Effect.runPromise(consistency.checkWalk(walk))
const replaceRows = (rows: ReadonlyArray<unknown>, instead: ReadonlyArray<unknown>) =>
  Effect.runPromise(consistency.replaceRows(rows, instead))

const row = (number: number, rest: object = {}) => ({ uuid: uuidOf(number), ...rest })
const page = (total: number, ...numbers: ReadonlyArray<number>) => ({ total, rows: numbers.map((n) => row(n)) })

describe("rowKey", () => {
  it("is the same for a dashed, a bare and a capital uuid", () => {
    const keys = [
      "F3083110-B30E-5455-A584-ED0C27922A71",
      "f3083110b30e5455a584ed0c27922a71",
      "f3083110-b30e-5455-a584-ed0c27922a71",
    ].map((uuid) => rowKey({ uuid }))
    expect(new Set(keys)).toEqual(new Set(["f3083110b30e5455a584ed0c27922a71"]))
  })

  it("is absent without a uuid", () => {
    for (const bad of [null, 7, "x", [], {}, { uuid: null }, { uuid: "" }, { uuid: "not-a-uuid" }, { uuid: 12 }]) {
      expect(rowKey(bad)).toBeUndefined()
    }
  })
})

describe("checkWalk", () => {
  it("accepts pages that agree and have every row", async () => {
    const checked = await checkWalk({ pages: [page(5, 1, 2), page(5, 3, 4), page(5, 5)], shrank: false })
    expect(checked.consistent).toBe(true)
    expect(checked.rows).toEqual([1, 2, 3, 4, 5].map((n) => row(n)))
    expect(checked.total).toBe(5)
  })

  it("accepts an empty list", async () => {
    expect(await checkWalk({ pages: [page(0)], shrank: false })).toMatchObject({ consistent: true, rows: [], total: 0 })
  })

  it("rejects a duplicate in the place of a lost row, and returns it once", async () => {
    const checked = await checkWalk({ pages: [page(4, 1, 2), page(4, 2, 4)], shrank: false })
    expect(checked.consistent).toBe(false)
    expect(checked.count).toBe(3)
    expect(checked.rows).toEqual([1, 2, 4].map((n) => row(n)))
  })

  it("rejects pages with different counts, and uses the highest", async () => {
    const checked = await checkWalk({ pages: [page(4, 1, 2), page(3, 3)], shrank: false })
    expect(checked).toMatchObject({ consistent: false, total: 4, totals: [4, 3] })
  })

  it("rejects a walk whose last page was gone, even if its rows add up", async () => {
    expect((await checkWalk({ pages: [page(2, 1, 2)], shrank: true })).consistent).toBe(false)
  })

  it("treats rows that differ only in the notation of the uuid as one", async () => {
    const dashed = { uuid: "f3083110-b30e-5455-a584-ed0c27922a71" }
    const bare = { uuid: "F3083110B30E5455A584ED0C27922A71" }
    const checked = await checkWalk({
      pages: [
        { total: 2, rows: [dashed] },
        { total: 2, rows: [bare] },
      ],
      shrank: false,
    })
    expect(checked).toMatchObject({ consistent: false, count: 1, rows: [bare] })
  })

  it("counts rows without a usable uuid and keeps their positions", async () => {
    const rows = [{ uuid: null }, row(1), "junk", { uuid: null }]
    const checked = await checkWalk({ pages: [{ total: 4, rows }], shrank: false })
    expect(checked.consistent).toBe(true)
    expect(checked.rows).toEqual(rows)
  })

  it("accepts a row that Waldur itself duplicates within a page", async () => {
    const checked = await checkWalk({ pages: [page(3, 1, 1, 2)], shrank: false })
    expect(checked).toMatchObject({ consistent: true, count: 3 })
    expect(checked.rows).toEqual([row(1), row(2)])
  })

  it("accepts a walk exactly if no row is lost, however ties are shuffled between its pages", async () => {
    for (let seed = 1; seed <= 500; seed++) {
      const random = seeded(seed)
      const count = Math.floor(random() * 12)
      const size = 1 + Math.floor(random() * 4)
      const all = Array.from({ length: count }, (_, index) => row(index))
      const pages = Array.from({ length: Math.max(1, Math.ceil(count / size)) }, (_, index) => ({
        total: count,
        rows: (random() < 0.5 ? all : shuffled(all, random)).slice(index * size, (index + 1) * size),
      }))
      const checked = await checkWalk({ pages, shrank: false })
      const received = new Set(pages.flatMap(({ rows }) => rows.map(({ uuid }) => uuid)))
      expect(checked.consistent, `seed ${seed}`).toBe(received.size === count)
      expect(checked.rows.length, `seed ${seed}`).toBe(received.size)
    }
  })
})

describe("a huge row with thousands of the same uuid", () => {
  it("is compared with the first of them only, so that the time does not grow with their product", async () => {
    const huge = Object.fromEntries([
      ["uuid", uuidOf(1)],
      ...Array.from({ length: 100_000 }, (_, n) => [`field${n}`, n]),
    ])
    const rows = [huge, ...Array.from({ length: 5000 }, (_, n) => row(1, { n }))]
    const judged = await checkWalk({ pages: [{ total: rows.length, rows }], shrank: false })
    expect(judged.consistent).toBe(true)
    expect(judged.rows.length).toBe(5001)
  })
})

describe("missingFrom", () => {
  it("returns what earlier walks contain and this one lacks", async () => {
    const checked = await checkWalk({ pages: [page(3, 1, 2)], shrank: false })
    const missing = consistency.missingFrom(checked, new Set([uuidOf(1), uuidOf(7), uuidOf(9)]))
    expect(await Effect.runPromise(missing)).toEqual([uuidOf(7), uuidOf(9)])
  })
})

describe("replaceRows", () => {
  it("replaces rows with the same uuid and appends the others", async () => {
    const ordered = [row(2, { order: true }), row(9, { order: true })]
    expect(await replaceRows([row(1), row(2), row(3)], ordered)).toEqual([row(1), ordered[0], row(3), ordered[1]])
  })

  it("takes rows without a usable uuid from the first list only", async () => {
    const plain = [{ uuid: null, slug: "a" }, row(1), { uuid: null, slug: "b" }]
    expect(await replaceRows(plain, [{ uuid: null, slug: "b", order: true }])).toEqual(plain)
    expect(await replaceRows([row(1)], [{ uuid: null }])).toEqual([row(1)])
  })

  it("keeps the row objects with the same content, in any order of their fields", async () => {
    const last = [row(1, { limits: { a: 1, b: [2] } }), row(2, { state: "OK" }), row(3)]
    const fresh = [{ limits: { b: [2], a: 1 }, uuid: uuidOf(1) }, row(2, { state: "Erred" })]
    const replaced = await replaceRows(last, fresh)
    expect(replaced[0]).toBe(last[0])
    expect(replaced[1]).toBe(fresh[1])
    expect(replaced[2]).toBe(last[2])
  })

  it("returns the same list if nothing differs, and another if a row was added", async () => {
    const last = [row(1, { order: null }), row(2)]
    expect(await replaceRows(last, [])).toBe(last)
    expect(await replaceRows(last, structuredClone(last))).toBe(last)
    expect(await replaceRows(last, [row(1)])).not.toBe(last)
    expect(await replaceRows(last, [row(3)])).toEqual([...last, row(3)])
  })
})

describe("many rows", () => {
  it("yield to other work while they are processed", async () => {
    const rows = Array.from({ length: 100_000 }, (_, index) => row(index))
    const pages = Array.from({ length: 1000 }, (_, index) => ({
      total: rows.length,
      rows: rows.slice(index * 100, (index + 1) * 100),
    }))
    let turns = 0
    let other = setImmediate(function turn() {
      turns++
      other = setImmediate(turn)
    })
    const turnsOf = async (effect: Effect.Effect<unknown>) => {
      const before = turns
      await Effect.runPromise(effect)
      return turns - before
    }
    const copies = rows.map((one) => ({ ...one }))
    // Any effect yields once or twice, at its start and its end.
    expect(await turnsOf(consistency.checkWalk({ pages, shrank: false }))).toBeGreaterThan(3)
    expect(await turnsOf(consistency.replaceRows(rows, copies))).toBeGreaterThan(3)
    clearImmediate(other)
  })
})
