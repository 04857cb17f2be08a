import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  captureLogs,
  clientOf,
  type FakeWaldur,
  json,
  type LogLine,
  pages,
  type Row,
  type Seen,
  startFakeWaldur,
  tied,
  token,
  uuidOf,
} from "./fake-waldur.ts"

const fields = ["uuid", "slug", "state", "offering_slug", "created", "order_in_progress"]
const query = { offeringSlugs: ["capstor", "vast"], fields }
const path = "/api/marketplace-provider-resources/"
const withOrder = (row: Row, state: string): Row => ({ ...row, order_in_progress: { state, type: "Update" } })

const lists = (seen: ReadonlyArray<Seen>) => seen.filter((request) => request.method === "GET" && request.path === path)

describe("readResources requests", () => {
  it.live("the offerings comma-joined, visible to providers, by created, 300 a page, fields repeated", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(3)
      const waldur = yield* clientOf(fake)
      yield* waldur.readResources({ ...query, fields: ["slug", "state"] })
      expect(lists(fake.seen).map((request) => [...request.query])).toEqual([
        [
          ["offering_slug", "capstor,vast"],
          ["visible_to_providers", "true"],
          ["o", "created"],
          ["page_size", "300"],
          ["page", "1"],
          ["field", "uuid"],
          ["field", "offering_slug"],
          ["field", "slug"],
          ["field", "state"],
        ],
      ])
    }),
  )

  it.live("with the token and the user agent", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const waldur = yield* clientOf(fake, { userAgent: "storage-proxy/1" })
      yield* waldur.readResources(query)
      expect(fake.seen.length).toBeGreaterThan(0)
      for (const { headers } of fake.seen) {
        expect(headers).toMatchObject({ authorization: `Token ${token}`, "user-agent": "storage-proxy/1" })
      }
    }),
  )

  it.live("nothing if no offering is named, because an empty filter would select all resources", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(3)
      const waldur = yield* clientOf(fake)
      expect(yield* waldur.readResources({ offeringSlugs: ["", " "], fields })).toEqual({
        rows: [],
        total: 0,
        reads: 1,
      })
      expect(yield* waldur.resourcePage({ offeringSlugs: [], page: 1, pageSize: 5 })).toEqual({ rows: [], total: 0 })
      expect(fake.seen).toEqual([])
    }),
  )

  it.live("all pages after the first in parallel, at most as many as the concurrency", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(300 * 13)
      const waldur = yield* clientOf(fake, { concurrency: 4 })
      // After the first page, responses wait until four requests are in flight.
      let started = false
      fake.before = (request) => {
        if (request.method === "GET" && request.path === path) started = true
      }
      fake.holds = () => started && fake.highWater() < 4
      const read = yield* waldur.readResources({ ...query, fields: ["slug"] })
      expect(read.rows.length).toBe(300 * 13)
      expect(lists(fake.seen).length).toBe(13)
      expect(fake.highWater()).toBe(4)
    }),
  )

  it.live("no more in parallel for two reads of one client than for one", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(300 * 6)
      const waldur = yield* clientOf(fake, { concurrency: 3 })
      yield* Effect.all([waldur.readResources(query), waldur.readResources(query)], { concurrency: 2 })
      expect(fake.highWater()).toBe(3)
    }),
  )
})

describe("readResources returns", () => {
  it.live("every row of every page once, as Waldur sent it", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(701)
      const waldur = yield* clientOf(fake)
      const read = yield* waldur.readResources(query)
      expect(read).toEqual({ rows: tied(701), total: 701, reads: 1 })
    }),
  )

  it.live("no rows and a count of 0 to a user without a role", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const waldur = yield* clientOf(fake)
      expect(yield* waldur.readResources(query)).toEqual({ rows: [], total: 0, reads: 1 })
    }),
  )

  it.live("bad rows too, without a second read, among good ones", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const bad = [
        { uuid: null, offering_slug: "capstor", slug: "a" },
        { uuid: "zzz", offering_slug: "capstor", slug: "b" },
        { filed_under: "capstor", uuid: uuidOf(777), slug: "unrelated" },
      ]
      fake.resources = [...tied(299), ...bad, ...tied(10, 400)]
      const waldur = yield* clientOf(fake)
      const read = yield* waldur.readResources(query)
      expect(read).toMatchObject({ total: 312, reads: 1 })
      expect(read.rows.length).toBe(312)
      expect(read.rows).toContainEqual({ uuid: null, offering_slug: "capstor", slug: "a" })
      expect(read.rows).toContainEqual({ uuid: uuidOf(777), slug: "unrelated" })
    }),
  )

  it.live("all rows even if each page fails once, by 500, 502, 429 or a reset", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(1200)
      const failures = [pages.serverError, pages.badGateway, json(429, { detail: "Throttled." }), "reset"] as const
      const failed = new Set<string>()
      fake.instead = ({ method, query: asked }) => {
        const key = `${method} ${asked}`
        if (failed.has(key)) return undefined
        failed.add(key)
        return failures[failed.size % failures.length]
      }
      const waldur = yield* clientOf(fake)
      const read = yield* waldur.readResources(query)
      expect(read.rows.length).toBe(1200)
      expect(failed.size).toBeGreaterThan(5)
    }),
  )
})

describe("orders in progress", () => {
  const states = ["pending-consumer", "pending-provider", "pending-project", "pending-start-date", "executing"]
  const someOrders = () => {
    const rows = tied(650)
    return rows.map((row, index) => (index % 130 === 7 ? withOrder(row, states[(index / 130) | 0] ?? "") : row))
  }

  for (const orderState of ["refused", "obeyed"] as const) {
    it.live(`are read in a second list and omitted from plain pages if a bad order_state is ${orderState}`, () =>
      Effect.gen(function* () {
        const fake = yield* startFakeWaldur
        fake.resources = someOrders()
        fake.orderState = orderState
        const waldur = yield* clientOf(fake)
        const read = yield* waldur.readResources(query)
        expect(read).toEqual({ rows: someOrders(), total: 650, reads: 1 })
        const [plain, ordered] = [false, true].map((wanted) =>
          lists(fake.seen).filter((request) => request.query.getAll("field").includes("order_in_progress") === wanted),
        )
        expect(plain?.map((request) => request.query.get("page")).sort()).toEqual(["1", "2", "3"])
        expect(plain?.every((request) => !request.query.has("order_state"))).toBe(true)
        expect(ordered?.map((request) => request.query.getAll("order_state"))).toEqual([states])
        expect(ordered?.[0]?.query.get("offering_slug")).toBe("capstor,vast")
        expect(ordered?.[0]?.query.get("visible_to_providers")).toBe("true")
      }),
    )
  }

  it.live("come with the plain pages if Waldur does not know order_state", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = someOrders()
      fake.orderState = "ignored"
      const waldur = yield* clientOf(fake)
      expect((yield* waldur.readResources(query)).rows).toEqual(someOrders())
      const [used, discarded] = [true, false].map((wanted) =>
        lists(fake.seen).filter(
          ({ query: asked }) =>
            wanted === (asked.getAll("field").includes("order_in_progress") && !asked.has("order_state")),
        ),
      )
      expect(used?.map((request) => request.query.get("page")).sort()).toEqual(["1", "2", "3"])
      // Requested before the response to the probe.
      expect(discarded?.filter((request) => request.query.get("page") === "1").length).toBe(2)
    }),
  )

  it.live("are not requested if the fields do not contain them", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = someOrders()
      const waldur = yield* clientOf(fake)
      const read = yield* waldur.readResources({ ...query, fields: ["slug"] })
      expect(read.rows.length).toBe(650)
      expect(JSON.stringify(read.rows)).not.toContain("order_in_progress")
      expect(fake.seen.some((request) => request.query.has("order_state"))).toBe(false)
    }),
  )

  it.live("leave no key on a row without an order", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const [first, second] = tied(2) as [Row, Row]
      fake.resources = [{ ...first, order_in_progress: null }, withOrder(second, "executing")]
      const waldur = yield* clientOf(fake)
      const { rows } = yield* waldur.readResources(query)
      expect(rows).toEqual([first, withOrder(second, "executing")])
    }),
  )

  it.live("add a resource that appeared after the plain pages", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const late = withOrder({ ...tied(1, 900)[0], state: "Creating" }, "pending-provider")
      fake.resources = tied(5)
      // Whichever list is returned first, only that of the orders has the new one.
      fake.before = (request) => {
        fake.resources = request.query.getAll("order_state").length === 5 ? [...tied(5), late] : tied(5)
      }
      const waldur = yield* clientOf(fake)
      const read = yield* waldur.readResources(query)
      expect(read).toEqual({ rows: [...tied(5), late], total: 5, reads: 1 })
    }),
  )

  it.live("that change places in their own list are read again", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const all = tied(400).map((row) => withOrder(row, "executing"))
      fake.resources = all
      let moved = false
      fake.arrange = (rows, request) => {
        if (moved || !request.query.has("order_state") || request.query.get("page") !== "2") return rows
        moved = true
        return [...rows.slice(350), ...rows.slice(0, 350)]
      }
      const waldur = yield* clientOf(fake)
      const read = yield* waldur.readResources(query).pipe(captureLogs([]))
      expect(read).toEqual({ rows: all, total: 400, reads: 2 })
    }),
  )
})

describe("an order that appears between the orders and the rows", () => {
  const isListOfOrders = ({ query }: Seen) => query.getAll("order_state").length === 5
  const before = tied(6)
  /** Waldur's data once a removal has been requested and not yet approved, and similar cases. */
  const after = before.map((row, index) =>
    index === 2
      ? withOrder({ ...row, state: "Terminating" }, "pending-consumer")
      : index === 4
        ? withOrder({ ...row, state: "Updating" }, "executing")
        : row,
  )

  it.live.each([1, 2])("is returned with its row regardless of the read before: read %s", (reads) =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      // The list of orders is from before, every other response from after.
      fake.before = (request) => {
        fake.resources = isListOfOrders(request) ? before : after
      }
      const waldur = yield* clientOf(fake)
      for (let read = 1; read <= reads; read++) {
        const { rows, total } = yield* waldur.readResources(query)
        expect(rows).toEqual(after)
        expect(total).toBe(6)
      }
    }),
  )

  it.live("costs one more list, and none if no row is in doubt", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = after
      const waldur = yield* clientOf(fake)
      yield* waldur.readResources(query)
      expect(lists(fake.seen).filter(({ query }) => query.has("state")).length).toBe(0)
      fake.resources = [{ ...(before[0] as Row), state: "Terminating" }]
      const { rows } = yield* waldur.readResources(query)
      expect(rows).toEqual(fake.resources)
      expect(lists(fake.seen).filter(({ query }) => query.has("state")).length).toBe(1)
    }),
  )

  it.live("that has ended by its lookup leaves the row as it is then; one that is gone is not returned", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const [gone, ended] = [2, 3].map((index) => ({ ...(before[index] as Row), state: "Terminating" }))
      const early = before.map((row, index) => (index === 2 ? gone : index === 3 ? ended : row) as Row)
      const late = before.filter((_, index) => index !== 2)
      fake.resources = early
      fake.before = (request) => {
        if (request.query.has("state")) fake.resources = late
      }
      const waldur = yield* clientOf(fake)
      const { rows } = yield* waldur.readResources(query)
      expect(rows).toEqual(late)
    }),
  )
})

describe("a resource whose order ends while the orders are read", () => {
  it.live("does not complete the list of orders when it is looked up", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const ordered = tied(400).map((row) => withOrder(row, "executing"))
      fake.resources = ordered
      let walks = 0
      const isOrderPage = (request: Seen, page: string) =>
        request.query.has("order_state") && request.query.get("page") === page
      fake.before = (request) => {
        if (!isOrderPage(request, "1")) return
        walks++
        if (walks === 2)
          fake.resources = ordered.map((row, index) => (index === 17 ? { ...row, order_in_progress: null } : row))
      }
      // Row 5 never comes: one of the second page takes its place.
      fake.arrange = (rows, request) =>
        isOrderPage(request, "1") ? [...rows.slice(0, 5), rows[390] as Row, ...rows.slice(6)] : rows
      const waldur = yield* clientOf(fake)
      const error = yield* Effect.flip(waldur.readResources(query).pipe(captureLogs([])))
      expect(fake.seen.some((request) => request.path.endsWith(`/${uuidOf(17)}/`))).toBe(true)
      expect(error).toMatchObject({ _tag: "WaldurInconsistent", totals: [399], rows: 398 })
    }),
  )
})

describe("a Waldur that is too old", () => {
  it.live("is detected by a filter that it ignores, and returns none of its rows", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(12)
      fake.knowsOfferingSlug = false
      const waldur = yield* clientOf(fake)
      const error = yield* Effect.flip(waldur.readResources(query))
      expect(error).toMatchObject({ _tag: "WaldurTooOld", apiUrl: `${fake.url}/api/` })
      expect(error.message).toContain("ignores the filter offering_slug")
      expect(error.message).toContain("selects 12 resources")
      expect(error.message).toContain("Waldur 8 is needed")
      expect(error.message).toContain("every resource of the marketplace would be served")
      const page = yield* Effect.flip(waldur.resourcePage({ offeringSlugs: ["capstor"], page: 1, pageSize: 10 }))
      expect(page._tag).toBe("WaldurTooOld")
    }),
  )

  it.live("is detected concurrently with the first page, whose rows alone would have passed", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(12)
      fake.knowsOfferingSlug = false
      // No response is sent before all five are requested: three counts and a page of each list.
      fake.holds = () => fake.highWater() < 5
      const waldur = yield* clientOf(fake)
      expect((yield* Effect.flip(waldur.readResources(query)))._tag).toBe("WaldurTooOld")
    }),
  )

  it.live("is detected by rows that all lack offering_slug", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(4).map(({ offering_slug: _, ...row }) => ({ ...row, filed_under: "capstor" }))
      const waldur = yield* clientOf(fake)
      const error = yield* Effect.flip(waldur.readResources(query))
      expect(error._tag).toBe("WaldurTooOld")
      expect(error.message).toContain("none of its 4 resources has an offering_slug")
      const page = yield* Effect.flip(waldur.resourcePage({ offeringSlugs: ["capstor"], page: 1, pageSize: 10 }))
      expect(page._tag).toBe("WaldurTooOld")
    }),
  )

  it.live("is detected by rows that are all of unrequested offerings", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(3).map((row) => ({ ...row, offering_slug: "unrelated", filed_under: "capstor" }))
      const waldur = yield* clientOf(fake)
      const error = yield* Effect.flip(waldur.readResources(query))
      expect(error._tag).toBe("WaldurTooOld")
      expect(error.message).toContain("it returns 3 resources, none of them in these offerings")
    }),
  )

  it.live("is not inferred from one row of another offering, which its decoder refuses", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = [...tied(3), { ...tied(1, 50)[0], offering_slug: "unrelated", filed_under: "capstor" }]
      const waldur = yield* clientOf(fake)
      expect((yield* waldur.readResources(query)).rows.length).toBe(4)
    }),
  )
})

describe("onRows", () => {
  const receivingIn = (pages: Array<ReadonlyArray<unknown>>) => ({
    ...query,
    onRows: (rows: ReadonlyArray<unknown>) => Effect.sync(() => void pages.push(rows)),
  })

  it.live("is called for each page of the plain list, and for none of the orders", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(650).map((row) => withOrder(row, "executing"))
      const waldur = yield* clientOf(fake)
      const received: Array<ReadonlyArray<unknown>> = []
      const read = yield* waldur.readResources(receivingIn(received))
      expect(read.rows.length).toBe(650)
      const rows = received.flat() as Array<Row>
      expect(rows.map(({ uuid }) => uuid).sort()).toEqual(tied(650).map(({ uuid }) => uuid))
      expect(rows.some((row) => "order_in_progress" in row)).toBe(false)
      expect(received.length).toBe(3)
    }),
  )

  it.live("is called for discarded reads too", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(305)
      fake.before = (request) => {
        if (request.query.get("page") === "2") fake.resources = tied(200)
      }
      const waldur = yield* clientOf(fake)
      const received: Array<ReadonlyArray<unknown>> = []
      const read = yield* waldur.readResources(receivingIn(received)).pipe(captureLogs([]))
      expect(read).toMatchObject({ total: 200, reads: 2 })
      expect(received.flat().length).toBe(500)
    }),
  )

  it.live("neither fails a read nor delays it", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(650)
      const waldur = yield* clientOf(fake)
      const logs: Array<LogLine> = []
      for (const onRows of [
        () => Effect.never,
        () => Effect.die("no"),
        () => {
          throw new Error("no")
        },
      ]) {
        const read = yield* waldur.readResources({ ...query, onRows }).pipe(captureLogs(logs))
        expect(read).toMatchObject({ total: 650, reads: 1 })
      }
      expect(logs.filter(({ event }) => event === "waldur-on-rows-failed").length).toBeGreaterThan(0)
    }),
  )
})

describe("asOf", () => {
  const none = json(200, [], { "x-result-count": "0", date: "Mon, 23 Nov 2026 09:00:00 GMT" })
  const obeysModified = ({ query: asked }: Seen) => (asked.has("modified") ? none : undefined)
  const asOfWith = (bend: (fake: FakeWaldur) => void, fields = query.fields) =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(5)
      fake.instead = obeysModified
      bend(fake)
      const waldur = yield* clientOf(fake)
      return (yield* waldur.readResources({ ...query, fields })).asOf
    })

  it.live("is present if Waldur obeys both filters", () =>
    Effect.gen(function* () {
      expect(yield* asOfWith(() => {})).toBeTypeOf("number")
    }),
  )

  it.live("is absent if Waldur ignores modified, or accepts only a date", () =>
    Effect.gen(function* () {
      const ignored = (fake: FakeWaldur) => {
        fake.instead = () => undefined
      }
      const refused = (fake: FakeWaldur) => {
        fake.instead = ({ query: asked }) =>
          asked.has("modified") ? json(400, { modified: ["Enter a valid date."] }) : undefined
      }
      expect(yield* asOfWith(ignored)).toBeUndefined()
      expect(yield* asOfWith(refused)).toBeUndefined()
    }),
  )

  it.live("is absent if Waldur ignores order_state, except for a query without orders", () =>
    Effect.gen(function* () {
      const bend = (fake: FakeWaldur) => {
        fake.orderState = "ignored"
      }
      expect(yield* asOfWith(bend)).toBeUndefined()
      expect(yield* asOfWith(bend, ["slug"])).toBeTypeOf("number")
    }),
  )

  it.live("is absent without resources, since any filter selects none then", () =>
    Effect.gen(function* () {
      const bend = (fake: FakeWaldur) => {
        fake.resources = []
      }
      expect(yield* asOfWith(bend)).toBeUndefined()
    }),
  )
})
