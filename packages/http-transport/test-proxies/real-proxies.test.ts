import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { defaultRetryPolicy, environmentProxies, makeTransport, type TransportOptions } from "../src/index.ts"
import { certificate, httpServer, httpsServer } from "../test/loopback-server.ts"
import { dante, login, microsocks, tinyproxy } from "./proxy-program.ts"

const open = (baseUrl: string, proxy: Required<TransportOptions>["proxy"]) =>
  makeTransport({
    upstream: "test",
    baseUrl,
    proxy,
    tls: { ca: certificate },
    retry: { ...defaultRetryPolicy, times: 0 },
  })
const call = { method: "GET", path: "a" } as const
const credentials = `${login.user}:${login.password}`

const upstreams = Effect.gen(function* () {
  const plain = yield* httpServer((_, response) => response.end("[1]"))
  const secure = yield* httpsServer((_, response) => response.end("[2]"))
  return { plain, secure, plainUrl: `http://localhost:${plain.port}/`, secureUrl: `https://localhost:${secure.port}/` }
})

describe("microsocks", () => {
  it.live.each(["socks5", "socks5h"])("%s with user and password reaches http and https", (scheme) =>
    Effect.gen(function* () {
      const { plain, secure, plainUrl, secureUrl } = yield* upstreams
      const proxy = yield* microsocks
      const via = `${scheme}://${credentials}@127.0.0.1:${proxy.port}`
      assert.deepStrictEqual((yield* (yield* open(plainUrl, via)).call(call)).body, [1])
      assert.deepStrictEqual((yield* (yield* open(secureUrl, via)).call(call)).body, [2])
      const asked = scheme === "socks5h" ? "localhost" : "127.0.0.1"
      yield* proxy.logged(`connected to ${asked}:${plain.port}`)
      yield* proxy.logged(`connected to ${asked}:${secure.port}`)
    }),
  )

  it.live("a wrong password fails with the reason proxy, reveals no login, and lets no request through", () =>
    Effect.gen(function* () {
      const { plain, plainUrl } = yield* upstreams
      const proxy = yield* microsocks
      const transport = yield* open(plainUrl, `socks5h://${login.user}:wrong-x9@127.0.0.1:${proxy.port}`)
      const error = yield* Effect.flip(transport.call(call))
      assert.strictEqual(error.reason, "proxy")
      assert.include(error.message, `(through socks5h://***@127.0.0.1:${proxy.port})`)
      assert.notMatch(JSON.stringify(error) + error.message, /someone|wrong-x9/)
      assert.deepStrictEqual(plain.requests, [])
      assert.notInclude(proxy.log(), "connected to")
    }),
  )
})

describe("dante", () => {
  it.live.each(["socks4", "socks5", "socks5h"])("%s reaches http and https", (scheme) =>
    Effect.gen(function* () {
      const { plain, secure, plainUrl, secureUrl } = yield* upstreams
      const proxy = yield* dante
      const via = `${scheme}://127.0.0.1:${proxy.port}`
      assert.deepStrictEqual((yield* (yield* open(plainUrl, via)).call(call)).body, [1])
      assert.deepStrictEqual((yield* (yield* open(secureUrl, via)).call(call)).body, [2])
      yield* proxy.logged(`127.0.0.1.${plain.port}`)
      yield* proxy.logged(`127.0.0.1.${secure.port}`)
    }),
  )
})

describe("tinyproxy", () => {
  it.live("reaches http in absolute form and https by CONNECT, with user and password", () =>
    Effect.gen(function* () {
      const { secure, plainUrl, secureUrl } = yield* upstreams
      const proxy = yield* tinyproxy
      const via = `http://${credentials}@127.0.0.1:${proxy.port}`
      assert.deepStrictEqual((yield* (yield* open(plainUrl, via)).call(call)).body, [1])
      assert.deepStrictEqual((yield* (yield* open(secureUrl, via)).call(call)).body, [2])
      yield* proxy.logged(`GET ${plainUrl}a HTTP/1.1`)
      yield* proxy.logged(`CONNECT localhost:${secure.port} HTTP/1.1`)
    }),
  )

  it.live.each(["http", "https"])("a missing login fails with the reason proxy for an %s upstream", (scheme) =>
    Effect.gen(function* () {
      const { plain, secure, plainUrl, secureUrl } = yield* upstreams
      const proxy = yield* tinyproxy
      const transport = yield* open(scheme === "http" ? plainUrl : secureUrl, `http://127.0.0.1:${proxy.port}`)
      const error = yield* Effect.flip(transport.call(call))
      assert.strictEqual(error.reason, "proxy")
      assert.include(error.detail, "407")
      assert.deepStrictEqual([...plain.requests, ...secure.requests], [])
    }),
  )

  // For a wrong password this proxy responds with 401, not 407: in absolute form that could be the upstream's response.
  it.live.each([
    { scheme: "http", reason: "status" },
    { scheme: "https", reason: "proxy" },
  ])("a wrong password is reason $reason for an $scheme upstream and reveals no login", ({ scheme, reason }) =>
    Effect.gen(function* () {
      const { plain, secure, plainUrl, secureUrl } = yield* upstreams
      const proxy = yield* tinyproxy
      const via = `http://${login.user}:wrong-x9@127.0.0.1:${proxy.port}`
      const error = yield* Effect.flip((yield* open(scheme === "http" ? plainUrl : secureUrl, via)).call(call))
      assert.strictEqual(error.reason, reason)
      assert.include(error.message, "401")
      assert.include(error.message, `(through http://***@127.0.0.1:${proxy.port})`)
      assert.notMatch(JSON.stringify(error) + error.message, /someone|wrong-x9/)
      assert.deepStrictEqual([...plain.requests, ...secure.requests], [])
    }),
  )

  it.live("an https upstream that it cannot resolve fails with the reason proxy", () =>
    Effect.gen(function* () {
      const proxy = yield* tinyproxy
      const transport = yield* open("https://no-such-host.invalid/", `http://${credentials}@127.0.0.1:${proxy.port}`)
      const error = yield* Effect.flip(transport.call(call))
      assert.strictEqual(error.reason, "proxy")
      assert.match(error.detail, /^the response to CONNECT is 50\d/)
    }),
  )
})

describe("proxies of the environment", () => {
  it.live(
    "Waldur and the API each use the proxy of their scheme, and the token endpoint, which NO_PROXY names, uses none",
    () =>
      Effect.gen(function* () {
        const waldur = yield* httpsServer((_, response) => response.end("[1]"))
        const api = yield* httpServer((_, response) => response.end("[2]"))
        const token = yield* httpsServer((_, response) => response.end("[3]"))
        const socks = yield* microsocks
        const http = yield* tinyproxy
        const proxies = environmentProxies({
          HTTPS_PROXY: `socks5h://${credentials}@127.0.0.1:${socks.port}`,
          HTTP_PROXY: `http://${credentials}@127.0.0.1:${http.port}`,
          NO_PROXY: `localhost:${token.port}`,
        })
        const waldurWay = yield* open(`https://localhost:${waldur.port}/api/`, proxies)
        const apiWay = yield* open(`http://localhost:${api.port}/`, proxies)
        const tokenUrl = `https://localhost:${token.port}/token`
        assert.deepStrictEqual((yield* waldurWay.call({ method: "GET", path: "version/" })).body, [1])
        assert.deepStrictEqual((yield* apiWay.call({ method: "GET", path: "api/v1/export/waldur/projects" })).body, [2])
        const form = { method: "POST", body: new URLSearchParams({ grant_type: "client_credentials" }) }
        yield* Effect.promise(async () => (await apiWay.fetch(tokenUrl, form)).text())
        assert.deepStrictEqual(
          [waldur.requests, api.requests, token.requests],
          [["GET /api/version/"], ["GET /api/v1/export/waldur/projects"], ["POST /token"]],
        )
        yield* socks.logged(`connected to localhost:${waldur.port}`)
        yield* http.logged(`GET http://localhost:${api.port}/api/v1/export/waldur/projects HTTP/1.1`)
        for (const log of [socks.log(), http.log()]) assert.notInclude(log, `:${token.port}`)
        assert.notInclude(socks.log(), `:${api.port}`)
        assert.notInclude(http.log(), `:${waldur.port}`)
        assert.isUndefined(apiWay.routeTo(tokenUrl).proxy)
      }),
  )

  it.live.each([
    { name: "microsocks", start: microsocks, scheme: "socks5h" },
    { name: "dante", start: dante, scheme: "socks4" },
    { name: "tinyproxy", start: tinyproxy, scheme: "http" },
  ])("a stopped $name is named, and nothing goes direct", ({ start, scheme }) =>
    Effect.gen(function* () {
      const { plain, plainUrl } = yield* upstreams
      const { port } = yield* Effect.scoped(start)
      const transport = yield* open(plainUrl, { http: `${scheme}://${credentials}@127.0.0.1:${port}` })
      const error = yield* Effect.flip(transport.call(call))
      assert.strictEqual(error.reason, "proxy")
      assert.match(error.message, new RegExp(`ECONNREFUSED.* \\(through ${scheme}://\\*\\*\\*@127.0.0.1:${port}\\)$`))
      assert.notMatch(error.message, /someone|hunter2/)
      assert.deepStrictEqual(plain.requests, [])
    }),
  )
})
