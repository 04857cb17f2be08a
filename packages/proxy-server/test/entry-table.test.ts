import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { type EntryFilter, type PlacedEntry, selectEntries } from "@cscs/storage-model"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { chunkEncoder, type EntryTable, entryTable } from "../src/snapshot/entry-table.ts"
import type { Any } from "./a-proxy.ts"

const tableOf = (steps: ReadonlyArray<ReadonlyArray<PlacedEntry>>, previous?: EntryTable): EntryTable =>
  entryTable(steps.flatMap(chunkEncoder(previous)))

interface Made {
  readonly name: string
  readonly offeringSlug?: string
  readonly dataType?: string
  readonly status?: string
  readonly states?: ReadonlyArray<string>
}

/** The fields of an entry that a table uses. */
const placed = ({ name, offeringSlug = "capstor", dataType = "store", status = "active", states = ["OK"] }: Made) =>
  ({
    offeringSlug,
    states: new Set(states),
    entry: {
      itemId: name,
      status,
      target: { targetType: "project" },
      storageDataType: { key: dataType },
      mountPoint: { default: `/${name}` },
    },
  }) as Any as PlacedEntry

const jsonOf = (table: EntryTable): ReadonlyArray<string> =>
  Array.from({ length: table.size }, (_, position) => Buffer.from(table.jsonAt(position)).toString())

const someEntry = fc
  .record({
    name: fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("a\nb", "\u2028", "\\n", "\ud800")),
    offeringSlug: fc.constantFrom("capstor", "vast"),
    dataType: fc.constantFrom("store", "archive", "a\nb"),
    status: fc.constantFrom("active", "pending"),
    states: fc.uniqueArray(fc.constantFrom("OK", "Erred", "Creating"), { maxLength: 3 }),
  })
  .map(placed)
const someSteps = fc.array(fc.array(someEntry, { maxLength: 5 }), { maxLength: 8 })
const someFilter: fc.Arbitrary<EntryFilter> = fc.record(
  {
    offeringSlug: fc.constantFrom("capstor", "vast", "none"),
    dataType: fc.constantFrom("store", "archive", "a\nb", "none"),
    status: fc.constantFrom("active", "pending", "none"),
    state: fc.constantFrom("OK", "Erred", "Creating", "Updating"),
  },
  { requiredKeys: [] },
)

describe("an entry table", () => {
  test("holds each entry's own JSON in order, and selects as the model does, whatever table came before it", () => {
    fc.assert(
      fc.property(someSteps, someSteps, fc.array(someFilter, { maxLength: 6 }), (before, steps, filters) => {
        const table = tableOf(steps, tableOf([...before, ...steps.slice(0, 2)]))
        const entries = steps.flat()
        expect(jsonOf(table)).toEqual(entries.map(({ entry }) => JSON.stringify(entry)))
        expect(table.id).toBe(tableOf(steps).id)
        for (const filter of [{}, ...filters]) {
          const there = [...table.select(filter)].map((position) => entries[position])
          expect(there).toEqual(selectEntries(entries, filter))
          const found = [...table.jsonOf(filter)].map((json) => Buffer.from(json).toString())
          expect(found).toEqual(there.map((one) => JSON.stringify(one?.entry)))
        }
      }),
      { numRuns: 200 },
    )
  })

  test("is empty without entries, and has nothing at a position out of range", () => {
    const table = tableOf([[], []])
    expect([table.size, table.select({}).length]).toEqual([0, 0])
    expect(() => table.jsonAt(0)).toThrow(RangeError)
    expect(() => tableOf([[placed({ name: "a" })]]).jsonAt(1)).toThrow(RangeError)
    expect(() => tableOf([[placed({ name: "a" })]]).jsonAt(-1)).toThrow(RangeError)
  })

  test("ignores an empty step", () => {
    const steps = [[placed({ name: "a" })], [placed({ name: "b" })]]
    expect(tableOf([[], ...steps.flatMap((step) => [step, []])]).id).toBe(tableOf(steps).id)
  })
})

describe("a table's id", () => {
  const base: Made = { name: "a" }
  const others: ReadonlyArray<readonly [string, ReadonlyArray<Made>]> = [
    ["an entry's content", [{ name: "b" }]],
    ["an additional entry", [base, { name: "b" }]],
    ["no entry", []],
    ["another offering", [{ ...base, offeringSlug: "vast" }]],
    ["an additional state", [{ ...base, states: ["OK", "Erred"] }]],
    ["another state", [{ ...base, states: ["Erred"] }]],
    ["no state", [{ ...base, states: [] }]],
    ["the order", [{ name: "b" }, base]],
    ["two additional entries", [base, { name: "b" }, { name: "c" }]],
  ]

  test.each(others)("differs after a change: %s", (_, made) => {
    expect(tableOf([made.map(placed)]).id).not.toBe(tableOf([[placed(base)]]).id)
  })

  test("is never that of a table that differs", () => {
    const ids = [[base], ...others.map(([, made]) => made)].map((made) => tableOf([made.map(placed)]).id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test("does not depend on the order in which states appear, and is safe in a URL", () => {
    const one = tableOf([[placed({ name: "a", states: ["OK", "Erred"] })]])
    const other = tableOf([[placed({ name: "a", states: ["Erred", "OK"] })]])
    expect(one.id).toBe(other.id)
    expect(one.id).toMatch(/^[\w-]{22}$/)
    expect(new URLSearchParams({ snapshot: one.id }).toString()).toBe(`snapshot=${one.id}`)
  })

  test("is the same in every process", () => {
    // Computed once; a different value means that replicas of two versions send their callers back to the first page.
    expect(tableOf([]).id).toBe("47DEQpj8HBSa-_TImW-5JC")
  })
})

describe("a table that follows another", () => {
  const step = (...names: ReadonlyArray<string>) => names.map((name) => placed({ name }))

  test("shares the very bytes of steps that did not change", () => {
    const first = tableOf([step("a", "b"), step("c"), step("d")])
    const second = tableOf([step("a", "b"), step("x"), step("d")], first)
    expect(second.chunks.map((chunk, at) => chunk === first.chunks[at])).toEqual([true, false, true])
  })

  test("shares no filter results: equal bytes with other states are not the same", () => {
    const before = tableOf([[placed({ name: "tenant", states: ["OK"] })]])
    const after = tableOf([[placed({ name: "tenant", states: ["Erred"] })]], before)
    expect([after.select({ state: "Erred" }).length, after.select({ state: "OK" }).length]).toEqual([1, 0])
    expect([before.select({ state: "Erred" }).length, before.select({ state: "OK" }).length]).toEqual([0, 1])
    expect(after.id).not.toBe(before.id)
  })

  test("does not keep the previous table alive: refreshes go on for months", async () => {
    setFlagsFromString("--expose-gc")
    const collect = runInNewContext("gc") as () => void
    let table = tableOf([step("a"), step("0")])
    const earlier: Array<WeakRef<EntryTable>> = []
    for (let refresh = 1; refresh <= 10; refresh += 1) {
      earlier.push(new WeakRef(table))
      table = tableOf([step("a"), step(String(refresh))], table)
    }
    // A WeakRef that was dereferenced lives until the end of the turn.
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    expect(earlier.filter((one) => one.deref() !== undefined).length).toBeLessThanOrEqual(1)
    expect(table.size).toBe(2)
  })
})
