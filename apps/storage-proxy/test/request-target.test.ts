import { once } from "node:events"
import { connect } from "node:net"
import fc from "fast-check"
import { describe, expect, onTestFinished, test } from "vitest"
import { normaliseTarget } from "../src/request-target.ts"
import { aSandbox, environmentOf, serving, until } from "./a-process.ts"
import { exchange, rawResponse } from "./raw-http.ts"

const list = "/api/storage-resources/"

/** The URL to connect to; `localhost` for the address of all families. */
const open = async (args: ReadonlyArray<string> = []) => {
  const running = await serving(args, { environment: environmentOf(await aSandbox()) })
  const url = `http://127.0.0.1:${new URL(running.url).port}`
  await until(async () => (await fetch(`${url}/healthz/ready`)).status === 200)
  return { ...running, url }
}

const asked = (line: string, headers: ReadonlyArray<string> = ["Host: proxy.example.org"]) =>
  `${[line, ...headers, "Connection: close"].join("\r\n")}\r\n\r\n`

describe.each(["127.0.0.1", "::"])("a server at --host %s", (host) => {
  test("accepts every form of target, and no response depends on the host", async () => {
    const { url, stderr } = await open(["--host", host])
    const statuses: ReadonlyArray<readonly [bytes: string, status: number]> = [
      // HTTP/1.0 as health checks and old proxies send it.
      [`GET ${list} HTTP/1.0\r\n\r\n`, 200],
      ["GET /healthz/ready HTTP/1.0\r\n\r\n", 200],
      ["HEAD /healthz/ready HTTP/1.0\r\n\r\n", 200],
      ["OPTIONS / HTTP/1.0\r\n\r\n", 404],
      // Hosts.
      [asked(`GET ${list} HTTP/1.1`, ["Host:"]), 200],
      [asked(`GET ${list} HTTP/1.1`, ["Host: PROXY.example.org.:443"]), 200],
      [asked(`GET ${list} HTTP/1.1`, ["Host: storage_proxy:80"]), 200],
      [asked(`GET ${list} HTTP/1.1`, ["Host: [::1]:8080"]), 200],
      [asked(`GET ${list} HTTP/1.1`, ["Host: [2001:DB8:0:0::1]"]), 200],
      [asked(`GET ${list} HTTP/1.1`, ["Host: [::ffff:10.0.0.1]:8080"]), 200],
      [asked(`GET ${list} HTTP/1.1`, ["Host: 10.1"]), 200],
      [asked(`GET ${list} HTTP/1.1`, ["Host: a@b"]), 400],
      [asked(`GET ${list} HTTP/1.1`, ["Host: a/b"]), 400],
      [asked(`GET ${list} HTTP/1.1`, ["Host: a:b"]), 400],
      [asked(`GET ${list} HTTP/1.1`, ["Host: a, b"]), 400],
      [asked(`GET ${list} HTTP/1.1`, ["Host: a", "Host: a"]), 400],
      [asked(`GET ${list} HTTP/1.0`, ["Host: a", "HOST: b"]), 400],
      [asked(`GET ${list} HTTP/1.1`, []), 400],
      // Absolute form (RFC 9112 section 3.2.2).
      [asked(`GET http://proxy.example.org${list} HTTP/1.1`), 200],
      [asked(`GET HTTP://PROXY.EXAMPLE.ORG${list} HTTP/1.1`), 200],
      [asked(`GET hTTps://other.example.org:8443${list}?page_size=1 HTTP/1.1`), 200],
      [asked(`GET http://[::1]:80${list} HTTP/1.1`), 200],
      [`GET HTTP://proxy.example.org${list} HTTP/1.0\r\n\r\n`, 200],
      [asked("GET http://proxy.example.org HTTP/1.1"), 404],
      [asked("GET http://proxy.example.org?page=1 HTTP/1.1"), 404],
      [asked(`GET http://proxy.example.org/${list} HTTP/1.1`), 404],
      [asked(`GET http://user:pass@proxy.example.org${list} HTTP/1.1`), 400],
      [asked(`GET http://${list} HTTP/1.1`), 400],
      [asked(`GET http:${list} HTTP/1.1`), 400],
      [asked(`GET http://:80${list} HTTP/1.1`), 400],
      [asked(`GET ftp://proxy.example.org${list} HTTP/1.1`), 400],
      // Authority and asterisk form belong to other methods.
      [asked("GET proxy.example.org:80 HTTP/1.1"), 400],
      [asked("GET * HTTP/1.1"), 400],
      [asked("OPTIONS * HTTP/1.1"), 405],
      [asked("OPTIONS *x HTTP/1.1"), 400],
      // Origin form.
      [asked(`GET /${list} HTTP/1.1`), 404],
      [asked("GET //proxy.example.org HTTP/1.1"), 404],
      [asked(`GET ${list}?x=http://a@b HTTP/1.1`), 200],
      [asked(`GET ${list}?a=[]{}|^ HTTP/1.1`), 200],
    ]
    for (const [bytes, status] of statuses) {
      expect([bytes, (await exchange(url, bytes)).status]).toEqual([bytes, status])
    }
    expect((await exchange(url, asked("OPTIONS * HTTP/1.1"))).headers.get("allow")).toBe("GET, HEAD")
    expect(stderr()).not.toMatch(/"level":"(ERROR|FATAL)"/)
  })
})

describe("requests from clients and gateways of real installations", () => {
  test("an offer of HTTP/2 (Java's client, curl --http2) is ignored", async () => {
    const { url } = await open()
    const bytes = [
      `GET ${list} HTTP/1.1`,
      "Host: proxy.example.org",
      "Connection: Upgrade, HTTP2-Settings, close",
      "Upgrade: h2c",
      "HTTP2-Settings: AAMAAABkAAQAAP__",
      "\r\n",
    ].join("\r\n")
    expect((await exchange(url, bytes)).status).toBe(200)
  })

  test("Expect: 100-continue gets an interim response first", async () => {
    const { url } = await open()
    const { text } = await exchange(url, asked(`GET ${list} HTTP/1.1`, ["Host: x", "Expect: 100-continue"]))
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  })

  test("another expectation gets a 417", async () => {
    const { url } = await open()
    const { status } = await exchange(url, asked(`GET ${list} HTTP/1.1`, ["Host: x", "Expect: a-miracle"]))
    expect(status).toBe(417)
  })

  test("a Range is ignored: the response is the whole page", async () => {
    const { url } = await open()
    const whole = await exchange(url, asked(`GET ${list} HTTP/1.1`))
    const etag = whole.headers.get("etag")
    for (const headers of [["Range: bytes=0-9"], ["Range: bytes=999999999-"], ["Range: x", `If-Range: ${etag}`]]) {
      const got = await exchange(url, asked(`GET ${list} HTTP/1.1`, ["Host: x", ...headers]))
      expect([headers, got.status, got.body]).toEqual([headers, 200, whole.body])
    }
  })

  test("pipelined requests get their responses in order, even if one is refused", async () => {
    const { url } = await open()
    const socket = connect(Number(new URL(url).port), "127.0.0.1")
    onTestFinished(() => void socket.destroy())
    let text = ""
    socket.setEncoding("latin1").on("data", (chunk) => {
      text += chunk
    })
    await once(socket, "connect")
    const line = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`
    socket.write(line(list) + line("/nothing") + line(`${list}?page=0`) + asked("GET /healthz/live HTTP/1.1"))
    await once(socket, "close")
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual([200, 404, 422, 200].map((status) => `HTTP/1.1 ${status}`))
    expect(rawResponse(text).headers.get("connection")).not.toBe("close")
  })

  test("a connection is kept for HTTP/1.1 and, on request, for HTTP/1.0, and closed at the caller's request", async () => {
    const { url } = await open()
    for (const [bytes, connection] of [
      [`GET ${list} HTTP/1.0\r\n\r\n`, "close"],
      [asked(`GET ${list} HTTP/1.1`), "close"],
    ] as const) {
      expect((await exchange(url, bytes)).headers.get("connection")).toBe(connection)
    }
    const kept = `GET /healthz/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n${asked("GET /healthz/live HTTP/1.1")}`
    expect((await exchange(url, kept)).text.match(/ 200 OK/g)?.length).toBe(2)
  })

  test("ndjson for HTTP/1.0 is not chunked and ends with the connection", async () => {
    const { url } = await open()
    const { headers, body } = await exchange(url, `GET ${list} HTTP/1.0\r\nAccept: application/x-ndjson\r\n\r\n`)
    expect([headers.has("transfer-encoding"), headers.get("connection")]).toEqual([false, "close"])
    for (const line of body.trimEnd().split("\n")) expect(JSON.parse(line)).toHaveProperty("itemId")
  })
})

test("any target becomes a path of this server or is refused", () => {
  const target = fc.oneof(
    fc.webUrl({ withQueryParameters: true, withFragments: true, validSchemes: ["http", "https", "HTTP", "ftp"] }),
    fc.string(),
    fc.constantFrom("*", "", "//", "http://", "https:///x", "http://a@b/", "/", "?"),
  )
  fc.assert(
    fc.property(target, fc.constantFrom("GET", "HEAD", "OPTIONS"), (url, method) => {
      const request = { url, method, headers: { host: "a" }, rawHeaders: ["Host", "a"] }
      if (normaliseTarget(request as never)) expect([request.url[0], request.headers.host]).toEqual(["/", "localhost"])
      else expect(url.startsWith("/")).toBe(false)
    }),
    { numRuns: 1000 },
  )
})
