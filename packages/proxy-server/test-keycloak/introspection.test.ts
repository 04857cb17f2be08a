import { realmUser } from "@cscs/harness"
import { describe, expect, test } from "vitest"
import { anIntrospectingProxy, type ProxyResponse } from "./a-guarded-proxy.ts"
import { aStage } from "./a-stage.ts"
import { clientToken, revoke, userTokens } from "./tokens.ts"

const stage = aStage()
const aProxy = (auth?: Readonly<Record<string, unknown>>) => anIntrospectingProxy(stage.sandbox, stage.keycloak, auth)

const expectNotActive = ({ status, headers, json }: ProxyResponse) => {
  expect([status, json.error, json.detail]).toEqual([401, "AuthenticationError", "The token is not active"])
  expect(headers.get("www-authenticate")).toBe(
    'Bearer error="invalid_token", error_description="The token is not active"',
  )
}

test("a client's token and a user's token open the list", async () => {
  const { keycloak } = stage
  const proxy = await aProxy()
  for (const token of [await clientToken(keycloak), (await userTokens(keycloak)).accessToken]) {
    const { status, json } = await proxy.list(token)
    expect([status, json.status]).toEqual([200, "success"])
  }
})

describe("a token that was valid", () => {
  test("is refused at once after its revocation if it has not been seen before", async () => {
    const { keycloak } = stage
    const proxy = await aProxy()
    const token = await clientToken(keycloak)
    await revoke(keycloak, token)
    expectNotActive(await proxy.list(token))
  })

  test("is refused at most a minute after its revocation if it has been seen before", async () => {
    const { keycloak } = stage
    const proxy = await aProxy()
    const token = await clientToken(keycloak)
    expect((await proxy.list(token)).status).toBe(200)
    await revoke(keycloak, token)
    expect((await proxy.list(token)).status).toBe(200)
    proxy.leap("1 minute")
    expectNotActive(await proxy.list(token))
  })

  test("is refused once its user is logged out", async () => {
    const { keycloak } = stage
    const proxy = await aProxy()
    const { accessToken } = await userTokens(keycloak)
    await keycloak.admin.logOut(realmUser.username)
    expectNotActive(await proxy.list(accessToken))
  })

  test("is refused once its key is withdrawn", async () => {
    const { keycloak } = stage
    const proxy = await aProxy()
    const token = await clientToken(keycloak)
    await keycloak.admin.rotateKeys()
    expectNotActive(await proxy.list(token))
    expect((await proxy.list(await clientToken(keycloak))).status).toBe(200)
  })
})

describe("the list refuses", () => {
  test("a token without our client in its aud, whatever its other claims", async () => {
    const foreign = await clientToken(stage.keycloak, "foreign")
    for (const audience of [["storage-proxy"], ["storage-proxy", "foreign"]]) {
      const proxy = await aProxy({ audience })
      expectNotActive(await proxy.list(foreign))
    }
  })

  test("a token of another realm, and a text that is no token", async () => {
    const proxy = await aProxy()
    expectNotActive(await proxy.list(await clientToken(stage.keycloak, "provisioner", "other")))
    expectNotActive(await proxy.list("none"))
  })

  test("a token of our own client that does not name it in its aud: Keycloak requires it there", async () => {
    const proxy = await aProxy()
    expectNotActive(await proxy.list(await clientToken(stage.keycloak, "storage-proxy")))
  })

  test("an ID token of our own client, which Keycloak reports as active", async () => {
    const proxy = await aProxy()
    const { idToken } = await userTokens(stage.keycloak, "storage-proxy")
    const { status, json } = await proxy.list(idToken)
    expect([status, json.detail]).toEqual([401, "The token is not a bearer access token"])
  })

  test("a refresh token of our own client", async () => {
    const proxy = await aProxy()
    expectNotActive(await proxy.list((await userTokens(stage.keycloak, "storage-proxy")).refreshToken))
  })

  test("a token without a required role", async () => {
    const token = await clientToken(stage.keycloak)
    expect((await (await aProxy({ required_roles: ["storage-proxy:list"] })).list(token)).status).toBe(200)
    const { status, headers } = await (await aProxy({ required_roles: ["storage-writer"] })).list(token)
    expect(status).toBe(403)
    expect(headers.get("www-authenticate")).toMatch(/^Bearer error="insufficient_scope"/)
  })
})

describe("a wrong secret of our own client", () => {
  const wrong = { keycloak_client_secret: "not-the-secret" }

  test("is not the token's fault: 503, and neither the response nor the log reveals too much", async () => {
    const proxy = await aProxy(wrong)
    const { status, headers, text, json } = await proxy.list(await clientToken(stage.keycloak))
    expect([status, json.error]).toEqual([503, "AuthenticationUnavailable"])
    expect(headers.get("retry-after")).toMatch(/^[1-9]\d*$/)
    expect(text).not.toContain(stage.keycloak.url)
    const errors = proxy.logs.filter((line) => line.includes('"level":"ERROR"'))
    expect(errors.map((line) => JSON.parse(line).annotations.error)).toEqual(["IssuerUnavailable"])
    expect(proxy.logs.join()).not.toContain("not-the-secret")
  })

  // Keycloak returns 401 {"error":"invalid_client"}: the operator should not have to guess it.
  test("can be recognised in the log", async () => {
    const proxy = await aProxy(wrong)
    await proxy.list(await clientToken(stage.keycloak))
    const errors = proxy.logs.filter((line) => line.includes('"level":"ERROR"'))
    expect(errors.join()).toMatch(/\b(401|invalid_client|unauthorized_client)\b/)
  })
})
