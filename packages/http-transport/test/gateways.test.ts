import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { defaultRetryPolicy, makeTransport } from "../src/index.ts"
import { tcpServer } from "./loopback-server.ts"

const once = { ...defaultRetryPolicy, times: 0 }

/** Two consecutive calls to a server that sends these bytes for each request; `ends` closes the connection. */
const calls = (bytes: Uint8Array | string, { method = "GET" as "GET" | "HEAD" | "POST", ends = false } = {}) =>
  Effect.gen(function* () {
    const server = yield* tcpServer((socket) =>
      socket.on("data", () => {
        socket.write(bytes)
        if (ends) socket.end()
      }),
    )
    const transport = yield* makeTransport({ upstream: "test", baseUrl: server.url, retry: once })
    const call = Effect.result(transport.call({ method, path: "a", ...(method === "POST" ? { json: {} } : {}) }))
    return [yield* call, yield* call]
  })

const ok = "HTTP/1.1 200 OK\r\n"
const list = "Content-Type: application/json\r\nContent-Length: 3\r\n\r\n[1]"
const encoded = (coding: string, body: Uint8Array) =>
  Buffer.concat([Buffer.from(`${ok}Content-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`), body])
const chunked = "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\n[1]\r\n0\r\n"

describe("a response changed by a gateway", () => {
  it.live.each([
    { what: "in gzip", bytes: encoded("GZIP", gzipSync("[1]")) },
    { what: "in x-gzip", bytes: encoded("x-gzip", gzipSync("[1]")) },
    { what: "in brotli", bytes: encoded("br", brotliCompressSync("[1]")) },
    { what: "in deflate", bytes: encoded("deflate", deflateSync("[1]")) },
    { what: "in deflate without its header", bytes: encoded("deflate", deflateRawSync("[1]")) },
    { what: "in gzip twice", bytes: encoded("gzip, gzip", gzipSync(gzipSync("[1]"))) },
    { what: "in the identity coding", bytes: `${ok}Content-Encoding: identity\r\n${list}` },
    { what: "in an unnamed coding", bytes: `${ok}Content-Encoding: \r\n${list}` },
    { what: "after early hints", bytes: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok}${list}` },
    { what: "after 102", bytes: `HTTP/1.1 102 Processing\r\n\r\n${ok}${list}` },
    { what: "over HTTP/1.0 without a length", bytes: "HTTP/1.0 200 OK\r\n\r\n[1]", ends: true },
    { what: "over HTTP/1.0 with keep-alive", bytes: `HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n${list}` },
    { what: "without a length", bytes: `${ok}Connection: close\r\n\r\n[1]`, ends: true },
    { what: "with a length, closed after it", bytes: ok + list, ends: true },
    { what: "with trailers", bytes: `${ok}Trailer: X-A\r\n${chunked}X-A: 1\r\n\r\n` },
    { what: "chunked in capitals", bytes: `${ok}${chunked.toUpperCase()}\r\n` },
    {
      what: "with headers in mixed case",
      bytes: `${ok}cOnTeNt-TyPe: application/json\r\nCONTENT-LENGTH: 3\r\n\r\n[1]`,
    },
    { what: "without a reason", bytes: `HTTP/1.1 200\r\n${list}` },
    { what: "with a header in Latin-1", bytes: Buffer.from(`${ok}X-A: é\r\n${list}`, "latin1") },
    {
      what: "with an offer to upgrade",
      bytes: `${ok}Upgrade: h2c\r\nConnection: Upgrade\r\nAlt-Svc: h3=":443"\r\n${list}`,
    },
    { what: "that is not kept alive", bytes: `${ok}Keep-Alive: timeout=0\r\n${list}` },
    { what: "with its media type twice", bytes: `${ok}Content-Type: application/json\r\n${list}` },
    { what: "with an empty media type", bytes: `${ok}Content-Type: \r\nContent-Length: 3\r\n\r\n[1]` },
  ])("is a success $what, and so is the next", ({ bytes, ends = false }) =>
    Effect.gen(function* () {
      for (const result of yield* calls(bytes, { ends })) {
        assert.strictEqual(result._tag === "Failure" ? result.failure.message : "", "")
        if (result._tag === "Success") assert.deepStrictEqual(result.success.body, [1])
      }
    }),
  )

  it.live.each([
    { what: "HEAD with the length and coding of GET", method: "HEAD" as const, head: "200 OK" },
    { what: "204 with a coding", method: "POST" as const, head: "204 No Content" },
  ])("is a success without a body: $what", ({ method, head }) =>
    Effect.gen(function* () {
      const length = method === "HEAD" ? "Content-Length: 400\r\n" : ""
      const results = yield* calls(`HTTP/1.1 ${head}\r\nContent-Encoding: gzip\r\n${length}\r\n`, { method })
      for (const result of results) {
        assert.strictEqual(result._tag, "Success")
        if (result._tag === "Success") assert.isUndefined(result.success.body)
      }
    }),
  )

  it.live.each([
    {
      what: "an unrequested interim 100",
      bytes: `HTTP/1.1 100 Continue\r\n\r\n${ok}${list}`,
      reported: /^reset: .* interim one \(100\)/,
    },
    {
      what: "a content coding that the body does not have",
      bytes: `${ok}Content-Encoding: gzip\r\n${list}`,
      reported: /^not-json: .* the body is not in the content coding/,
    },
    { what: "two lengths", bytes: `${ok}Content-Length: 2\r\n${list}`, reported: /^reset: .*content-length/ },
    {
      what: "two media types",
      bytes: `${ok}Content-Type: text/html\r\n${list}`,
      reported: /^not-json: .* an odd media type/,
    },
    {
      what: "a 407 from a proxy that is not configured",
      bytes: `HTTP/1.1 407 x\r\n${list}`,
      reported: /^proxy: Proxy Authentication Required \(407\)$/,
    },
    {
      what: "a redirect to a login page",
      bytes: `HTTP/1.1 302 x\r\nLocation: /login\r\n${list}`,
      reported: /^status: \[1\]$/,
    },
    {
      what: "an error with a content coding that its body does not have",
      bytes: `HTTP/1.1 502 x\r\nContent-Encoding: gzip\r\n${list}`,
      reported: /^status: a body that cannot be read$/,
    },
    {
      what: "a truncated error",
      bytes: "HTTP/1.1 404 x\r\nContent-Length: 9\r\n\r\n[1]",
      ends: true,
      reported: /^status: a body that cannot be read$/,
    },
  ])("is a failure with the reason: $what", ({ bytes, reported, ends = false }) =>
    Effect.gen(function* () {
      for (const result of yield* calls(bytes, { ends })) {
        assert.match(
          result._tag === "Failure" ? `${result.failure.reason}: ${result.failure.detail}` : "success",
          reported,
        )
      }
    }),
  )
})
