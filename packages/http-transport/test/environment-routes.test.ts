import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { defaultRetryPolicy, type EnvironmentProxies, environmentProxies, makeTransport } from "../src/index.ts"
import { certificate, deadPort, httpServer, httpsServer } from "./loopback-server.ts"
import { recordingHttpProxy } from "./recording-http-proxy.ts"
import { recordingSocksProxy } from "./recording-socks-proxy.ts"

const once = { ...defaultRetryPolicy, times: 0 }
const open = (baseUrl: string, proxy: EnvironmentProxies) =>
  makeTransport({ upstream: "test", baseUrl, proxy, retry: once, tls: { ca: certificate } })
const call = { method: "GET", path: "a" } as const

/** Servers of both schemes, proxies of both kinds, and an environment that names them. */
const world = Effect.gen(function* () {
  const plain = yield* httpServer((_, response) => response.end("[1]"))
  const secure = yield* httpsServer((_, response) => response.end("[2]"))
  const http = yield* recordingHttpProxy()
  const socks = yield* recordingSocksProxy()
  return {
    plain,
    secure,
    http,
    socks,
    environment: { HTTP_PROXY: `http://127.0.0.1:${http.port}`, HTTPS_PROXY: `socks5h://127.0.0.1:${socks.port}` },
  }
})

describe("proxies of the environment", () => {
  it.live("are chosen by the URL's scheme, through call and fetch, and routeTo names them", () =>
    Effect.gen(function* () {
      const { plain, secure, http, socks, environment } = yield* world
      const transport = yield* open(secure.url, environmentProxies(environment))
      assert.deepStrictEqual((yield* transport.call(call)).body, [2])
      assert.strictEqual(socks.asked.length, 1)
      assert.deepStrictEqual(http.asked, [])
      yield* Effect.promise(async () => (await transport.fetch(`${plain.url}token`)).text())
      assert.deepStrictEqual(
        http.asked.map(({ target }) => target),
        [`GET ${plain.url}token`],
      )
      assert.strictEqual(socks.asked.length, 1)
      assert.strictEqual(transport.routeTo(secure.url).proxy, environment.HTTPS_PROXY)
      assert.strictEqual(transport.routeTo(plain.url).proxy, environment.HTTP_PROXY)
    }),
  )

  it.live("are bypassed for a host in NO_PROXY, and its failures name no proxy", () =>
    Effect.gen(function* () {
      const { plain, secure, http, socks, environment } = yield* world
      const proxies = environmentProxies({ ...environment, NO_PROXY: `127.0.0.1:${secure.port},127.0.0.1:1` })
      const direct = yield* open(secure.url, proxies)
      assert.deepStrictEqual((yield* direct.call(call)).body, [2])
      assert.isUndefined(direct.routeTo(secure.url).proxy)
      assert.deepStrictEqual(socks.asked, [])
      assert.deepStrictEqual((yield* (yield* open(plain.url, proxies)).call(call)).body, [1])
      assert.strictEqual(http.asked.length, 1)
      const port = yield* deadPort
      const dead = yield* open(`http://localhost:${port}/`, { ...proxies, no: "localhost" })
      const error = yield* Effect.flip(dead.call(call))
      assert.strictEqual(error.reason, "connect")
      assert.isUndefined(error.proxy)
      assert.notInclude(error.message, "through")
    }),
  )

  it.live("are not used for a scheme without one", () =>
    Effect.gen(function* () {
      const { plain, http, socks, environment } = yield* world
      const transport = yield* open(plain.url, environmentProxies({ ...environment, HTTP_PROXY: "" }))
      assert.deepStrictEqual((yield* transport.call(call)).body, [1])
      assert.deepStrictEqual([...http.asked, ...socks.asked], [])
    }),
  )

  it.live("are chosen again for a redirect that fetch follows", () =>
    Effect.gen(function* () {
      const { secure, http, socks, environment } = yield* world
      const moved = yield* httpServer((_, response) => response.writeHead(302, { location: secure.url }).end())
      const transport = yield* open(moved.url, environmentProxies(environment))
      const body = yield* Effect.promise(async () => (await transport.fetch(moved.url)).text())
      assert.strictEqual(body, "[2]")
      assert.strictEqual(http.asked.length, 1)
      assert.deepStrictEqual(
        socks.asked.map(({ port }) => port),
        [secure.port],
      )
    }),
  )

  it.live("share one pool if both schemes have the same one", () =>
    Effect.gen(function* () {
      const { plain, secure, http } = yield* world
      const proxy = `http://127.0.0.1:${http.port}`
      const transport = yield* open(plain.url, { http: proxy, https: proxy })
      for (const url of [plain.url, secure.url, plain.url, secure.url, plain.url, secure.url]) {
        yield* Effect.promise(async () => (await transport.fetch(url)).text())
      }
      assert.strictEqual(http.asked.filter(({ form }) => form === "absolute").length, 3)
      // At most two: a request may begin before the connection of the last one is released.
      assert.isAtMost(http.asked.filter(({ form }) => form === "CONNECT").length, 2)
    }),
  )

  it.live("that are down are named only by failures of the URLs that use them", () =>
    Effect.gen(function* () {
      const { plain, secure, environment } = yield* world
      const port = yield* deadPort
      const proxies = environmentProxies({ ...environment, HTTPS_PROXY: `http://someone:hunter2@127.0.0.1:${port}` })
      const error = yield* Effect.flip((yield* open(secure.url, proxies)).call(call))
      assert.strictEqual(error.reason, "proxy")
      assert.include(error.message, `(through http://***@127.0.0.1:${port})`)
      assert.notMatch(JSON.stringify(error) + error.message, /hunter2|someone/)
      assert.deepStrictEqual((yield* (yield* open(plain.url, proxies)).call(call)).body, [1])
    }),
  )

  it.live("are ignored unless an environment is given", () =>
    Effect.gen(function* () {
      const { plain, http } = yield* world
      const before = process.env.http_proxy
      process.env.http_proxy = `http://127.0.0.1:${http.port}`
      const transport = yield* makeTransport({ upstream: "test", baseUrl: plain.url, retry: once })
      yield* Effect.ensuring(
        transport.call(call),
        Effect.sync(() => {
          if (before === undefined) delete process.env.http_proxy
          else process.env.http_proxy = before
        }),
      )
      assert.deepStrictEqual(http.asked, [])
    }),
  )

  it.live("are HTTP proxies if a value has no scheme", () =>
    Effect.gen(function* () {
      const { plain, secure, http } = yield* world
      const proxies = environmentProxies({
        HTTP_PROXY: `someone:hunter2@127.0.0.1:${http.port}`,
        HTTPS_PROXY: `localhost:${http.port}`,
      })
      assert.deepStrictEqual((yield* (yield* open(plain.url, proxies)).call(call)).body, [1])
      const transport = yield* open(secure.url, proxies)
      assert.deepStrictEqual((yield* transport.call(call)).body, [2])
      assert.deepStrictEqual(
        http.asked.map(({ form, credentials }) => [form, credentials]),
        [
          ["absolute", `Basic ${Buffer.from("someone:hunter2").toString("base64")}`],
          ["CONNECT", undefined],
        ],
      )
    }),
  )

  it.live.each(["socks", "socks5", "http"])("include ALL_PROXY=%s://… for URLs of both schemes", (scheme) =>
    Effect.gen(function* () {
      const { plain, secure, http, socks } = yield* world
      const port = scheme === "http" ? http.port : socks.port
      const proxies = environmentProxies({ all_proxy: `${scheme}://127.0.0.1:${port}` })
      assert.deepStrictEqual((yield* (yield* open(plain.url, proxies)).call(call)).body, [1])
      assert.deepStrictEqual((yield* (yield* open(secure.url, proxies)).call(call)).body, [2])
      assert.strictEqual(http.asked.length + socks.asked.length, 2)
    }),
  )

  it.live("cause no failure for an invalid value as long as no URL needs it", () =>
    Effect.gen(function* () {
      const { plain } = yield* world
      const transport = yield* open(plain.url, { https: "ftp://someone:hunter2@proxy.example.org" })
      assert.deepStrictEqual((yield* transport.call(call)).body, [1])
    }),
  )

  it.live.each([
    { proxies: { http: "ftp://someone:hunter2@proxy.example.org" }, variable: "HTTP_PROXY", reason: "ftp://" },
    { proxies: { all: "someone:hunter2%@proxy.example.org" }, variable: "ALL_PROXY", reason: "percent-encoding" },
  ])("fail the calls that need an invalid value, without going direct: $variable", (sample) =>
    Effect.gen(function* () {
      const { plain } = yield* world
      const error = yield* Effect.flip((yield* open(plain.url, sample.proxies)).call(call))
      assert.strictEqual(error._tag, "TransportFailure")
      assert.strictEqual(error._tag === "TransportFailure" && error.reason, "proxy")
      assert.match(error.message, new RegExp(`${sample.variable}: .* is not a proxy: .*${sample.reason}`))
      assert.notMatch(error.message, /hunter2|someone/)
      assert.deepStrictEqual(plain.requests, [])
    }),
  )
})
