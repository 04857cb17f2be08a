import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Sandbox } from "@cscs/sandbox"
import { describe, expect, onTestFinished, test } from "vitest"
import { reasonOf, refusalReasons, TokenInvalid } from "../src/auth/refusals.ts"
import { aLockedProxy, discoveryPath, introspectionPath, jwksPath, type LockedProxy } from "./a-locked-proxy.ts"
import { type Document, until } from "./a-proxy.ts"

const refusedBy = async (proxy: LockedProxy): Promise<ReadonlyMap<string, number>> =>
  new Map(
    [
      ...(await proxy.get("/metrics")).text.matchAll(
        /^storage_proxy_refused_tokens_total\{reason="([^"]*)"\} (\d+)$/gm,
      ),
    ].map(([, reason = "", count]) => [reason, Number(count)]),
  )

const issuerOf = async (proxy: LockedProxy) => (await proxy.ready()).json.upstreams.issuer

describe("refused tokens", () => {
  test("are counted by reason, with a series for each reason from the start", async () => {
    const proxy = await aLockedProxy({ auth: () => ({ required_roles: ["reader"] }) })
    const { issuer } = proxy.sandbox
    const before = await refusedBy(proxy)
    expect([...before.keys()].sort()).toEqual([...refusalReasons].sort())
    const good = await issuer.issueToken()
    await proxy.asking()
    await proxy.asking("Basic YTpi")
    await proxy.bearing("a b")
    await proxy.bearing("abc")
    await proxy.bearing(await issuer.issueToken({ iss: "https://other.example.org/realms/cscs" }))
    await proxy.bearing(await issuer.issueToken({ aud: "another", azp: "another" }))
    await proxy.bearing(await issuer.issueToken({ typ: "ID" }))
    await proxy.bearing(await issuer.issueToken({}, { expiresIn: -60 }))
    await proxy.bearing(good)
    await proxy.bearing(`${good.slice(0, -8)}AAAAAAAA`)
    await proxy.bearing(await issuer.issueToken({ realm_access: { roles: ["reader"] } }))
    const after = await refusedBy(proxy)
    const grown = [...after].map(([reason, count]) => [reason, count - (before.get(reason) ?? 0)] as const)
    expect(Object.fromEntries(grown.filter(([, count]) => count > 0))).toEqual({
      "no-token": 2,
      "not-a-token": 1,
      malformed: 1,
      "other-issuer": 1,
      "other-audience": 1,
      "other-kind": 1,
      expired: 1,
      role: 1,
      signature: 1,
    })
  })

  test("have reasons that no token can influence, and descriptions that are valid in a header", () => {
    for (const fault of refusalReasons) {
      if (fault === "no-token" || fault === "role" || fault === "issuer") continue
      const refusal = new TokenInvalid({ fault, log: {} })
      expect([fault, reasonOf(refusal)]).toEqual([fault, fault])
      expect(refusal.description).toMatch(/^[ !#-[\]-~]+$/)
    }
  })

  test("cause a warning of readiness if five in a row are refused with none accepted; the next good token ends it", async () => {
    const proxy = await aLockedProxy()
    const { issuer } = proxy.sandbox
    const warnings = async () => (await proxy.ready()).json.warnings.filter((one: string) => one.includes("token"))
    const other = await issuer.issueToken({ aud: "another", azp: "another" })
    for (const _ of [1, 2, 3, 4]) await proxy.bearing(other)
    for (const _ of [1, 2, 3, 4]) await proxy.asking()
    expect(await warnings()).toEqual([])
    await proxy.pass("10 seconds")
    await proxy.bearing(other)
    expect(await warnings()).toEqual([
      "no access token has been accepted since 2026-11-23T09:00:00.000Z: 5 were refused, the last as other-audience; the log has each (Token refused)",
    ])
    expect((await proxy.bearing(await issuer.issueToken())).status).toBe(200)
    expect(await warnings()).toEqual([])
  })
})

/** Speaks HTTP on a port that should speak TLS. */
const aPlainServer = async () => {
  const server = createServer((_, response) => response.end("{}"))
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => void server.close())
  return { server, port: (server.address() as AddressInfo).port }
}

/** A port that nothing listens on any more. */
const aClosedPort = async () => {
  const { server, port } = await aPlainServer()
  server.close()
  await once(server, "close")
  return port
}

const wrongIssuers: ReadonlyArray<
  readonly [string, (sandbox: Sandbox, ports: { closed: number; plain: number }) => Document, string]
> = [
  [
    "a host that has no address",
    () => ({ keycloak_url: "http://keycloak.invalid/" }),
    "discovery: its host name does not resolve",
  ],
  [
    "a port that refuses connections",
    (_, { closed }) => ({ keycloak_url: `http://127.0.0.1:${closed}/` }),
    "discovery: no connection",
  ],
  [
    "a server without TLS",
    (_, { plain }) => ({ keycloak_url: `https://127.0.0.1:${plain}/` }),
    "discovery: its certificate is refused, or it does not speak TLS",
  ],
  ["a missing realm", () => ({ keycloak_realm: "nowhere" }), "discovery: responded with 404"],
  [
    "another name than the issuer's own",
    () => ({ issuer: "https://auth.example.org/realms/cscs" }),
    "discovery: the issuer's name differs from the configured one",
  ],
]

describe.each(["jwt", "introspection"])(
  "with mode %s readiness names a misconfigured issuer as soon as a token arrives:",
  (mode) => {
    test.each(wrongIssuers)("%s", async (_, auth, detail) => {
      const ports = { closed: await aClosedPort(), plain: (await aPlainServer()).port }
      const proxy = await aLockedProxy({ auth: (sandbox) => ({ mode, ...auth(sandbox, ports) }) })
      expect(await issuerOf(proxy)).toEqual({ status: "unknown" })
      const { status } = await proxy.bearing(await proxy.sandbox.issuer.issueToken())
      expect(status).toBe(401)
      await until(async () => (await issuerOf(proxy)).status === "failing")
      expect(await issuerOf(proxy)).toEqual({ status: "failing", detail, since: "2026-11-23T09:00:00.000Z" })
    })

    test("a missing issuer is looked for once in half a minute, however many tokens arrive, until it is there", async () => {
      const proxy = await aLockedProxy({
        auth: () => ({ mode, issuer: "https://auth.example.org/realms/cscs" }),
        prepare: ({ faults }) => faults.set("issuer", { path: discoveryPath, status: 500 }),
      })
      const token = await proxy.sandbox.issuer.issueToken()
      const looks = () => proxy.sandbox.calls.of("issuer").filter(({ path }) => path === discoveryPath).length
      for (const expected of [1, 2]) {
        for (const _ of [1, 2, 3]) await proxy.bearing(token)
        await until(() => looks() === expected)
        await proxy.pass("29 seconds")
        await proxy.bearing(token)
        expect(looks()).toBe(expected)
        await proxy.pass("1 second")
      }
    })
  },
)

describe("readiness names an issuer", () => {
  test.each([
    ["without any key", []],
    ["with keys for encryption only", [{ kty: "RSA", use: "enc", kid: "a", n: "AQAB", e: "AQAB" }]],
    ["with symmetric keys only", [{ kty: "oct", kid: "a", k: "c2VjcmV0" }]],
  ])("%s, since the first fetch", async (_, keys) => {
    const proxy = await aLockedProxy({
      prepare: ({ faults }) => faults.set("issuer", { path: jwksPath, body: { json: { keys } } }),
    })
    const token = await proxy.sandbox.issuer.issueToken()
    for (const _ of [1, 2]) {
      expect((await proxy.bearing(token)).status).toBe(401)
      await proxy.pass("31 seconds")
    }
    expect(await issuerOf(proxy)).toEqual({
      status: "failing",
      detail: "keys: none of them can check a signature",
      since: "2026-11-23T09:00:00.000Z",
    })
  })

  test("whose metadata contains no URL of its keys, which is fetched again until it does", async () => {
    const { sandbox, ...proxy } = await aLockedProxy({
      prepare: ({ faults, issuer }) =>
        faults.set("issuer", { path: discoveryPath, body: { json: { issuer: issuer.url } } }),
    })
    const token = await sandbox.issuer.issueToken()
    expect((await proxy.bearing(token)).status).toBe(503)
    expect(await issuerOf({ sandbox, ...proxy })).toMatchObject({
      detail: "discovery: its metadata contains no usable jwks_uri",
    })
    sandbox.faults.clear()
    expect((await proxy.bearing(token)).status).toBe(503)
    await proxy.pass("1 second")
    expect((await proxy.bearing(token)).status).toBe(200)
    expect(await issuerOf({ sandbox, ...proxy })).toEqual({ status: "ok" })
  })

  test("whose circuit breaker is open, with the failure that opened it", async () => {
    const proxy = await aLockedProxy({
      prepare: ({ faults }) => faults.set("issuer", { path: discoveryPath, status: 503 }),
    })
    const token = await proxy.sandbox.issuer.issueToken()
    for (const _ of [1, 2, 3, 4]) {
      await proxy.bearing(token)
      await proxy.pass("1001 millis")
    }
    const breaker = (await proxy.get("/metrics")).text.match(/breaker_state\{upstream="issuer"\} (\d)/)?.[1]
    expect([breaker, (await issuerOf(proxy)).detail]).toEqual(["2", "discovery: responded with 503"])
  })

  test("that hangs, for keys, metadata and introspection", async () => {
    for (const [mode, path, what] of [
      ["jwt", discoveryPath, "discovery"],
      ["jwt", jwksPath, "keys"],
      ["introspection", introspectionPath, "introspection"],
    ] as const) {
      const proxy = await aLockedProxy({
        auth: () => ({ mode }),
        prepare: ({ faults }) => faults.set("issuer", { path, hang: true }),
      })
      const open = proxy.bearing(await proxy.sandbox.issuer.issueToken())
      await until(() => proxy.sandbox.calls.of("issuer").some((call) => call.path === path))
      await proxy.pass("5 seconds")
      expect((await open).status).toBe(503)
      expect(await issuerOf(proxy)).toMatchObject({ status: "failing", detail: `${what}: no response in time` })
    }
  })
})
