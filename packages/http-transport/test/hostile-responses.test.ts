import { brotliCompressSync, gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { defaultRetryPolicy, makeTransport, retryAfterSeconds, type TransportOptions } from "../src/index.ts"
import { httpServer, tcpServer } from "./loopback-server.ts"

const once = { ...defaultRetryPolicy, times: 0 }
const open = (baseUrl: string, options: Partial<TransportOptions> = {}) =>
  makeTransport({ upstream: "test", baseUrl, retry: once, ...options })
const get = { method: "GET", path: "a/" } as const
const name = "Zürich of Alice"
const list = JSON.stringify([{ name }])
const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(list, "utf16le")])

interface HostileResponse {
  readonly what: string
  readonly status?: number
  readonly type?: string
  readonly body: string | Buffer
}

const respondedBy = Effect.fnUntraced(function* ({ status = 200, type, body }: Omit<HostileResponse, "what">) {
  const server = yield* httpServer((_, response) =>
    response.writeHead(status, type === undefined ? {} : { "content-type": type }).end(body),
  )
  return yield* open(server.url)
})

describe("a decoded success", () => {
  it.live.each<HostileResponse>([
    { what: "with no media type", body: list },
    { what: "in UTF-8, declared in capitals and quotes", type: 'Application/JSON; Charset="UTF-8"', body: list },
    { what: "with a vendor's JSON media type", type: "application/vnd.waldur+json", body: list },
    { what: "with a byte order mark", type: "application/json", body: Buffer.from(`\ufeff${list}`) },
    { what: "with 201", status: 201, body: list },
  ])("is JSON in UTF-8 $what", (response) =>
    Effect.gen(function* () {
      const transport = yield* respondedBy(response)
      const { body, bytes } = yield* transport.call(get)
      assert.deepStrictEqual(body, [{ name }])
      assert.strictEqual(bytes, Buffer.byteLength(response.body))
    }),
  )

  it.live("may contain JSON that is nested 100,000 deep", () =>
    Effect.gen(function* () {
      const transport = yield* respondedBy({ body: `${"[".repeat(100_000)}${"]".repeat(100_000)}` })
      assert.isArray((yield* transport.call(get)).body)
    }),
  )

  it.live("has the last value of a duplicate name, and no prototype from it", () =>
    Effect.gen(function* () {
      const transport = yield* respondedBy({ body: '{"uuid":"a","uuid":"b","__proto__":{"slug":"evil"}}' })
      const body = (yield* transport.call(get)).body as Record<string, unknown>
      assert.strictEqual(body.uuid, "b")
      assert.isUndefined(body.slug)
    }),
  )
})

describe("a success that is not a complete JSON text in UTF-8", () => {
  it.live.each<HostileResponse & { readonly detail: RegExp }>([
    { what: "partial content", status: 206, body: list, detail: /^responded with 206/ },
    { what: "changed by an intermediary (203)", status: 203, body: list, detail: /^responded with 203/ },
    { what: "accepted but not processed (202)", status: 202, body: list, detail: /^responded with 202/ },
    { what: "a delta (226)", status: 226, body: list, detail: /^responded with 226/ },
    { what: "declared Latin-1", type: "application/json; charset=latin1", body: list, detail: /not in UTF-8$/ },
    { what: "declared UTF-16", type: "application/json;charset=utf-16", body: utf16, detail: /not in UTF-8$/ },
    { what: "undeclared UTF-16", type: "application/json", body: utf16, detail: /not in UTF-8$/ },
    { what: "undeclared Latin-1", body: Buffer.from(list, "latin1"), detail: /not in UTF-8$/ },
    {
      what: "Latin-1 declared as UTF-8",
      type: "application/json; charset=utf-8",
      body: Buffer.from(list, "latin1"),
      detail: /not in UTF-8$/,
    },
    { what: "JSON as HTML", type: "text/html", body: list, detail: /^\d+ bytes of text\/html, not JSON$/ },
    {
      what: "JSON as a media type with a name in it",
      type: "Alice's own",
      body: list,
      detail: /of an odd media type, not JSON$/,
    },
    {
      what: "truncated JSON",
      type: "application/json",
      body: list.slice(0, -4),
      detail: /^\d+ bytes of application\/json, which cannot be parsed$/,
    },
    { what: "two JSON texts", body: `${list}${list}`, detail: /which cannot be parsed$/ },
    { what: "NaN", body: `[{"name": "Alice", "quota": NaN}]`, detail: /which cannot be parsed$/ },
    { what: "only white space", body: "   ", detail: /which cannot be parsed$/ },
  ])("is not-json and quotes nothing: $what", ({ detail, ...response }) =>
    Effect.gen(function* () {
      const transport = yield* respondedBy(response)
      const error = yield* Effect.flip(transport.call(get))
      assert.strictEqual(error.reason, "not-json")
      assert.match(error.detail, detail)
      assert.notMatch(`${error.message} ${JSON.stringify(error)} ${error.stack}`, /Alice|rich/)
    }),
  )

  it.live("is not-json if the call's decoder throws anything", () =>
    Effect.gen(function* () {
      const transport = yield* respondedBy({ body: list })
      const error = yield* Effect.flip(
        transport.call({
          ...get,
          parse: (text) => {
            throw new RangeError(text)
          },
        }),
      )
      assert.strictEqual(error.reason, "not-json")
      assert.notInclude(error.message, "Alice")
    }),
  )
})

describe("a success", () => {
  it.live(
    "has the body that the call recognises by its bytes, which is not parsed, unless the media type is another",
    () =>
      Effect.gen(function* () {
        const known = [{ name: "known" }]
        const seen: Array<string> = []
        const call = {
          ...get,
          parse: () => assert.fail("parsed"),
          recognise: (content: Uint8Array) => {
            seen.push(Buffer.from(content).toString())
            return known
          },
        }
        const transport = yield* respondedBy({ body: list })
        const { body, bytes } = yield* transport.call(call)
        assert.strictEqual(body, known)
        assert.deepStrictEqual([seen, bytes], [[list], Buffer.byteLength(list)])
        const other = yield* respondedBy({ body: list, type: "text/html" })
        assert.strictEqual((yield* Effect.flip(other.call(call))).reason, "not-json")
        assert.strictEqual(seen.length, 1)
      }),
  )

  it.live("may be a 202 if the call is a POST", () =>
    Effect.gen(function* () {
      const transport = yield* respondedBy({ status: 202, body: "{}" })
      assert.strictEqual((yield* transport.call({ method: "POST", path: "" })).status, 202)
    }),
  )
})

describe("a response", () => {
  const short = { attemptTimeout: "150 millis" } as const

  it.live("that sends single bytes at intervals ends with the attempt's timeout", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((request, response) => {
        response.writeHead(200, { "content-type": "application/json" }).write("[")
        const drip = setInterval(() => response.write(" "), 5)
        request.socket.once("close", () => clearInterval(drip))
      })
      const error = yield* Effect.flip((yield* open(server.url, short)).call(get))
      assert.strictEqual(error.reason, "timeout")
    }),
  )

  it.live("that sends its headers slowly ends with the attempt's timeout", () =>
    Effect.gen(function* () {
      const server = yield* tcpServer((socket) => {
        socket.write("HTTP/1.1 200 OK\r\nx-a: ")
        const drip = setInterval(() => socket.write("a"), 5)
        socket.once("close", () => clearInterval(drip))
      })
      const error = yield* Effect.flip((yield* open(server.url, short)).call(get))
      assert.strictEqual(error.reason, "timeout")
    }),
  )

  it.live("of endless interim responses is a failure", () =>
    Effect.gen(function* () {
      const server = yield* tcpServer((socket) => {
        const flood = setInterval(() => socket.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"), 1)
        socket.once("close", () => clearInterval(flood))
      })
      const error = yield* Effect.flip((yield* open(server.url, short)).call(get))
      assert.include(["timeout", "reset"], error.reason)
    }),
  )

  it.live("of endless headers is a failure", () =>
    Effect.gen(function* () {
      const server = yield* tcpServer((socket) => {
        socket.once("data", () => {
          socket.write("HTTP/1.1 200 OK\r\n")
          const flood = setInterval(() => socket.write(`set-cookie: ${"a".repeat(1000)}\r\n`), 1)
          socket.once("close", () => clearInterval(flood))
        })
      })
      const error = yield* Effect.flip((yield* open(server.url)).call(get))
      assert.strictEqual(error.reason, "reset")
    }),
  )

  it.live("that claims to be larger than any disk is a failure once it ends", () =>
    Effect.gen(function* () {
      const server = yield* tcpServer((socket) =>
        socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 9007199254740991\r\n\r\n[]")),
      )
      const error = yield* Effect.flip((yield* open(server.url)).call(get))
      assert.strictEqual(error.reason, "reset")
    }),
  )

  it.live("that is not a success is read only as far as its message", () =>
    Effect.gen(function* () {
      let written = 0
      const server = yield* httpServer((request, response) => {
        response.writeHead(500)
        const pour = () => {
          if (request.socket.destroyed) return
          written += 65_536
          response.write("no ".padEnd(65_536), pour)
        }
        pour()
      })
      const error = yield* Effect.flip((yield* open(server.url)).call(get))
      assert.strictEqual(error.detail, "no")
      assert.isBelow(written, 64 * 1024 * 1024)
    }),
  )

  it.live.each([
    ["gzip", gzipSync(Buffer.alloc(50_000_000))],
    ["br", brotliCompressSync(Buffer.alloc(50_000_000))],
    ["gzip, gzip", gzipSync(gzipSync(Buffer.alloc(50_000_000)))],
  ] as const)("packed small by %s is too-large", ([coding, bomb]) =>
    Effect.gen(function* () {
      assert.isBelow(bomb.byteLength, 100_000)
      const server = yield* httpServer((_, response) =>
        response.writeHead(200, { "content-encoding": coding }).end(bomb),
      )
      const error = yield* Effect.flip((yield* open(server.url, { maxBodyBytes: 1_000_000 })).call(get))
      assert.strictEqual(error.reason, "too-large")
    }),
  )

  it.live("of compressed bytes that end early is a failure", () =>
    Effect.gen(function* () {
      const packed = gzipSync(JSON.stringify(Array.from({ length: 1000 }, (_, index) => index)))
      const server = yield* httpServer((_, response) =>
        response.writeHead(200, { "content-encoding": "gzip" }).end(packed.subarray(0, packed.byteLength - 20)),
      )
      const error = yield* Effect.flip((yield* open(server.url)).call(get))
      assert.include(["not-json", "reset"], error.reason)
    }),
  )
})

describe("Retry-After", () => {
  const seconds = (value: string) => retryAfterSeconds(new Headers({ "retry-after": value }))

  it.each([
    ["7", 7],
    [" 7 ", 7],
    ["86401", 86_400],
    ["Fri, 31 Dec 9999 23:59:59 GMT", 86_400],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
  ])("of %j is %d s", (value, expected) => {
    assert.strictEqual(seconds(value), expected)
  })

  it("of 300 digits is a day", () => {
    assert.strictEqual(seconds("9".repeat(300)), 86_400)
  })

  it.each(["", "-5", "1.5", "1e3", "0x10", "5, 10", "soon", "Fri, 99 Foo 2026 00:00:00 GMT"])(
    "of %j is ignored",
    (value) => {
      assert.isUndefined(seconds(value))
    },
  )

  it("of ten thousand characters is ignored", () => {
    for (const value of ["9".repeat(10_000), `${"1".repeat(10_000)}x`]) assert.isUndefined(seconds(value))
  })
})
