import { createServer, request as send } from "node:http"
import type { AddressInfo } from "node:net"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import fc from "fast-check"
import {
  captureLogs,
  clientOf,
  type FakeWaldur,
  type LogLine,
  type Row,
  startFakeWaldur,
  tied,
  uuidOf,
  uuidsIn,
} from "./fake-waldur.ts"

const fields = ["slug", "state", "created", "order_in_progress"]
const query = { offeringSlugs: ["capstor"], fields }
const resources = "/api/marketplace-provider-resources/"

/** A request to Waldur that passes the gateway. */
interface Passing {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
}
interface Rules {
  /** May change the query of a request; returns what the gateway does instead of passing it on, if anything. */
  readonly request?: (passing: Passing) => number | "hang" | "close" | undefined
  /** Changes the headers of the response; a list means duplicates. */
  readonly response?: (headers: Record<string, string | Array<string>>, passing: Passing, rows: number) => void
}

/** A gateway on loopback in front of a Waldur. */
const aGateway = (fake: FakeWaldur, rules: Rules) =>
  Effect.acquireRelease(
    Effect.callback<{ url: string; stop: () => Promise<void> }>((resume) => {
      const server = createServer((incoming, outgoing) => {
        const url = new URL(incoming.url ?? "/", "http://gateway")
        const passing = { method: incoming.method ?? "", path: url.pathname, query: url.searchParams }
        const verdict = rules.request?.(passing)
        if (verdict === "hang") return
        if (verdict === "close") return void outgoing.destroy()
        if (typeof verdict === "number") return void outgoing.writeHead(verdict).end()
        const onwards = send(
          `${fake.url}${passing.path}?${passing.query}`,
          { method: passing.method, headers: { authorization: String(incoming.headers.authorization) } },
          (response) => {
            const chunks: Array<Buffer> = []
            response.on("data", (chunk: Buffer) => chunks.push(chunk))
            response.on("end", () => {
              const body = Buffer.concat(chunks).toString()
              const headers: Record<string, string | Array<string>> = {}
              for (const [name, value] of Object.entries(response.headers))
                if (value !== undefined) headers[name] = value
              const isList = response.statusCode === 200 && headers["x-result-count"] !== undefined
              if (isList) rules.response?.(headers, passing, passing.method === "HEAD" ? 0 : JSON.parse(body).length)
              outgoing.writeHead(response.statusCode ?? 500, headers)
              outgoing.end(body === "" ? undefined : body)
            })
          },
        )
        incoming.pipe(onwards)
      })
      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
            stop: () =>
              new Promise<void>((resolve) => {
                server.close(() => resolve())
                server.closeAllConnections()
              }),
          }),
        ),
      )
    }),
    ({ stop }) => Effect.promise(stop),
  ).pipe(Effect.map(({ url }) => url))

/** A client of a Waldur with a number of resources, behind a gateway. */
const behind = Effect.fnUntraced(function* (count: number, rules: Rules) {
  const fake = yield* startFakeWaldur
  fake.resources = tied(count)
  fake.offerings = [{ uuid: uuidOf(1), slug: "capstor", name: "Capstor" }]
  const waldur = yield* clientOf(fake, { apiUrl: yield* aGateway(fake, rules) })
  return { fake, waldur }
})

/** Waldur's own `Link`, rewritten by a gateway. */
const linkOf = ({ query }: Passing, count: number, to: string): string => {
  const size = Number(query.get("page_size") ?? 10)
  const page = Number(query.get("page") ?? 1)
  const last = Math.max(1, Math.ceil(count / size))
  const link = (number: number, rel: string) => `<${to}?page=${number}&page_size=${size}>; rel="${rel}"`
  return [link(1, "first"), ...(page < last ? [link(page + 1, "next")] : []), link(last, "last")].join(", ")
}

describe("a HEAD that a gateway blocks", () => {
  it.live.each([401, 403, 404, 405, 400, 429, 500, 501, 502, 503, "close"] as const)(
    "is replaced by a GET: %s",
    (verdict) =>
      Effect.gen(function* () {
        const logs: Array<LogLine> = []
        const { fake, waldur } = yield* behind(12, {
          request: ({ method }) => (method === "HEAD" ? verdict : undefined),
          response: (headers) => {
            headers.date = new Date().toUTCString()
          },
        })
        const read = yield* waldur.readResources(query).pipe(captureLogs(logs))
        expect([uuidsIn(read.rows), read.total, read.reads]).toEqual([uuidsIn(tied(12)), 12, 1])
        // Changes are counted in the same way.
        const last = { ...read, asOf: Date.now() }
        expect(Option.isSome(yield* waldur.readChanges(query, last).pipe(captureLogs(logs)))).toBe(true)
        expect(fake.seen.some(({ method }) => method === "HEAD")).toBe(false)
        if (verdict === 400) return
        expect(logs.filter(({ concession }) => concession === "HEAD").length).toBe(1)
        expect(yield* waldur.concessions()).toEqual([expect.stringContaining("counted by GET")])
      }),
  )

  it.live("does not delay longer than one attempt's timeout if it hangs", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(12)
      let heads = 0
      const apiUrl = yield* aGateway(fake, {
        request: ({ method }) => {
          if (method === "HEAD") heads += 1
          return method === "HEAD" ? "hang" : undefined
        },
      })
      const waldur = yield* clientOf(fake, { apiUrl, attemptTimeout: "1 second" })
      const read = waldur.readResources(query).pipe(captureLogs([]))
      expect((yield* read).rows.length).toBe(12)
      const first = heads
      expect((yield* read).rows.length).toBe(12)
      // Three parallel probes; the second read uses GET at once.
      expect([first, heads]).toEqual([3, 3])
    }),
  )
})

describe("a HEAD that fails", () => {
  it.live.each([403, 404, 502, 504, "close"] as const)("like the GET is not avoided: %s", (verdict) =>
    Effect.gen(function* () {
      const logs: Array<LogLine> = []
      const { waldur } = yield* behind(12, { request: () => verdict })
      yield* Effect.flip(waldur.readResources(query).pipe(captureLogs(logs)))
      expect(logs.filter(({ event }) => event === "waldur-concession")).toEqual([])
      expect(yield* waldur.concessions()).toEqual([])
    }),
  )

  it.live("slowly does not hide what changes meanwhile", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(12)
      const apiUrl = yield* aGateway(fake, {
        request: ({ method }) => (method === "HEAD" ? "hang" : undefined),
        response: (headers, { query }) => {
          headers.date = new Date().toUTCString()
          if (query.has("modified")) headers["x-result-count"] = "0"
        },
      })
      const waldur = yield* clientOf(fake, { apiUrl, attemptTimeout: "1500 millis" })
      const began = Date.now()
      const { asOf } = yield* waldur.readResources(query).pipe(captureLogs([]))
      expect(asOf).toBeLessThanOrEqual(began)
    }),
  )
})

describe("page_size that a gateway reduces", () => {
  it.live.each([1, 7, 10, 100, 299])("to %i still yields all rows once", (cap) =>
    Effect.gen(function* () {
      const { waldur } = yield* behind(cap === 1 ? 13 : 450, {
        request: ({ query }) => {
          query.set("page_size", String(Math.min(cap, Number(query.get("page_size")))))
          return undefined
        },
      })
      const read = yield* waldur.readResources(query).pipe(captureLogs([]))
      expect([uuidsIn(read.rows), read.reads]).toEqual([uuidsIn(tied(cap === 1 ? 13 : 450)), 1])
      for (const pageSize of [50, 300]) {
        const page = yield* waldur.resourcePage({ offeringSlugs: ["capstor"], page: 1, pageSize })
        expect(page.rows.length).toBe(Math.min(pageSize, page.total))
      }
    }),
  )

  it.live("is logged once, and the working size is used until the next full read", () =>
    Effect.gen(function* () {
      const sizes: Array<string | null> = []
      const logs: Array<LogLine> = []
      const { waldur } = yield* behind(1000, {
        request: ({ path, query }) => {
          if (path === resources && query.has("page")) sizes.push(query.get("page_size"))
          query.set("page_size", String(Math.min(100, Number(query.get("page_size")))))
          return undefined
        },
      })
      const plain = { ...query, fields: ["slug"] }
      expect((yield* waldur.readResources(plain).pipe(captureLogs(logs))).rows.length).toBe(1000)
      expect(sizes.filter((size) => size === "300").length).toBe(1)
      expect(logs.filter(({ event }) => event === "waldur-concession").length).toBe(1)
      expect((yield* waldur.concessions()).join()).toContain("come with 100 rows")
      yield* waldur.readResources(plain).pipe(captureLogs(logs))
      expect(sizes.filter((size) => size === "300").length).toBe(2)
      expect(logs.filter(({ event }) => event === "waldur-concession").length).toBe(1)
    }),
  )

  it.live("or replaces by its own number is inferred from the returned rows", () =>
    Effect.gen(function* () {
      const { waldur } = yield* behind(700, {
        request: ({ query }) => {
          if (query.has("page")) query.set("page_size", "290")
          return undefined
        },
      })
      expect((yield* waldur.readResources(query).pipe(captureLogs([]))).rows.length).toBe(700)
    }),
  )
})

describe("a gateway with its own page size, without X-Result-Count and Link", () => {
  it.live.each([6, 7, 14, 20, 21])("loses no row: %i resources in pages of 7", (count) =>
    Effect.gen(function* () {
      const { waldur } = yield* behind(count, {
        request: ({ query }) => {
          query.set("page_size", "7")
          return undefined
        },
        response: (headers) => {
          headers["x-result-count"] = []
          headers.link = []
        },
      })
      const read = yield* waldur.readResources({ ...query, fields: ["slug"] }).pipe(captureLogs([]))
      expect(uuidsIn(read.rows)).toEqual(uuidsIn(tied(count)))
    }),
  )
})

describe("one page of resources, without X-Result-Count and Link", () => {
  it.live.each([
    [250, 300],
    [250, 100],
    [450, 100],
    [450, 7],
  ] as const)("has and counts all rows that fit: %i resources, a gateway with pages of at most %i", ([count, cap]) =>
    Effect.gen(function* () {
      const { waldur } = yield* behind(count, {
        request: ({ query }) => {
          query.set("page_size", String(Math.min(cap, Number(query.get("page_size")))))
          return undefined
        },
        response: (headers) => {
          headers["x-result-count"] = []
          headers.link = []
        },
      })
      const page = yield* waldur
        .resourcePage({ offeringSlugs: ["capstor"], page: 1, pageSize: 300 })
        .pipe(captureLogs([]))
      expect(page).toEqual({ rows: tied(count).slice(0, 300), total: Math.min(count, 300) })
    }),
  )
})

describe("X-Result-Count", () => {
  const isPlain = ({ method, path, query }: Passing) =>
    method === "GET" && path === resources && query.has("page") && !query.has("order_state")

  it.live("that is missing once costs one more call", () =>
    Effect.gen(function* () {
      let left = 1
      const { waldur } = yield* behind(12, {
        response: (headers, passing) => {
          if (isPlain(passing) && left-- > 0) headers["x-result-count"] = []
        },
      })
      const read = yield* waldur.readResources(query).pipe(captureLogs([]))
      expect(read).toMatchObject({ rows: tied(12), total: 12, reads: 1 })
    }),
  )

  it.live.each([12, 300, 301, 900])("that is always missing: %i rows are complete, by two equal reads", (count) =>
    Effect.gen(function* () {
      const logs: Array<LogLine> = []
      const { waldur } = yield* behind(count, {
        response: (headers) => {
          headers["x-result-count"] = []
        },
      })
      const read = yield* waldur.readResources(query).pipe(captureLogs(logs))
      expect([uuidsIn(read.rows), read.total, read.asOf]).toEqual([uuidsIn(tied(count)), count, undefined])
      expect((yield* waldur.concessions()).join()).toContain("no X-Result-Count")
      expect((yield* waldur.offerings().pipe(captureLogs([]))).length).toBe(1)
    }),
  )

  it.live("that is always missing, with no rows, is not trusted", () =>
    Effect.gen(function* () {
      const { waldur } = yield* behind(0, {
        response: (headers) => {
          headers["x-result-count"] = []
        },
      })
      const error = yield* Effect.flip(waldur.readResources(query).pipe(captureLogs([])))
      expect(error).toMatchObject({ _tag: "WaldurUnexpectedResponse", received: "no X-Result-Count" })
    }),
  )

  it.live.each([
    ["too low", (count: number) => count - 1],
    ["0", () => 0],
    ["that of the page", (_: number, rows: number) => rows],
  ] as const)("%s, with Waldur's Link to any place: all rows are read", ([, wrong]) =>
    Effect.gen(function* () {
      const { waldur } = yield* behind(640, {
        response: (headers, passing, rows) => {
          if (!isPlain(passing)) return
          headers.link = linkOf(passing, 640, "https://internal.invalid:8443/prefix/api/")
          headers["x-result-count"] = String(wrong(640, rows))
        },
      })
      const read = yield* waldur.readResources(query).pipe(captureLogs([]))
      expect([uuidsIn(read.rows), read.asOf]).toEqual([uuidsIn(tied(640)), undefined])
    }),
  )

  it.live("that is the page's own, without Link, still yields all rows", () =>
    Effect.gen(function* () {
      for (const count of [300, 301, 640]) {
        const { waldur } = yield* behind(count, {
          response: (headers, passing, rows) => {
            delete headers.link
            if (isPlain(passing)) headers["x-result-count"] = String(rows)
          },
        })
        const read = yield* waldur.readResources(query).pipe(captureLogs([]))
        expect(uuidsIn(read.rows)).toEqual(uuidsIn(tied(count)))
      }
    }),
  )

  it.live("that is too high is never overruled: rows may be missing", () =>
    Effect.gen(function* () {
      const { waldur } = yield* behind(40, {
        response: (headers, passing) => {
          if (isPlain(passing)) headers["x-result-count"] = "41"
        },
      })
      const error = yield* Effect.flip(waldur.readResources(query).pipe(captureLogs([])))
      expect(error).toMatchObject({ _tag: "WaldurInconsistent", rows: 40, totals: [41] })
    }),
  )

  it.live("sent twice, or in another letter case, yields all rows", () =>
    Effect.gen(function* () {
      const { waldur } = yield* behind(320, {
        response: (headers, _, rows) => {
          const count = headers["x-result-count"]
          headers["X-RESULT-COUNT"] = rows % 2 === 0 ? [String(count), String(count)] : String(count)
          delete headers["x-result-count"]
        },
      })
      const read = yield* waldur.readResources(query).pipe(captureLogs([]))
      expect(uuidsIn(read.rows)).toEqual(uuidsIn(tied(320)))
    }),
  )
})

describe("any gateway behaviour with sizes, counts and links", () => {
  it.live("leads to the correct list or a typed failure", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      let rules: Rules = {}
      const apiUrl = yield* aGateway(fake, {
        request: (passing) => rules.request?.(passing),
        response: (headers, passing, rows) => rules.response?.(headers, passing, rows),
      })
      const run = yield* Effect.context<never>()
      const outcomes = new Set<string>()
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.integer({ min: 0, max: 90 }),
            fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
            fc.array(fc.constantFrom("kept", "none", "low", "zero", "high", "twice"), { minLength: 1, maxLength: 4 }),
            fc.constantFrom("none", "kept", "elsewhere"),
            fc.boolean(),
            async (count, caps, counts, links, heads) => {
              fake.resources = tied(count).map((row, index) =>
                index % 9 === 4 ? { ...row, order_in_progress: { state: "executing", type: "Update" } } : row,
              )
              let asked = 0
              let responses = 0
              rules = {
                request: ({ method, query }) => {
                  if (method === "HEAD" && !heads) return 405
                  const cap = caps[asked++ % caps.length] ?? 1
                  query.set("page_size", String(Math.min(cap, Number(query.get("page_size")))))
                  return undefined
                },
                response: (headers, passing) => {
                  const total = Number(headers["x-result-count"])
                  if (links !== "none") {
                    const to = links === "kept" ? "http://gateway/api/" : "//elsewhere:1/x/"
                    headers.link = linkOf(passing, total, to)
                  }
                  const reported = {
                    kept: String(total),
                    none: [],
                    low: String(Math.max(0, total - 1)),
                    zero: "0",
                    high: String(total + 1),
                    twice: [String(total), String(total)],
                  }[counts[responses++ % counts.length] ?? "kept"]
                  // Without a Link, a count that is too low cannot be detected.
                  headers["x-result-count"] = links === "none" && reported !== String(total) ? [] : reported
                },
              }
              const result = await Effect.runPromiseWith(run)(
                Effect.scoped(
                  Effect.gen(function* () {
                    const waldur = yield* clientOf(fake, { apiUrl })
                    return yield* Effect.result(waldur.readResources(query))
                  }),
                ).pipe(captureLogs([])),
              )
              outcomes.add(result._tag)
              if (result._tag === "Failure") {
                expect(["WaldurInconsistent", "WaldurUnexpectedResponse", "WaldurTooOld"]).toContain(
                  result.failure._tag,
                )
                return
              }
              const byUuid = (rows: ReadonlyArray<unknown>) =>
                [...rows].sort((a, b) => String((a as Row).uuid).localeCompare(String((b as Row).uuid)))
              expect(byUuid(result.success.rows)).toEqual(byUuid(fake.resources))
            },
          ),
          {
            numRuns: 30,
            // Two reads can miss the same row if the page size changes from request to request.
            examples: [[2, [2, 2, 1], ["zero"], "none", false]],
          },
        ),
      )
      expect(outcomes).toEqual(new Set(["Success", "Failure"]))
    }),
  )
})
