import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { afterEach, vi } from "vitest"
import type { ResourceRead } from "../src/index.ts"
import { clientOf, type FakeWaldur, json, type Row, type Seen, startFakeWaldur, tied, uuidOf } from "./fake-waldur.ts"

const query = { offeringSlugs: ["capstor"], fields: ["slug", "state", "limits", "order_in_progress"] }
const some = (read: Option.Option<ResourceRead>): ResourceRead => Option.getOrThrow(read)
const order = { state: "executing", type: "Update" }

/** Many rows, the first ones with an order, and a Waldur that returns `fake.resources` as changed if `changed` selects them. */
const start = Effect.fnUntraced(function* (count: number, ordered: number, options = {}) {
  const fake = yield* startFakeWaldur
  fake.orderState = "obeyed"
  fake.resources = tied(count).map((row, index) => (index < ordered ? { ...row, order_in_progress: order } : row))
  const changed = new Set<unknown>()
  fake.arrange = (rows, { query: asked }) => {
    const since = asked.get("modified")
    if (since === null) return rows
    return rows.filter(({ uuid }) => !since.startsWith("2999") && changed.has(uuid))
  }
  return { fake, changed, waldur: yield* clientOf(fake, options) }
})

const replace = (fake: FakeWaldur, number: number, rest: object) => {
  fake.resources = fake.resources.map((row) => (row.uuid === uuidOf(number) ? { ...row, ...rest } : row))
}
const isFor = (request: Seen, filter: string) => request.method === "GET" && request.query.has(filter)

/** How many lists with rows are parsed during an effect. */
const parsed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const parse = vi.spyOn(JSON, "parse")
    return Effect.map(effect, (result) => {
      const lists = parse.mock.calls.filter(([text]) => String(text).startsWith("[{")).length
      parse.mockRestore()
      return { result, lists }
    })
  })
afterEach(() => void vi.restoreAllMocks())

describe("a page", () => {
  it.live("of orders with the same bytes as before is not parsed again, and a page that differs is", () =>
    Effect.gen(function* () {
      const { fake, waldur } = yield* start(1000, 700)
      const last = yield* waldur.readResources(query)
      const quiet = yield* parsed(waldur.readChanges(query, last))
      expect(quiet.lists).toBe(0)
      expect(some(quiet.result).rows).toBe(last.rows)
      replace(fake, 400, { limits: { storage: 9 } })
      const next = yield* parsed(waldur.readChanges(query, some(quiet.result)))
      expect(next.lists).toBe(1)
      const { rows } = some(next.result)
      expect(rows.flatMap((row, at) => (row === last.rows[at] ? [] : [at]))).toEqual([400])
      expect(rows[400]).toMatchObject({ limits: { storage: 9 } })
      expect((yield* parsed(waldur.readChanges(query, some(next.result)))).lists).toBe(0)
    }),
  )

  it.live("of a full read with the same bytes is not parsed again, whatever was read in between", () =>
    Effect.gen(function* () {
      const { fake, changed, waldur } = yield* start(1000, 10)
      const first = yield* waldur.readResources(query)
      const { result, lists } = yield* parsed(waldur.readResources(query, first))
      expect(lists).toBe(0)
      expect(result.rows).toBe(first.rows)
      replace(fake, 999, { state: "Erred" })
      changed.add(uuidOf(999))
      const next = some(yield* waldur.readChanges(query, first))
      const again = yield* parsed(waldur.readResources(query, next))
      // The last of four pages.
      expect(again.lists).toBe(1)
      expect(again.result.rows).toBe(next.rows)
    }),
  )

  it.live("that had a row too large is read with few fields again", () =>
    Effect.gen(function* () {
      const { fake, waldur } = yield* start(20, 2, { maxPageBytes: 20_000 })
      replace(fake, 7, { limits: "x".repeat(30_000) })
      const first = yield* waldur.readResources(query)
      const again = yield* waldur.readResources(query, first)
      expect(again.rows).toStrictEqual(first.rows)
      expect(again.rows[7]).toHaveProperty("attributes", expect.stringContaining("larger than"))
    }),
  )
})

describe("a full read after another", () => {
  it.live("has the same objects for rows that moved, and for those without a uuid that did not", () =>
    Effect.gen(function* () {
      const { fake, waldur } = yield* start(400, 3)
      fake.resources.push({ ...tied(1)[0], uuid: null, slug: "without" })
      const first = yield* waldur.readResources(query)
      fake.resources = [...fake.resources.slice(10, 400), ...fake.resources.slice(0, 10), ...fake.resources.slice(400)]
      const again = yield* waldur.readResources(query, first)
      expect(again.rows.length).toBe(401)
      expect(again.rows.every((row) => first.rows.includes(row))).toBe(true)
      expect(again.rows).not.toBe(first.rows)
    }),
  )

  it.live("lacks what Waldur no longer returns", () =>
    Effect.gen(function* () {
      const { fake, waldur } = yield* start(400, 3)
      const first = yield* waldur.readResources(query)
      fake.resources.splice(5, 1)
      const again = yield* waldur.readResources(query, first)
      expect(again.rows).toEqual(first.rows.filter((_, at) => at !== 5))
      expect(first.rows.length).toBe(400)
    }),
  )

  it.live("returns all rows of a uuid that has several, as without the other read", () =>
    Effect.gen(function* () {
      const { fake, waldur } = yield* start(30, 0)
      fake.resources.push({ ...(fake.resources[3] as Row), state: "Erred" })
      const first = yield* waldur.readResources(query)
      replace(fake, 3, { slug: "renamed" })
      const again = yield* waldur.readResources(query, first)
      expect(again.rows).toStrictEqual((yield* waldur.readResources(query)).rows)
      expect(again.rows.length).toBe(31)
    }),
  )
})

describe("the last read", () => {
  it.live("is not changed by one that fails, and can be used again", () =>
    Effect.gen(function* () {
      const { fake, changed, waldur } = yield* start(400, 300)
      const last = yield* waldur.readResources(query)
      const rows = [...last.rows]
      replace(fake, 1, { limits: { storage: 1 } })
      replace(fake, 350, { limits: { storage: 2 } })
      changed.add(uuidOf(350))
      fake.instead = (request) => (isFor(request, "modified") ? json(403, { detail: "No." }) : undefined)
      expect(yield* Effect.flip(waldur.readChanges(query, last))).toMatchObject({ status: 403 })
      expect(last.rows.every((row, at) => row === rows[at])).toBe(true)
      fake.instead = () => undefined
      const next = some(yield* waldur.readChanges(query, last))
      expect(next.rows.flatMap((row, at) => (row === rows[at] ? [] : [at]))).toEqual([1, 350])
    }),
  )

  it.live("can be continued twice, with different new resources", () =>
    Effect.gen(function* () {
      const { fake, changed, waldur } = yield* start(400, 10)
      const last = yield* waldur.readResources(query)
      const old = fake.resources
      const [one, other] = [tied(1, 1000), tied(1, 2000)]
      for (const { uuid } of [...one, ...other]) changed.add(uuid)
      for (const added of [one, [...other, ...one], other]) {
        fake.resources = [...old, ...added]
        const next = some(yield* waldur.readChanges(query, last))
        expect(next.rows.slice(0, 400).every((row, at) => row === last.rows[at])).toBe(true)
        expect(next.rows.slice(400)).toMatchObject(added.map(({ uuid }) => ({ uuid })))
        expect(some(yield* waldur.readChanges(query, next)).rows).toBe(next.rows)
      }
      expect(last.rows.length).toBe(400)
    }),
  )

  it.live("may be one that was copied or made by hand", () =>
    Effect.gen(function* () {
      const { fake, changed, waldur } = yield* start(400, 10)
      const last = structuredClone(yield* waldur.readResources(query))
      replace(fake, 350, { limits: { storage: 2 } })
      replace(fake, 2, { order_in_progress: null })
      changed.add(uuidOf(350))
      const next = some(yield* waldur.readChanges(query, last))
      expect(next.rows.flatMap((row, at) => (row === last.rows[at] ? [] : [at]))).toEqual([2, 350])
    }),
  )
})

describe("hostile rows", () => {
  it.live("nested too deeply to compare are taken as changed, each time", () =>
    Effect.gen(function* () {
      const { fake, changed, waldur } = yield* start(10, 2)
      const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`
      const row = (slug: string) =>
        `{"uuid":"${uuidOf(5)}","slug":"${slug}","offering_slug":"capstor","state":"OK","limits":${deep}}`
      changed.add(uuidOf(5))
      let slug = "first"
      fake.instead = (request) =>
        isFor(request, "modified") && request.query.has("page")
          ? { ...json(200, null, { "x-result-count": "1" }), body: `[${row(slug)}]` }
          : undefined
      const first = some(yield* waldur.readChanges(query, yield* waldur.readResources(query)))
      expect(first.rows[5]).toMatchObject({ slug: "first" })
      slug = "second"
      const second = some(yield* waldur.readChanges(query, first))
      expect(second.rows[5]).toMatchObject({ slug: "second" })
      expect(second.rows.filter((one, at) => one !== first.rows[at]).length).toBe(1)
    }),
  )
})
