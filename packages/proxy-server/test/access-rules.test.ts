import { Effect, Layer } from "effect"
import { describe, expect, test } from "vitest"
import { Authentication } from "../src/auth/authentication.ts"
import { Settings } from "../src/config/settings.ts"
import { aLockedProxy, discoveryPath, type LockedProxy } from "./a-locked-proxy.ts"
import { type Document, started } from "./a-proxy.ts"

/** The principal of a token, from the service itself; its clock is the real one. */
const principalOf = (proxy: LockedProxy, token: string) => {
  const settings = Layer.succeed(Settings)(proxy.settings)
  return Effect.runPromise(
    Effect.result(Authentication.use(({ authenticate }) => authenticate(`Bearer ${token}`))).pipe(
      Effect.provide(Authentication.layer.pipe(Layer.provide(settings))),
    ),
  )
}

describe("required roles", () => {
  const required = (...roles: ReadonlyArray<string>) => aLockedProxy({ auth: () => ({ required_roles: roles }) })
  const statusWith = async (proxy: LockedProxy, claims: Document) =>
    (await proxy.bearing(await proxy.sandbox.issuer.issueToken(claims))).status
  const realm = (...roles: ReadonlyArray<string>) => ({ realm_access: { roles } })
  const client = (id: string, ...roles: ReadonlyArray<string>) => ({ resource_access: { [id]: { roles } } })

  test("a token without one is 403, with no more detail than that", async () => {
    const proxy = await required("storage-reader")
    const token = await proxy.sandbox.issuer.issueToken(realm("another-role"))
    const { status, headers, text, json } = await proxy.bearing(token)
    expect([status, json]).toEqual([403, { detail: "The token lacks a required role", error: "AuthorizationError" }])
    expect(headers.get("www-authenticate")).toBe(
      'Bearer error="insufficient_scope", error_description="The token lacks a required role"',
    )
    expect(`${text}${[...headers]}`).not.toMatch(/storage-reader|127\.0\.0\.1/)
    const [line = ""] = proxy.logs.filter((one) => one.includes('"event":"role-missing"'))
    expect(JSON.parse(line).annotations).toMatchObject({ missing_roles: "storage-reader", azp: '"integrator"' })
    for (const part of token.split(".")) expect(proxy.logs.join("\n")).not.toContain(part)
  })

  test("a realm role must be one of the realm's, not of a client's", async () => {
    const proxy = await required("storage-reader")
    expect(await statusWith(proxy, realm("x", "storage-reader"))).toBe(200)
    for (const claims of [
      realm("Storage-Reader", "storage-reader2", "storage", ""),
      { ...realm(), ...client("storage-proxy", "storage-reader") },
      { realm_access: {} },
      { realm_access: undefined },
      { roles: ["storage-reader"], scope: "storage-reader" },
    ]) {
      expect([claims, await statusWith(proxy, claims)]).toEqual([claims, 403])
    }
  })

  test("a client role must be one of that client's, not of another's", async () => {
    const proxy = await required("storage-proxy:reader")
    expect(await statusWith(proxy, client("storage-proxy", "reader"))).toBe(200)
    for (const claims of [
      client("storage-proxy", "writer", "storage-proxy:reader"),
      client("account", "reader"),
      { resource_access: { "storage-proxy": { roles: ["writer"] }, account: { roles: ["reader"] } } },
      { ...realm("reader"), resource_access: {} },
      { resource_access: undefined },
      { resource_access: { "storage-proxy": {} } },
    ]) {
      expect([claims, await statusWith(proxy, claims)]).toEqual([claims, 403])
    }
  })

  test("every required role is needed", async () => {
    const proxy = await required("one", "storage-proxy:two", "three")
    const two = client("storage-proxy", "two")
    expect(await statusWith(proxy, { ...realm("three", "one"), ...two })).toBe(200)
    expect(await statusWith(proxy, { ...realm("one"), ...two })).toBe(403)
    expect(await statusWith(proxy, realm("one", "three"))).toBe(403)
    expect(await statusWith(proxy, realm())).toBe(403)
  })

  test("names that every JavaScript object has are not roles", async () => {
    const proxy = await required("__proto__:admin", "constructor:name")
    const claims = { resource_access: JSON.parse('{"__proto__":{"__proto__":{"roles":["admin"]}}}') }
    expect(await statusWith(proxy, claims)).toBe(403)
  })

  test("a bad token is 401 before any role is checked", async () => {
    const proxy = await required("storage-reader")
    const { issuer } = proxy.sandbox
    expect((await proxy.bearing(await issuer.issueToken(realm("storage-reader"), { key: "unknown" }))).status).toBe(401)
    expect(await statusWith(proxy, { ...realm("x"), aud: "account" })).toBe(401)
  })
})

describe("audiences", () => {
  test("each of several opens the list, and the client id alone then does not", async () => {
    const proxy = await aLockedProxy({ auth: () => ({ audience: ["https://storage.example.org", "storage-readers"] }) })
    const { issuer } = proxy.sandbox
    for (const [aud, status] of [
      ["storage-readers", 200],
      [["https://storage.example.org"], 200],
      [["account", "storage-readers"], 200],
      ["https://storage.example.org/", 401],
      ["storage-proxy", 401],
    ] as const) {
      expect([aud, (await proxy.bearing(await issuer.issueToken({ aud }))).status]).toEqual([aud, status])
    }
  })

  test("the proxy does not start if none is configured", async () => {
    await expect(aLockedProxy({ auth: () => ({ keycloak_client_id: undefined }) })).rejects.toThrow(
      /keycloak_client_id/,
    )
  })
})

describe("an issuer whose public name is not its address", () => {
  const publicName = "https://auth.example.org/realms/cscs"
  const behind = () =>
    aLockedProxy({
      auth: () => ({ issuer: publicName }),
      prepare: ({ faults, issuer }) =>
        faults.set("issuer", { path: discoveryPath, body: { json: { issuer: publicName, jwks_uri: issuer.jwksUrl } } }),
    })

  test("is reached at its address, and its tokens carry its public name", async () => {
    const proxy = await behind()
    const { issuer } = proxy.sandbox
    expect((await proxy.bearing(await issuer.issueToken({ iss: publicName }))).status).toBe(200)
    expect((await proxy.bearing(await issuer.issueToken())).json.detail).toBe("The token is from another issuer")
  })

  test("is not trusted if it reports another name", async () => {
    const proxy = await aLockedProxy({ auth: () => ({ issuer: publicName }) })
    const { issuer } = proxy.sandbox
    expect((await proxy.bearing(await issuer.issueToken({ iss: publicName }))).status).toBe(503)
    expect((await proxy.bearing(await issuer.issueToken())).status).toBe(401)
  })
})

describe("the principal of a token", () => {
  test("is its preferred_username, else its sub, else the client that it was issued to, in either mode", async () => {
    const now = Math.floor(Date.now() / 1000)
    for (const mode of ["jwt", "introspection"]) {
      const proxy = await aLockedProxy({ auth: () => ({ mode }) })
      // The issuer's clock stays at the start of the test's.
      const iat = mode === "jwt" ? now : Math.min(now, started / 1000)
      const times = { iat, exp: now + 86_400 * 365 }
      const issue = (claims: Document) => proxy.sandbox.issuer.issueToken({ ...times, ...claims })
      const named = await principalOf(proxy, await issue({}))
      expect(named).toMatchObject({ _tag: "Success", success: { name: "service-account-integrator" } })
      const token = await issue({ preferred_username: undefined, sub: "5a4db0c5-1111" })
      expect(await principalOf(proxy, token)).toMatchObject({ _tag: "Success", success: { name: "5a4db0c5-1111" } })
      const empty = await issue({ preferred_username: "", sub: "5a4db0c5-1111" })
      expect(await principalOf(proxy, empty)).toMatchObject({ _tag: "Success", success: { name: "5a4db0c5-1111" } })
      // Keycloak 25 and later, without the scope `basic`.
      const client = await issue({ preferred_username: undefined, sub: undefined })
      expect(await principalOf(proxy, client)).toMatchObject({ _tag: "Success", success: { name: "integrator" } })
      const older = await issue({ preferred_username: undefined, sub: undefined, azp: undefined, client_id: "older" })
      expect(await principalOf(proxy, older)).toMatchObject({ _tag: "Success", success: { name: "older" } })
      const nameless = await issue({ preferred_username: " ", sub: "", azp: "", client_id: "\u200b" })
      expect(await principalOf(proxy, nameless)).toMatchObject({ _tag: "Failure", failure: { _tag: "TokenInvalid" } })
    }
  })
})
