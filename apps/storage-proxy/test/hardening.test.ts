import { connect } from "node:net"
import type { Sandbox } from "@cscs/sandbox"
import { describe, expect, onTestFinished, test } from "vitest"
import { aSandbox, environmentOf, serving, until } from "./a-process.ts"
import { exchange, request } from "./raw-http.ts"

const list = "/api/storage-resources/"

/** With authentication by the sandbox's issuer. */
const lockedEnvironment = (sandbox: Sandbox): Record<string, string> => ({
  ...environmentOf(sandbox),
  DISABLE_AUTH: "",
  CSCS_KEYCLOAK_URL: sandbox.issuer.baseUrl,
  CSCS_KEYCLOAK_CLIENT_ID: sandbox.issuer.audience.clientId,
})

const locked = async (more: Record<string, string> = {}) => {
  const sandbox = await aSandbox()
  const running = await serving([], { environment: { ...lockedEnvironment(sandbox), ...more } })
  return { ...running, sandbox, token: await sandbox.issuer.issueToken() }
}

const open = async (more: Record<string, string> = {}) => {
  const sandbox = await aSandbox()
  return { ...(await serving([], { environment: { ...environmentOf(sandbox), ...more } })), sandbox }
}

const stillServes = async (url: string) => expect((await fetch(`${url}/healthz/live`)).status).toBe(200)

describe("a request that is too large", () => {
  test("gets a 431 for its token, its headers or its path, and the server survives", async () => {
    const { url, token, stderr } = await locked()
    const large = "x".repeat(17 * 1024)
    for (const bytes of [
      request(list, [`Authorization: Bearer ${token.replace(/\.[^.]*$/, "")}.${large}`]),
      request(list, [`Authorization: Bearer ${large}`]),
      request(list, [`X-Large: ${large}`]),
      request(
        list,
        Array.from({ length: 900 }, (_, index) => `X-${index}: ${"y".repeat(20)}`),
      ),
      request(`${list}?storage_system=${large}`),
      request(`/${large}`),
    ]) {
      const { status, text } = await exchange(url, bytes)
      expect([bytes.slice(0, 60), status]).toEqual([bytes.slice(0, 60), 431])
      expect(text).not.toContain("xxxx")
      await stillServes(url)
    }
    expect((await exchange(url, request(list, [`Authorization: Bearer ${token}`]))).status).toBe(200)
    expect(stderr()).not.toContain("xxxx")
  })

  test("is handled normally just below the limit", async () => {
    const { url, token } = await locked()
    const nearly = "x".repeat(15 * 1024)
    expect((await exchange(url, request(list, [`Authorization: Bearer ${nearly}`]))).status).toBe(401)
    expect((await exchange(url, request(list, [`Authorization: Bearer abc.def.${nearly}`]))).status).toBe(401)
    const good = request(`${list}?unknown=${"x".repeat(12 * 1024)}`, [`Authorization: Bearer ${token}`])
    expect((await exchange(url, good)).status).toBe(200)
  })
})

describe("a request that is slow", () => {
  const preload = { NODE_OPTIONS: `--import ${new URL("hurried-server.ts", import.meta.url).href}` }

  test("is cut off: the limits are set on the server and enforced", async () => {
    const { url, stderr } = await open(preload)
    const [, options = "{}"] = /server options: (.*)/.exec(stderr()) ?? []
    expect(JSON.parse(options)).toEqual({
      maxHeaderSize: 16_384,
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      keepAliveTimeout: 75_000,
      connectionsCheckingInterval: 5_000,
    })
    for (const begun of [
      "GET /healthz/live HTTP/1.1\r\nHost: x\r\nX-Slow: ",
      "GET /healthz/live HT",
      "GET /healthz/live HTTP/1.1\r\nHost: x\r\n",
    ]) {
      // Resolves when the server closes; nothing more is ever sent.
      const { status } = await exchange(url, begun)
      expect([begun, status]).toEqual([begun, 408])
    }
    await stillServes(url)
  })

  test("only in its body still gets its response at once, and is then cut off", async () => {
    const { url } = await open(preload)
    const { status, text } = await exchange(
      url,
      "GET /healthz/live HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nslow",
    )
    expect([status, text.includes('{"status":"live"}')]).toEqual([200, true])
    await stillServes(url)
  })
})

describe("malformed HTTP", () => {
  test("is refused, and the server keeps running", async () => {
    const { url, token, stderr } = await locked()
    const bearer = `Authorization: Bearer ${token}`
    const hostile: ReadonlyArray<readonly [bytes: string | Uint8Array, status: number]> = [
      // Two tokens: neither may count (RFC 9110 section 5.3).
      [request(list, [bearer, bearer]), 401],
      [request(list, [bearer, "Authorization: Bearer abc"]), 401],
      [request(list, ["Authorization: Bearer abc", bearer]), 401],
      [request(list, [bearer, "Authorization: Basic YTpi"]), 401],
      [request(list, ["Authorization:"]), 401],
      [Buffer.from(request(list, ["Authorization: Bearer tok\u00e9n\u00ff"]), "latin1"), 401],
      [Buffer.from(request(list, [`${bearer}\u2028`]), "utf8"), 401],
      [request(list, [`Authorization: Bearer ${token.slice(0, 40)}\r\n ${token.slice(40)}`]), 400],
      [request(list, [`Authorization: Bearer ${token.slice(0, 40)}\n${token.slice(40)}`]), 400],
      [request(list, [`Authorization: Bearer ${token.slice(0, 40)}\0${token.slice(40)}`]), 400],
      [request(list, ["Transfer-Encoding: chunked", "Content-Length: 5"]), 400],
      [request(list, ["Content-Length: 5", "Content-Length: 6"]), 400],
      // Two hosts (RFC 9112 section 3.2).
      [request(list, ["Host: other.example.org"]), 400],
      [request(list, ["host: proxy.example.org"]), 400],
      [`GET ${list} HTTP/1.1\r\nConnection: close\r\n\r\n`, 400],
      [`GET ${list} HTTP/9.9\r\nHost: x\r\n\r\n`, 400],
      ["\u0016\u0003\u0001\u0002\u0000\u0001", 400],
      ["hello\r\n\r\n", 400],
      [`GET ${list} HTTP/1.1\r\nHost: a b<script>\r\nConnection: close\r\n\r\n`, 400],
      [request("/api\\storage-resources/"), 400],
    ]
    for (const [bytes, expected] of hostile) {
      const shown = String(bytes).slice(0, 200)
      const { status, text } = await exchange(url, bytes)
      expect([shown, status]).toEqual([shown, expected])
      for (const part of token.split(".")) expect(text).not.toContain(part.slice(0, 40))
      await stillServes(url)
    }
    expect((await exchange(url, request(list, [bearer]))).status).toBe(200)
    expect(stderr()).not.toContain('"level":"ERROR"')
    for (const part of token.split(".")) expect(stderr()).not.toContain(part.slice(0, 40))
  })

  test("no spelling of a path bypasses the token", async () => {
    const { url } = await locked()
    const paths = [
      list,
      "/api/storage-resources",
      `${list}?`,
      `${list}#x`,
      "//api/storage-resources/",
      "/api//storage-resources/",
      "/api/./storage-resources/",
      "/docs/../api/storage-resources/",
      "/docs/%2e%2e/api/storage-resources/",
      "/docs/%2e%2e%2fapi/storage-resources/",
      "/healthz/live/../../api/storage-resources/",
      "/api%2fstorage-resources/",
      "/API/STORAGE-RESOURCES/",
      "/api/storage%2Dresources/",
      "/api/storage-resources/.",
      "/api/storage-resources/;x",
      "/api/storage-resources/%00",
      "/api/storage-resources/%zz",
      `http://proxy.example.org${list}`,
      `http://evil.example.org${list}`,
      `@evil.example.org${list}`,
    ]
    for (const path of paths) {
      for (const headers of [
        [],
        [`X-Original-URL: ${list}`, "X-HTTP-Method-Override: GET", "X-Forwarded-For: 127.0.0.1"],
      ]) {
        const { status, text } = await exchange(url, request(path, headers))
        expect([path, [400, 401, 404].includes(status)]).toEqual([path, true])
        expect(text).not.toContain("mountPoint")
      }
    }
    await stillServes(url)
  })
})

describe("methods and bodies", () => {
  test("only GET and HEAD are accepted", async () => {
    const { url, token } = await locked()
    const bearer = `Authorization: Bearer ${token}`
    const others = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "MKCOL", "REPORT"]
    for (const path of [list, "/healthz/live", "/healthz/ready", "/openapi.json", "/docs/"]) {
      for (const method of others) {
        const { status, headers, text } = await exchange(url, request(path, [bearer], method))
        expect([path, method, status, headers.get("allow")]).toEqual([path, method, 405, "GET, HEAD"])
        expect(text).not.toContain(token.slice(0, 40))
      }
    }
    // Node supports neither.
    expect((await exchange(url, request(list, [bearer], "FROBNICATE"))).status).toBe(400)
    expect((await exchange(url, request("evil.example.org:443", [bearer], "CONNECT"))).text).not.toContain(" 200 ")
    await stillServes(url)
  })

  test("HEAD has the headers of GET, and no body", async () => {
    const { url, token } = await locked()
    const bearer = `Authorization: Bearer ${token}`
    for (const [headers, status] of [
      [[bearer], 200],
      [[], 401],
    ] as const) {
      const head = await exchange(url, request(list, headers, "HEAD"))
      expect([head.status, head.body]).toEqual([status, ""])
      const get = await exchange(url, request(list, headers))
      expect(head.headers.get("www-authenticate")).toBe(get.headers.get("www-authenticate"))
      expect(head.headers.get("link")).toBe(get.headers.get("link"))
    }
  })

  test("a body is ignored, whatever its type", async () => {
    const { url, token } = await locked()
    const bearer = `Authorization: Bearer ${token}`
    const form = `access_token=${token}`
    const typed = (type: string, body: string) => [`Content-Type: ${type}`, `Content-Length: ${body.length}`]
    const form401 = await exchange(url, request(list, typed("application/x-www-form-urlencoded", form)) + form)
    // A token in the body or the query is ignored (RFC 6750 section 2 lets a server choose; RFC 9700 section 4.3.2).
    expect([form401.status, form401.headers.get("www-authenticate")]).toEqual([401, "Bearer"])
    expect((await exchange(url, request(`${list}?access_token=${token}`))).status).toBe(401)
    expect((await exchange(url, request(list, [`Cookie: access_token=${token}`]))).status).toBe(401)
    const plain = (await exchange(url, request(list, [bearer]))).body
    for (const [headers, body] of [
      [typed("application/json", '{"page":'), '{"page":'],
      [typed("multipart/form-data", "x".repeat(100_000)), "x".repeat(100_000)],
      [["Transfer-Encoding: chunked"], "5\r\npage=\r\n0\r\n\r\n"],
      [["Content-Encoding: gzip", "Content-Length: 3"], "abc"],
    ] as const) {
      const { status, body: received } = await exchange(url, request(list, [bearer, ...headers]) + body)
      expect([headers, status]).toEqual([headers, 200])
      expect(received).toBe(plain)
    }
    await stillServes(url)
  })

  test("idle connections do not block other callers", async () => {
    const { url } = await open()
    const { hostname, port } = new URL(url)
    const silent = Array.from({ length: 200 }, () => connect(Number(port), hostname))
    onTestFinished(() => {
      for (const socket of silent) socket.destroy()
    })
    for (const socket of silent) socket.on("error", () => {})
    await until(() => silent.every(({ pending }) => !pending))
    await stillServes(url)
    expect((await fetch(`${url}${list}`)).status).toBe(200)
  })
})

/** One response of each kind. */
const kinds: ReadonlyArray<readonly [path: string, method: string, status: number]> = [
  [list, "GET", 200],
  [`${list}?debug=true`, "GET", 200],
  [`${list}?page=0`, "GET", 422],
  [list, "POST", 405],
  ["/nothing", "GET", 404],
  ["/healthz/live", "GET", 200],
  ["/healthz/ready", "HEAD", 200],
  ["/openapi.json", "GET", 200],
  ["/favicon.svg", "GET", 200],
  ["/docs", "GET", 302],
  ["/docs/", "GET", 200],
  ["/docs/swagger-ui-bundle.js", "GET", 200],
]

describe("headers", () => {
  test("for browsers are on every response, errors included, and no response identifies the software", async () => {
    const { url, token, sandbox } = await locked()
    const bearer = `Authorization: Bearer ${token}`
    await until(async () => (await fetch(`${url}/healthz/ready`)).status === 200)
    const expectHeaders = (headers: ReadonlyMap<string, string>) => {
      expect(headers.get("content-security-policy")).toMatch(/^default-src 'none'; .*frame-ancestors 'none'/)
      expect(headers.get("content-security-policy")).not.toMatch(/unsafe-eval|\*|script-src[^;]*unsafe/)
      expect(headers.get("x-content-type-options")).toBe("nosniff")
      expect(headers.get("x-frame-options")).toBe("DENY")
      expect(headers.get("referrer-policy")).toBe("no-referrer")
      expect(headers.get("cross-origin-resource-policy")).toBe("same-origin")
      expect(headers.get("strict-transport-security")).toMatch(/^max-age=\d{7,}/)
      for (const banner of ["server", "x-powered-by", "via", "set-cookie"]) expect(headers.has(banner)).toBe(false)
      expect([...headers.values()].join("\n")).not.toMatch(/hono|node/i)
    }
    for (const [path, method, expected] of kinds) {
      const { status, headers } = await exchange(url, request(path, [bearer], method))
      expect([path, method, status]).toEqual([path, method, expected])
      expectHeaders(headers)
    }
    const refused = await exchange(url, request(list))
    expect(refused.status).toBe(401)
    expectHeaders(refused.headers)
    await sandbox.issuer.rotateKeys()
    sandbox.faults.set("issuer", { status: 500 })
    sandbox.faults.set("waldur", { status: 403 })
    const foreign = await locked({ CSCS_KEYCLOAK_URL: sandbox.issuer.baseUrl })
    const unavailable = await exchange(foreign.url, request(list, [bearer]))
    expect(unavailable.status).toBe(503)
    expectHeaders(unavailable.headers)
    const failing = await serving([], { environment: environmentOf(sandbox) })
    const upstream = await exchange(failing.url, request(list))
    expect(upstream.status).toBe(502)
    expectHeaders(upstream.headers)
  })

  const origin = (name: string) => [`Origin: ${name}`]
  const preflight = (name: string) => [
    ...origin(name),
    "Access-Control-Request-Method: GET",
    "Access-Control-Request-Headers: authorization",
  ]
  const corsOf = (headers: ReadonlyMap<string, string>) =>
    [...headers.keys()].filter((name) => name.startsWith("access-control-"))

  test("that allow other origins are on no response by default", async () => {
    const { url } = await open()
    await until(async () => (await fetch(`${url}/healthz/ready`)).status === 200)
    for (const [path, method, status] of kinds) {
      const response = await exchange(url, request(path, origin("https://portal.example.org"), method))
      expect([path, method, response.status, corsOf(response.headers)]).toEqual([path, method, status, []])
    }
    for (const path of [list, "/healthz/live", "/openapi.json"]) {
      const response = await exchange(url, request(path, preflight("https://portal.example.org"), "OPTIONS"))
      expect([path, response.status, corsOf(response.headers)]).toEqual([path, 405, []])
    }
  })

  test("allow configured origins, and no others", async () => {
    const ours = ["https://portal.example.org", "http://localhost:3000"]
    const { url, token } = await locked({ CORS_ALLOWED_ORIGINS: ours.join(",") })
    const bearer = `Authorization: Bearer ${token}`
    for (const name of ours) {
      const asked = await exchange(url, request(list, preflight(name), "OPTIONS"))
      expect(asked.status).toBe(204)
      expect(asked.headers.get("access-control-allow-origin")).toBe(name)
      expect(asked.headers.get("access-control-allow-methods")).toBe("GET,HEAD")
      expect(asked.headers.get("access-control-allow-headers")).toBe(
        "Authorization,Cache-Control,If-None-Match,traceparent,tracestate,X-Request-Id",
      )
      // A refusal must be readable too, or a page cannot show the reason.
      for (const [headers, expected] of [
        [[bearer], 200],
        [[], 401],
      ] as const) {
        const response = await exchange(url, request(list, [...origin(name), ...headers]))
        expect(response.status).toBe(expected)
        expect(response.headers.get("access-control-allow-origin")).toBe(name)
        expect(response.headers.get("access-control-allow-credentials")).toBeUndefined()
        expect(response.headers.get("vary")).toMatch(/origin/i)
      }
    }
    for (const name of [
      "https://evil.example.org",
      "https://portal.example.org.evil.example.org",
      "https://portal.example.org:8443",
      "http://portal.example.org",
      "https://PORTAL.example.org",
      "https://evilportal.example.org",
      "null",
      "*",
      "",
    ]) {
      for (const bytes of [request(list, [...origin(name), bearer]), request(list, preflight(name), "OPTIONS")]) {
        const { headers } = await exchange(url, bytes)
        expect([name, headers.get("access-control-allow-origin")]).toEqual([name, undefined])
        expect(headers.get("vary")).toMatch(/origin/i)
      }
    }
  })
})
