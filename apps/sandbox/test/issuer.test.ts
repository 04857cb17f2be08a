import { createLocalJWKSet, createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose"
import { afterEach, beforeEach, expect, test } from "vitest"
import { type Sandbox, startSandbox } from "../src/index.ts"
import { serviceAccountClaims } from "../src/issuer-tokens.ts"
import { type ReadResponse, readResponse } from "./waldur-client.ts"

let sandbox: Sandbox
beforeEach(async () => {
  sandbox = await startSandbox()
})
afterEach(() => sandbox.close())

async function form(
  url: string,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<ReadResponse> {
  return readResponse(await fetch(url, { method: "POST", body: new URLSearchParams(fields), headers }))
}

const credentials = (of: { clientId: string; clientSecret: string }) => ({
  client_id: of.clientId,
  client_secret: of.clientSecret,
})
const introspect = (token: string, as = sandbox.issuer.audience) =>
  form(sandbox.issuer.introspectionUrl, { token, ...credentials(as) })
const verify = async (token: string) => {
  const keys = createLocalJWKSet((await readResponse(await fetch(sandbox.issuer.jwksUrl))).json)
  return jwtVerify(token, keys, { issuer: sandbox.issuer.url, audience: "storage-proxy", algorithms: ["RS256"] })
}

test("the mock issuer's discovery names the existing endpoints", async () => {
  const { json } = await readResponse(await fetch(sandbox.issuer.discoveryUrl))
  expect(json).toMatchObject({
    issuer: sandbox.issuer.url,
    token_endpoint: sandbox.issuer.tokenUrl,
    jwks_uri: sandbox.issuer.jwksUrl,
    introspection_endpoint: sandbox.issuer.introspectionUrl,
  })
  const other = sandbox.issuer.discoveryUrl.replace("/realms/cscs/", "/realms/other/")
  expect(await readResponse(await fetch(other))).toMatchObject({ status: 404, json: { error: "Realm does not exist" } })
})

test("the mock issuer's client credentials grant yields a token in Keycloak's format", async () => {
  sandbox.issuer.settings.expiresIn = 120
  const response = await form(sandbox.issuer.tokenUrl, {
    grant_type: "client_credentials",
    scope: "openid",
    ...credentials(sandbox.issuer.integrator),
  })
  expect(response.status).toBe(200)
  expect(response.json).toMatchObject({ token_type: "Bearer", expires_in: 120 })
  const { payload, protectedHeader } = await verify(response.json.access_token)
  expect(protectedHeader).toMatchObject({ alg: "RS256", typ: "JWT" })
  expect(payload).toMatchObject({
    typ: "Bearer",
    azp: "integrator",
    aud: ["storage-proxy", "account"],
    clientId: "integrator",
    client_id: "integrator",
    preferred_username: "service-account-integrator",
    realm_access: { roles: expect.any(Array) },
  })
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(120)
})

test("the mock issuer's token endpoint accepts Basic credentials, and returns 401 for wrong ones", async () => {
  const { clientId, clientSecret } = sandbox.issuer.integrator
  const basic = (secret: string) => ({ Authorization: `Basic ${btoa(`${clientId}:${secret}`)}` })
  const grant = { grant_type: "client_credentials" }
  expect((await form(sandbox.issuer.tokenUrl, grant, basic(clientSecret))).status).toBe(200)
  for (const response of [
    await form(sandbox.issuer.tokenUrl, grant, basic("wrong")),
    await form(sandbox.issuer.tokenUrl, { ...grant, client_id: clientId, client_secret: "wrong" }),
    await form(sandbox.issuer.tokenUrl, { ...grant, client_id: "unknown", client_secret: "" }),
  ]) {
    expect(response.status).toBe(401)
    expect(response.json.error).toBe("invalid_client")
  }
})

test("the mock issuer's token endpoint returns 400 for other grants, no grant and unknown scopes", async () => {
  const request = async (fields: Record<string, string>) => {
    const response = await form(sandbox.issuer.tokenUrl, { ...fields, ...credentials(sandbox.issuer.integrator) })
    return [response.status, response.json.error]
  }
  expect(await request({ grant_type: "password" })).toEqual([400, "unsupported_grant_type"])
  expect(await request({})).toEqual([400, "invalid_request"])
  expect(await request({ grant_type: "client_credentials", scope: "everything" })).toEqual([400, "invalid_scope"])
})

test("the mock issuer's JWKS contains a signing key and an encryption key", async () => {
  const { json } = await readResponse(await fetch(sandbox.issuer.jwksUrl))
  const uses = json.keys.map((key: { use: string; alg: string; kty: string }) => [key.use, key.alg, key.kty])
  expect(uses.sort()).toEqual([
    ["enc", "RSA-OAEP", "RSA"],
    ["sig", "RS256", "RSA"],
  ])
  expect(JSON.stringify(json)).not.toContain('"d":')
})

test("issueToken sets, replaces and removes claims", async () => {
  const token = await sandbox.issuer.issueToken({ aud: "account", azp: undefined, extra: 7 }, { expiresIn: -10 })
  const claims = decodeJwt(token)
  expect(claims).toMatchObject({ aud: "account", extra: 7 })
  expect(claims).not.toHaveProperty("azp")
  expect(claims.exp).toBeLessThan(Date.now() / 1000)
})

test("issueToken can sign tokens in every wrong way", async () => {
  const { issueToken } = sandbox.issuer
  await expect(verify(await issueToken())).resolves.toBeDefined()
  const none = await issueToken({}, { alg: "none" })
  expect(none.split(".")[2]).toBe("")
  const confused = await issueToken({}, { alg: "HS256" })
  expect(decodeProtectedHeader(confused).alg).toBe("HS256")
  const nameless = await issueToken({}, { kid: null, typ: "at+jwt" })
  expect(decodeProtectedHeader(nameless)).toEqual({ alg: "RS256", typ: "at+jwt" })
  for (const token of [
    none,
    confused,
    await issueToken({}, { key: "unknown" }),
    await issueToken({}, { key: "encryption" }),
    await issueToken({}, { kid: "unknown" }),
    await issueToken({}, { alg: "RS512" }),
  ]) {
    await expect(verify(token)).rejects.toThrow()
    expect((await introspect(token)).json).toEqual({ active: false })
  }
})

test("rotating the mock issuer's keys invalidates old tokens, unless the old keys stay published", async () => {
  const before = await sandbox.issuer.issueToken()
  const remote = createRemoteJWKSet(new URL(sandbox.issuer.jwksUrl))
  await jwtVerify(before, remote)
  await sandbox.issuer.rotateKeys({ keepOld: true })
  await verify(before)
  await sandbox.issuer.rotateKeys()
  await expect(verify(before)).rejects.toThrow()
  await verify(await sandbox.issuer.issueToken())
})

test("the mock issuer's introspection describes a valid token to its audience", async () => {
  const { status, json } = await introspect(await sandbox.issuer.issueToken())
  expect(status).toBe(200)
  expect(json).toMatchObject({
    active: true,
    client_id: "integrator",
    username: "service-account-integrator",
    iss: sandbox.issuer.url,
  })
  expect(json).not.toHaveProperty("clientId")
})

test("the mock issuer's introspection returns inactive to other audiences, and for garbage, expired and revoked tokens", async () => {
  const inactive = { active: false }
  const token = await sandbox.issuer.issueToken()
  expect((await introspect(token, sandbox.issuer.integrator)).json).toEqual(inactive)
  expect((await introspect(await sandbox.issuer.issueToken({ aud: "account" }))).json).toEqual(inactive)
  expect((await introspect("garbage")).json).toEqual(inactive)
  expect((await introspect("a.b.c")).json).toEqual(inactive)
  expect((await introspect(await sandbox.issuer.issueToken({}, { expiresIn: -1 }))).json).toEqual(inactive)
  sandbox.issuer.revokeTokens()
  expect((await introspect(token)).json).toEqual(inactive)
})

test("the mock issuer's introspection with a wrong secret returns 401", async () => {
  const response = await introspect("garbage", { clientId: "storage-proxy", clientSecret: "wrong" })
  expect(response.status).toBe(401)
})

test("clients whose names begin alike have different subjects", () => {
  const subject = (client: string) => serviceAccountClaims(client, sandbox.issuer.url, 0, 300).sub
  expect(subject("integrator-a")).not.toBe(subject("integrator-b"))
})
