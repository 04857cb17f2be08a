import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { defaultRetryPolicy, makeTransport, proxyForDisplay, type TlsProfile } from "../src/index.ts"
import { certificate, deadPort, httpServer, httpsServer, tcpServer } from "./loopback-server.ts"
import { recordingSocksProxy } from "./recording-socks-proxy.ts"

const once = { ...defaultRetryPolicy, times: 0 }
const open = (baseUrl: string, proxy: string, more: { tls?: TlsProfile; connectTimeout?: "50 millis" } = {}) =>
  makeTransport({ upstream: "test", baseUrl, proxy, retry: once, ...more })
const call = { method: "GET", path: "a" } as const
const login = { user: "us:er", password: "p@ss/w%rd" }
const credentials = `${encodeURIComponent(login.user)}:${encodeURIComponent(login.password)}`

describe("traffic through a SOCKS proxy", () => {
  it.live.each([
    { scheme: "socks4", version: "4", target: "address" },
    { scheme: "socks4a", version: "4a", target: "name" },
    { scheme: "socks5", version: "5", target: "address" },
    { scheme: "socks5h", version: "5", target: "name" },
  ])("carries $scheme, and the proxy is asked for the $target", ({ scheme, version, target }) =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.end("[1]"))
      const proxy = yield* recordingSocksProxy()
      const transport = yield* open(`http://localhost:${server.port}/`, `${scheme}://127.0.0.1:${proxy.port}`)
      assert.deepStrictEqual((yield* transport.call(call)).body, [1])
      assert.strictEqual(proxy.asked.length, 1)
      const [asked] = proxy.asked
      assert.strictEqual(asked?.version, version)
      assert.strictEqual(asked?.target, target)
      assert.strictEqual(asked?.port, server.port)
      if (target === "name") assert.strictEqual(asked?.host, "localhost")
    }),
  )

  it.live.each(["socks4", "socks4a", "socks5", "socks5h"])(
    "carries https through %s with the certificate checked",
    (scheme) =>
      Effect.gen(function* () {
        const server = yield* httpsServer((_, response) => response.end("[1]"))
        const proxy = yield* recordingSocksProxy()
        const url = `https://localhost:${server.port}/`
        const socks = `${scheme}://127.0.0.1:${proxy.port}`
        const trusting = yield* open(url, socks, { tls: { ca: certificate } })
        assert.deepStrictEqual((yield* trusting.call(call)).body, [1])
        const careless = yield* open(url, socks, { tls: { verify: false } })
        assert.deepStrictEqual((yield* careless.call(call)).body, [1])
        const suspicious = yield* open(url, socks)
        const error = yield* Effect.flip(suspicious.call(call))
        assert.strictEqual(error.reason, "tls")
        assert.strictEqual(error.proxy, socks)
        assert.strictEqual(proxy.asked.length, 3)
        assert.strictEqual(server.requests.length, 2)
      }),
  )

  it.live("shares tunnels among consecutive calls", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.end("[1]"))
      const proxy = yield* recordingSocksProxy()
      const transport = yield* open(server.url, `socks5h://127.0.0.1:${proxy.port}`)
      yield* Effect.forEach(Array.from({ length: 10 }), () => transport.call(call))
      // At most two: a call may begin between the last byte of a response and the release of its connection.
      assert.isAtMost(proxy.asked.length, 2)
    }),
  )

  it.live("carries fetch as well", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.end("[1]"))
      const proxy = yield* recordingSocksProxy()
      const transport = yield* open(server.url, `socks5://127.0.0.1:${proxy.port}`)
      yield* Effect.promise(async () => (await transport.fetch(server.url)).text())
      assert.strictEqual(proxy.asked.length, 1)
    }),
  )

  it.live("logs in with user and password, percent-decoded", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.end("[1]"))
      const proxy = yield* recordingSocksProxy(login)
      const transport = yield* open(server.url, `socks5h://${credentials}@127.0.0.1:${proxy.port}`)
      assert.deepStrictEqual((yield* transport.call(call)).body, [1])
      assert.deepStrictEqual(proxy.users, [login.user])
      assert.strictEqual(transport.routeTo(server.url).proxy, `socks5h://***@127.0.0.1:${proxy.port}`)
    }),
  )
})

describe("failures through a SOCKS proxy", () => {
  it.live("with a wrong password have the reason proxy, name the proxy and reveal no credentials", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.end("[1]"))
      const proxy = yield* recordingSocksProxy(login)
      const transport = yield* open(server.url, `socks5h://someone:hunter2@127.0.0.1:${proxy.port}`)
      const error = yield* Effect.flip(transport.call(call))
      assert.strictEqual(error.reason, "proxy")
      assert.include(error.message, `(through socks5h://***@127.0.0.1:${proxy.port})`)
      assert.notMatch(JSON.stringify(error) + error.message, /hunter2|someone/)
      assert.deepStrictEqual(server.requests, [])
    }),
  )

  it.live.each(["socks4", "socks5h"])(
    "of a dead %s proxy have the reason proxy and name it; nothing goes direct",
    (scheme) =>
      Effect.gen(function* () {
        const server = yield* httpServer((_, response) => response.end("[1]"))
        const port = yield* deadPort
        const transport = yield* open(server.url, `${scheme}://someone:hunter2@127.0.0.1:${port}`)
        const error = yield* Effect.flip(transport.call(call))
        assert.strictEqual(error.reason, "proxy")
        assert.strictEqual(error.proxy, `${scheme}://***@127.0.0.1:${port}`)
        assert.match(error.detail, /ECONNREFUSED/)
        assert.notInclude(error.message, "hunter2")
        assert.deepStrictEqual(server.requests, [])
      }),
  )

  it.live("have the reason proxy if the proxy's name has no address", () =>
    Effect.gen(function* () {
      const transport = yield* open("http://127.0.0.1:8080/", "socks5://no-such-proxy.invalid:1080")
      assert.strictEqual((yield* Effect.flip(transport.call(call))).reason, "proxy")
    }),
  )

  it.live(
    "for an upstream name without an address have the reason dns if this machine resolves it, proxy if the proxy does",
    () =>
      Effect.gen(function* () {
        const proxy = yield* recordingSocksProxy()
        const reason = (scheme: string) =>
          Effect.gen(function* () {
            const transport = yield* open("http://no-such-host.invalid/", `${scheme}://127.0.0.1:${proxy.port}`)
            return (yield* Effect.flip(transport.call(call))).reason
          })
        assert.strictEqual(yield* reason("socks5"), "dns")
        assert.strictEqual(yield* reason("socks4"), "dns")
        assert.deepStrictEqual(proxy.asked, [])
        assert.strictEqual(yield* reason("socks5h"), "proxy")
        assert.strictEqual(yield* reason("socks4a"), "proxy")
      }),
  )

  it.live("have the reason proxy if the upstream refuses the proxy", () =>
    Effect.gen(function* () {
      const port = yield* deadPort
      const proxy = yield* recordingSocksProxy()
      const transport = yield* open(`http://127.0.0.1:${port}/`, `socks5h://127.0.0.1:${proxy.port}`)
      assert.strictEqual((yield* Effect.flip(transport.call(call))).reason, "proxy")
    }),
  )

  it.live("of a proxy that stalls end with the connect timeout", () =>
    Effect.gen(function* () {
      const proxy = yield* tcpServer(() => {})
      const transport = yield* open("http://127.0.0.1:8080/", `socks5h://127.0.0.1:${proxy.port}`, {
        connectTimeout: "50 millis",
      })
      assert.strictEqual((yield* Effect.flip(transport.call(call))).reason, "proxy")
    }),
  )
})

describe("a proxy's URL", () => {
  it.live.each([
    { proxy: "proxy.example.org:1080", reason: "no scheme" },
    { proxy: "someone:hunter2@proxy.example.org:1080", reason: "no scheme" },
    { proxy: "ftp://someone:hunter2@proxy.example.org:1080", reason: "its scheme is ftp://" },
    { proxy: "socks://proxy.example.org:1080", reason: "its scheme is socks://" },
    { proxy: "socks5://", reason: "no host" },
    { proxy: "socks5h://someone:hunter2@:1080", reason: "not a URL" },
    { proxy: "socks5://someone:hunter2/x@proxy.example.org:1080", reason: "not a URL" },
    { proxy: "socks5://someone:hunter2%@proxy.example.org:1080", reason: "does not begin a percent-encoding" },
    { proxy: "", reason: "no scheme" },
    { proxy: "//proxy.example.org:3128", reason: "no scheme" },
    { proxy: "http:proxy.example.org:3128", reason: "no scheme" },
    { proxy: "http://", reason: "not a URL" },
    { proxy: "http://someone:hunter2%@proxy.example.org:3128", reason: "does not begin a percent-encoding" },
    { proxy: "http://someone:80/hunter2@proxy.example.org:3128", reason: "an @ after its host" },
    { proxy: "https://someone:80#hunter2@proxy.example.org:3128", reason: "an @ after its host" },
    { proxy: "socks5h://someone:80?hunter2@proxy.example.org:1080", reason: "an @ after its host" },
  ])('"$proxy" is refused with the reason "$reason"', ({ proxy, reason }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(open("http://127.0.0.1/", proxy))
      assert.strictEqual(error._tag, "InvalidProxy")
      assert.include(error.message, `is not a proxy: `)
      assert.include(error.message, reason)
      assert.include(
        error.message,
        "allowed are socks4://, socks4a://, socks5://, socks5h://, http://, https://; write",
      )
      assert.notMatch(error.message, /hunter2|someone/)
    }),
  )

  it.prop(
    "is shown as scheme, host and port only, whatever its user and password",
    {
      scheme: Schema.Literals(["socks4", "socks4a", "socks5", "socks5h", "http", "https"]),
      user: Schema.String,
      password: Schema.String,
    },
    ({ scheme, user, password }) => {
      assert.strictEqual(
        proxyForDisplay(`${scheme}://${user}:${password}@proxy.example.org:1080`),
        `${scheme}://***@proxy.example.org:1080`,
      )
    },
  )

  it.live.each(["socks4", "socks4a", "socks5", "socks5h", "http", "https", "HTTP", "SOCKS5"])(
    "%s:// is allowed",
    (scheme) =>
      Effect.gen(function* () {
        const proxy = `${scheme}://proxy.example.org:1080`
        const transport = yield* open("http://127.0.0.1/", proxy)
        assert.strictEqual(transport.routeTo("http://127.0.0.1/").proxy, proxy)
      }),
  )

  it("without credentials is shown unchanged", () => {
    assert.strictEqual(proxyForDisplay("socks5h://proxy.example.org:1080"), "socks5h://proxy.example.org:1080")
  })
})
