import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { readTokenGrant, readTokenRefusal } from "../src/token-response.ts"

describe("the token endpoint's response", () => {
  it("grants a bearer token in any letter case, with its lifetime as number or text", () => {
    const grant = readTokenGrant({ access_token: "t", token_type: "bearer", expires_in: 300 })
    assert.strictEqual(grant && Redacted.value(grant.accessToken), "t")
    assert.strictEqual(grant?.expiresIn, 300)
    assert.strictEqual(readTokenGrant({ access_token: "t", token_type: "BEARER", expires_in: "60" })?.expiresIn, 60)
    assert.isUndefined(readTokenGrant({ access_token: "t", token_type: "Bearer" })?.expiresIn)
  })

  it.each([
    [null, undefined],
    [0, undefined],
    [-1, undefined],
    [-1e300, undefined],
    ["-5", undefined],
    [1e300, 86_400],
    ["9e99", 86_400],
    [0.5, 0.5],
  ])("with expires_in %j grants a token with the lifetime %j", (returned, life) => {
    const grant = readTokenGrant({ access_token: "t", token_type: "Bearer", expires_in: returned })
    assert.isDefined(grant)
    assert.strictEqual(grant?.expiresIn, life)
  })

  it.each([
    [null],
    [{}],
    [{ access_token: "", token_type: "Bearer" }],
    [{ access_token: "t" }],
    [{ access_token: "t", token_type: "DPoP" }],
    [{ access_token: "t", token_type: "Bearer", expires_in: "soon" }],
  ])("that is %j grants nothing", (body) => {
    assert.isUndefined(readTokenGrant(body))
  })

  it("has the OAuth error of a refusal, if any", () => {
    assert.deepStrictEqual(readTokenRefusal('{"error":"invalid_client","error_description":"no"}'), {
      error: "invalid_client",
      errorDescription: "no",
    })
    assert.deepStrictEqual(readTokenRefusal('{"error":"invalid_scope"}'), { error: "invalid_scope" })
    assert.isUndefined(readTokenRefusal("<html>"))
    assert.isUndefined(readTokenRefusal('{"detail":"no"}'))
  })
})
