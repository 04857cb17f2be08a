import dns from "node:dns"
import { isIP, Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { afterEach, vi } from "vitest"
import { addressTimeout, defaultRetryPolicy, makeTransport, serverName } from "../src/index.ts"
import { certificate, deadPort, httpServer, httpsServer, tcpServer } from "./loopback-server.ts"
import { recordingHttpProxy } from "./recording-http-proxy.ts"
import { recordingSocksProxy } from "./recording-socks-proxy.ts"

const call = { method: "GET", path: "a" } as const
const once = { ...defaultRetryPolicy, times: 0 }
const open = (baseUrl: string, proxy?: string, ca = certificate) =>
  makeTransport({ upstream: "test", baseUrl, retry: once, tls: { ca }, ...(proxy === undefined ? {} : { proxy }) })

/** Overrides the machine's name resolution during a test. */
const resolve = (names: Readonly<Record<string, ReadonlyArray<string>>>) => {
  const found = (name: string) =>
    (isIP(name) === 0 ? (names[name] ?? []) : [name]).map((address) => ({
      address,
      family: address.includes(":") ? 6 : 4,
    }))
  const missing = (name: string) => Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: "ENOTFOUND" })
  const lookup = (name: string, options: dns.LookupOptions, done: (...result: ReadonlyArray<unknown>) => void) => {
    const all = found(name)
    if (all.length === 0) return done(missing(name))
    return options.all ? done(null, all) : done(null, all[0]?.address, all[0]?.family)
  }
  vi.spyOn(dns, "lookup").mockImplementation(lookup as unknown as typeof dns.lookup)
  vi.spyOn(dns.promises, "lookup").mockImplementation((async (name: string, { family }: dns.LookupOptions) =>
    found(name).filter((one) => !family || one.family === family)) as unknown as typeof dns.promises.lookup)
}

afterEach(() => vi.restoreAllMocks())

/** Each kind of route to an upstream, as a function that returns the proxy's URL. */
const ways = [
  { way: "direct", proxyOf: () => Effect.succeed(undefined) },
  { way: "http", proxyOf: () => Effect.map(recordingHttpProxy(), ({ port }) => `http://127.0.0.1:${port}`) },
  {
    way: "https",
    proxyOf: () => Effect.map(recordingHttpProxy({ tls: "localhost" }), ({ port }) => `https://127.0.0.1:${port}`),
  },
  ...["socks4", "socks4a", "socks5", "socks5h"].map((scheme) => ({
    way: scheme,
    proxyOf: () => Effect.map(recordingSocksProxy(), ({ port }) => `${scheme}://127.0.0.1:${port}`),
  })),
]

describe("the TLS server name (SNI)", () => {
  it.live.each(ways)("has no trailing dot, and the certificate is checked for it: $way", ({ proxyOf }) =>
    Effect.gen(function* () {
      resolve({ localhost: ["127.0.0.1"], "localhost.": ["127.0.0.1"], "other.": ["127.0.0.1"] })
      const server = yield* httpsServer((_, response) => response.end("[1]"))
      const proxy = yield* proxyOf()
      const transport = yield* open(`https://localhost.:${server.port}/`, proxy)
      assert.deepStrictEqual((yield* transport.call(call)).body, [1])
      const text = yield* Effect.promise(async () =>
        (await transport.fetch(`https://localhost.:${server.port}/`)).text(),
      )
      assert.strictEqual(text, "[1]")
      assert.deepStrictEqual([...new Set(server.serverNames)], ["localhost"])
    }),
  )

  it.live.each(ways)("is absent if the URL has an address: $way", ({ proxyOf }) =>
    Effect.gen(function* () {
      const server = yield* httpsServer((_, response) => response.end("[1]"))
      const transport = yield* open(server.url, yield* proxyOf())
      assert.deepStrictEqual((yield* transport.call(call)).body, [1])
      assert.deepStrictEqual(server.serverNames, [false])
    }),
  )

  it.live.each(ways)("with a trailing dot does not match another name: $way", ({ proxyOf }) =>
    Effect.gen(function* () {
      resolve({ "api.example.org.": ["127.0.0.1"] })
      const server = yield* httpsServer((_, response) => response.end("[1]"))
      const transport = yield* open(`https://api.example.org.:${server.port}/`, yield* proxyOf())
      const error = yield* Effect.flip(transport.call(call))
      assert.strictEqual(error.reason, "tls")
      assert.match(error.detail, /altnames/)
      assert.deepStrictEqual(server.requests, [])
    }),
  )

  it.live("of a proxy has no trailing dot, for an upstream of either scheme", () =>
    Effect.gen(function* () {
      resolve({ "localhost.": ["127.0.0.1"] })
      const plain = yield* httpServer((_, response) => response.end("[1]"))
      const secure = yield* httpsServer((_, response) => response.end("[1]"))
      const proxy = yield* recordingHttpProxy({ tls: "localhost" })
      for (const { url } of [plain, secure]) {
        const transport = yield* open(url, `https://localhost.:${proxy.port}`)
        assert.deepStrictEqual((yield* transport.call(call)).body, [1])
      }
      assert.deepStrictEqual(proxy.serverNames, ["localhost", "localhost"])
    }),
  )

  it("is a host without brackets and trailing dot, and absent for an address", () => {
    const samples = ["keycloak.ns.svc.cluster.local.", "a", "127.0.0.1", "[::1]", "::1", "."]
    assert.deepStrictEqual(samples.map(serverName), ["keycloak.ns.svc.cluster.local", "a", ...Array(4).fill(undefined)])
  })
})

describe("a host with several addresses", () => {
  /** Options of each connection that was opened to a name. */
  const attempts = () => {
    const seen: Array<unknown> = []
    const original = Socket.prototype.connect
    vi.spyOn(Socket.prototype, "connect").mockImplementation(function (this: Socket, ...given: Array<unknown>) {
      const [first] = given
      const options = (Array.isArray(first) ? first[0] : first) as Readonly<Record<string, unknown>>
      // The recording proxies connect as well.
      if (String(options.host).endsWith(".test")) seen.push(options.autoSelectFamilyAttemptTimeout)
      return Reflect.apply(original, this, given) as Socket
    } as typeof original)
    return seen
  }

  it.live.each([
    { way: "direct", scheme: "http" },
    { way: "direct", scheme: "https" },
    ...["http", "https", "socks4", "socks5h"].flatMap((way) => [
      { way, scheme: "http" },
      { way, scheme: "https" },
    ]),
  ])("gets a quarter of the connect timeout for each address: $way to an $scheme upstream", ({ way, scheme }) =>
    Effect.gen(function* () {
      resolve({ "host.test": ["127.0.0.1", "::1"] })
      const seen = attempts()
      const port = yield* deadPort
      const base = way === "direct" ? `${scheme}://host.test:${port}/` : `${scheme}://127.0.0.1:8080/`
      const transport = yield* open(base, way === "direct" ? undefined : `${way}://host.test:${port}`)
      yield* Effect.flip(transport.call(call))
      assert.deepStrictEqual(seen, [2500])
    }),
  )

  it.live.each(
    [
      ["127.0.0.1", "::1"],
      ["::1", "127.0.0.1"],
    ].map((addresses) => ({ addresses })),
  )("is reached at the live one: $addresses", ({ addresses }) =>
    Effect.gen(function* () {
      resolve({ "host.test": addresses })
      const server = yield* httpServer((_, response) => response.end("[1]"))
      assert.deepStrictEqual((yield* (yield* open(`http://host.test:${server.port}/`)).call(call)).body, [1])
    }),
  )

  it.live.each(["socks4", "socks5"])(
    "is reached through %s, which is asked for one address after the other",
    (scheme) =>
      Effect.gen(function* () {
        resolve({ "host.test": ["::1", "127.9.9.9", "127.0.0.1"] })
        const server = yield* httpServer((_, response) => response.end("[1]"))
        const proxy = yield* recordingSocksProxy()
        const transport = yield* open(`http://host.test:${server.port}/`, `${scheme}://127.0.0.1:${proxy.port}`)
        assert.deepStrictEqual((yield* transport.call(call)).body, [1])
        const v4 = ["127.9.9.9", "127.0.0.1"]
        const hosts = proxy.asked.map(({ host }) => host)
        assert.deepStrictEqual(hosts, scheme === "socks4" ? v4 : ["0000:0000:0000:0000:0000:0000:0000:0001", ...v4])
      }),
  )

  it.live("leaves time for each address through a SOCKS proxy that never responds for the first", () =>
    Effect.gen(function* () {
      resolve({ "host.test": ["127.9.9.9", "127.0.0.1"] })
      const server = yield* httpServer((_, response) => response.end("[1]"))
      const helpful = yield* recordingSocksProxy()
      let connections = 0
      // The first connection is left alone; later ones are the proxy's.
      const proxy = yield* tcpServer((socket) => {
        connections += 1
        if (connections === 1) return
        const forward = new Socket().connect(helpful.port, "127.0.0.1")
        socket.pipe(forward).pipe(socket)
        forward.on("error", () => socket.destroy())
      })
      const transport = yield* makeTransport({
        upstream: "test",
        baseUrl: `http://host.test:${server.port}/`,
        proxy: `socks5://127.0.0.1:${proxy.port}`,
        retry: once,
        connectTimeout: "2 seconds",
      })
      assert.deepStrictEqual((yield* transport.call(call)).body, [1])
      assert.deepStrictEqual(
        helpful.asked.map(({ host }) => host),
        ["127.0.0.1"],
      )
    }),
  )

  it("gets whole milliseconds for each address, and at least one", () => {
    assert.deepStrictEqual([10_000, 2_000, 50, 1, 0].map(addressTimeout), [2_500, 500, 13, 1, 1])
  })
})
