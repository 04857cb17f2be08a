import type { RunningProxy } from "@cscs/harness"
import { buildWorld, type Sandbox, startSandbox } from "@cscs/sandbox"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openPage, pollNow, startBrowser, startServing, violations } from "./browser.ts"

let [browser, sandbox, proxy, pasting]: [Browser, Sandbox, RunningProxy, RunningProxy] = [] as never
beforeAll(async () => {
  sandbox = await startSandbox({ world: buildWorld({ edgeCases: false, resources: 20 }) })
  const serving = (environment: Record<string, string>) =>
    startServing(sandbox, { authentication: true, isReady: false, environment })
  ;[browser, proxy, pasting] = await Promise.all([
    startBrowser(),
    serving({ EXPLORER_CLIENT_ID: "explorer", AUTH_REQUIRED_ROLES: "storage-reader" }),
    serving({ AUTH_DEBUG_ROLES: "storage-operator" }),
  ])
  const { publicClients, users } = sandbox.issuer.settings
  publicClients.set("explorer", [`${proxy.url}/explorer/`])
  users.set("operator", { realm_access: { roles: ["storage-reader"] } })
  users.set("guest", {})
})
afterAll(async () => {
  await browser?.close()
  await Promise.all([proxy?.stop("SIGKILL"), pasting?.stop("SIGKILL")])
  await sandbox?.close()
})

const openSignedOut = async (query = ""): Promise<Page> => {
  const page = await openPage(browser, proxy.url, { allowed: [new URL(sandbox.issuer.url).origin] })
  await page.goto(`/explorer/${query}`)
  await page.getByRole("button", { name: "Sign in" }).waitFor()
  return page
}
const signIn = async (page: Page, user: string) => {
  await page.getByRole("button", { name: "Sign in" }).click()
  await page.getByLabel("Username").fill(user)
  await page.getByRole("button", { name: "Sign In", exact: true }).click()
}
const grants = () =>
  sandbox.calls.of("issuer").filter(({ method, path }) => method === "POST" && path.endsWith("/token")).length

describe("the explorer's sign-in", () => {
  it("returns from the issuer to the same place, stores no token in the browser, and signs out at the issuer too", async () => {
    const page = await openSignedOut("?status=active")
    expect(await violations(page)).toEqual([])
    await signIn(page, "operator")
    await page.waitForURL(/\/explorer\/\?status=active$/)
    await page.getByRole("treegrid").waitFor()
    const kept = () =>
      page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]))
    expect(await kept()).toBe('[{},{},""]')
    await page.getByRole("button", { name: "Sign out" }).click()
    await page.getByRole("button", { name: "Sign in" }).click()
    await page.getByLabel("Username").waitFor()
  })

  it("renews the token before it expires", async () => {
    sandbox.issuer.settings.expiresIn = 2
    const page = await openSignedOut()
    const before = grants()
    await signIn(page, "operator")
    await page.getByRole("treegrid").waitFor()
    while (grants() < before + 3) await page.waitForResponse((response) => response.url().endsWith("/token"))
    await page.getByRole("treegrid").waitFor()
    sandbox.issuer.settings.expiresIn = 300
  })

  it("replaces a refused token without a new sign-in, as after the machine slept", async () => {
    const page = await openSignedOut()
    await signIn(page, "operator")
    await page.getByRole("treegrid").waitFor()
    const before = grants()
    const refusal = { status: 401, json: { detail: "The token is expired" } }
    await page.route("**/api/storage-resources/", (route) => route.fulfill(refusal), { times: 1 })
    const list = page.waitForResponse(
      (response) => response.url().includes("/api/storage-resources/") && response.status() !== 401,
    )
    await pollNow(page)
    await list
    expect(grants()).toBe(before + 1)
    await page.getByRole("treegrid").waitFor()
  })

  it("reports the end of the session if the issuer refuses to renew it", async () => {
    sandbox.issuer.settings.expiresIn = 2
    const page = await openSignedOut()
    await signIn(page, "operator")
    await page.getByRole("treegrid").waitFor()
    sandbox.issuer.revokeTokens()
    await page.getByText("The session has ended: Code not valid. Sign in again.").waitFor()
    expect(await page.getByRole("treegrid").count()).toBe(0)
    sandbox.issuer.settings.expiresIn = 300
  })

  it("shows no data to a user without the required role, and reports what to do", async () => {
    const page = await openSignedOut()
    await signIn(page, "guest")
    await page.getByText(/does not have access.*Ask an operator/).waitFor()
    expect(await violations(page)).toEqual([])
    expect(await page.getByRole("treegrid").count()).toBe(0)
    await page.getByRole("button", { name: "Sign out" }).click()
    await page.getByRole("button", { name: "Sign in" }).waitFor()
  })

  it("accepts a pasted token if no client is configured, and reports a refused one", async () => {
    const page = await openPage(browser, pasting.url)
    await page.goto("/explorer/")
    const paste = async (token: string) => {
      await page.getByLabel("Access token").fill(token)
      await page.getByRole("button", { name: "Show the list" }).click()
    }
    await paste(await sandbox.issuer.issueToken({}, { expiresIn: -3600 }))
    await page.getByText("The token was refused").waitFor()
    await paste(`Bearer ${await sandbox.issuer.issueToken()}`)
    await page.getByRole("treegrid").waitFor()
  })

  it("shows the list but neither problems nor explanations to a user without the role for debug mode", async () => {
    const openWith = async (roles: ReadonlyArray<string>) => {
      const page = await openPage(browser, pasting.url)
      await page.goto("/explorer/?view=problems")
      await page.getByLabel("Access token").fill(await sandbox.issuer.issueToken({ realm_access: { roles } }))
      await page.getByRole("button", { name: "Show the list" }).click()
      return page
    }
    const reader = await openWith([])
    await reader.getByText(/Skipped records and warnings cannot be shown. This account does not have access/).waitFor()
    await reader.getByText(/Ask an operator of the proxy for the required role/).waitFor()
    await reader.getByRole("button", { name: "Tree" }).click()
    await reader.locator(".level5").first().click()
    await reader.getByText(/The explanation is not available. This account does not have access/).waitFor()
    const operator = await openWith(["storage-operator"])
    await operator.getByText("No record is skipped or has a warning").waitFor()
  })
})
