import { readFileSync } from "node:fs"
import { type AddressInfo, Socket } from "node:net"
import { createServer } from "node:tls"
import { Deferred, Effect, Redacted } from "effect"
import { afterEach, describe, expect, it, vi } from "vitest"
import { redisConnection } from "../src/replication/redis-connection.ts"

const fixture = (name: string) => readFileSync(new URL(`../../http-transport/test/fixtures/${name}`, import.meta.url))

/** The server name that a connection to the cache at `host` sends, and the timeout for each of its addresses. */
const connectionTo = (host: string) =>
  Effect.gen(function* () {
    const asked = yield* Deferred.make<string | false>()
    const server = yield* Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        const listening = createServer({ cert: fixture("localhost.cert.pem"), key: fixture("localhost.key.pem") })
        // The client refuses the certificate. An SNI callback is not called if the client sends no name.
        listening.on("tlsClientError", (_, socket) =>
          Deferred.doneUnsafe(asked, Effect.succeed((socket as { readonly servername?: string }).servername ?? false)),
        )
        listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
      }),
      (listening) => Effect.sync(() => void listening.close()),
    )
    const { port } = server.address() as AddressInfo
    const timeouts: Array<unknown> = []
    const original = Socket.prototype.connect
    vi.spyOn(Socket.prototype, "connect").mockImplementation(function (this: Socket, ...given: Array<unknown>) {
      const [first] = given
      const options = (Array.isArray(first) ? first[0] : first) as Readonly<Record<string, unknown>>
      if (options.port === port) timeouts.push(options.autoSelectFamilyAttemptTimeout)
      return Reflect.apply(original, this, given) as Socket
    } as typeof original)
    yield* Effect.forkScoped(redisConnection(Redacted.make(`rediss://${host}:${port}`)))
    const serverName = yield* Deferred.await(asked)
    return { serverName, timeout: timeouts[0] }
  }).pipe(Effect.scoped, Effect.runPromise)

afterEach(() => vi.restoreAllMocks())

describe("a TLS connection to the shared cache", () => {
  it("sends the cache's name, and gives each of its addresses a quarter of the time", async () => {
    expect(await connectionTo("localhost")).toEqual({ serverName: "localhost", timeout: 500 })
  })

  it("sends no name if the host of the URL is an IP address", async () => {
    expect(await connectionTo("127.0.0.1")).toEqual({ serverName: false, timeout: 500 })
  })
})
