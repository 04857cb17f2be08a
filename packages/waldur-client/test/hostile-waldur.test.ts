import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import fc from "fast-check"
import type { ResourceRead } from "../src/index.ts"
import {
  captureLogs,
  clientOf,
  type FakeWaldur,
  json,
  type LogLine,
  type Reply,
  type Row,
  type Seen,
  startFakeWaldur,
  tied,
  token,
  uuidOf,
} from "./fake-waldur.ts"

const fields = ["slug", "state", "created", "offering_uuid", "backend_id", "attributes", "order_in_progress"]
const query = { offeringSlugs: ["capstor"], fields }
const path = "/api/marketplace-provider-resources/"
const nothing = json(200, [], { "x-result-count": "0" })
const isList = (seen: Seen) => seen.method === "GET" && seen.path === path
const isPlain = (seen: Seen) => isList(seen) && !seen.query.has("order_state") && !seen.query.has("state")
/** A good Waldur's response to a probe. */
const probed = ({ query: asked }: Seen) =>
  asked.get("offering_slug") === "__impossible__" ||
  asked.has("modified") ||
  asked.get("order_state") === "__impossible__"

describe("a number from Waldur", () => {
  it.live.each([
    ["3e8 where 3 rows are", 3, "300000000"],
    ["2^53-1 where 3 rows are", 3, "9007199254740991"],
    ["3e8 where two pages are", 400, "300000000"],
  ] as const)("causes no allocation: X-Result-Count of %s", ([, count, reported]) =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(count)
      fake.instead = (seen) => {
        if (!isPlain(seen)) return undefined
        const size = Number(seen.query.get("page_size"))
        const page = Number(seen.query.get("page"))
        const rows = fake.resources.slice((page - 1) * size, page * size)
        return json(200, rows, { "x-result-count": reported })
      }
      const waldur = yield* clientOf(fake)
      const error = yield* Effect.flip(waldur.readResources(query).pipe(captureLogs([])))
      expect(error).toMatchObject({ _tag: "WaldurInconsistent", totals: [Number(reported)], rows: count })
      // If fewer rows arrive than promised, pages may have been cut, and smaller ones are tried.
      expect(fake.seen.filter(isPlain).length).toBeLessThan(4 * 16)
    }),
  )

  it.live("does not prevent a read from being interrupted", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const rows = JSON.stringify(Array.from({ length: 300 }, () => ({ offering_slug: "capstor" })))
      let pages = 0
      fake.instead = (seen) => {
        if (!isPlain(seen)) return undefined
        pages += 1
        return { status: 200, body: rows, headers: { "x-result-count": "900000" } }
      }
      const waldur = yield* clientOf(fake)
      const read = yield* Effect.forkChild(waldur.readResources(query))
      yield* Effect.repeat(Effect.sleep("1 millis"), { until: () => Effect.sync(() => pages > 10) })
      yield* Fiber.interrupt(read)
      expect(pages).toBeLessThan(3000)
    }),
  )

  it.live.each(["0x10", "1e3", "3.0", "+3", "-3", " ", "3, 3", "NaN", "9007199254740993", "9".repeat(400)])(
    "is rejected: X-Result-Count of %j",
    (reported) =>
      Effect.gen(function* () {
        const fake = yield* startFakeWaldur
        fake.instead = () => json(200, [], { "x-result-count": reported })
        const error = yield* Effect.flip((yield* clientOf(fake)).offerings())
        expect(error).toMatchObject({ _tag: "WaldurUnexpectedResponse" })
        expect(error.message.length).toBeLessThan(400)
      }),
  )
})

/** A client with a limit of 64 KiB per page. */
const small = (fake: FakeWaldur) => clientOf(fake, { maxPageBytes: 65_536 })
const huge = "x".repeat(65_536)
const tooLarge = "larger than 0.0625 MiB"

describe("a large row", () => {
  it.live("of 17 MiB is too large by default, and one of 15 MiB is not", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const note = (mib: number) => ({ note: "x".repeat(mib * 1024 * 1024) })
      fake.resources = tied(2)
      fake.resources[0] = { ...fake.resources[0], attributes: note(17) }
      fake.resources[1] = { ...fake.resources[1], attributes: note(15) }
      const read = yield* (yield* clientOf(fake))
        .readResources({ ...query, fields: ["attributes"] })
        .pipe(captureLogs([]))
      expect(read.rows.map((row) => typeof (row as Row).attributes)).toEqual(["string", "object"])
    }),
  )

  it.live("of half a page, thirty times, is read in smaller pages", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const attributes = { note: "x".repeat(30_000) }
      fake.resources = tied(290).map((row, index) => (index >= 100 && index < 130 ? { ...row, attributes } : row))
      const read = yield* (yield* small(fake)).readResources({ ...query, fields: ["slug", "state", "attributes"] })
      expect(read).toMatchObject({ total: 290, reads: 1 })
      expect(read.rows.map((row) => (row as Row).slug)).toEqual(tied(290).map(({ slug }) => slug))
      expect(read.rows.filter((row) => (row as Row).attributes !== undefined).length).toBe(30)
    }),
  )

  it.live.each([0, 149, 299, 300, 310])("that is too large by itself is the only one lost: position %i", (place) =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(311)
      const good = fake.resources[place]
      fake.resources[place] = { ...good, backend_id: "/capstor/live", attributes: { note: huge } }
      const logs: Array<LogLine> = []
      const read = yield* (yield* small(fake)).readResources(query).pipe(captureLogs(logs))
      expect(read).toMatchObject({ total: 311, reads: 1 })
      expect(read.rows.filter((_, index) => index !== place)).toEqual(
        fake.resources.filter((_, index) => index !== place),
      )
      expect(read.rows[place]).toEqual({
        ...good,
        backend_id: "/capstor/live",
        attributes: tooLarge,
      })
      expect(logs).toContainEqual({ level: "Warn", event: "waldur-row-too-large", place: place + 1 })
    }),
  )

  it.live("with strings that are too large keeps its offering and state, and one with such a uuid is null", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(5)
      fake.resources[1] = { ...fake.resources[1], backend_id: huge }
      fake.resources[3] = { ...fake.resources[3], uuid: huge }
      const read = yield* (yield* small(fake)).readResources(query).pipe(captureLogs([]))
      expect(read.total).toBe(5)
      expect(read.rows[1]).toMatchObject({
        uuid: uuidOf(1),
        state: "OK",
        offering_slug: "capstor",
        attributes: tooLarge,
      })
      expect(read.rows[3]).toBeNull()
      expect([0, 2, 4].map((index) => read.rows[index])).toEqual([0, 2, 4].map((index) => fake.resources[index]))
    }),
  )

  it.live("with an order that is too large is marked in the list of orders", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const order = { state: "executing", type: "Terminate" }
      fake.resources = tied(5).map((row) => ({ ...row, state: "Terminating", order_in_progress: order }))
      fake.resources[2] = { ...fake.resources[2], order_in_progress: { ...order, error: huge } as never }
      const read = yield* (yield* small(fake)).readResources(query).pipe(captureLogs([]))
      const marked = read.rows.map((row) => (row as Row).attributes)
      expect(marked).toEqual([undefined, undefined, tooLarge, undefined, undefined])
      expect((read.rows[1] as Row).order_in_progress).toEqual(order)
    }),
  )

  it.live("does not fail a page of debug mode, nor a list of customers or offerings", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const named = (index: number) => ({ uuid: uuidOf(index), slug: `c-${index}`, name: `C ${index}` })
      fake.resources = tied(4)
      fake.resources[2] = { ...fake.resources[2], attributes: { note: huge } }
      fake.offerings = [named(1), { ...named(2), name: huge }, named(3)]
      fake.customers = [{ ...named(1), name: huge }, named(2)]
      const waldur = yield* small(fake)
      yield* Effect.gen(function* () {
        const page = yield* waldur.resourcePage({ offeringSlugs: ["capstor"], page: 1, pageSize: 300 })
        expect(page).toMatchObject({
          total: 4,
          rows: [tied(4)[0], tied(4)[1], { attributes: tooLarge }, tied(4)[3]],
        })
        expect(yield* waldur.offerings()).toEqual([named(1), named(3)])
        expect(yield* waldur.offeringCustomers(uuidOf(1))).toEqual([named(2)])
      }).pipe(captureLogs([]))
    }),
  )
})

describe("the uuid", () => {
  it.live.each(["first", "last"])("of two rows that differ is returned twice, wherever the live one is: %s", (where) =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const live = { ...tied(1)[0], state: "OK", backend_id: "/capstor/a" }
      const gone = {
        ...live,
        uuid: uuidOf(0)
          .replace(/^(.{8})/, "$1-")
          .toUpperCase(),
        state: "Terminating",
      }
      const removal = { ...gone, order_in_progress: { state: "executing", type: "Terminate" } }
      fake.resources = [...tied(3, 10), ...(where === "first" ? [live, removal] : [removal, live])]
      const read = yield* (yield* clientOf(fake)).readResources(query)
      expect(read.rows).toContainEqual(live)
      expect(read.rows).toContainEqual(removal)
      expect(read.asOf).toBeUndefined()
    }),
  )
})

describe("the Date of Waldur's responses", () => {
  const read = (headers: (seen: Seen) => Record<string, string>, logs: Array<LogLine> = []) =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(3)
      fake.instead = (seen) => {
        if (probed(seen)) return json(200, [], { "x-result-count": "0", ...headers(seen) })
        return isPlain(seen) ? json(200, fake.resources, { "x-result-count": "3", ...headers(seen) }) : undefined
      }
      const waldur = yield* clientOf(fake)
      return { waldur, first: yield* waldur.readResources(query).pipe(captureLogs(logs)) }
    })
  const dated = (shift: number) => ({ date: new Date(Date.now() + shift).toUTCString() })

  it.live.each([
    ["equals our own clock", () => dated(0), true],
    ["is 30 s ahead", () => dated(30_000), true],
    ["is two hours behind, which only causes larger reads", () => dated(-7_200_000), true],
    ["is two minutes ahead", () => dated(120_000), false],
    ["is two hours ahead", () => dated(7_200_000), false],
    ["is of the year 9999", () => ({ date: "Fri, 31 Dec 9999 23:59:59 GMT" }), false],
    ["is not a date", () => ({ date: "-5" }), false],
    ["is a date in another form", () => ({ date: new Date().toISOString() }), false],
    ["is that of a cache's copy", () => ({ ...dated(0), age: "17" }), false],
    ["is that of a fresh copy", () => ({ ...dated(0), age: "0", "x-cache": "MISS" }), true],
    ["is that of a declared cache hit", () => ({ ...dated(0), "x-cache": "Hit from cloudfront" }), false],
    ["is that of a stale copy", () => ({ ...dated(0), "cf-cache-status": "STALE" }), false],
    ["is that of a copy that is being updated", () => ({ ...dated(0), "x-cache-status": "UPDATING" }), false],
    [
      "is that of a list from a cache",
      (seen: Seen) => ({ ...dated(0), ...(isPlain(seen) ? { age: "3" } : {}) }),
      false,
    ],
  ] as const)("determines whether changes can be read, if it %s", ([, headers, trusted]) =>
    Effect.gen(function* () {
      const { first } = yield* read(headers)
      expect(first.rows.length).toBe(3)
      expect(first.asOf !== undefined).toBe(trusted)
    }),
  )

  it.live("is reported once if it is ahead", () =>
    Effect.gen(function* () {
      const logs: Array<LogLine> = []
      const { waldur } = yield* read(() => dated(7_200_000), logs)
      yield* waldur.readResources(query).pipe(captureLogs(logs))
      expect(logs.filter(({ event }) => event === "waldur-clock-ahead").length).toBe(1)
    }),
  )

  it.live.each([Number.NaN, 1e300, -1e300, 0, Date.now() + 3_600_000])(
    "triggers no request from a last read at %d",
    (asOf) =>
      Effect.gen(function* () {
        const fake = yield* startFakeWaldur
        const last: ResourceRead = { rows: [], total: 0, reads: 1, asOf }
        expect(Option.isNone(yield* (yield* clientOf(fake)).readChanges(query, last))).toBe(true)
        expect(fake.seen).toEqual([])
      }),
  )
})

describe("an order's state", () => {
  it.live("that Waldur does not know is omitted, and the others are read", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(2)
      fake.resources[1] = { ...fake.resources[1], order_in_progress: { state: "executing", type: "Update" } }
      const unknown = ["pending-start-date", "pending-project"]
      fake.instead = ({ query: asked }) => {
        const bad = asked.getAll("order_state").find((state) => unknown.includes(state))
        if (bad === undefined) return undefined
        return json(400, { order_state: [`Select a valid choice. ${bad} is not one of the available choices.`] })
      }
      const read = yield* (yield* clientOf(fake)).readResources(query)
      expect(read.rows).toEqual(fake.resources)
    }),
  )

  it.live("that is refused in any form makes the orders come with all resources", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(2)
      fake.instead = ({ query: asked }) => (asked.has("order_state") ? json(400, { order_state: ["No."] }) : undefined)
      const order = { state: "executing", type: "Update" }
      fake.resources[1] = { ...fake.resources[1], order_in_progress: order }
      const read = yield* (yield* clientOf(fake)).readResources(query).pipe(captureLogs([]))
      expect([read.rows, read.asOf]).toEqual([fake.resources, undefined])
    }),
  )

  it.live("that a 400 for the whole query does not name remains a refusal", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(2)
      const words = json(400, { detail: "No." })
      fake.instead = ({ method, query: asked }) => (method === "GET" && asked.has("order_state") ? words : undefined)
      const error = yield* Effect.flip((yield* clientOf(fake)).readResources(query))
      expect(error).toMatchObject({ _tag: "WaldurRejected", status: 400, detail: "No." })
    }),
  )

  it.live("in thousands of rows that no list of orders contains does not cause thousands of calls", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(1000).map((row) => ({ ...row, state: "Updating" }))
      fake.instead = (seen) => (seen.query.has("state") ? nothing : undefined)
      const logs: Array<LogLine> = []
      const read = yield* (yield* clientOf(fake)).readResources(query).pipe(captureLogs(logs))
      expect(read.rows.length).toBe(1000)
      expect(fake.seen.length).toBeLessThan(320)
      expect(logs).toContainEqual({ level: "Warn", event: "waldur-orders-unread", resources: 1000 })
    }),
  )
})

describe("Waldur's secrets", () => {
  it.live("are not in an error about a URL with a password", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const waldur = yield* clientOf(fake, { apiUrl: fake.url.replace("http://", "http://someone:hunter2-and-more@") })
      const error = yield* Effect.flip(waldur.version())
      expect(waldur.apiUrl).toBe(`${fake.url}/api/`)
      expect(`${error.message} ${JSON.stringify(error)} ${error.stack}`).not.toMatch(/hunter2|someone/)
    }),
  )

  it.live("and data of a success are in no error, in any encoding", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const waldur = yield* clientOf(fake)
      const escaped = [...token].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join("")
      const replies: ReadonlyArray<Reply> = [
        { status: 403, body: `{"detail":"${escaped}"}`, headers: { "content-type": "application/json" } },
        { status: 400, body: `{"state":["${Buffer.from(`Token ${token}`).toString("base64")}"]}` },
        { status: 500, body: `<p>${[...token].reverse().join("")}</p>` },
        { status: 200, body: `[{"name":"Alice"},{"tok` },
        { status: 200, body: '{"Alice":"Bob"}', headers: { "content-type": "application/json" } },
        { status: 200, body: "[]", headers: { "x-result-count": `Token ${token.toUpperCase()}` } },
      ]
      for (const reply of replies) {
        fake.instead = () => reply
        const error = yield* Effect.flip(waldur.offerings())
        const shown = `${error.message} ${JSON.stringify(error)}`.toLowerCase()
        for (let at = 0; at + 8 <= token.length; at++) expect(shown).not.toContain(token.slice(at, at + 8))
        expect(shown).not.toMatch(/alice|bob/)
      }
    }),
  )
})

const names = [
  "uuid",
  "slug",
  "state",
  "created",
  "offering_slug",
  "offering_uuid",
  "backend_id",
  "attributes",
  "order_in_progress",
  "__proto__",
  "toString",
  "constructor",
]
const deep = (depth: number): unknown => {
  let value: unknown = []
  for (let level = 0; level < depth; level++) value = [value]
  return value
}
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom({ toString: 1 }, { valueOf: null }, { length: -1 }, "x".repeat(100_000), 1e308, -0, deep(1000)),
  fc.record({ state: fc.jsonValue(), type: fc.jsonValue() }),
)

describe("any value from Waldur", () => {
  it.live("in a field of a row leaves the other rows unchanged", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const waldur = yield* clientOf(fake)
      const run = yield* Effect.context<never>()
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.constantFrom(...names), anything, fc.nat(4), async (name, value, place) => {
            const rows = tied(5)
            const bad = Object.defineProperty({ ...rows[place] }, name, { value, enumerable: true })
            fake.resources = rows.map((row, index) => (index === place ? { ...bad, filed_under: "capstor" } : row))
            const read = await Effect.runPromiseWith(run)(waldur.readResources(query).pipe(captureLogs([])))
            const others = rows.filter((_, index) => index !== place)
            for (const other of others) expect(read.rows).toContainEqual(other)
            expect(read.rows.length).toBeGreaterThanOrEqual(others.length)
          }),
          { numRuns: 75 },
        ),
      )
    }),
  )

  it.live("in place of a row, a page, or a header leads to rows or a typed failure", () =>
    Effect.gen(function* () {
      const fake: FakeWaldur = yield* startFakeWaldur
      const waldur = yield* clientOf(fake)
      const run = yield* Effect.context<never>()
      const header = fc.string({ unit: fc.constantFrom(..."0123456789abcxyz,.-+: ") })
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.oneof(anything, fc.array(anything)),
            fc.record(
              { "x-result-count": fc.oneof(header, fc.nat().map(String)), date: header, age: header, link: header },
              { requiredKeys: [] },
            ),
            async (body, headers) => {
              fake.instead = (seen) => (probed(seen) ? nothing : json(200, body, headers as Record<string, string>))
              const last: ResourceRead = { rows: tied(2), total: 2, reads: 1, asOf: Date.now() }
              for (const call of [
                waldur.readResources(query),
                waldur.readChanges(query, last),
                waldur.resourcePage({ offeringSlugs: ["capstor"], page: 1, pageSize: 5 }),
                waldur.offerings(),
                waldur.offering(uuidOf(1)),
                waldur.offeringCustomers(uuidOf(1)),
                waldur.version(),
              ]) {
                const result = await Effect.runPromiseWith(run)(
                  Effect.matchCause(call as Effect.Effect<unknown, unknown>, {
                    onFailure: (cause) => cause.reasons.every((reason) => reason._tag === "Fail"),
                    onSuccess: () => true,
                  }).pipe(captureLogs([])),
                )
                expect(result).toBe(true)
              }
            },
          ),
          { numRuns: 30 },
        ),
      )
    }),
  )
})
