import { connect } from "node:net"
import { rootCertificates } from "node:tls"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { defaultRetryPolicy, makeTransport, type TlsProfile, type TransportFailure } from "../src/index.ts"
import { certificate, deadPort, httpServer, httpsServer, otherCertificate, tcpServer } from "./loopback-server.ts"
import { recordingHttpProxy } from "./recording-http-proxy.ts"

const once = { ...defaultRetryPolicy, times: 0 }
const open = (baseUrl: string, proxy: string, more: { tls?: TlsProfile; connectTimeout?: "50 millis" } = {}) =>
  makeTransport({ upstream: "test", baseUrl, proxy, retry: once, ...more })
const call = { method: "GET", path: "a" } as const

const login = { user: "some:one", password: "p@ss/w%rd hünter2" }
const encoded = `${encodeURIComponent(login.user)}:${encodeURIComponent(login.password)}`
const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`

/** Each spelling of `login` in a message. */
const leaks = [
  login.user,
  login.password,
  ...encoded.split(":"),
  basic(login.user, login.password).slice("Basic ".length),
  Buffer.from(login.password).toString("base64").slice(0, 8),
]
const tellsNothing = (error: TransportFailure, more: ReadonlyArray<string> = []) => {
  const output = JSON.stringify(error) + error.message + String(error.stack)
  for (const leak of [...leaks, ...more]) assert.notInclude(output, leak)
}

describe("traffic through an HTTP proxy", () => {
  it.live("uses the absolute form for an http upstream, with its path, query, headers and body", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const server = yield* httpServer(async (request, response) => {
        const body: Array<unknown> = await request.toArray()
        seen.push(request.headers.host, request.headers["proxy-authorization"], body.join(""))
        response.end("[1]")
      })
      const proxy = yield* recordingHttpProxy({ credentials: basic(login.user, login.password) })
      const transport = yield* open(server.url, `http://${encoded}@127.0.0.1:${proxy.port}`)
      const response = yield* transport.call({ method: "POST", path: "a", query: [["b", "c"]], json: { d: 1 } })
      assert.deepStrictEqual(response.body, [1])
      assert.deepStrictEqual(
        proxy.asked.map(({ form, target }) => ({ form, target })),
        [{ form: "absolute", target: `POST ${server.url}a?b=c` }],
      )
      assert.deepStrictEqual(server.requests, ["POST /a?b=c"])
      assert.deepStrictEqual(seen, [`127.0.0.1:${server.port}`, undefined, '{"d":1}'])
    }),
  )

  it.live("uses CONNECT for an https upstream, which gets its own name in TLS and never the proxy's login", () =>
    Effect.gen(function* () {
      const headers: Array<string> = []
      const server = yield* httpsServer((request, response) => {
        headers.push(...Object.keys(request.headers))
        response.end("[1]")
      })
      const proxy = yield* recordingHttpProxy({ credentials: basic(login.user, login.password) })
      const url = `https://localhost:${server.port}/`
      const transport = yield* open(url, `http://${encoded}@127.0.0.1:${proxy.port}`, { tls: { ca: certificate } })
      assert.deepStrictEqual((yield* transport.call(call)).body, [1])
      assert.deepStrictEqual(proxy.asked, [
        { form: "CONNECT", target: `localhost:${server.port}`, credentials: basic(login.user, login.password) },
      ])
      assert.notInclude(headers, "proxy-authorization")
      assert.strictEqual(transport.routeTo(url).proxy, `http://***@127.0.0.1:${proxy.port}`)
    }),
  )

  it.live.each([
    { written: "someone@", credentials: basic("someone", "") },
    { written: ":hunter2@", credentials: basic("", "hunter2") },
    { written: "", credentials: undefined },
  ])("sends the login $written as $credentials", ({ written, credentials }) =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.end("[1]"))
      const proxy = yield* recordingHttpProxy()
      yield* (yield* open(server.url, `http://${written}127.0.0.1:${proxy.port}`)).call(call)
      assert.strictEqual(proxy.asked[0]?.credentials, credentials)
    }),
  )

  it.live("checks a TLS proxy against the given authority, by name and by address", () =>
    Effect.gen(function* () {
      const plain = yield* httpServer((_, response) => response.end("[1]"))
      const secure = yield* httpsServer((_, response) => response.end("[2]"))
      const proxy = yield* recordingHttpProxy({ tls: "localhost" })
      for (const host of ["127.0.0.1", "localhost"]) {
        const via = `https://${host}:${proxy.port}`
        const toPlain = yield* open(plain.url, via, { tls: { ca: certificate } })
        assert.deepStrictEqual((yield* toPlain.call(call)).body, [1])
        const toSecure = yield* open(secure.url, via, { tls: { ca: certificate } })
        assert.deepStrictEqual((yield* toSecure.call(call)).body, [2])
      }
      assert.deepStrictEqual(
        proxy.asked.map(({ form }) => form),
        ["absolute", "CONNECT", "absolute", "CONNECT"],
      )
      // TLS does not send an address as a name.
      assert.deepStrictEqual(proxy.serverNames, [false, false, "localhost", "localhost"])
    }),
  )

  it.live("checks the upstream's certificate behind the proxy, also with several authorities", () =>
    Effect.gen(function* () {
      const server = yield* httpsServer((_, response) => response.end("[1]"))
      const proxy = yield* recordingHttpProxy()
      const via = `http://127.0.0.1:${proxy.port}`
      const reason = (url: string, tls: TlsProfile) =>
        Effect.gen(function* () {
          const result = yield* Effect.result((yield* open(url, via, { tls })).call(call))
          return result._tag === "Failure" ? result.failure.reason : result.success.status
        })
      assert.strictEqual(yield* reason(server.url, {}), "tls")
      assert.strictEqual(yield* reason(server.url, { ca: certificate }), 200)
      assert.strictEqual(yield* reason(server.url, { ca: `${rootCertificates[0]}\n${certificate}` }), 200)
      assert.strictEqual(yield* reason(server.url, { ca: rootCertificates[0] ?? "" }), "tls")
      assert.strictEqual(yield* reason(server.url, { verify: false }), 200)
      const other = `https://other.example.org:${server.port}/`
      assert.strictEqual(yield* reason(other, { ca: certificate }), "tls")
      assert.strictEqual(yield* reason(other, { verify: false }), 200)
      assert.strictEqual(proxy.asked.length, 7)
    }),
  )

  it.live.each(["http", "https"])("shares connections among consecutive calls to an %s upstream", (scheme) =>
    Effect.gen(function* () {
      const server = yield* (scheme === "http" ? httpServer : httpsServer)((_, response) => response.end("[1]"))
      const proxy = yield* recordingHttpProxy()
      const transport = yield* open(server.url, `http://127.0.0.1:${proxy.port}`, { tls: { ca: certificate } })
      yield* Effect.forEach(Array.from({ length: 10 }), () => transport.call(call))
      // At most two: a call may begin between the last byte of a response and the release of its connection.
      assert.isAtMost(proxy.connections.length, 2)
    }),
  )

  it.live.each(["http", "https"])("uses no more connections than allowed to an %s upstream", (scheme) =>
    Effect.gen(function* () {
      const server = yield* (scheme === "http" ? httpServer : httpsServer)((_, response) =>
        setImmediate(() => response.end("[1]")),
      )
      const proxy = yield* recordingHttpProxy()
      const transport = yield* makeTransport({
        upstream: "test",
        baseUrl: server.url,
        proxy: `http://127.0.0.1:${proxy.port}`,
        tls: { ca: certificate },
        connections: 3,
      })
      yield* Effect.forEach(Array.from({ length: 60 }), () => transport.call(call), { concurrency: "unbounded" })
      assert.strictEqual(proxy.connections.length, 3)
    }),
  )

  it.live.each(["http", "https"])("to an %s upstream ends with the scope", (scheme) =>
    Effect.gen(function* () {
      let arrive: () => void = () => {}
      const arrived = new Promise<void>((resolve) => {
        arrive = resolve
      })
      const server = yield* (scheme === "http" ? httpServer : httpsServer)(() => arrive())
      const proxy = yield* recordingHttpProxy()
      const transport = open(server.url, `http://127.0.0.1:${proxy.port}`, { tls: { ca: certificate } })
      const begun = yield* Effect.scoped(
        Effect.gen(function* () {
          const { fetch } = yield* transport
          const ended = fetch(server.url).catch((error: unknown) => error)
          yield* Effect.promise(() => arrived)
          return { ended }
        }),
      )
      assert.instanceOf(yield* Effect.promise(() => begun.ended), Error)
    }),
  )
})

describe("a tunnel through an HTTP proxy", () => {
  const early = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
  it.live.each([
    { what: "HTTP/1.0", opening: "HTTP/1.0 200 OK\r\n\r\n" },
    { what: "201", opening: "HTTP/1.1 201 Created\r\n\r\n" },
    { what: "204 without reason", opening: "HTTP/1.1 204 \r\nVia: a\r\n\r\n" },
    { what: "299 without blank", opening: "HTTP/1.1 299\r\n\r\n" },
    { what: "200 with a length", opening: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" },
    { what: "200 that is chunked", opening: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" },
    { what: "200 that closes", opening: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" },
    { what: "bare line feeds", opening: "HTTP/1.1 200 OK\nVia: a\n\n" },
    { what: "100 before 200", opening: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" },
    { what: "102 and 103 before 200", opening: `HTTP/1.1 102 Processing\r\n\r\n${early}HTTP/1.1 200 OK\r\n\r\n` },
  ])("is open after $what", ({ opening }) =>
    Effect.gen(function* () {
      const server = yield* httpsServer((_, response) => response.end("[1]"))
      const proxy = yield* recordingHttpProxy({ opening })
      const transport = yield* open(server.url, `http://127.0.0.1:${proxy.port}`, { tls: { ca: certificate } })
      assert.deepStrictEqual((yield* transport.call(call)).body, [1])
    }),
  )

  it.live("is open even if its response comes byte by byte", () =>
    Effect.gen(function* () {
      const server = yield* httpsServer((_, response) => response.end("[1]"))
      const proxy = yield* tcpServer((socket) =>
        socket.once("data", async () => {
          socket.pause()
          for (const byte of `${early}HTTP/1.1 200 OK\r\n\r\n`) {
            await new Promise((done) => socket.write(byte, done))
            await new Promise(setImmediate)
          }
          const target = connect(server.port, "127.0.0.1", () => socket.pipe(target).pipe(socket))
        }),
      )
      const transport = yield* open(server.url, proxy.url, { tls: { ca: certificate } })
      assert.deepStrictEqual((yield* transport.call(call)).body, [1])
    }),
  )

  it.live.each([
    { status: "302 Found\r\nLocation: http://login.example.org/", reported: "the response to CONNECT is 302 Found" },
    { status: "101 Switching Protocols", reported: "the response to CONNECT is 101 Switching Protocols" },
    { status: "407 x", reported: "the response to CONNECT is 407 Proxy Authentication Required" },
    { status: `403 x\r\n\r\n${"x".repeat(20_000)}`, reported: "the response to CONNECT is 403 Forbidden" },
    { status: "503 x\r\nContent-Length: 100000", reported: "the response to CONNECT is 503 Service Unavailable" },
    { status: "999 x", reported: "the response to CONNECT is 999" },
    { status: "20 x", reported: "the response to CONNECT is not HTTP" },
    { status: `200 ${"x".repeat(17_000)}`, reported: "the response to CONNECT has more than 16384 bytes of headers" },
  ])("is refused by $status", ({ status, reported }) =>
    Effect.gen(function* () {
      const proxy = yield* tcpServer((socket) =>
        socket.once("data", () => socket.write(`${early}HTTP/1.1 ${status}\r\n\r\n`)),
      )
      const error = yield* Effect.flip((yield* open("https://127.0.0.1:8080/", proxy.url)).call(call))
      assert.strictEqual(error.reason, "proxy")
      assert.strictEqual(error.detail, reported)
    }),
  )

  it.live("is refused for endless interim responses, and its connection is closed", () =>
    Effect.gen(function* () {
      let close = () => {}
      const closed = new Promise<void>((resolve) => {
        close = resolve
      })
      const proxy = yield* tcpServer((socket) => {
        const more = () => {
          while (socket.writable && socket.write(early)) {}
        }
        socket.once("data", more).on("drain", more).on("close", close)
      })
      const error = yield* Effect.flip((yield* open("https://127.0.0.1:8080/", proxy.url)).call(call))
      assert.strictEqual(error.detail, "the response to CONNECT has more than 16384 bytes of headers")
      yield* Effect.promise(() => closed)
    }),
  )
})

describe("failures through an HTTP proxy", () => {
  it.live.each([
    { scheme: "http", status: 407, reported: "Proxy Authentication Required (407)" },
    { scheme: "https", status: 407, reported: "the response to CONNECT is 407 Proxy Authentication Required" },
    { scheme: "https", status: 403, reported: "the response to CONNECT is 403 Forbidden" },
    { scheme: "https", status: 502, reported: "the response to CONNECT is 502 Bad Gateway" },
  ])(
    "with $status for an $scheme upstream have the reason proxy, name the proxy and reveal no login",
    ({ scheme, status, reported }) =>
      Effect.gen(function* () {
        const server = yield* (scheme === "http" ? httpServer : httpsServer)((_, response) => response.end("[1]"))
        const proxy = yield* recordingHttpProxy({ refusal: status })
        const transport = yield* open(server.url, `http://${encoded}@127.0.0.1:${proxy.port}`)
        const error = yield* Effect.flip(transport.call(call))
        assert.strictEqual(error.reason, "proxy")
        assert.strictEqual(error.detail, reported)
        assert.strictEqual(error.proxy, `http://***@127.0.0.1:${proxy.port}`)
        tellsNothing(error)
        assert.deepStrictEqual(server.requests, [])
      }),
  )

  it.live("with a wrong password have the reason proxy for an upstream of either scheme", () =>
    Effect.gen(function* () {
      const proxy = yield* recordingHttpProxy({ credentials: basic("someone", "other") })
      for (const scheme of ["http", "https"]) {
        const transport = yield* open(`${scheme}://localhost:8080/`, `http://${encoded}@127.0.0.1:${proxy.port}`)
        const error = yield* Effect.flip(transport.call(call))
        assert.strictEqual(error.reason, "proxy")
        tellsNothing(error)
      }
      assert.strictEqual(proxy.asked.length, 2)
    }),
  )

  it.live.each([
    { written: encoded, more: [] },
    // Not percent-encoded, as people write it: the URL and the proxy encode less of it, and more.
    { written: "some$one:hunter&2'x", more: ["some$one", "some%24one", "hunter&2'x", "hunter%262", "hunter&2%27x"] },
  ])(
    "with the proxy's own response for an http upstream have the reason status, without the login $written that its page repeats",
    (login) =>
      Effect.gen(function* () {
        const port = yield* deadPort
        const unreachable = yield* recordingHttpProxy()
        for (const proxy of [unreachable, yield* recordingHttpProxy({ refusal: 403 })]) {
          const transport = yield* open(`http://127.0.0.1:${port}/`, `http://${login.written}@127.0.0.1:${proxy.port}`)
          const error = yield* Effect.flip(transport.call(call))
          assert.strictEqual(error.reason, "status")
          assert.strictEqual(error.status, proxy === unreachable ? 502 : 403)
          assert.strictEqual(error.proxy, `http://***@127.0.0.1:${proxy.port}`)
          assert.match(error.detail, /^(Bad Gateway|Forbidden) you sent /)
          tellsNothing(error, login.more)
        }
      }),
  )

  it.live.each([
    { proxy: "http", upstream: "http" },
    { proxy: "http", upstream: "https" },
    { proxy: "https", upstream: "http" },
    { proxy: "https", upstream: "https" },
  ])(
    "of a dead $proxy proxy have the reason proxy and name it; nothing goes direct to the $upstream upstream",
    (schemes) =>
      Effect.gen(function* () {
        const server = yield* (schemes.upstream === "http" ? httpServer : httpsServer)((_, response) =>
          response.end("[1]"),
        )
        const port = yield* deadPort
        // Both of its addresses refuse, so the error has parts and no message of its own.
        const transport = yield* open(server.url, `${schemes.proxy}://${encoded}@localhost:${port}`)
        const error = yield* Effect.flip(transport.call(call))
        assert.strictEqual(error.reason, "proxy")
        assert.strictEqual(error.proxy, `${schemes.proxy}://***@localhost:${port}`)
        assert.match(error.detail, /ECONNREFUSED/)
        tellsNothing(error)
        assert.deepStrictEqual(server.requests, [])
      }),
  )

  it.live.each(["http", "https"])(
    "of a proxy name without an address have the reason proxy for an %s upstream",
    (scheme) =>
      Effect.gen(function* () {
        const transport = yield* open(`${scheme}://127.0.0.1:8080/`, "http://no-such-proxy.invalid:3128")
        const error = yield* Effect.flip(transport.call(call))
        assert.strictEqual(error.reason, "proxy")
        assert.include(error.detail, "no-such-proxy.invalid")
      }),
  )

  it.live.each(["http", "https"])("of TLS to the proxy have the reason proxy for an %s upstream", (scheme) =>
    Effect.gen(function* () {
      const server = yield* (scheme === "http" ? httpServer : httpsServer)((_, response) => response.end("[1]"))
      const proxy = yield* recordingHttpProxy({ tls: "localhost" })
      const reached = (via: string, tls?: TlsProfile) =>
        Effect.flatMap(open(server.url, via, tls === undefined ? {} : { tls }), (one) => Effect.flip(one.call(call)))
      const unknown = yield* reached(`https://127.0.0.1:${proxy.port}`)
      assert.strictEqual(unknown.reason, "proxy")
      assert.match(unknown.detail, /self.signed certificate/)
      // The profile's `verify` is for the upstream.
      const careless = yield* reached(`https://127.0.0.1:${proxy.port}`, { verify: false })
      assert.strictEqual(careless.reason, "proxy")
      const plain = yield* recordingHttpProxy()
      const noTls = yield* reached(`https://127.0.0.1:${plain.port}`)
      assert.strictEqual(noTls.reason, "proxy")
      assert.deepStrictEqual(proxy.asked, [])
      assert.deepStrictEqual(server.requests, [])
    }),
  )

  it.live.each(["http", "https"])(
    "of a proxy's certificate for another name have the reason proxy for an %s upstream",
    (scheme) =>
      Effect.gen(function* () {
        const proxy = yield* recordingHttpProxy({ tls: "other.example.org" })
        const via = `https://localhost:${proxy.port}`
        const transport = yield* open(`${scheme}://127.0.0.1:8080/`, via, { tls: { ca: otherCertificate } })
        const error = yield* Effect.flip(transport.call(call))
        assert.strictEqual(error.reason, "proxy")
        assert.match(error.detail, /altnames/)
        assert.deepStrictEqual(proxy.asked, [])
      }),
  )

  it.live.each(["http", "https"])(
    "of a server that is not an HTTP proxy have the reason proxy for an %s upstream",
    (scheme) =>
      Effect.gen(function* () {
        const reached = (port: number) =>
          Effect.flatMap(open(`${scheme}://127.0.0.1:8080/`, `http://127.0.0.1:${port}`), (one) =>
            Effect.map(Effect.flip(one.call(call)), ({ reason }) => reason),
          )
        const other = yield* tcpServer((socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n"))
        assert.strictEqual(yield* reached(other.port), "proxy")
        const mute = yield* tcpServer((socket) => socket.once("data", () => socket.end()))
        assert.strictEqual(yield* reached(mute.port), "proxy")
        const rude = yield* tcpServer((socket) => socket.once("data", () => socket.resetAndDestroy()))
        assert.strictEqual(yield* reached(rude.port), "proxy")
      }),
  )

  it.live("of a proxy that never responds to CONNECT end with the connect timeout", () =>
    Effect.gen(function* () {
      const proxy = yield* tcpServer(() => {})
      const transport = yield* open("https://127.0.0.1:8080/", `http://127.0.0.1:${proxy.port}`, {
        connectTimeout: "50 millis",
      })
      const error = yield* Effect.flip(transport.call(call))
      assert.strictEqual(error.reason, "proxy")
      assert.strictEqual(error.detail, "no tunnel within 0.05 s")
    }),
  )

  it.live("of a body that breaks off behind the proxy have the reason reset", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) =>
        response.writeHead(200, { "content-length": 9 }).write("[", () => response.destroy()),
      )
      const proxy = yield* recordingHttpProxy()
      const transport = yield* open(server.url, `http://127.0.0.1:${proxy.port}`)
      assert.strictEqual((yield* Effect.flip(transport.call(call))).reason, "reset")
    }),
  )

  it.live("of a response behind the proxy that takes too long have the reason timeout", () =>
    Effect.gen(function* () {
      const server = yield* httpServer(() => {})
      const proxy = yield* recordingHttpProxy()
      const transport = yield* makeTransport({
        upstream: "test",
        baseUrl: server.url,
        proxy: `http://127.0.0.1:${proxy.port}`,
        retry: once,
        attemptTimeout: "50 millis",
      })
      assert.strictEqual((yield* Effect.flip(transport.call(call))).reason, "timeout")
    }),
  )

  it.live("of a port that fetch blocks are not the proxy's", () =>
    Effect.gen(function* () {
      const proxy = yield* recordingHttpProxy()
      const transport = yield* open("http://127.0.0.1:6000/", `http://127.0.0.1:${proxy.port}`)
      const error = yield* Effect.flip(transport.call(call))
      assert.strictEqual(error.reason, "reset")
      assert.strictEqual(error.detail, "bad port")
      assert.deepStrictEqual(proxy.asked, [])
    }),
  )

  it.live("thrown by fetch are the proxy's, and no error in the chain contains the login", () =>
    Effect.gen(function* () {
      const proxy = yield* recordingHttpProxy({ refusal: 407 })
      const transport = yield* open("http://127.0.0.1:8080/", `http://${encoded}@127.0.0.1:${proxy.port}`)
      for (const url of ["http://127.0.0.1:8080/", "https://127.0.0.1:8080/"]) {
        const thrown = yield* Effect.flip(
          Effect.tryPromise({ try: () => transport.fetch(url), catch: (error) => error }),
        )
        assert.strictEqual(
          thrown instanceof Error && thrown.cause instanceof Error && thrown.cause.name,
          "ProxyHandshakeError",
        )
        const output = inspect(thrown, { depth: Infinity, showHidden: true })
        for (const leak of leaks) assert.notInclude(output, leak)
      }
    }),
  )
})
