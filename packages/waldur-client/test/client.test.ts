import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { type ReportOutcome, WaldurClient } from "../src/index.ts"
import {
  captureLogs,
  clientOf,
  json,
  pages,
  type Reply,
  type Seen,
  startFakeWaldur,
  tied,
  token,
  uuidOf,
} from "./fake-waldur.ts"

describe("the API's URL", () => {
  for (const written of [
    "https://waldur.example.org",
    "https://waldur.example.org/",
    "https://waldur.example.org/api",
    "https://waldur.example.org/api/",
    " https://waldur.example.org/api// ",
  ]) {
    it.live(`is https://waldur.example.org/api/ when written ${JSON.stringify(written)}`, () =>
      Effect.gen(function* () {
        const { apiUrl } = yield* WaldurClient
        expect(apiUrl).toBe("https://waldur.example.org/api/")
      }).pipe(Effect.provide(WaldurClient.layer({ apiUrl: written, token: Redacted.make(token) }))),
    )
  }

  it.live("keeps a path before /api/", () =>
    Effect.gen(function* () {
      const { apiUrl } = yield* WaldurClient
      expect(apiUrl).toBe("https://example.org/waldur/api/")
    }).pipe(Effect.provide(WaldurClient.layer({ apiUrl: "https://example.org/waldur", token: Redacted.make(token) }))),
  )
})

describe("the client's proxy", () => {
  it.live("fails the layer if it is not a proxy URL", () =>
    Effect.gen(function* () {
      const layer = WaldurClient.layer({ apiUrl: "https://x", token: Redacted.make(token), proxy: "ftp://x:1" })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      expect(error._tag).toBe("InvalidProxy")
    }),
  )

  // Behind an HTTP proxy the request line has the whole URL, which the fake accepts: it acts as proxy and Waldur.
  for (const proxyOf of [(url: string) => url, (url: string) => ({ http: url, no: "other.example.org" })]) {
    it.live(`reaches a Waldur that only the proxy ${JSON.stringify(proxyOf("http://…"))} can resolve`, () =>
      Effect.gen(function* () {
        const fake = yield* startFakeWaldur
        const waldur = yield* clientOf(fake, { apiUrl: "http://waldur.example.org", proxy: proxyOf(fake.url) })
        expect(yield* waldur.version()).toBe("8.1.3")
        expect(fake.seen.map(({ headers, path }) => `${headers.host}${path}`)).toEqual([
          "waldur.example.org/api/version/",
        ])
      }),
    )
  }

  it.live("is bypassed for a Waldur in NO_PROXY", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const proxy = yield* startFakeWaldur
      const waldur = yield* clientOf(fake, { proxy: { http: proxy.url, no: "127.0.0.0/8" } })
      yield* waldur.version()
      expect(fake.seen.length).toBe(1)
      expect(proxy.seen).toEqual([])
    }),
  )

  it.live("that refuses is reported without its login after retries of a read, and Waldur gets no request", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const proxy = yield* startFakeWaldur
      proxy.instead = () => ({ status: 407, body: "<p>someone:hunter2?</p>" })
      const via = proxy.url.replace("http://", "http://someone:hunter2@")
      const waldur = yield* clientOf(fake, { proxy: via })
      const error = yield* Effect.flip(waldur.version())
      expect(error).toMatchObject({ _tag: "WaldurUnavailable", reason: "proxy" })
      expect(error.message).toContain(`(through ${proxy.url.replace("http://", "http://***@")})`)
      expect(JSON.stringify(error) + error.message).not.toMatch(/someone|hunter2/)
      expect(proxy.seen.length).toBe(3)
      expect(fake.seen).toEqual([])
    }),
  )
})

describe("the client", () => {
  it.live("version returns Waldur's version", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const waldur = yield* clientOf(fake)
      expect(yield* waldur.version()).toBe("8.1.3")
      expect(fake.seen.map(({ method, path }) => `${method} ${path}`)).toEqual(["GET /api/version/"])
    }),
  )

  it.live("offerings returns all pages, decoded row by row", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const one = { uuid: uuidOf(1), slug: "capstor", name: "Capstor" }
      fake.offerings = [
        { ...one, state: "Active", customer_name: "CSCS", secret_options: { key: "hidden" } },
        { ...one, uuid: uuidOf(2), state: null },
        { uuid: uuidOf(3), slug: null, name: "no slug" },
        ...Array.from({ length: 300 }, (_, index) => ({ ...one, uuid: uuidOf(100 + index) })),
      ]
      const waldur = yield* clientOf(fake)
      const offerings = yield* waldur.offerings()
      expect(offerings.length).toBe(302)
      expect(offerings.slice(0, 2)).toEqual([
        { ...one, state: "Active", customerName: "CSCS" },
        { ...one, uuid: uuidOf(2) },
      ])
      expect(fake.seen.length).toBe(2)
      expect(fake.seen[0]?.path).toBe("/api/marketplace-provider-offerings/")
      expect(fake.seen[0]?.query.getAll("field")).toEqual(["uuid", "slug", "name", "state", "customer_name"])
    }),
  )

  it.live("offering returns every attribute unchanged", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const offering = {
        uuid: uuidOf(1),
        slug: "capstor",
        secret_options: { key: "hidden" },
        components: [{ a: null }],
      }
      fake.offerings = [offering]
      const waldur = yield* clientOf(fake)
      expect(yield* waldur.offering(uuidOf(1))).toEqual(offering)
      const error = yield* Effect.flip(waldur.offering("capstor"))
      expect(error).toMatchObject({ _tag: "WaldurRejected", status: 404 })
    }),
  )

  it.live("offeringCustomers returns all pages and drops only an unusable row", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const customer = (number: number) => ({ uuid: uuidOf(number), slug: `c-${number}`, name: `Customer ${number}` })
      const good = Array.from({ length: 310 }, (_, index) => customer(index))
      fake.customers = [...good.slice(0, 5), { uuid: uuidOf(999), slug: 7, name: "bad" }, ...good.slice(5)]
      const waldur = yield* clientOf(fake)
      expect(yield* waldur.offeringCustomers(uuidOf(1))).toEqual(good)
      expect(fake.seen[0]?.path).toBe(`/api/marketplace-provider-offerings/${uuidOf(1)}/customers/`)
      expect(fake.seen[0]?.query.getAll("field")).toEqual(["uuid", "slug", "name"])
    }),
  )

  it.live("offeringCustomers fails with WaldurInconsistent if rows move between pages in each read", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const one = { slug: "c", name: "C" }
      fake.customers = Array.from({ length: 310 }, (_, index) => ({ ...one, uuid: uuidOf(index % 305) }))
      const waldur = yield* clientOf(fake)
      const error = yield* Effect.flip(waldur.offeringCustomers(uuidOf(1)).pipe(captureLogs([])))
      expect(error).toMatchObject({ _tag: "WaldurInconsistent", reads: 4, totals: [310], rows: 305 })
    }),
  )
})

describe("resourcePage", () => {
  it.live("returns one page with all fields and Waldur's count", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(25).map((row, index) => ({
        ...row,
        state: index < 12 ? "Erred" : "OK",
        order_in_progress: null,
      }))
      const waldur = yield* clientOf(fake)
      const page = yield* waldur.resourcePage({ offeringSlugs: ["capstor"], state: "Erred", page: 2, pageSize: 5 })
      expect(page).toEqual({ rows: fake.resources.slice(5, 10), total: 12 })
      const get = fake.seen.find(({ method }) => method === "GET")
      expect([...(get?.query ?? [])]).toEqual([
        ["offering_slug", "capstor"],
        ["visible_to_providers", "true"],
        ["o", "created"],
        ["state", "Erred"],
        ["page_size", "5"],
        ["page", "2"],
      ])
    }),
  )

  it.live("limits the page to 300 rows", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(310)
      const waldur = yield* clientOf(fake)
      const page = yield* waldur.resourcePage({ offeringSlugs: ["capstor"], page: 1, pageSize: 500 })
      expect(page.rows.length).toBe(300)
      expect(fake.seen.some(({ query }) => query.get("page_size") === "300")).toBe(true)
      expect(fake.seen.some(({ query }) => query.get("page_size") === "500")).toBe(false)
    }),
  )

  it.live("returns no rows beyond the last page, but still the count", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.resources = tied(25).map((row, index) => ({ ...row, state: index < 12 ? "Erred" : "OK" }))
      const waldur = yield* clientOf(fake)
      const page = yield* waldur.resourcePage({ offeringSlugs: ["capstor"], state: "Erred", page: 9, pageSize: 5 })
      expect(page).toEqual({ rows: [], total: 12 })
      const none = yield* waldur.resourcePage({ offeringSlugs: ["vast"], page: 1, pageSize: 5 })
      expect(none).toEqual({ rows: [], total: 0 })
    }),
  )
})

describe("an action", () => {
  const uuid = uuidOf(5)
  type Client = WaldurClient["Service"]
  const actions: ReadonlyArray<
    [name: string, act: (waldur: Client) => Effect.Effect<ReportOutcome>, path: string, body: unknown]
  > = [
    [
      "approveByProvider",
      (w) => w.approveByProvider(uuid),
      `marketplace-orders/${uuid}/approve_by_provider/`,
      undefined,
    ],
    [
      "approveByProvider with attributes",
      (w) => w.approveByProvider(uuid, { gid: 31001 }),
      `marketplace-orders/${uuid}/approve_by_provider/`,
      { attributes: { gid: 31001 } },
    ],
    ["rejectByProvider", (w) => w.rejectByProvider(uuid), `marketplace-orders/${uuid}/reject_by_provider/`, undefined],
    [
      "setStateExecuting",
      (w) => w.setStateExecuting(uuid),
      `marketplace-orders/${uuid}/set_state_executing/`,
      undefined,
    ],
    ["setStateDone", (w) => w.setStateDone(uuid), `marketplace-orders/${uuid}/set_state_done/`, undefined],
    [
      "setStateErred",
      (w) => w.setStateErred(uuid, "disk full"),
      `marketplace-orders/${uuid}/set_state_erred/`,
      { error_message: "disk full", error_traceback: "" },
    ],
    [
      "setBackendId",
      (w) => w.setBackendId(uuid, "/capstor/store/a"),
      `marketplace-provider-resources/${uuid}/set_backend_id/`,
      { backend_id: "/capstor/store/a" },
    ],
    ["setStateOk", (w) => w.setStateOk(uuid), `marketplace-provider-resources/${uuid}/set_state_ok/`, undefined],
    [
      "updateOptionsDirect",
      (w) => w.updateOptionsDirect(uuid, { permissions: "770" }),
      `marketplace-provider-resources/${uuid}/update_options_direct/`,
      { options: { permissions: "770" } },
    ],
  ]

  for (const [name, act, path, body] of actions) {
    it.live(`${name} posts to ${path.replace(uuid, "{uuid}")}`, () =>
      Effect.gen(function* () {
        const fake = yield* startFakeWaldur
        const waldur = yield* clientOf(fake)
        expect(yield* act(waldur)).toEqual({ _tag: "done" })
        expect(fake.seen.map((request) => [request.method, request.path])).toEqual([["POST", `/api/${path}`]])
        const sent = fake.seen[0]?.body ?? ""
        expect(sent === "" ? undefined : JSON.parse(sent)).toEqual(body)
      }),
    )

    it.live(`${name} reports a 409 with Waldur's message, and is not retried after an upstream failure`, () =>
      Effect.gen(function* () {
        const fake = yield* startFakeWaldur
        const waldur = yield* clientOf(fake)
        fake.instead = () => json(409, { detail: "Valid states for operation: pending-provider." })
        expect(yield* act(waldur)).toEqual({
          _tag: "otherState",
          detail: `Waldur refused: POST ${fake.url}/api/${path} responded with 409: Valid states for operation: pending-provider.`,
        })
        fake.instead = () => pages.serverError
        expect(yield* act(waldur)).toEqual({
          _tag: "unknown",
          detail: `Waldur: POST ${fake.url}/api/${path} responded with 500: Server Error (500)`,
        })
        fake.instead = () => "reset"
        expect(yield* act(waldur)).toMatchObject({ _tag: "unknown", detail: expect.stringContaining("reset") })
        expect(fake.seen.length).toBe(3)
      }),
    )
  }

  it.live("treats an empty response as success", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.instead = () => ({ status: 200 })
      const waldur = yield* clientOf(fake)
      expect(yield* waldur.setStateDone(uuid)).toEqual({ _tag: "done" })
    }),
  )

  it.live("does not let a uuid escape its place in the path", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const waldur = yield* clientOf(fake)
      expect(yield* waldur.setStateDone("a/b?c=d")).toMatchObject({ _tag: "untrusted" })
      expect(fake.seen).toEqual([])
    }),
  )
})

describe("the client's errors", () => {
  const after = (reply: Reply | "reset") =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.instead = () => reply
      const waldur = yield* clientOf(fake)
      const error = yield* Effect.flip(waldur.offerings())
      return { error, requests: fake.seen.length, call: `GET ${fake.url}/api/marketplace-provider-offerings/` }
    })

  it.live("report a refused token in plain words, after one request", () =>
    Effect.gen(function* () {
      const { error, requests, call } = yield* after(json(401, { detail: "Invalid token." }))
      expect(error).toMatchObject({ _tag: "WaldurRejected", status: 401, detail: "Invalid token.", call })
      expect(error.message).toContain("Waldur refused the API token")
      expect(requests).toBe(1)
    }),
  )

  it.live("are WaldurRejected with Waldur's message for a 403", () =>
    Effect.gen(function* () {
      const { error } = yield* after(json(403, { detail: "You do not have permission to perform this action." }))
      expect(error).toMatchObject({ _tag: "WaldurRejected", status: 403 })
      expect(error.message).toContain("You do not have permission to perform this action.")
    }),
  )

  it.live("are WaldurRejected with the page's text for a 404 with an HTML page", () =>
    Effect.gen(function* () {
      const { error } = yield* after(pages.notFound)
      expect(error).toMatchObject({ _tag: "WaldurRejected", status: 404, detail: "Not Found" })
    }),
  )

  it.live("are WaldurRejected with field and message for a 400 by field", () =>
    Effect.gen(function* () {
      const { error } = yield* after(json(400, { state: ["Select a valid choice.", "No."], o: ["Bad."] }))
      expect(error).toMatchObject({ _tag: "WaldurRejected", detail: "state: Select a valid choice. No.; o: Bad." })
    }),
  )

  it.live("are WaldurUnavailable, after retries, for a 500 with an HTML page", () =>
    Effect.gen(function* () {
      const { error, requests } = yield* after(pages.serverError)
      expect(error).toMatchObject({ _tag: "WaldurUnavailable", status: 500, detail: "Server Error (500)" })
      expect(requests).toBe(3)
    }),
  )

  it.live("are WaldurUnavailable with the seconds to wait for a 429", () =>
    Effect.gen(function* () {
      const { error } = yield* after(json(429, { detail: "Throttled." }, { "retry-after": "7" }))
      expect(error).toMatchObject({ _tag: "WaldurUnavailable", status: 429, retryAfter: 7, detail: "Throttled." })
    }),
  )

  it.live("are WaldurUnavailable with the reason reset for a connection that ends early", () =>
    Effect.gen(function* () {
      const { error } = yield* after("reset")
      expect(error).toMatchObject({ _tag: "WaldurUnavailable", reason: "reset" })
    }),
  )

  it.live("are WaldurUnexpectedResponse for a redirect", () =>
    Effect.gen(function* () {
      const { error } = yield* after({ status: 301, headers: { location: "https://elsewhere.example.org/" } })
      expect(error).toMatchObject({ _tag: "WaldurUnexpectedResponse", received: "a redirect (301)" })
    }),
  )

  for (const [what, reply, received, wanted] of [
    [
      "a page of HTML",
      { status: 200, body: "<html><p>Welcome</p></html>" },
      "no JSON (27 bytes without a media type, which cannot be parsed)",
      "JSON",
    ],
    [
      "an object instead of a list",
      json(200, { results: [], count: 0 }),
      'an object with "results", "count"',
      "a list",
    ],
    ["an empty body", { status: 200 }, "an empty body", "a list"],
    ["a list without a count", json(200, []), "no X-Result-Count", "X-Result-Count"],
    ["an empty count", json(200, [], { "x-result-count": "" }), 'X-Result-Count: ""', "X-Result-Count"],
    ["a count in words", json(200, [], { "x-result-count": "many" }), 'X-Result-Count: "many"', "X-Result-Count"],
    ["a negative count", json(200, [], { "x-result-count": "-1" }), 'X-Result-Count: "-1"', "X-Result-Count"],
  ] as const) {
    it.live(`are WaldurUnexpectedResponse with the found and the expected value for ${what}`, () =>
      Effect.gen(function* () {
        const { error, call } = yield* after(reply)
        expect(error).toMatchObject({ _tag: "WaldurUnexpectedResponse", received, call })
        expect(error.message).toContain(wanted)
      }),
    )
  }

  it.live("are WaldurUnexpectedResponse for a version or an offering of another shape", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      fake.instead = () => json(200, [1])
      const waldur = yield* clientOf(fake)
      expect(yield* Effect.flip(waldur.version())).toMatchObject({
        _tag: "WaldurUnexpectedResponse",
        received: "a list",
      })
      expect(yield* Effect.flip(waldur.offering(uuidOf(1)))).toMatchObject({ _tag: "WaldurUnexpectedResponse" })
      fake.instead = () => json(200, { name: "something else" })
      expect(yield* Effect.flip(waldur.version())).toMatchObject({
        received: 'an object with "name"',
        wanted: 'an object with "version"',
      })
    }),
  )

  it.live("of the count that precedes a read are the errors of the read", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const waldur = yield* clientOf(fake)
      const isCount = ({ query }: Seen) => query.get("page_size") === "1"
      fake.instead = (seen) => (isCount(seen) ? { status: 403 } : undefined)
      const read = waldur.readResources({ offeringSlugs: ["capstor"], fields: ["order_in_progress"] })
      expect(yield* Effect.flip(read)).toMatchObject({ _tag: "WaldurRejected", status: 403 })
      fake.instead = (seen) => (isCount(seen) ? { status: 200 } : undefined)
      expect(yield* Effect.flip(read)).toMatchObject({ _tag: "WaldurUnexpectedResponse", received: "an empty body" })
    }),
  )

  it.live("never contain the token, whatever a server does with it", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      const waldur = yield* clientOf(fake)
      const echoes: ReadonlyArray<(sent: string) => Reply | "reset"> = [
        (sent) => json(401, { detail: `Invalid token: ${sent}` }),
        (sent) => json(400, { token: [sent] }),
        (sent) => ({ status: 404, body: `<p>${sent}</p>` }),
        (sent) => ({ status: 500, body: `<p>HTTP_AUTHORIZATION ${sent}</p>` }),
        (sent) => ({ status: 200, body: `<p>${sent}</p>` }),
        (sent) => ({ status: 302, headers: { location: `https://x/?${sent.split(" ")[1]}` } }),
        () => json(200, {}),
        () => "reset",
      ]
      for (const echo of echoes) {
        fake.instead = ({ headers }) => echo(headers.authorization ?? "")
        const error = yield* Effect.flip(waldur.offerings())
        for (const text of [error.message, JSON.stringify(error), String(error), error.stack ?? ""]) {
          expect(text).not.toContain(token)
        }
      }
    }),
  )

  it.live("never contain a token that is invalid in a header", () =>
    Effect.gen(function* () {
      const fake = yield* startFakeWaldur
      for (const odd of ["abc\ndef", "schlüssel-€"]) {
        const waldur = yield* clientOf(fake, { token: Redacted.make(odd) })
        const error = yield* Effect.flip(waldur.version())
        expect(`${error.message} ${JSON.stringify(error)}`).not.toContain(odd)
        expect(JSON.stringify(error)).not.toContain("abc")
      }
    }),
  )
})
