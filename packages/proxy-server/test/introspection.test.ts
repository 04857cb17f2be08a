import { generateKeyPairSync } from "node:crypto"
import type { Fault, MockResponse } from "@cscs/sandbox"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect, test } from "vitest"
import { Authentication } from "../src/auth/authentication.ts"
import { Settings } from "../src/config/settings.ts"
import {
  aLockedProxy,
  discoveryPath,
  introspectionPath,
  type LockedProxy,
  type LockedProxyOptions,
} from "./a-locked-proxy.ts"
import { type Got, started, testClock, until } from "./a-proxy.ts"

const introspecting = (options: LockedProxyOptions = {}) =>
  aLockedProxy({ ...options, auth: (sandbox) => ({ mode: "introspection", ...options.auth?.(sandbox) }) })

const statusOf = async (answer: Promise<Got>) => (await answer).status

const expectUnavailable = ({ status, headers, text, json }: Got, proxy: LockedProxy) => {
  expect([status, Object.keys(json), json.error]).toEqual([503, ["detail", "error"], "AuthenticationUnavailable"])
  expect(Number(headers.get("retry-after"))).toBeGreaterThan(0)
  expect(text).not.toMatch(/127\.0\.0\.1|http|realms|storage-proxy/)
  expect(proxy.logs.join("\n")).not.toContain(proxy.sandbox.issuer.audience.clientSecret)
}

/** The issuer's own response, overridden with these members. */
const answering = (members: object): Fault => ({
  path: introspectionPath,
  rewrite: (answer: MockResponse) => ({
    ...answer,
    body: Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(answer.body).toString()), ...members })),
  }),
})

describe("an introspected token", () => {
  test("opens the list if it is active; the request authenticates as our client, with the token in the body", async () => {
    const proxy = await introspecting()
    const { issuer } = proxy.sandbox
    const token = await issuer.issueToken()
    expect(await statusOf(proxy.bearing(token))).toBe(200)
    const [call] = proxy.sandbox.calls.of("issuer").filter(({ path }) => path === introspectionPath)
    expect(call?.method).toBe("POST")
    expect(Object.fromEntries(new URLSearchParams(call?.body))).toEqual({
      client_id: issuer.audience.clientId,
      client_secret: issuer.audience.clientSecret,
      token,
    })
    expect(call?.query.toString()).toBe("")
    expect(proxy.keyFetches()).toBe(0)
  })

  test("opens the list even if it is not a JWT", async () => {
    const proxy = await introspecting()
    const { issuer } = proxy.sandbox
    issuer.settings.tokenFormat = "opaque"
    const { clientId: client_id, clientSecret: client_secret } = issuer.integrator
    const answer = await fetch(issuer.tokenUrl, {
      method: "POST",
      body: new URLSearchParams({ grant_type: "client_credentials", client_id, client_secret }),
    })
    const { access_token: token } = (await answer.json()) as { access_token: string }
    expect(token).not.toContain(".")
    expect(await statusOf(proxy.bearing(token))).toBe(200)
  })

  test("is 401 if it is inactive, unknown, expired, forged or for another client", async () => {
    const proxy = await introspecting()
    const { issuer } = proxy.sandbox
    const revoked = await issuer.issueToken()
    issuer.revokeTokens()
    const tokens = [
      revoked,
      "abcdefghijkl",
      "abc.def.ghi",
      await issuer.issueToken({}, { expiresIn: -1 }),
      await issuer.issueToken({}, { key: "unknown" }),
      await issuer.issueToken({}, { alg: "none" }),
      await issuer.issueToken({ aud: ["account"] }),
    ]
    for (const token of tokens) {
      const { status, headers, text, json } = await proxy.bearing(token)
      expect([status, Object.keys(json)]).toEqual([401, ["detail", "error", "help"]])
      expect(headers.get("www-authenticate")).toBe(
        'Bearer error="invalid_token", error_description="The token is not active"',
      )
      for (const part of token.split(".").filter((one) => one.length > 5)) {
        expect(text).not.toContain(part)
        for (const line of proxy.logs) expect(line).not.toContain(part)
      }
    }
    expect(proxy.logs.filter((line) => line.includes('"event":"token-refused"')).length).toBe(tokens.length)
  })

  test("that is refused without asking the issuer is logged as such", async () => {
    const proxy = await introspecting()
    const { issuer } = proxy.sandbox
    await proxy.bearing(await issuer.issueToken({}, { expiresIn: -1000 }))
    await proxy.bearing("abcdefghijkl")
    const refused = proxy.logs.filter((line) => line.includes('"event":"token-refused"'))
    expect(refused[0]).toContain("expired; the issuer was not asked")
    expect(refused[1]).toContain("the issuer does not report it as active")
  })

  test("is checked as a JWT is: another kind, another audience, from the future, without a role", async () => {
    const cases = [
      [{ typ: "ID" }, 401, "The token is not a bearer access token"],
      [{ typ: "Refresh" }, 401, "The token is not a bearer access token"],
      [{ aud: ["account"], azp: "x", client_id: "x" }, 401, "The token is for another audience"],
      [{ iat: 4_000_000_000 }, 401, "The token is from the future"],
      [{ nbf: 4_000_000_000 }, 401, "The token is not yet valid"],
      [{ exp: undefined }, 401, "The token lacks a valid claim exp"],
      [{ exp: started / 1000 - 30 }, 401, "The token is expired"],
      [{ iss: "https://evil.example.org/realms/cscs" }, 401, "The token is from another issuer"],
      [{ cnf: { jkt: "0ZcOCORZNYy" } }, 401, "The token is bound to a key and is not a bearer token"],
      [{ cnf: { "x5t#S256": "bwcK0esc3A" } }, 401, "The token is bound to a key and is not a bearer token"],
      [{ token_type: "DPoP" }, 401, "The token is bound to a key and is not a bearer token"],
      [{ at_hash: "x", typ: undefined }, 401, "The token is not a bearer access token"],
      [{ preferred_username: "", username: "", sub: " ", azp: "", client_id: "" }, 401, "The token contains no name"],
      [{ realm_access: { roles: [] } }, 403, "The token lacks a required role"],
    ] as const
    for (const [members, status, detail] of cases) {
      const proxy = await introspecting({
        auth: () => ({ required_roles: ["uma_authorization"] }),
        prepare: ({ faults }) => faults.set("issuer", answering(members)),
      })
      const got = await proxy.bearing(await proxy.sandbox.issuer.issueToken())
      expect([members, got.status, got.json.detail]).toEqual([members, status, detail])
    }
  })

  test("is introspected once for many concurrent callers", async () => {
    const proxy = await introspecting({
      prepare: ({ faults }) => faults.set("issuer", { path: introspectionPath, latencyMs: 40 }),
    })
    const token = await proxy.sandbox.issuer.issueToken()
    const answers = await Promise.all(Array.from({ length: 50 }, () => statusOf(proxy.bearing(token))))
    expect(new Set(answers)).toEqual(new Set([200]))
    expect(proxy.introspections()).toBe(1)
  })

  test("is introspected again after a minute, so that a revoked one is then refused", async () => {
    const proxy = await introspecting()
    const { issuer } = proxy.sandbox
    const token = await issuer.issueToken({}, { expiresIn: 86_400 })
    expect(await statusOf(proxy.bearing(token))).toBe(200)
    issuer.revokeTokens()
    await proxy.pass("59999 millis")
    expect(await statusOf(proxy.bearing(token))).toBe(200)
    expect(proxy.introspections()).toBe(1)
    await proxy.pass("1 millis")
    expect(await statusOf(proxy.bearing(token))).toBe(401)
    expect(proxy.introspections()).toBe(2)
    // An inactive token is cached as long: repeating it causes no requests.
    expect(await statusOf(proxy.bearing(token))).toBe(401)
    expect(proxy.introspections()).toBe(2)
  })

  test("is introspected again when it has expired, however young the response is", async () => {
    const proxy = await introspecting()
    const token = await proxy.sandbox.issuer.issueToken({}, { expiresIn: 20 })
    expect(await statusOf(proxy.bearing(token))).toBe(200)
    await proxy.pass("19 seconds")
    expect(await statusOf(proxy.bearing(token))).toBe(200)
    expect(proxy.introspections()).toBe(1)
    await proxy.pass("1 second")
    expect(await statusOf(proxy.bearing(token))).toBe(401)
    expect(proxy.introspections()).toBe(2)
  })
})

/** A token that any caller can send. */
const junk = (index: number) => `junk-${index}-${"x".repeat(40)}`
const manyJunk = (proxy: LockedProxy, count: number, from = 0) =>
  Promise.all(Array.from({ length: count }, (_, index) => statusOf(proxy.bearing(junk(from + index)))))
const forgers = generateKeyPairSync("rsa", { modulusLength: 2048 })

describe("junk tokens", () => {
  test.each([429, 500, 503])(
    "for which the issuer returns %i do not prevent a good one from being checked",
    async (status) => {
      const proxy = await introspecting({
        prepare: ({ faults }) => faults.set("issuer", { path: introspectionPath, status, times: 10 }),
      })
      for (let index = 0; index < 10; index++) expect(await statusOf(proxy.bearing(junk(index)))).toBe(503)
      expect(await statusOf(proxy.bearing(await proxy.sandbox.issuer.issueToken()))).toBe(200)
    },
  )

  test("are introspected less often when the issuer returns 429, and a token that it signed goes ahead of them", async () => {
    const proxy = await introspecting({
      prepare: ({ faults }) => faults.set("issuer", { path: introspectionPath, status: 429 }),
    })
    for (let index = 0; index < 100; index++) expect(await statusOf(proxy.bearing(junk(index)))).toBe(503)
    const asked = proxy.introspections()
    expect(asked).toBeLessThan(30)
    proxy.sandbox.faults.clear()
    expect(await statusOf(proxy.bearing(await proxy.sandbox.issuer.issueToken()))).toBe(200)
    expect(await statusOf(proxy.bearing(junk(101)))).toBe(503)
    expect(proxy.introspections()).toBe(asked + 1)
    // After a while without a 429, all are introspected again.
    await proxy.pass("31 seconds")
    expect(await manyJunk(proxy, 50, 200)).toEqual(Array(50).fill(401))
  })

  test("for which the issuer takes long leave room for those that it signed; forged ones are not introspected", async () => {
    const proxy = await introspecting({
      prepare: ({ faults }) => faults.set("issuer", { path: introspectionPath, hang: true, times: 4 }),
    })
    const { issuer } = proxy.sandbox
    const hanging = manyJunk(proxy, 4)
    await until(() => proxy.introspections() === 4)
    const waiting = manyJunk(proxy, 100, 10)
    const [{ kid = "" } = {}] = (
      (await (await fetch(issuer.jwksUrl)).json()) as { keys: ReadonlyArray<{ kid: string; use: string }> }
    ).keys.filter(({ use }) => use === "sig")
    const forged = await issuer.issueToken({}, { kid, key: forgers.privateKey })
    expect(await statusOf(proxy.bearing(forged))).toBe(401)
    expect(proxy.introspections()).toBe(4)
    const good = await issuer.issueToken()
    expect(await Promise.all([good, good].map((token) => statusOf(proxy.bearing(token))))).toEqual([200, 200])
    expect(proxy.introspections()).toBe(5)
    // Every wait ends: five seconds for a turn, or for the issuer.
    await proxy.pass("5 seconds")
    expect(await hanging).toEqual([503, 503, 503, 503])
    for (const status of await proxy.hurried(waiting)) expect([401, 503]).toContain(status)
  })

  test("that name another issuer or have expired are not introspected", async () => {
    const proxy = await introspecting()
    const { issuer } = proxy.sandbox
    const tokens = [
      await issuer.issueToken({ iss: "https://evil.example.org" }),
      await issuer.issueToken({}, { expiresIn: -31 }),
    ]
    for (const token of tokens) {
      const got = await proxy.bearing(token)
      expect([got.status, got.json.detail]).toEqual([401, "The token is not active"])
    }
    expect(proxy.introspections()).toBe(0)
  })

  test("do not evict cached good ones", async () => {
    const proxy = await introspecting()
    const good = await proxy.sandbox.issuer.issueToken()
    expect(await statusOf(proxy.bearing(good))).toBe(200)
    await manyJunk(proxy, 500)
    proxy.sandbox.faults.set("issuer", { path: introspectionPath, status: 429 })
    expect(await statusOf(proxy.bearing(good))).toBe(200)
  })
})

test("an introspection result counts for a minute even if the wall clock is set back meanwhile", async () => {
  const proxy = await introspecting()
  const { issuer } = proxy.sandbox
  const token = await issuer.issueToken({}, { expiresIn: 7_200 })
  let wallAhead = 0
  const settings = Layer.succeed(Settings)(proxy.settings)
  const verdicts = Effect.gen(function* () {
    const { authenticate } = yield* Authentication
    const verdict = Effect.map(Effect.result(authenticate(`Bearer ${token}`)), ({ _tag }) => _tag)
    const first = yield* verdict
    issuer.revokeTokens()
    wallAhead = -3_600_000
    yield* TestClock.adjust("61 seconds")
    return [first, yield* verdict]
  })
  const layer = Layer.provideMerge(
    Authentication.layer.pipe(Layer.provide(settings)),
    testClock(() => wallAhead),
  )
  expect(await Effect.runPromise(Effect.provide(verdicts, layer))).toEqual(["Success", "Failure"])
})

describe("an issuer that cannot be queried", () => {
  test("because of a wrong client secret is 503, not the caller's fault", async () => {
    const proxy = await introspecting({ auth: () => ({ keycloak_client_secret: "a-wrong-secret" }) })
    expectUnavailable(await proxy.bearing(await proxy.sandbox.issuer.issueToken()), proxy)
    expect(proxy.logs.some((line) => line.includes('"event":"request-failed"'))).toBe(true)
    for (const line of proxy.logs) expect(line).not.toContain("a-wrong-secret")
  })

  test("because it is down is 503, and the next request succeeds when it is back", async () => {
    for (const fault of [{ reset: true }, { status: 500 }, { status: 429 }, { status: 302 }] satisfies Array<Fault>) {
      const proxy = await introspecting({
        prepare: ({ faults }) => faults.set("issuer", { path: introspectionPath, ...fault }),
      })
      const token = await proxy.sandbox.issuer.issueToken()
      expectUnavailable(await proxy.bearing(token), proxy)
      proxy.sandbox.faults.clear()
      // A failure is not cached.
      expect(await statusOf(proxy.bearing(token))).toBe(200)
    }
  })

  test("leaves its results of the last minute valid", async () => {
    const proxy = await introspecting()
    const token = await proxy.sandbox.issuer.issueToken()
    expect(await statusOf(proxy.bearing(token))).toBe(200)
    proxy.sandbox.faults.set("issuer", { status: 500 })
    expect(await statusOf(proxy.bearing(token))).toBe(200)
    await proxy.pass("1 minute")
    expectUnavailable(await proxy.bearing(token), proxy)
  })

  test("because it never responds is 503 after five seconds", async () => {
    const proxy = await introspecting({
      prepare: ({ faults }) => faults.set("issuer", { path: introspectionPath, hang: true }),
    })
    const open = proxy.bearing(await proxy.sandbox.issuer.issueToken())
    await until(() => proxy.introspections() === 1)
    await proxy.pass("5 seconds")
    expectUnavailable(await open, proxy)
  })

  test("because its metadata never arrive is 503, and they are not requested again for another second", async () => {
    const proxy = await introspecting({
      prepare: ({ faults }) => faults.set("issuer", { path: discoveryPath, hang: true }),
    })
    const discoveries = () => proxy.sandbox.calls.of("issuer").filter(({ path }) => path === discoveryPath).length
    const open = proxy.bearing("opaque")
    await until(() => discoveries() === 1)
    await proxy.pass("5 seconds")
    expectUnavailable(await open, proxy)
    proxy.sandbox.faults.clear()
    expectUnavailable(await proxy.bearing("another"), proxy)
    await proxy.pass("999 millis")
    expectUnavailable(await proxy.bearing("another"), proxy)
    expect(discoveries()).toBe(1)
    await proxy.pass("1 millis")
    expect(await statusOf(proxy.bearing("another"))).toBe(401)
  })

  test("because its metadata contains no such endpoint is 503, until it does", async () => {
    const proxy = await introspecting({
      prepare: ({ faults, issuer }) =>
        faults.set("issuer", { path: discoveryPath, body: { json: { issuer: issuer.url } } }),
    })
    const token = await proxy.sandbox.issuer.issueToken()
    expectUnavailable(await proxy.bearing(token), proxy)
    proxy.sandbox.faults.clear()
    await proxy.pass("1 second")
    expect(await statusOf(proxy.bearing(token))).toBe(200)
  })

  const junkResponses: ReadonlyArray<readonly [name: string, fault: Fault]> = [
    ["HTML", { body: "html" }],
    ["half of the JSON", { body: "truncated" }],
    ["bytes that are not text", { body: "garbage" }],
    ["nothing", { body: "empty" }],
    ["half, then the end of the connection", { truncate: true }],
    ["65 MB", { oversizeBytes: 65 * 1024 * 1024 }],
    ["a list", { body: { json: [] } }],
    ["null", { body: { json: null } }],
    ["an empty object", { body: { json: {} } }],
    ["active as a text", answering({ active: "true" })],
    ["active as a number", answering({ active: 1 })],
    ["active as null", answering({ active: null })],
  ]
  test.each(junkResponses)("because its response is junk is 503, not 500: %s", async (_, fault) => {
    const proxy = await introspecting({
      prepare: ({ faults }) => faults.set("issuer", { path: introspectionPath, ...fault }),
    })
    expectUnavailable(await proxy.bearing(await proxy.sandbox.issuer.issueToken()), proxy)
  })

  test("that reports a token of junk claims as active opens nothing, and is never 500", async () => {
    const deep: unknown = JSON.parse(`${"[".repeat(3000)}${"]".repeat(3000)}`)
    const all = [{ aud: 5 }, { aud: deep, azp: "x" }, { realm_access: "admin" }, { exp: "never" }, { sub: {} }]
    for (const members of all) {
      const proxy = await introspecting({ prepare: ({ faults }) => faults.set("issuer", answering(members)) })
      expect([401, 503]).toContain(await statusOf(proxy.bearing(await proxy.sandbox.issuer.issueToken())))
      for (const line of proxy.logs) expect(line.length).toBeLessThan(2000)
    }
  })
})
