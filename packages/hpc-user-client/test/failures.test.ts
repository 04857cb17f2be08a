import type { ServerResponse } from "node:http"
import { createServer } from "node:net"
import type { EnvironmentProxies } from "@cscs/http-transport"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Logger, References, Tracer } from "effect"
import { HpcUserClient, type HpcUserClientOptions } from "../src/index.ts"
import { countingSocksProxy } from "./counting-socks-proxy.ts"
import { certificate, clientSecret, type FakeHpcUser, fakeHpcUser, json, listening, text } from "./fake-hpc-user.ts"

const clientOf = (fake: FakeHpcUser, more: Partial<HpcUserClientOptions> = {}) =>
  Effect.provide(HpcUserClient.layer({ ...fake.options, ...more }))
const ping = HpcUserClient.use((client) => client.ping())

describe("ping", () => {
  it.effect("calls the API each time, and caches nothing", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const stats = yield* Effect.gen(function* () {
        yield* ping
        yield* ping
        return yield* HpcUserClient.use((client) => client.getGidCacheStats())
      }).pipe(clientOf(fake))
      assert.strictEqual(fake.apiRequests.length, 2)
      assert.strictEqual(stats.total_entries, 0)
    }),
  )
})

describe("a failure of the API", () => {
  it.live.each([400, 403, 404, 302])("with %i is a rejection, without a retry", (status) =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.nextApi.push(json({ detail: "no" }, status))
      const error = yield* Effect.flip(ping.pipe(clientOf(fake)))
      assert.strictEqual(error._tag, "HpcUserApiRejected")
      assert.strictEqual(
        error.message,
        `The HPC User API refused GET ${fake.origin}/api/v1/export/waldur/projects with ${status}: {"detail":"no"}`,
      )
      assert.strictEqual(fake.apiRequests.length, 1)
    }),
  )

  it.live("with 5xx is retried, then unavailable", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.nextApi.push(text("x", 500), text("x", 502))
      yield* ping.pipe(clientOf(fake))
      assert.strictEqual(fake.apiRequests.length, 3)
      fake.nextApi.push(text("x", 500), text("x", 502), text("<b>down</b>", 503))
      const error = yield* Effect.flip(ping.pipe(clientOf(fake)))
      assert.strictEqual(error._tag, "HpcUserApiUnavailable")
      assert.include(error.message, "responded with 503: down")
    }),
  )

  it.live("with an HTML page instead of JSON is unexpected", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.nextApi.push(text("<h1>Login</h1>", 200), text("<h1>Login</h1>", 200), text("<h1>Login</h1>", 200))
      const error = yield* Effect.flip(ping.pipe(clientOf(fake)))
      assert.strictEqual(error._tag, "HpcUserApiUnexpectedResponse")
      assert.include(error.message, "not valid JSON: 14 bytes of text/html, not JSON")
    }),
  )

  it.live.each([
    { body: [], found: "an array" },
    { body: null, found: "null" },
    { body: "text", found: "a string" },
    { body: { results: [], count: 0 }, found: "an object with the keys results, count" },
    { body: { projects: {} }, found: "an object with the keys projects" },
    { body: undefined, found: "an empty body" },
  ])("with JSON of another frame is unexpected, found $found", ({ body, found }) =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.nextApi.push(json(body))
      const lookup = yield* HpcUserClient.use((client) => client.gids(["a"])).pipe(clientOf(fake))
      const error = lookup.failed.get("a")
      assert.strictEqual(error?._tag, "HpcUserApiUnexpectedResponse")
      assert.include(error?.message, `expected {"projects": [...]}, found ${found}`)
    }),
  )

  it.live("of an unreachable server is unavailable, for every name", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const port = yield* Effect.scoped(listening(createServer()))
      const lookup = yield* HpcUserClient.use((client) => client.gids(["a", "b"])).pipe(
        clientOf(fake, { apiUrl: `http://127.0.0.1:${port}` }),
      )
      assert.deepStrictEqual(
        [...lookup.failed].map(([name, error]) => [name, error._tag]),
        [
          ["a", "HpcUserApiUnavailable"],
          ["b", "HpcUserApiUnavailable"],
        ],
      )
    }),
  )
})

describe("a misleading response", () => {
  const body = { projects: [{ posixName: "a", unixGid: 31001, mail: "alice@example.org" }] }
  const sent =
    (content: string | Buffer, status = 200, type = "application/json") =>
    (response: ServerResponse) =>
      response.writeHead(status, { "content-type": type }).end(content)
  const text = JSON.stringify(body)

  it.live.each([
    { what: "partial content", respond: sent(text, 206) },
    { what: "UTF-16", respond: sent(Buffer.from(text, "utf16le"), 200, "application/json; charset=utf-16") },
    { what: "HTML", respond: sent(text, 200, "text/html") },
    { what: "truncated JSON", respond: sent(text.slice(0, -6)) },
    { what: "a duplicate name", respond: sent(text.replace('"mail"', '"unixGid":31002,"mail"')) },
    { what: "JSON nested too deeply", respond: sent(`{"projects":${"[".repeat(200_000)}${"]".repeat(200_000)}}`) },
    { what: "a list", respond: sent(JSON.stringify([body])) },
    { what: "projects as an object", respond: sent(JSON.stringify({ projects: { alice: 31001 } })) },
    { what: "another object", respond: sent(JSON.stringify({ "alice@example.org": 31001 })) },
  ])("is a failure that quotes nothing and is not cached: $what", ({ respond }) =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.gids.set("a", 31001)
      fake.nextApi.push(respond, respond, respond)
      yield* Effect.gen(function* () {
        const gids = HpcUserClient.use((client) => client.gids(["a"]))
        const error = (yield* gids).failed.get("a")
        assert.strictEqual(error?._tag, "HpcUserApiUnexpectedResponse")
        assert.notMatch(`${error?.message} ${JSON.stringify(error)}`, /alice|31001/)
        fake.nextApi.length = 0
        assert.deepStrictEqual([...(yield* gids).known], [["a", 31001]])
      }).pipe(clientOf(fake))
    }),
  )

  it.live("that is too large is requested in halves, down to single names that remain too large", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const names = Array.from({ length: 8 }, (_, index) => `p${index}`)
      for (const name of names) fake.gids.set(name, 31001)
      fake.gids.set("p5", "x".repeat(3 * 1024 * 1024))
      const lookup = yield* HpcUserClient.use((client) => client.gids(names)).pipe(clientOf(fake))
      assert.deepStrictEqual(
        [...lookup.known.keys()],
        names.filter((name) => name !== "p5"),
      )
      assert.deepStrictEqual([...lookup.failed.keys()], ["p5"])
    }),
  )

  it.live("without any project is valid: the names are unknown", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const lookup = yield* HpcUserClient.use((client) => client.gids(["a"])).pipe(clientOf(fake))
      assert.deepStrictEqual([...lookup.unknown], [["a", "the HPC User API does not know it"]])
      assert.strictEqual(lookup.failed.size, 0)
    }),
  )

  it.live("of the token endpoint is a failure that quotes nothing", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const grant = JSON.stringify({ access_token: "abcdefghijkl", token_type: "Bearer" })
      for (const respond of [sent(grant, 206), sent(grant, 200, "text/html"), sent(grant.slice(0, -3))]) {
        fake.nextToken.push(respond, respond, respond)
        const error = yield* Effect.flip(ping.pipe(clientOf(fake)))
        assert.strictEqual(error._tag, "HpcUserApiUnexpectedResponse")
        assert.notInclude(`${error.message} ${JSON.stringify(error)}`, "abcd")
        fake.nextToken.length = 0
      }
    }),
  )

  it.live("with a long refusal is truncated, and shows no secret in any encoding", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const basic = Buffer.from(`storage-proxy:${clientSecret}`).toString("base64")
      fake.nextToken.push(
        json({ error: basic, error_description: `${encodeURIComponent(clientSecret)} ${"no ".repeat(5000)}` }, 400),
      )
      const error = yield* Effect.flip(ping.pipe(clientOf(fake)))
      assert.strictEqual(error._tag, "TokenRefused")
      assert.isBelow(error.message.length, 700)
      assert.notInclude(error.message, basic.slice(24, 32))
      assert.notInclude(error.message, clientSecret.slice(0, 8))
    }),
  )

  it.live("from URLs with a password is a failure without it", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const secret = (url: string) => url.replace("http://", "http://someone:hunter2-and-more@")
      for (const more of [{ apiUrl: secret(fake.origin) }, { tokenUrl: secret(`${fake.origin}/token`) }]) {
        const error = yield* Effect.flip(ping.pipe(clientOf(fake, more)))
        assert.notMatch(`${error.message} ${JSON.stringify(error)} ${error.stack}`, /hunter2|someone/)
      }
    }),
  )
})

describe("the proxy", () => {
  it.live("is used for both the API and the token endpoint", () =>
    Effect.gen(function* () {
      const api = yield* fakeHpcUser()
      const issuer = yield* fakeHpcUser()
      const proxy = yield* countingSocksProxy
      api.nextApi.push(json({ projects: [] }))
      yield* ping.pipe(clientOf(api, { tokenUrl: issuer.options.tokenUrl, proxy: proxy.url }))
      assert.deepStrictEqual(
        proxy.tunnels.map((port) => `http://127.0.0.1:${port}`),
        [issuer.origin, api.origin],
      )
    }),
  )

  it.live("from the environment is chosen for the API's and the token endpoint's own URL", () =>
    Effect.gen(function* () {
      const api = yield* fakeHpcUser()
      const issuer = yield* fakeHpcUser({ tls: true })
      const http = yield* countingSocksProxy
      const https = yield* countingSocksProxy
      const tunnelled = () => [http, https].map(({ tunnels }) => tunnels.splice(0).map((port) => `127.0.0.1:${port}`))
      const hosts = [api, issuer].map(({ origin }) => new URL(origin).host)
      const pingWithout = (no: string) => {
        api.nextApi.push(json({ projects: [] }))
        const proxy = { http: http.url, https: https.url, no }
        return ping.pipe(clientOf(api, { tokenUrl: issuer.options.tokenUrl, tls: { ca: certificate }, proxy }))
      }
      yield* pingWithout("")
      assert.deepStrictEqual(tunnelled(), [[hosts[0]], [hosts[1]]])
      yield* pingWithout(`${hosts[0]}`)
      assert.deepStrictEqual(tunnelled(), [[], [hosts[1]]])
      yield* pingWithout(`${hosts[1]}`)
      assert.deepStrictEqual(tunnelled(), [[hosts[0]], []])
      yield* pingWithout("127.0.0.0/8")
      assert.deepStrictEqual(tunnelled(), [[], []])
    }),
  )

  it.live("is named by failures of its own URLs, and by none that go direct", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const issuer = yield* fakeHpcUser({ tls: true })
      const port = yield* Effect.scoped(listening(createServer()))
      const tokenUrl = issuer.options.tokenUrl
      const failing = (proxy: EnvironmentProxies) =>
        Effect.map(Effect.flip(ping.pipe(clientOf(fake, { tokenUrl, tls: { ca: certificate }, proxy }))), (error) =>
          error._tag === "HpcUserApiUnavailable" ? error.failure : assert.fail(error.message),
        )
      const token = yield* failing({ https: `http://someone:hunter2@127.0.0.1:${port}` })
      assert.strictEqual(token.call, `POST ${tokenUrl}`)
      assert.strictEqual(token.reason, "proxy")
      assert.strictEqual(token.proxy, `http://***@127.0.0.1:${port}`)
      const api = yield* failing({ http: `http://someone:hunter2@127.0.0.1:${port}` })
      assert.match(api.call, /^GET /)
      assert.strictEqual(api.proxy, `http://***@127.0.0.1:${port}`)
      issuer.nextToken.push(text("", 503), text("", 503), text("", 503))
      const direct = yield* failing({ http: `http://127.0.0.1:${port}` })
      assert.strictEqual(direct.call, `POST ${tokenUrl}`)
      assert.isUndefined(direct.proxy)
    }),
  )

  it.live("that responds in the token endpoint's place reveals none of its login", () =>
    Effect.gen(function* () {
      // The proxy receives requests in absolute form: the fake acts as one that repeats what it was sent.
      const fake = yield* fakeHpcUser()
      const credentials = Buffer.from("someone:hunter2").toString("base64")
      const proxy = fake.origin.replace("http://", "http://someone:hunter2@")
      const pinged = ping.pipe(clientOf(fake, { tokenUrl: "http://auth.example.org/token", proxy }))
      fake.nextToken.push(
        json({ error: `no ${credentials}`, error_description: "someone:hunter2 is not a login" }, 400),
      )
      const refused = yield* Effect.flip(pinged)
      const unavailablePage = (response: ServerResponse) =>
        response.writeHead(503, `no ${credentials} of someone`).end()
      fake.nextToken.push(unavailablePage, unavailablePage, unavailablePage)
      const unavailable = yield* Effect.flip(pinged)
      assert.deepStrictEqual([refused._tag, unavailable._tag], ["TokenRefused", "HpcUserApiUnavailable"])
      for (const error of [refused, unavailable]) {
        assert.notMatch(JSON.stringify(error) + error.message, new RegExp(`someone|hunter2|${credentials}`))
      }
    }),
  )

  it.live("that is down fails the token, and nothing goes direct", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const port = yield* Effect.scoped(listening(createServer()))
      const proxy = `socks5h://someone:hunter2@127.0.0.1:${port}`
      const error = yield* Effect.flip(ping.pipe(clientOf(fake, { proxy })))
      assert.strictEqual(error._tag === "HpcUserApiUnavailable" ? error.failure.reason : error._tag, "proxy")
      assert.include(error.message, `through socks5h://***@127.0.0.1:${port}`)
      assert.notInclude(error.message, "hunter2")
      assert.deepStrictEqual(fake.tokenRequests, [])
    }),
  )

  it.live("with an invalid URL fails the layer", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const error = yield* Effect.flip(ping.pipe(clientOf(fake, { proxy: "127.0.0.1:1080" })))
      assert.strictEqual(error._tag, "InvalidProxy")
    }),
  )

  it.live("is used with the TLS profile for both", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser({ tls: true })
      const error = yield* Effect.flip(ping.pipe(clientOf(fake)))
      assert.strictEqual(error._tag === "HpcUserApiUnavailable" ? error.failure.reason : error._tag, "tls")
      yield* ping.pipe(clientOf(fake, { tls: { ca: certificate } }))
      yield* ping.pipe(clientOf(fake, { tls: { verify: false } }))
      assert.strictEqual(fake.apiRequests.length, 2)
    }),
  )
})

describe("the HPC User API's secrets", () => {
  it.live("are in no error, log line or span, even if servers repeat the client secret or the token", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const seen: Array<unknown> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          seen.push(span)
          return span
        },
      })
      const echo = (status: number) => (response: { writeHead: (status: number) => { end: (body: string) => void } }) =>
        response.writeHead(status).end(
          JSON.stringify({
            error: `bad ${clientSecret}`,
            error_description: `you sent client_secret=${clientSecret}`,
          }),
        )
      fake.nextToken.push(echo(400), echo(500), echo(500), echo(500), text(`${clientSecret}<p>`, 200))
      const attempts = Effect.gen(function* () {
        for (let attempt = 0; attempt < 3; attempt++) seen.push(yield* Effect.exit(ping))
        for (const status of [400, 500, 500, 500, 200]) {
          fake.nextApi.push((response, request) =>
            response.writeHead(status).end(`<pre>Authorization: ${request.headers.authorization}</pre>`),
          )
        }
        for (let attempt = 0; attempt < 3; attempt++) seen.push(yield* Effect.exit(ping))
        const lookup = yield* HpcUserClient.use((client) => client.gids(["a"]))
        seen.push([...lookup.failed.values()])
      }).pipe(
        clientOf(fake),
        Effect.provideService(Tracer.Tracer, tracer),
        Effect.provideService(References.MinimumLogLevel, "All"),
        Effect.provide(Logger.layer([Logger.make((line) => seen.push(line.message, Cause.pretty(line.cause)))])),
      )
      yield* attempts
      const texts = seen.map((one) =>
        Exit.isExit(one) && Exit.isFailure(one) ? Cause.pretty(one.cause) + deep(one) : deep(one),
      )
      assert.isAbove(texts.length, 10)
      for (const one of texts) {
        assert.notInclude(one, clientSecret.slice(0, 10))
        assert.notMatch(one, /token-\d+-x/)
      }
    }),
  )
})

/** Everything reachable from a value, as text. */
const deep = (value: unknown, seen = new Set<unknown>()): string => {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return String(value)
  if (seen.has(value)) return ""
  seen.add(value)
  const entries =
    value instanceof Map ? [...value].flat() : Object.getOwnPropertyNames(value).map((key) => Reflect.get(value, key))
  return entries.map((entry) => deep(entry, seen)).join("\n")
}
