import type { WaldurResource } from "@cscs/storage-model"
import { Effect } from "effect"
import fc from "fast-check"
import { expect, test } from "vitest"
import { type DecodedRow, type DecodedRows, neededAfter, neededBy, updateRows } from "../src/refresh/decoded-rows.ts"

/** A row whose decoded resource is the row itself. */
const decode = (row: unknown): DecodedRow => {
  const resource = row as WaldurResource
  return { resource, malformed: undefined, own: resource, project: resource.project_slug }
}

const decoded = (rows: ReadonlyArray<unknown>): DecodedRows => {
  const all: DecodedRows = { rows: [], needs: { offerings: new Map(), projects: new Map() }, counts: new Map() }
  const add = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1)
  for (const row of rows.map(decode)) {
    all.rows.push(row)
    add(all.needs.offerings, row.own?.offering_uuid ?? "")
    add(all.counts, row.own?.offering_slug ?? "")
    add(all.needs.projects, row.project ?? "")
  }
  return all
}

const pool = Array.from({ length: 12 }, (_, n) => ({
  uuid: n,
  offering_uuid: `offering ${n % 2}`,
  offering_slug: `slug ${n % 2}`,
  project_slug: `project ${n % 5}`,
}))

/** A list, and a later one: some rows inserted, removed, replaced or moved. */
const lists = fc
  .tuple(
    fc.shuffledSubarray(pool),
    fc.array(fc.tuple(fc.constantFrom("insert", "remove", "replace", "reverse"), fc.nat({ max: 12 })), {
      maxLength: 3,
    }),
  )
  .map(([before, edits]) => {
    let now = [...before]
    for (const [edit, at] of edits) {
      const unused = pool.find((row) => !before.includes(row) && !now.includes(row))
      const position = at % (now.length + 1)
      if (edit === "reverse") now = [...now.slice(0, position), ...now.slice(position).reverse()]
      else if (edit === "remove") now.splice(position, 1)
      else if (unused !== undefined) now.splice(position, edit === "insert" ? 0 : 1, unused)
    }
    return { before, now }
  })

const sorted = (resources: ReadonlyArray<unknown>) => pool.filter((row) => resources.includes(row))

test("decoded rows that are updated are those of the later read, and what differs is each row that came or went, once", async () => {
  await fc.assert(
    fc.asyncProperty(lists, async ({ before, now }) => {
      const all = decoded(before)
      const needed = await Effect.runPromise(neededBy(all))
      let decodings = 0
      const updated = await Effect.runPromise(
        updateRows(all, before, now, (row) => {
          decodings += 1
          return decode(row)
        }),
      )
      if (updated === undefined) throw new Error("no row occurs twice")
      const { rows, removed, added, fresh } = updated
      const wanted = decoded(now)
      expect(rows).toEqual(wanted)
      const came = now.filter((row) => !before.includes(row))
      expect(sorted(added.resources)).toEqual(sorted(came))
      expect(sorted(removed.resources)).toEqual(sorted(before.filter((row) => !now.includes(row))))
      expect(decodings).toBe(came.length)
      const [after, anew] = await Effect.runPromise(Effect.all([neededAfter(needed, rows, fresh), neededBy(wanted)]))
      expect(after).toEqual(anew)
    }),
    { numRuns: 2000 },
  )
})

test("decoded rows with one object at two positions that differ are not updated", async () => {
  const [row, other, third] = pool
  const all = decoded([row, other, row])
  const before = structuredClone(all)
  expect(await Effect.runPromise(updateRows(all, [row, other, row], [third, other, third], decode))).toBeUndefined()
  expect(all).toEqual(before)
})
