import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { WaldurInconsistent } from "../src/index.ts"
import {
  captureLogs,
  clientOf,
  type LogLine,
  type Row,
  type Seen,
  seeded,
  shuffled,
  startFakeWaldur,
  tied,
  uuidOf,
  uuidsIn,
} from "./fake-waldur.ts"

const query = { offeringSlugs: ["capstor"], fields: ["uuid", "slug", "offering_slug", "created", "state"] }
const isPage = ({ method, query: asked }: Seen, page: number) => method === "GET" && asked.get("page") === String(page)
const isDetail = ({ path }: Seen) => /\/marketplace-provider-resources\/[0-9a-f]{32}\/$/.test(path)

describe("rows that move between pages", () => {
  it.live("with equal times are read again, with the numbers in a warning", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(500)
      let walks = 0
      // In the first walk, the second page begins with rows of the first page.
      fake.arrange = (rows, request) => {
        if (isPage(request, 1)) walks++
        return walks === 1 && isPage(request, 2) ? [...rows.slice(200), ...rows.slice(0, 200)] : rows
      }
      const logs: Array<LogLine> = []
      const waldur = yield* clientOf(fake)
      const read = yield* waldur.readResources(query).pipe(captureLogs(logs))
      expect(read).toEqual({ rows: tied(500), total: 500, reads: 2 })
      expect(logs).toEqual([{ level: "Warn", event: "waldur-rows-moved", read: 1, rows: 300, totals: [500] }])
    }),
  )

  it.live("in the same way each time are found, because later reads use other page boundaries", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(600)
      // The tie at row 300 is broken one way for the page before it and the other way for the page after it.
      fake.arrange = (rows, request) => {
        if (!isPage(request, 2)) return rows
        const [a, b] = [rows[299], rows[300]] as [Row, Row]
        return [...rows.slice(0, 299), b, a, ...rows.slice(301)]
      }
      const waldur = yield* clientOf(fake)
      const read = yield* waldur.readResources(query).pipe(captureLogs([]))
      expect(uuidsIn(read.rows)).toEqual(uuidsIn(tied(600)))
      expect(read.reads).toBe(2)
    }),
  )

  it.live("in every read are confirmed one by one, with the same fields; the later read of a row wins", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(600)
      let walks = 0
      fake.before = (request) => {
        if (!isPage(request, 1)) return
        walks++
        fake.resources = fake.resources.map((row) => ({ ...row, state: walks === 1 ? "OK" : "Updating" }))
      }
      // Each walk loses three rows of its first page: 10 to 12 in the first walk, 20 to 22 in the second.
      fake.arrange = (rows, request) => {
        if (!isPage(request, 1)) return rows
        const lost = walks * 10
        return [...rows.slice(0, lost), ...rows.slice(500, 503), ...rows.slice(lost + 3)]
      }
      const logs: Array<LogLine> = []
      const waldur = yield* clientOf(fake)
      const read = yield* waldur.readResources(query).pipe(captureLogs(logs))
      expect(read).toMatchObject({ total: 600, reads: 2 })
      expect(uuidsIn(read.rows)).toEqual(uuidsIn(tied(600)))
      expect(new Set(read.rows.map((row) => (row as Row).state))).toEqual(new Set(["Updating"]))
      const asked = fake.seen.filter(isDetail)
      expect(asked.map(({ path }) => path.slice(-33, -1)).sort()).toEqual([20, 21, 22].map(uuidOf))
      expect(asked[0]?.query.getAll("field")).toEqual(
        fake.seen.find((request) => isPage(request, 1))?.query.getAll("field"),
      )
      expect(logs.length).toBe(1)
    }),
  )

  it.live("to another offering or out of Waldur are gone, and do not complete a read", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(400)
      let walks = 0
      const doubled = (rows: Array<Row>, request: Seen) =>
        // Row 390 takes the place of row 5 in every walk, so that none is complete.
        isPage(request, 1) ? [...rows.slice(0, 5), rows[390] as Row, ...rows.slice(6)] : rows
      fake.arrange = doubled
      fake.before = (request) => {
        if (isPage(request, 1)) walks++
        if (walks !== 2) return
        fake.resources = tied(400)
          .filter((row) => row.uuid !== uuidOf(17))
          .map((row) => (row.uuid === uuidOf(18) ? { ...row, offering_slug: "another" } : row))
      }
      const logs: Array<LogLine> = []
      const waldur = yield* clientOf(fake)
      const error = yield* Effect.flip(waldur.readResources(query).pipe(captureLogs(logs)))
      const asked = fake.seen.filter(isDetail).map(({ path }) => path.slice(-33, -1))
      expect(asked).toContain(uuidOf(17))
      expect(asked).toContain(uuidOf(18))
      expect(error).toMatchObject({ _tag: "WaldurInconsistent", reads: 4, totals: [398], rows: 397 })
    }),
  )

  it.live("are looked up one by one, at most a hundred times per read", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(900)
      let walks = 0
      // Each page is full of the same rows, different ones in each walk.
      fake.arrange = (rows, request) => {
        if (isPage(request, 1)) walks++
        if (request.method !== "GET") return rows
        const from = walks === 1 ? 0 : 300
        return [0, 1, 2, 3].flatMap(() => rows.slice(from, from + Number(request.query.get("page_size")))).slice(0, 900)
      }
      const waldur = yield* clientOf(fake, { concurrency: 5 })
      const error = yield* Effect.flip(waldur.readResources(query).pipe(captureLogs([])))
      expect(error._tag).toBe("WaldurInconsistent")
      expect(fake.seen.filter(isDetail).length).toBe(300)
      expect(fake.highWater()).toBeLessThanOrEqual(5)
    }),
  )

  it("are described also without any count", () => {
    const error = new WaldurInconsistent({ call: "GET x", reads: 4, totals: [], rows: 349 })
    expect(error.message).toMatch(/returned 349 rows, without a count$/)
  })

  it.live("each time, and never appear, cause WaldurInconsistent with the numbers after four reads", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(350)
      fake.arrange = (rows, request) =>
        isPage(request, 1) ? [...rows.slice(0, 5), rows[340] as Row, ...rows.slice(6)] : rows
      const logs: Array<LogLine> = []
      const waldur = yield* clientOf(fake)
      const error = yield* Effect.flip(waldur.readResources(query).pipe(captureLogs(logs)))
      expect(error).toMatchObject({ _tag: "WaldurInconsistent", reads: 4, totals: [350], rows: 349 })
      expect(error.message).toContain("in each of 4 reads of GET ")
      expect(error.message).toContain("349 rows, but Waldur counts 350")
      expect(fake.seen.filter((request) => isPage(request, 1)).length).toBe(4)
      expect(
        fake.seen.filter((request) => isPage(request, 1)).map((request) => request.query.get("page_size")),
      ).toEqual(["300", "283", "269", "257"])
      expect(logs.length).toBe(4)
    }),
  )
})

describe("a list that changes while it is read", () => {
  it.live("and shrinks below a page is read again, although Waldur responds with 404", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(305)
      fake.before = (request) => {
        if (isPage(request, 2)) fake.resources = tied(200)
      }
      const waldur = yield* clientOf(fake)
      const read = yield* waldur.readResources(query).pipe(captureLogs([]))
      expect(read).toEqual({ rows: tied(200), total: 200, reads: 2 })
    }),
  )

  it.live("and grows is read again, including the new row", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(305)
      fake.before = (request) => {
        if (isPage(request, 2)) fake.resources = tied(306)
      }
      const waldur = yield* clientOf(fake)
      const read = yield* waldur.readResources(query).pipe(captureLogs([]))
      expect(read).toEqual({ rows: tied(306), total: 306, reads: 2 })
    }),
  )

  for (const what of ["loses", "gains"] as const) {
    it.live(`and ${what} rows while ties are shuffled never lacks or duplicates a row that was there throughout`, () =>
      Effect.gen(function* () {
        let whole = 0
        let again = 0
        for (let seed = 1; seed <= 30; seed++) {
          const random = seeded(seed)
          const fake = yield* startFakeWaldur
          fake.resources = tied(320 + Math.floor(random() * 500))
          const start = fake.resources
          const wild = random() * 0.5
          let next = 10_000
          fake.before = (request) => {
            if (request.method !== "GET") return
            if (random() < wild) fake.resources = shuffled(fake.resources, random)
            if (random() >= wild) return
            const at = Math.floor(random() * fake.resources.length)
            fake.resources =
              what === "loses"
                ? fake.resources.filter((_, index) => index !== at)
                : [...fake.resources.slice(0, at), ...tied(1, next++), ...fake.resources.slice(at)]
          }
          // One page at a time, so that a seed determines everything.
          const waldur = yield* clientOf(fake, { concurrency: 1 })
          const result = yield* Effect.result(waldur.readResources(query).pipe(captureLogs([])))
          if (result._tag === "Failure") {
            expect(result.failure._tag, `seed ${seed}`).toBe("WaldurInconsistent")
            continue
          }
          whole++
          if (result.success.reads > 1) again++
          const got = uuidsIn(result.success.rows)
          expect(new Set(got).size, `seed ${seed}`).toBe(got.length)
          const still = new Set(uuidsIn(fake.resources))
          const throughout = uuidsIn(start).filter((uuid) => still.has(uuid))
          expect(
            throughout.filter((uuid) => !new Set(got).has(uuid)),
            `seed ${seed}`,
          ).toEqual([])
        }
        expect(whole).toBeGreaterThan(10)
        expect(again).toBeGreaterThan(3)
      }),
    )
  }
})
