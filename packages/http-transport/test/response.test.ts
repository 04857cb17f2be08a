import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { defaultRetryPolicy, isRepeatable, makeTransport, readErrorText, type TransportOptions } from "../src/index.ts"
import { deadPort, httpServer, tcpServer } from "./loopback-server.ts"

const once = { ...defaultRetryPolicy, times: 0 }
const open = (baseUrl: string, options: Partial<TransportOptions> = {}) =>
  makeTransport({ upstream: "test", baseUrl, retry: once, ...options })
const get = { method: "GET", path: "a/" } as const

describe("a request", () => {
  it.live("sends path, repeated query names in order, headers and JSON body as given", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const server = yield* httpServer((request, response) => {
        let body = ""
        request.on("data", (chunk) => {
          body += chunk
        })
        request.on("end", () => {
          const { accept, "x-own": own, "x-call": call, "content-type": type } = request.headers
          seen.push({ accept, own, call, type, body })
          response.end("[]")
        })
      })
      const transport = yield* open(`${server.url}api`, { headers: { "x-own": "1" } })
      yield* transport.call({
        method: "POST",
        path: "things/",
        query: [
          ["field", "b"],
          ["page", "1"],
          ["field", "a&c ü"],
        ],
        headers: { "x-call": "2", accept: "application/json" },
        json: { a: 1 },
      })
      assert.deepStrictEqual(server.requests, ["POST /api/things/?field=b&page=1&field=a%26c+%C3%BC"])
      assert.deepStrictEqual(seen, [
        { accept: "application/json", own: "1", call: "2", type: "application/json", body: '{"a":1}' },
      ])
    }),
  )
})

describe("an invalid request", () => {
  it.live("with a header that HTTP does not allow is reported once, without its value, and nothing is sent", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.end("[]"))
      const transport = yield* open(server.url, {
        retry: { ...defaultRetryPolicy, times: 3, base: 1 },
        headers: { authorization: "Token abcdefgh\nijklmnop" },
      })
      const failure = yield* Effect.flip(transport.call(get))
      assert.strictEqual(failure.reason, "unsendable")
      assert.isFalse(isRepeatable(failure))
      assert.notInclude(failure.message, "abcdefgh")
      assert.deepStrictEqual(server.requests, [])
    }),
  )
})

describe("a success", () => {
  it.live("returns status, headers and decoded JSON, also of a gzip body", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) =>
        response.writeHead(201, { "content-encoding": "gzip", "x-result-count": "7" }).end(gzipSync('{"a":[1]}')),
      )
      const transport = yield* open(server.url)
      const response = yield* transport.call(get)
      assert.strictEqual(response.status, 201)
      assert.strictEqual(response.headers.get("x-result-count"), "7")
      assert.deepStrictEqual(response.body, { a: [1] })
    }),
  )

  it.live("without a body returns undefined, for 204 and for HEAD", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((request, response) =>
        response.writeHead(request.method === "HEAD" ? 200 : 204, { "x-result-count": "7" }).end(),
      )
      const transport = yield* open(server.url)
      assert.isUndefined((yield* transport.call(get)).body)
      const head = yield* transport.call({ method: "HEAD", path: "" })
      assert.isUndefined(head.body)
      assert.strictEqual(head.headers.get("x-result-count"), "7")
    }),
  )

  it.live("is also available through fetch, with fetch's own redirect handling", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.writeHead(302, { location: "/b" }).end("moved"))
      const transport = yield* open(server.url)
      const response = yield* Effect.promise(() => transport.fetch(`${server.url}x`, { redirect: "manual" }))
      assert.strictEqual(response.status, 302)
      assert.strictEqual(response.url, `${server.url}x`)
      assert.strictEqual(yield* Effect.promise(() => response.text()), "moved")
    }),
  )
})

describe("a failure", () => {
  it.live("is a reset if the connection ends before the response", () =>
    Effect.gen(function* () {
      const server = yield* tcpServer((socket) => socket.once("data", () => socket.resetAndDestroy()))
      const transport = yield* open(server.url)
      const error = yield* Effect.flip(transport.call(get))
      assert.strictEqual(error.reason, "reset")
      assert.match(error.message, /^test: GET http:\/\/127\.0\.0\.1:\d+\/a\/ reset: .*(ECONNRESET|closed)/)
    }),
  )

  it.live("is a reset if the body is shorter than promised", () =>
    Effect.gen(function* () {
      const server = yield* tcpServer((socket) =>
        socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")),
      )
      const transport = yield* open(server.url)
      assert.strictEqual((yield* Effect.flip(transport.call(get))).reason, "reset")
    }),
  )

  it.live("is a reset if the response is not HTTP", () =>
    Effect.gen(function* () {
      const server = yield* tcpServer((socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n"))
      const transport = yield* open(server.url)
      assert.strictEqual((yield* Effect.flip(transport.call(get))).reason, "reset")
    }),
  )

  it.live("is not-json for incomplete JSON, and is retried", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.end(server.requests.length > 1 ? "[1]" : "[1"))
      const transport = yield* open(server.url, { retry: { ...once, times: 1, base: "1 millis" } })
      assert.deepStrictEqual((yield* transport.call(get)).body, [1])
    }),
  )

  it.live("is not-json for an HTML page instead of JSON, with size and type but no content", () =>
    Effect.gen(function* () {
      const page = "<h1>Sign in, Alice</h1>"
      const server = yield* httpServer((_, response) =>
        response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page),
      )
      const transport = yield* open(server.url)
      const error = yield* Effect.flip(transport.call(get))
      assert.strictEqual(error.reason, "not-json")
      assert.strictEqual(error.detail, "23 bytes of text/html, not JSON")
    }),
  )

  it.live("contains the text of an error page without tags, styles and scripts", () =>
    Effect.gen(function* () {
      const page = "<html><style>p{}</style><script>x()</script><h1>Sign\n in</h1><p>here</p></html>"
      const server = yield* httpServer((_, response) => response.writeHead(403).end(page))
      const transport = yield* open(server.url)
      assert.strictEqual((yield* Effect.flip(transport.call(get))).detail, "Sign in here")
    }),
  )

  it.live("truncates a long error page and reports an empty one", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((request, response) =>
        response.writeHead(400).end(request.url === "/empty" ? "" : "x".repeat(1000)),
      )
      const transport = yield* open(server.url)
      assert.strictEqual((yield* Effect.flip(transport.call(get))).detail, `${"x".repeat(200)}…`)
      const empty = yield* Effect.flip(transport.call({ method: "GET", path: "empty" }))
      assert.strictEqual(empty.message, `test: GET ${server.url}empty responded with 400: an empty body`)
    }),
  )

  it.live("is too-large for a small gzip body that unpacks to a huge one, without a retry", () =>
    Effect.gen(function* () {
      const bomb = gzipSync(`"${"a".repeat(1_000_000)}"`)
      const server = yield* httpServer((_, response) =>
        response.writeHead(200, { "content-encoding": "gzip" }).end(bomb),
      )
      assert.isBelow(bomb.byteLength, 10_000)
      const transport = yield* open(server.url, { maxBodyBytes: 100_000, retry: defaultRetryPolicy })
      const error = yield* Effect.flip(transport.call(get))
      assert.strictEqual(error.reason, "too-large")
      assert.strictEqual(error.detail, "more than 100000 bytes")
      assert.strictEqual(server.requests.length, 1)
    }),
  )

  it.live("does not occur for a body of exactly the limit", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.end(`"${"a".repeat(98)}"`))
      const transport = yield* open(server.url, { maxBodyBytes: 100 })
      assert.strictEqual((yield* transport.call(get)).body, "a".repeat(98))
    }),
  )

  it.live("is the result of a redirect, which is not followed", () =>
    Effect.gen(function* () {
      const elsewhere = yield* httpServer((_, response) => response.end("{}"))
      const server = yield* httpServer((_, response) => response.writeHead(301, { location: elsewhere.url }).end())
      const transport = yield* open(server.url, { headers: { authorization: "Token abc" } })
      assert.strictEqual((yield* Effect.flip(transport.call(get))).status, 301)
      assert.deepStrictEqual(elsewhere.requests, [])
    }),
  )

  it.live("is dns for a name without an address", () =>
    Effect.gen(function* () {
      const transport = yield* open("http://no-such-host.invalid/")
      const error = yield* Effect.flip(transport.call(get))
      assert.strictEqual(error.reason, "dns")
      assert.match(error.detail, /no-such-host\.invalid/)
    }),
  )

  it.live("is connect for a closed port, also behind a name with several addresses", () =>
    Effect.gen(function* () {
      const port = yield* deadPort
      for (const host of ["127.0.0.1", "localhost"]) {
        const transport = yield* open(`http://${host}:${port}/`)
        const error = yield* Effect.flip(transport.call(get))
        assert.strictEqual(error.reason, "connect")
        assert.match(error.detail, /ECONNREFUSED/)
      }
    }),
  )

  it.live("contains neither query nor credentials, even if the error page repeats them", () =>
    Effect.gen(function* () {
      const token = "0123456789abcdef".repeat(20)
      const server = yield* httpServer((request, response) =>
        response.writeHead(500).end(`You sent ${request.headers.authorization} and "${request.headers.cookie}".`),
      )
      const transport = yield* open(server.url, { headers: { Authorization: `Token ${token}` } })
      const call = { ...get, query: [["customer", "c1"]] as const, headers: { cookie: "session=s3cr3t" } }
      const error = yield* Effect.flip(transport.call(call))
      assert.strictEqual(error.detail, "You sent Token ***")
      assert.notInclude(JSON.stringify(error), token.slice(0, 8))
      assert.notInclude(error.message, "customer")
    }),
  )
})

describe("connections", () => {
  it.live("are shared by consecutive calls", () =>
    Effect.gen(function* () {
      const ports = new Set<number | undefined>()
      const server = yield* httpServer((request, response) => {
        ports.add(request.socket.remotePort)
        response.end("{}")
      })
      const transport = yield* open(server.url)
      yield* Effect.forEach(Array.from({ length: 20 }), () => transport.call(get))
      // At most two: a call may begin between the last byte of a response and the release of its connection.
      assert.isAtMost(ports.size, 2)
    }),
  )

  it.live("never exceed the limit, however many calls wait", () =>
    Effect.gen(function* () {
      const ports = new Set<number | undefined>()
      const server = yield* httpServer((request, response) => {
        ports.add(request.socket.remotePort)
        setImmediate(() => response.end("{}"))
      })
      const transport = yield* open(server.url, { connections: 3 })
      yield* Effect.forEach(Array.from({ length: 60 }), () => transport.call(get), { concurrency: "unbounded" })
      assert.strictEqual(ports.size, 3)
    }),
  )

  it.live("end with the scope", () =>
    Effect.gen(function* () {
      const ended = Promise.withResolvers<void>()
      const server = yield* httpServer((request, response) => {
        request.socket.once("close", ended.resolve)
        response.end("{}")
      })
      yield* Effect.scoped(Effect.flatMap(open(server.url), (transport) => transport.call(get)))
      yield* Effect.promise(() => ended.promise)
    }),
  )

  it.live("of an interrupted call are cancelled", () =>
    Effect.gen(function* () {
      const [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const server = yield* httpServer((request) => {
        request.socket.once("close", ended.resolve)
        begun.resolve()
      })
      const transport = yield* open(server.url)
      const call = yield* Effect.forkChild(transport.call(get))
      yield* Effect.promise(() => begun.promise)
      yield* Fiber.interrupt(call)
      yield* Effect.promise(() => ended.promise)
    }),
  )
})

it("of an error's body the first 16 kB are read, however it is divided", async () => {
  const body = ReadableStream.from([10_000, 16_000, 16_000].map((bytes) => new Uint8Array(bytes).fill(97)))
  assert.strictEqual((await readErrorText(new Response(body))).length, 16 * 1024)
})
