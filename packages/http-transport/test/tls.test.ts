import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeTransport, type TlsProfile } from "../src/index.ts"
import { certificate, httpServer, httpsServer } from "./loopback-server.ts"
import { recordingSocksProxy } from "./recording-socks-proxy.ts"

const call = { method: "GET", path: "" } as const
const open = (baseUrl: string, tls?: TlsProfile) =>
  makeTransport({ upstream: "test", baseUrl, ...(tls === undefined ? {} : { tls }) })

describe("a certificate", () => {
  it.live("that is self-signed is refused without a retry", () =>
    Effect.gen(function* () {
      const server = yield* httpsServer((_, response) => response.end("{}"))
      const transport = yield* open(server.url)
      const error = yield* Effect.flip(transport.call(call))
      assert.strictEqual(error.reason, "tls")
      assert.match(error.detail, /self.signed certificate/)
      assert.strictEqual(server.connections.length, 1)
      assert.deepStrictEqual(server.requests, [])
    }),
  )

  it.live("that is given as authority is accepted", () =>
    Effect.gen(function* () {
      const server = yield* httpsServer((_, response) => response.end("[1]"))
      const transport = yield* open(server.url, { ca: certificate })
      assert.deepStrictEqual((yield* transport.call(call)).body, [1])
    }),
  )

  it.live("of any kind is accepted with verify: false", () =>
    Effect.gen(function* () {
      const server = yield* httpsServer((_, response) => response.end("[1]"))
      const transport = yield* open(server.url, { verify: false })
      assert.deepStrictEqual((yield* transport.call(call)).body, [1])
    }),
  )

  it.live("for another host is refused in spite of its authority", () =>
    Effect.gen(function* () {
      const server = yield* httpsServer((_, response) => response.end("[1]"))
      // The proxy resolves the other name to this machine, whose certificate names localhost and 127.0.0.1.
      const proxy = yield* recordingSocksProxy()
      const transport = yield* makeTransport({
        upstream: "test",
        baseUrl: `https://other.example.org:${server.port}/`,
        proxy: `socks5h://127.0.0.1:${proxy.port}`,
        tls: { ca: certificate },
      })
      const error = yield* Effect.flip(transport.call(call))
      assert.strictEqual(error.reason, "tls")
      assert.match(error.detail, /altnames/)
    }),
  )

  it.live("that is missing because the server speaks no TLS is a tls failure", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.end("{}"))
      const transport = yield* open(server.url.replace("http:", "https:"))
      assert.strictEqual((yield* Effect.flip(transport.call(call))).reason, "tls")
    }),
  )
})
