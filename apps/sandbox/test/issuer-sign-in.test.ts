import { createHash } from "node:crypto"
import { decodeJwt } from "jose"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Sandbox, startSandbox } from "../src/index.ts"

const page = "http://127.0.0.1:1/explorer/"
const verifier = "a".repeat(43)
const challenge = createHash("sha256").update(verifier).digest("base64url")

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox({ resources: 0 })
  sandbox.issuer.settings.publicClients.set("explorer", [page])
})
afterAll(() => sandbox.close())

const authorize = (change: Record<string, string> = {}, init: RequestInit = {}) => {
  const query = new URLSearchParams({
    client_id: "explorer",
    redirect_uri: page,
    response_type: "code",
    code_challenge: challenge,
    code_challenge_method: "S256",
    state: "s",
    nonce: "n",
    ...change,
  })
  const url = `${sandbox.issuer.url}/protocol/openid-connect/auth?${query}`
  return fetch(url, { redirect: "manual", ...init })
}
const asOperator = { method: "POST", body: new URLSearchParams({ username: "operator" }) }
const token = (form: Record<string, string>) =>
  fetch(sandbox.issuer.tokenUrl, {
    method: "POST",
    headers: { Origin: new URL(page).origin },
    body: new URLSearchParams({ client_id: "explorer", ...form }),
  })
const redeem = (code: string, code_verifier = verifier) =>
  token({ grant_type: "authorization_code", code, redirect_uri: page, code_verifier })
const codeIn = (response: Response) => new URL(response.headers.get("Location") ?? "").searchParams.get("code") ?? ""

describe("the mock issuer's sign-in", () => {
  it("asks for a user, and redirects to the client with a code that is valid once", async () => {
    expect(await (await authorize()).text()).toContain('name="username"')
    const code = codeIn(await authorize({}, asOperator))
    const response = await redeem(code)
    const tokens = (await response.json()) as Record<string, string>
    expect(response.headers.get("Access-Control-Allow-Origin")).toBe(new URL(page).origin)
    expect(decodeJwt(tokens.access_token ?? "")).toMatchObject({ azp: "explorer", preferred_username: "operator" })
    expect(decodeJwt(tokens.id_token ?? "")).toMatchObject({ aud: "explorer", nonce: "n", typ: "ID" })
    expect((await redeem(code)).status).toBe(400)
    const renewed = await token({ grant_type: "refresh_token", refresh_token: tokens.refresh_token ?? "" })
    expect(renewed.status).toBe(200)
  })

  it("refuses a wrong verifier, an unregistered redirect URI, and a request without PKCE", async () => {
    expect((await redeem(codeIn(await authorize({}, asOperator)), "b".repeat(43))).status).toBe(400)
    expect((await authorize({ redirect_uri: "http://127.0.0.1:2/" }, asOperator)).status).toBe(400)
    const plain = await authorize({ code_challenge_method: "plain" }, asOperator)
    expect(plain.headers.get("Location")).toContain("error=invalid_request")
  })

  it("refuses refresh tokens after a logout", async () => {
    const signedIn = await authorize({}, asOperator)
    const cookie = (signedIn.headers.get("Set-Cookie") ?? "").split(";")[0] ?? ""
    const tokens = (await (await redeem(codeIn(signedIn))).json()) as Record<string, string>
    const query = new URLSearchParams({ client_id: "explorer", post_logout_redirect_uri: page })
    const url = `${sandbox.issuer.url}/protocol/openid-connect/logout?${query}`
    const loggedOut = await fetch(url, { redirect: "manual", headers: { Cookie: cookie } })
    expect(loggedOut.headers.get("Location")).toBe(page)
    expect((await token({ grant_type: "refresh_token", refresh_token: tokens.refresh_token ?? "" })).status).toBe(400)
  })
})
