import type { Fault, MockResponse } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { aLockedProxy, discoveryPath, jwksPath, type LockedProxy } from "./a-locked-proxy.ts"
import { type Any, asked, type Got, until } from "./a-proxy.ts"

const statusOf = async (answer: Promise<Got>) => (await answer).status

const expectUnavailable = ({ status, headers, text, json }: Got, proxy: LockedProxy) => {
  expect([status, Object.keys(json)]).toEqual([503, ["detail", "error"]])
  expect(json.error).toBe("AuthenticationUnavailable")
  expect(Number(headers.get("retry-after"))).toBeGreaterThan(0)
  expect(headers.get("www-authenticate")).toBeNull()
  expect(text).not.toMatch(/127\.0\.0\.1|http|realms|localhost/)
  expect(
    proxy.logs.some((line) => line.includes('"event":"request-failed"') && line.includes("IssuerUnavailable")),
  ).toBe(true)
}

/** Waits until everything that the last request started has ended. */
const settled = async (proxy: LockedProxy) => {
  await until(() => proxy.sandbox.calls.inFlight("issuer") === 0)
  await proxy.pass(0)
}

describe("readiness of the issuer", () => {
  test("is unknown before the first token, failing with its reason while it does not respond, then ok", async () => {
    const proxy = await aLockedProxy({
      prepare: ({ faults }) => faults.set("issuer", { path: /certs/, status: 500, body: "html" }),
    })
    const health = async () => (await proxy.ready()).json.upstreams.issuer
    expect(await health()).toEqual({ status: "unknown" })
    const token = await proxy.sandbox.issuer.issueToken()
    expect(await statusOf(proxy.bearing(token))).toBe(503)
    const failing = await health()
    expect(failing).toEqual({ status: "failing", detail: "keys: responded with 500", since: expect.any(String) })
    await proxy.pass("6 seconds")
    expect(await statusOf(proxy.bearing(token))).toBe(503)
    expect(await health()).toEqual(failing)
    proxy.sandbox.faults.clear()
    await proxy.pass("6 seconds")
    expect(await statusOf(proxy.bearing(token))).toBe(200)
    expect(await health()).toEqual({ status: "ok" })
  })

  test("quotes nothing of the issuer's response, its issuer included", async () => {
    const proxy = await aLockedProxy({
      prepare: ({ faults }) =>
        faults.set("issuer", {
          path: /well-known/,
          status: 200,
          body: { json: { issuer: "https://quoted.example.org" } },
        }),
    })
    expect(await statusOf(proxy.bearing(await proxy.sandbox.issuer.issueToken()))).toBe(503)
    const { json, text } = await proxy.ready()
    expect(json.upstreams.issuer.status).toBe("failing")
    expect(text).not.toContain("quoted")
  })
})

describe("the issuer's keys", () => {
  test("are not requested before the first token, and the issuer may be down at startup", async () => {
    const proxy = await aLockedProxy({
      prepare: ({ faults }) => faults.set("issuer", { path: /realms.*(known|certs)/, reset: true }),
    })
    expect(await statusOf(proxy.get("/healthz/live"))).toBe(200)
    await until(async () => (await proxy.ready()).status === 200)
    expect(await statusOf(proxy.asking())).toBe(401)
    expect(await statusOf(proxy.asking("Bearer a b"))).toBe(401)
    expect(asked(proxy.sandbox, "issuer").filter((call) => call.startsWith("GET"))).toEqual([])
  })

  test("are cached: no request fetches them again, nor the issuer's metadata", async () => {
    const proxy = await aLockedProxy()
    const { issuer } = proxy.sandbox
    const tokens = await Promise.all(Array.from({ length: 20 }, () => issuer.issueToken()))
    expect(await Promise.all(tokens.map((token) => statusOf(proxy.bearing(token))))).toEqual(tokens.map(() => 200))
    for (const token of tokens) expect(await statusOf(proxy.bearing(token))).toBe(200)
    await proxy.pass("9 minutes")
    for (const token of [await issuer.issueToken(), await issuer.issueToken()]) {
      expect(await statusOf(proxy.bearing(token))).toBe(200)
    }
    expect(asked(proxy.sandbox, "issuer").filter((call) => call.startsWith("GET"))).toEqual([
      `GET ${discoveryPath}?`,
      `GET ${jwksPath}?`,
    ])
  })

  test("are fetched for an unknown key id at most every 30 seconds, from whatever caller", async () => {
    const proxy = await aLockedProxy()
    const { issuer } = proxy.sandbox
    expect(await statusOf(proxy.bearing(await issuer.issueToken()))).toBe(200)
    const flood = async () => {
      const tokens = await Promise.all(
        Array.from({ length: 20 }, (_, index) => issuer.issueToken({}, { key: "unknown", kid: `unknown-${index}` })),
      )
      expect(new Set(await Promise.all(tokens.map((token) => statusOf(proxy.bearing(token)))))).toEqual(new Set([401]))
    }
    await flood()
    expect(proxy.keyFetches()).toBe(1)
    await proxy.pass("29 seconds")
    await flood()
    expect(proxy.keyFetches()).toBe(1)
    await proxy.pass("1 second")
    await flood()
    await flood()
    expect(proxy.keyFetches()).toBe(2)
    await proxy.pass("29999 millis")
    await flood()
    expect(proxy.keyFetches()).toBe(2)
  })

  test("are fetched when a token has a new one, for that token and those that come with it", async () => {
    const proxy = await aLockedProxy()
    const { issuer } = proxy.sandbox
    const old = await issuer.issueToken()
    expect(await statusOf(proxy.bearing(old))).toBe(200)
    await proxy.pass("30 seconds")
    await issuer.rotateKeys({ keepOld: true })
    const slow = proxy.sandbox.faults.set("issuer", { path: jwksPath, latencyMs: 30 })
    const tokens = await Promise.all(Array.from({ length: 10 }, () => issuer.issueToken()))
    expect(new Set(await Promise.all(tokens.map((token) => statusOf(proxy.bearing(token)))))).toEqual(new Set([200]))
    slow.clear()
    expect(proxy.keyFetches()).toBe(2)
    // The old ones are still published.
    expect(await statusOf(proxy.bearing(old))).toBe(200)
  })

  test("are refused after the next fetch if the issuer withdrew them", async () => {
    const proxy = await aLockedProxy()
    const { issuer } = proxy.sandbox
    const old = await issuer.issueToken({}, { expiresIn: 86_400 })
    expect(await statusOf(proxy.bearing(old))).toBe(200)
    await proxy.pass("30 seconds")
    await issuer.rotateKeys()
    expect(await statusOf(proxy.bearing(old))).toBe(200)
    expect(await statusOf(proxy.bearing(await issuer.issueToken()))).toBe(200)
    expect(await statusOf(proxy.bearing(old))).toBe(401)
  })

  test("are refused after ten minutes, while requests come, if the issuer withdrew them", async () => {
    const proxy = await aLockedProxy()
    const { issuer } = proxy.sandbox
    const old = await issuer.issueToken({}, { expiresIn: 86_400 })
    expect(await statusOf(proxy.bearing(old))).toBe(200)
    await issuer.rotateKeys()
    await proxy.pass("10 minutes")
    expect(await statusOf(proxy.bearing(old))).toBe(200)
    expect(proxy.keyFetches()).toBe(1)
    await proxy.pass("1 second")
    // This request finds that the keys are old; it does not wait for new ones.
    await proxy.bearing(old)
    await until(() => proxy.keyFetches() === 2)
    await settled(proxy)
    await until(async () => (await statusOf(proxy.bearing(old))) === 401)
    expect(proxy.keyFetches()).toBe(2)
  })

  test("that are known stay valid for hours while the issuer is down, and it is tried at most every 5 seconds", async () => {
    const proxy = await aLockedProxy()
    const { issuer } = proxy.sandbox
    const token = await issuer.issueToken({}, { expiresIn: 86_400 })
    expect(await statusOf(proxy.bearing(token))).toBe(200)
    for (const fault of [{ status: 500 }, { reset: true }] satisfies ReadonlyArray<Fault>) {
      proxy.sandbox.faults.set("issuer", fault)
      await proxy.pass("3 hours")
      const before = proxy.keyFetches()
      for (let request = 0; request < 10; request += 1) {
        expect(await statusOf(proxy.bearing(token))).toBe(200)
        await settled(proxy)
      }
      expect(proxy.keyFetches() - before).toBe(1)
      await proxy.pass("5 seconds")
      expect(await statusOf(proxy.bearing(token))).toBe(200)
      await until(() => proxy.keyFetches() - before === 2)
      await settled(proxy)
      proxy.sandbox.faults.clear()
    }
  })

  test("that are unknown while the issuer is down are 503, and it is tried at most every 5 seconds", async () => {
    const proxy = await aLockedProxy()
    const { issuer } = proxy.sandbox
    const known = await issuer.issueToken({}, { expiresIn: 3600 })
    expect(await statusOf(proxy.bearing(known))).toBe(200)
    await issuer.rotateKeys({ keepOld: true })
    const fresh = await issuer.issueToken({}, { expiresIn: 3600 })
    await proxy.pass("30 seconds")
    proxy.sandbox.faults.set("issuer", { status: 500 })
    for (let request = 0; request < 10; request += 1) expectUnavailable(await proxy.bearing(fresh), proxy)
    expect(proxy.keyFetches()).toBe(2)
    expect(await statusOf(proxy.bearing(known))).toBe(200)
    proxy.sandbox.faults.clear()
    await proxy.pass("5 seconds")
    expect(await statusOf(proxy.bearing(fresh))).toBe(200)
    expect(proxy.keyFetches()).toBe(3)
  })

  test("that are unknown while the issuer never responds are 503, and it is tried again 5 seconds after the timeout", async () => {
    const proxy = await aLockedProxy()
    const { issuer } = proxy.sandbox
    expect(await statusOf(proxy.bearing(await issuer.issueToken()))).toBe(200)
    await issuer.rotateKeys({ keepOld: true })
    await proxy.pass("30 seconds")
    const fresh = await issuer.issueToken({}, { expiresIn: 3600 })
    proxy.sandbox.faults.set("issuer", { path: jwksPath, hang: true })
    const open = proxy.bearing(fresh)
    await until(() => proxy.keyFetches() === 2)
    await proxy.pass("5 seconds")
    expectUnavailable(await open, proxy)
    proxy.sandbox.faults.clear()
    await proxy.pass("4999 millis")
    expectUnavailable(await proxy.bearing(fresh), proxy)
    expect(proxy.keyFetches()).toBe(2)
    await proxy.pass("1 millis")
    expect(await statusOf(proxy.bearing(fresh))).toBe(200)
  })
})

const withBody = (body: string | Uint8Array, type = "application/json"): Fault => ({
  rewrite: (answer: MockResponse) => ({
    ...answer,
    headers: new Headers({ "Content-Type": type }),
    body: typeof body === "string" ? Buffer.from(body) : body,
  }),
})
const withKeys = (change: (keys: ReadonlyArray<Any>) => unknown): Fault => ({
  rewrite: (answer: MockResponse) => ({
    ...answer,
    body: Buffer.from(JSON.stringify({ keys: change(JSON.parse(Buffer.from(answer.body).toString()).keys) })),
  }),
})

const junk: ReadonlyArray<readonly [name: string, fault: Fault, status: 200 | 401 | 503]> = [
  ["a page of HTML", { body: "html" }, 503],
  ["no JSON", withBody("keys: none"), 503],
  ["half of the JSON", { body: "truncated" }, 503],
  ["bytes that are not text", { body: "garbage" }, 503],
  ["nothing", { body: "empty" }, 503],
  ["half, then the end of the connection", { truncate: true }, 503],
  ["a list", withBody("[]"), 503],
  ["null", withBody("null"), 503],
  ["an object without keys", withBody("{}"), 503],
  ["keys that are an object", withKeys(() => ({ 0: {} })), 503],
  ["keys that are not objects", withKeys(() => [1, "key", null]), 503],
  ["a good key beside junk", withKeys((keys) => [...keys, null]), 503],
  ["65 MB", { oversizeBytes: 65 * 1024 * 1024 }, 503],
  ["500", { status: 500 }, 503],
  ["401", { status: 401 }, 503],
  ["204", { status: 204, body: "empty" }, 503],
  ["a reset connection", { reset: true }, 503],
  [
    "a redirect to other keys",
    { status: 302, headers: { Location: "/realms/cscs/protocol/openid-connect/certs?" } },
    503,
  ],
  ["no keys at all", withKeys(() => []), 401],
  ["keys of empty objects", withKeys(() => [{}, {}]), 401],
  ["keys of junk members", withKeys((keys) => keys.map((key) => ({ ...key, n: 5, e: {} }))), 401],
  ["a modulus that is not a number", withKeys((keys) => keys.map((key) => ({ ...key, n: "*" }))), 401],
  ["a key that is too short to be safe", withKeys((keys) => keys.map((key) => ({ ...key, n: "AQAB" }))), 401],
  ["keys of an unknown type", withKeys((keys) => keys.map((key) => ({ ...key, kty: "quantum" }))), 401],
  [
    "symmetric keys",
    withKeys((keys) => keys.map(({ kid }) => ({ kty: "oct", kid, k: "c2VjcmV0", alg: "HS256" }))),
    401,
  ],
  ["the key twice under its id", withKeys((keys) => [...keys, ...keys]), 401],
  ["keys for encryption only", withKeys((keys) => keys.filter(({ use }) => use === "enc")), 401],
  ["the key without an id", withKeys((keys) => keys.map(({ kid: _, ...key }) => key)), 401],
  [
    "the key before a thousand of another kind",
    withKeys((keys) => [...keys, ...Array.from({ length: 1000 }, () => ({ kty: "oct", kid: "x", k: "AAAA" }))]),
    200,
  ],
  ["the key with unknown members", withKeys((keys) => keys.map((key) => ({ ...key, x5c: 5, "": {} }))), 200],
]

describe("a JWKS document that is junk is never 500, and the proxy recovers by itself:", () => {
  test.each(junk)("%s", async (_, fault, expected) => {
    const proxy = await aLockedProxy({ prepare: ({ faults }) => faults.set("issuer", { path: jwksPath, ...fault }) })
    const token = await proxy.sandbox.issuer.issueToken()
    const got = await proxy.bearing(token)
    expect(got.status).toBe(expected)
    if (expected === 503) expectUnavailable(got, proxy)
    if (expected === 401) expect(Object.keys(got.json)).toEqual(["detail", "error", "help"])
    // A token that no key could verify is 401 or 503 too.
    expect([401, 503]).toContain((await proxy.bearing("abc.def.ghi")).status)
    proxy.sandbox.faults.clear()
    // Keys without a usable one are replaced like others: for an unknown key id, or by age.
    if (expected === 401) {
      await proxy.pass("601 seconds")
      await proxy.bearing(token)
      await settled(proxy)
    }
    const later = await proxy.sandbox.issuer.issueToken()
    await until(async () => {
      const { status } = await proxy.bearing(later)
      // If a fetch of keys (503) or the first refresh (502) failed when the clock was moved on, the next one comes
      // after a pause, and the clock does not move.
      if (status >= 500) await proxy.pass("5 seconds")
      return status === 200
    })
    for (const line of proxy.logs) for (const part of token.split(".")) expect(line).not.toContain(part)
  })

  test("one that never arrives is given up after five seconds", async () => {
    for (const hang of [true, "mid-body"] as const) {
      const proxy = await aLockedProxy({ prepare: ({ faults }) => faults.set("issuer", { path: jwksPath, hang }) })
      const token = await proxy.sandbox.issuer.issueToken()
      const open = proxy.bearing(token)
      await until(() => proxy.keyFetches() === 1)
      await proxy.pass("5 seconds")
      expectUnavailable(await open, proxy)
    }
  })
})

describe("the issuer's metadata", () => {
  const wrong: ReadonlyArray<readonly [name: string, fault: Fault]> = [
    ["a page of HTML", { body: "html" }],
    ["500", { status: 500 }],
    ["404, as of a missing realm", { status: 404 }],
    ["a redirect", { status: 301, headers: { Location: "http://127.0.0.1:1/" } }],
    ["another issuer's", withBody('{"issuer":"https://evil.example.org","jwks_uri":"https://evil.example.org/keys"}')],
    ["no issuer", withBody('{"jwks_uri":"https://evil.example.org/keys"}')],
    ["a list", withBody("[]")],
    ["half of the JSON", { body: "truncated" }],
    ["a reset connection", { reset: true }],
  ]
  test.each(wrong)("%s: 503, and requested again after a second", async (_, fault) => {
    const proxy = await aLockedProxy({
      prepare: ({ faults }) => faults.set("issuer", { path: discoveryPath, ...fault }),
    })
    const token = await proxy.sandbox.issuer.issueToken()
    const discoveries = () => asked(proxy.sandbox, "issuer").filter((call) => call.includes(discoveryPath)).length
    for (let request = 0; request < 5; request += 1) expectUnavailable(await proxy.bearing(token), proxy)
    expect(discoveries()).toBe(1)
    proxy.sandbox.faults.clear()
    await proxy.pass("1 second")
    expect(await statusOf(proxy.bearing(token))).toBe(200)
    expect(discoveries()).toBe(2)
  })

  test("that contain no usable jwks_uri are 503", async () => {
    for (const uri of [undefined, 5, "", "certs", "file:///etc/passwd", "javascript:0", "http://127.0.0.1:1/certs"]) {
      const proxy = await aLockedProxy({
        prepare: ({ faults }) => {
          faults.set("issuer", {
            path: discoveryPath,
            rewrite: (answer) => {
              const metadata = JSON.parse(Buffer.from(answer.body).toString())
              return { ...answer, body: Buffer.from(JSON.stringify({ ...metadata, jwks_uri: uri })) }
            },
          })
        },
      })
      expectUnavailable(await proxy.bearing(await proxy.sandbox.issuer.issueToken()), proxy)
    }
  })

  test("that never arrive are given up after five seconds, and a later request succeeds", async () => {
    const proxy = await aLockedProxy({
      prepare: ({ faults }) => faults.set("issuer", { path: discoveryPath, hang: true }),
    })
    const token = await proxy.sandbox.issuer.issueToken()
    const open = proxy.bearing(token)
    await until(() => proxy.sandbox.calls.of("issuer").some(({ path }) => path === discoveryPath))
    await proxy.pass("5 seconds")
    expectUnavailable(await open, proxy)
    proxy.sandbox.faults.clear()
    await proxy.pass("1 second")
    expect(await statusOf(proxy.bearing(token))).toBe(200)
  })
})
