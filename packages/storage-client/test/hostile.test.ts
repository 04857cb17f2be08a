/** Lists that are not whole, not ours, or endless: the client returns the whole list or an error, and its token goes nowhere else. */
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import { anEntry, clientOf, entries, type Handler, headersOf, lines, mockServer, secret } from "./mock-server.ts"

const text = (all: ReadonlyArray<unknown>) => all.map((one) => `${JSON.stringify(one)}\n`).join("")

/** The error of a read from a server that always responds with this handler. */
const failureOf = (handle: Handler) =>
  Effect.gen(function* () {
    const server = yield* mockServer
    server.responses = [handle]
    const client = yield* clientOf(server)
    const error = yield* Effect.flip(client.entries())
    expect(error.message + JSON.stringify(error)).not.toContain(secret)
    return { error, requests: server.seen.length }
  })

describe("a list of lines", () => {
  it.live("is read from gzip, in small pieces", () =>
    Effect.gen(function* () {
      const server = yield* mockServer
      const bytes = gzipSync(text(entries(50)))
      server.responses = [
        (_, response) => {
          response.writeHead(200, headersOf(50, { "content-encoding": "gzip" }))
          for (let at = 0; at < bytes.length; at += 7) response.write(bytes.subarray(at, at + 7))
          response.end()
        },
      ]
      const client = yield* clientOf(server)
      const list = yield* client.entries()
      expect(list).toMatchObject({ total: 50, etag: '"one"', age: 3, notUnderstood: [] })
      expect(list.entries[49]).toEqual(anEntry(50))
      expect(server.seen[0]?.headers.authorization).toBe(`Bearer ${secret}`)
    }),
  )

  it.live("whose connection is cut is read again", () =>
    Effect.gen(function* () {
      const server = yield* mockServer
      const cut: Handler = (_, response) => {
        response.writeHead(200, headersOf(3)).write(text(entries(2)))
        setImmediate(() => response.destroy())
      }
      server.responses = [cut, lines(entries(3))]
      const client = yield* clientOf(server)
      expect((yield* client.entries()).total).toBe(3)
      expect(server.seen.length).toBe(2)
    }),
  )

  for (const [what, handle, message] of [
    [
      "with fewer lines than it counts",
      (_, response) => response.writeHead(200, headersOf(3)).end(text(entries(2))),
      "2 of 3 entries: lines are missing",
    ],
    [
      "that ends within a line",
      (_, response) => response.writeHead(200, headersOf(3)).end(text(entries(3)).slice(0, -20)),
      "2 of 3 entries: the last line is cut off",
    ],
    [
      "that ends before its last line feed",
      (_, response) => response.writeHead(200, headersOf(3)).end(text(entries(3)).slice(0, -1)),
      "2 of 3 entries: the last line is cut off",
    ],
  ] satisfies ReadonlyArray<[string, Handler, string]>) {
    it.live(`${what} is incomplete, after three reads`, () =>
      Effect.gen(function* () {
        const { error, requests } = yield* failureOf(handle)
        expect(error._tag).toBe("IncompleteList")
        expect(error.message).toContain(message)
        expect(requests).toBe(3)
      }),
    )
  }

  const endless =
    (head: Record<string, string>, piece: string): Handler =>
    (_, response) => {
      response.writeHead(200, head)
      const more = () => {
        while (!response.destroyed) if (!response.write(piece)) return void response.once("drain", more)
      }
      more()
    }
  for (const [what, handle, detail] of [
    ["without an end", endless(headersOf(9), text([anEntry(1)])), "more lines than its X-Total-Count of 9"],
    ["with an endless line", endless(headersOf(9), "x".repeat(10_000)), "a line of more than 262144 characters"],
    [
      "with a line that is too long",
      lines([anEntry(1, { more: "x".repeat(300_000) })]),
      "a line of more than 262144 characters",
    ],
    ["with more lines than it counts", lines(entries(3), { "x-total-count": "2" }), "more lines"],
    ["with a line that is not JSON", (_, r) => r.writeHead(200, headersOf(2)).end("{}\n{]\n"), "line 2 is not JSON"],
    ["with an empty line", (_, r) => r.writeHead(200, headersOf(2)).end("{}\n\n"), "line 2 is not JSON"],
    [
      "that is not UTF-8",
      (_, r) => r.writeHead(200, headersOf(1)).end(Buffer.from([0x22, 0xff, 0x22, 0x0a])),
      "not UTF-8",
    ],
    ["without a count", lines([], { "x-total-count": "" }), "found 200 with none"],
    ["with a count that is not a number", lines([], { "x-total-count": "-1" }), "found 200 with none"],
    ["with a count above the bound", lines([], { "x-total-count": "1000001" }), "at most 1000000"],
    ["without an age", lines([], { age: "" }), "(at most 1000000), Age and ETag"],
    ["without an entity tag", lines([], { etag: "" }), "(at most 1000000), Age and ETag"],
    ["that is partial", (_, r) => r.writeHead(206, headersOf(0)).end(), "found 206"],
    ["that is a login page", (_, r) => r.writeHead(200, { "content-type": "text/html" }).end("<p>"), "text/html"],
    ["that is empty", (_, r) => r.writeHead(204).end(), "expected the headers"],
    [
      "that is not modified (304), without an earlier list",
      (_, r) => r.writeHead(304, headersOf(0)).end(),
      "a 304 for a list",
    ],
    [
      "that is a redirect to another host",
      (_, r) => r.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
      "a redirect (302)",
    ],
  ] satisfies ReadonlyArray<[string, Handler, string]>) {
    it.live(`${what} is unexpected`, () =>
      Effect.gen(function* () {
        const { error } = yield* failureOf(handle)
        expect(error._tag).toBe("UnexpectedResponse")
        expect(error.message).toContain(detail)
      }),
    )
  }

  it.live("whose headers never end fails with the attempt's timeout", () =>
    Effect.gen(function* () {
      const server = yield* mockServer
      server.responses = [() => undefined]
      const retry = { times: 0, base: "1 millis", cap: "1 millis", maxRetryAfter: "1 second" } as const
      const client = yield* clientOf(server, { attemptTimeout: "100 millis", retry })
      const error = yield* Effect.flip(client.entries())
      expect(error).toMatchObject({ _tag: "ProxyUnavailable", failure: { reason: "timeout" } })
    }),
  )

  it.live("that is a redirect is not followed, so the token goes to no other host", () =>
    Effect.gen(function* () {
      const other = yield* mockServer
      const { error } = yield* failureOf((_, response) => response.writeHead(307, { location: other.url }).end())
      expect(error._tag).toBe("UnexpectedResponse")
      expect(other.seen).toEqual([])
    }),
  )
})

describe("an HTTP status", () => {
  it.live("of 503 with Retry-After is retried after that time", () =>
    Effect.gen(function* () {
      const server = yield* mockServer
      server.responses = [
        (_, response) => response.writeHead(503, { "retry-after": "1" }).end('{"error":"Stopping"}'),
        lines(entries(1)),
      ]
      const client = yield* clientOf(server)
      const before = performance.now()
      expect((yield* client.entries()).total).toBe(1)
      expect(performance.now() - before).toBeGreaterThan(900)
    }),
  )

  it.live(
    "of 503 with a Retry-After beyond three attempts' time is retried, since a call has three minutes at least",
    () =>
      Effect.gen(function* () {
        const server = yield* mockServer
        server.responses = [
          (_, response) => response.writeHead(503, { "retry-after": "2" }).end("{}"),
          lines(entries(1)),
        ]
        const client = yield* clientOf(server, { attemptTimeout: "500 millis" })
        expect((yield* client.entries()).total).toBe(1)
      }),
  )

  for (const [status, tag, requests] of [
    [502, "ProxyUnavailable", 3],
    [503, "ProxyUnavailable", 3],
    [429, "ProxyUnavailable", 3],
    [401, "ProxyRejected", 1],
    [403, "ProxyRejected", 1],
    [422, "ProxyRejected", 1],
    [404, "ProxyRejected", 1],
  ] as const) {
    it.live(`of ${status} is ${tag}, after ${requests} request(s)`, () =>
      Effect.gen(function* () {
        const body = JSON.stringify({ detail: `no, ${secret}`, error: "Any" })
        const failed = yield* failureOf((_, response) =>
          response.writeHead(status, { "content-type": "application/json" }).end(body),
        )
        expect(failed).toMatchObject({ error: { _tag: tag }, requests })
        expect(failed.error.message).toContain("no, ***")
      }),
    )
  }
})

describe("a list of pages", () => {
  /** A server without lines: pages of two entries of one snapshot. */
  const pages =
    (
      all: ReadonlyArray<unknown>,
      change: (page: number) => { snapshot?: string; total?: number; drop?: number } = () => ({}),
    ): Handler =>
    (request, response) => {
      const page = Number(new URL(request.url ?? "", "http://server").searchParams.get("page") ?? 1)
      const last = Math.max(1, Math.ceil(all.length / 2))
      const { snapshot = "s1", total = all.length, drop = 0 } = change(page)
      const link = (relation: string, to: number) => `<?page=${to}&page_size=2&snapshot=${snapshot}>; rel="${relation}"`
      response
        .writeHead(200, {
          ...headersOf(total, { "content-type": "application/json", age: String(page) }),
          link: [
            '<?page=1&page_size=2>; rel="first"',
            ...(page < last ? [link("next", page + 1)] : []),
            link("last", last),
          ].join(", "),
        })
        .end(JSON.stringify({ resources: all.slice(2 * page - 2, 2 * page - drop) }))
    }

  for (const count of [0, 1, 2, 5]) {
    it.live(`of ${count} entries is walked from page to page of one snapshot, and has the age of its oldest page`, () =>
      Effect.gen(function* () {
        const server = yield* mockServer
        server.responses = [pages(entries(count))]
        const client = yield* clientOf(server, { query: { data_type: "store" } })
        const list = yield* client.entries()
        const last = Math.max(1, Math.ceil(count / 2))
        expect(list).toMatchObject({ total: count, etag: "s1", age: last, notUnderstood: [] })
        expect(list.entries).toEqual(entries(count))
        expect(server.seen.map(({ url }) => url.search)).toEqual([
          "?data_type=store&page_size=500",
          ...Array.from({ length: last - 1 }, (_, index) => `?page=${index + 2}&page_size=2&snapshot=s1`),
        ])
        // It has no entity tag, so the next read is not conditional.
        yield* client.entries(list)
        expect(server.seen.at(-1)?.headers["if-none-match"]).toBeUndefined()
      }),
    )
  }

  for (const [what, handle] of [
    ["of different snapshots", pages(entries(5), (page) => ({ snapshot: page < 3 ? "s1" : "s2" }))],
    ["of different counts", pages(entries(5), (page) => ({ total: page < 3 ? 5 : 6 }))],
    ["without one entry", pages(entries(5), (page) => ({ drop: page === 2 ? 1 : 0 }))],
    ["without a whole page", pages(entries(5), (page) => ({ drop: page === 2 ? 2 : 0 }))],
    ["of more entries than they count", pages(entries(5), () => ({ total: 4 }))],
  ] satisfies ReadonlyArray<[string, Handler]>) {
    it.live(`${what} is incomplete, after three walks`, () =>
      Effect.gen(function* () {
        const { error } = yield* failureOf(handle)
        expect(error._tag).toBe("IncompleteList")
      }),
    )
  }

  it.live("is emitted by watch only if its snapshot is another", () =>
    Effect.gen(function* () {
      const server = yield* mockServer
      const same = pages(entries(1))
      server.responses = [same, same, pages(entries(2), () => ({ snapshot: "s2" }))]
      const client = yield* clientOf(server)
      const updates = yield* client.watch({ every: "1 millis" }).pipe(Stream.take(2), Stream.runCollect)
      expect(updates.map(({ list }) => list.etag)).toEqual(["s1", "s2"])
    }),
  )

  it.live("whose snapshot is gone (410) is walked again from the start", () =>
    Effect.gen(function* () {
      const server = yield* mockServer
      const gone: Handler = (_, response) => response.writeHead(410).end('{"error":"SnapshotGone"}')
      server.responses = [pages(entries(5)), gone, pages(entries(5))]
      const client = yield* clientOf(server)
      expect((yield* client.entries()).entries.length).toBe(5)
      expect(server.seen.map(({ url }) => url.searchParams.get("page") ?? "1")).toEqual(["1", "2", "1", "2", "3"])
    }),
  )

  it.live("with a page that fails (502) fails as a whole", () =>
    Effect.gen(function* () {
      const server = yield* mockServer
      server.responses = [pages(entries(5)), (_, response) => response.writeHead(502).end("{}")]
      const client = yield* clientOf(server)
      expect(yield* Effect.flip(client.entries())).toMatchObject({ _tag: "ProxyUnavailable" })
    }),
  )

  it.live("with a link to another host is read from the proxy: only the link's query is used", () =>
    Effect.gen(function* () {
      const [server, other] = [yield* mockServer, yield* mockServer]
      const handler = pages(entries(3))
      server.responses = [
        (request, response) => {
          const { writeHead } = response
          response.writeHead = ((status: number, headers: Record<string, string>) =>
            writeHead.call(response, status, {
              ...headers,
              link: headers.link?.replaceAll("<?", `<${other.url}/x?`) ?? "",
            })) as never
          handler(request, response)
        },
      ]
      const client = yield* clientOf(server)
      expect((yield* client.entries()).total).toBe(3)
      expect(other.seen).toEqual([])
    }),
  )

  it.live("that has no Link, or no resources, is unexpected", () =>
    Effect.gen(function* () {
      const json = headersOf(1, { "content-type": "application/json" })
      for (const [headers, body] of [
        [json, { resources: [anEntry(1)] }],
        [{ ...json, link: '<?snapshot=s>; rel="last"' }, { detail: "no" }],
      ] as const) {
        const { error } = yield* failureOf((_, response) => response.writeHead(200, headers).end(JSON.stringify(body)))
        expect(error._tag).toBe("UnexpectedResponse")
      }
    }),
  )
})

describe("a conditional read", () => {
  it.live("has the entity tag of the last list, and a 304 returns its entries with new times", () =>
    Effect.gen(function* () {
      const server = yield* mockServer
      server.responses = [
        lines(entries(2)),
        (_, response) => response.writeHead(304, headersOf(2, { age: "0", etag: 'W/"one"' })).end(),
      ]
      const client = yield* clientOf(server)
      const first = yield* client.entries()
      const second = yield* client.entries(first)
      expect(second.entries).toBe(first.entries)
      expect(second.age).toBe(0)
      expect(second.readAfter).toBeGreaterThan(first.readAfter)
      expect(server.seen.map(({ headers }) => headers["if-none-match"])).toEqual([undefined, '"one"'])
      expect(server.seen.map(({ headers }) => headers["cache-control"])).toEqual([undefined, undefined])
    }),
  )

  it.live("that refreshes sends no-cache too", () =>
    Effect.gen(function* () {
      const server = yield* mockServer
      server.responses = [lines(entries(2))]
      const client = yield* clientOf(server)
      yield* client.refresh(yield* client.entries())
      expect(server.seen[1]?.headers).toMatchObject({ "if-none-match": '"one"', "cache-control": "no-cache" })
    }),
  )

  it.live("with a 304 for another entity tag is unexpected", () =>
    Effect.gen(function* () {
      const server = yield* mockServer
      server.responses = [
        lines(entries(2)),
        (_, response) => response.writeHead(304, headersOf(2, { etag: '"two"' })).end(),
      ]
      const client = yield* clientOf(server)
      const error = yield* Effect.flip(client.entries(yield* client.entries()))
      expect(error._tag).toBe("UnexpectedResponse")
    }),
  )
})

describe("a token by client credentials", () => {
  const auth = (issuer: string) => ({ issuer, clientId: "me", clientSecret: Redacted.make("my-client-secret") })
  /** An issuer at `/realms/x` that grants token-1, token-2, … */
  const issuerOf = (url: () => string, claimed = url): Handler => {
    let granted = 0
    return (request, response) => {
      response.writeHead(200, { "content-type": "application/json" })
      const isGrant = request.method === "POST"
      response.end(
        JSON.stringify(
          isGrant
            ? { access_token: `token-${++granted}`, token_type: "Bearer", expires_in: 3600 }
            : { issuer: `${claimed()}/realms/x`, token_endpoint: `${url()}/realms/x/token` },
        ),
      )
    }
  }

  it.live("that the proxy refuses is renewed once, and the metadata are read once", () =>
    Effect.gen(function* () {
      const [server, issuer] = [yield* mockServer, yield* mockServer]
      issuer.responses = [issuerOf(() => issuer.url)]
      server.responses = [
        (request, response) =>
          request.headers.authorization === "Bearer token-1" && server.seen.length > 1
            ? response.writeHead(401).end("{}")
            : lines(entries(1))(request, response),
      ]
      const client = yield* clientOf(server, { auth: auth(`${issuer.url}/realms/x`) })
      yield* client.entries()
      yield* client.entries()
      expect(server.seen.map(({ headers }) => headers.authorization)).toEqual([
        "Bearer token-1",
        "Bearer token-1",
        "Bearer token-2",
      ])
      expect(issuer.seen.map(({ url }) => url.pathname)).toEqual([
        "/realms/x/.well-known/openid-configuration",
        "/realms/x/token",
        "/realms/x/token",
      ])
    }),
  )

  it.live("that is always refused fails after one renewal, without a token in the error", () =>
    Effect.gen(function* () {
      const [server, issuer] = [yield* mockServer, yield* mockServer]
      issuer.responses = [issuerOf(() => issuer.url)]
      server.responses = [(request, response) => response.writeHead(401).end(`no: ${request.headers.authorization}`)]
      const client = yield* clientOf(server, { auth: auth(`${issuer.url}/realms/x`) })
      const error = yield* Effect.flip(client.entries())
      expect(error).toMatchObject({ _tag: "ProxyRejected", status: 401 })
      expect(error.message + JSON.stringify(error)).not.toMatch(/token-\d/)
      expect(server.seen.length).toBe(2)
    }),
  )

  it.live("whose issuer has no metadata fails with the issuer's URL, not with a refusal by the proxy", () =>
    Effect.gen(function* () {
      const [server, issuer] = [yield* mockServer, yield* mockServer]
      issuer.responses = [(_, response) => response.writeHead(404).end()]
      const client = yield* clientOf(server, { auth: auth(`${issuer.url}/realms/x`) })
      const { message } = yield* Effect.flip(client.entries())
      expect(message).toBe(
        `GET ${issuer.url}/realms/x/.well-known/openid-configuration was refused with 404: Not Found`,
      )
    }),
  )

  it.live("is not requested if the metadata are those of another issuer", () =>
    Effect.gen(function* () {
      const [server, issuer] = [yield* mockServer, yield* mockServer]
      issuer.responses = [
        issuerOf(
          () => issuer.url,
          () => "https://other.example.org",
        ),
      ]
      const client = yield* clientOf(server, { auth: auth(`${issuer.url}/realms/x`) })
      const error = yield* Effect.flip(client.entries())
      expect(error._tag).toBe("UnexpectedResponse")
      expect(error.message + JSON.stringify(error)).not.toContain("my-client-secret")
      expect(issuer.seen.filter(({ url }) => url.pathname.endsWith("/token"))).toEqual([])
      expect(server.seen).toEqual([])
    }),
  )
})
