import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Keycloak, type RunningProxy, realmUser, secondRealmUser, startKeycloak } from "@cscs/harness"
import { buildWorld, type Sandbox, startSandbox } from "@cscs/sandbox"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openPage, pollNow, startBrowser, startServing } from "./browser.ts"

/** A token's lifetime in seconds, and the milliseconds after which the page has renewed it. */
const lifetime = 600
const renewedAfter = 0.81 * 1000 * lifetime

let [browser, sandbox, keycloak, proxy]: [Browser, Sandbox, Keycloak, RunningProxy] = [] as never
beforeAll(async () => {
  sandbox = await startSandbox({ world: buildWorld({ edgeCases: false, resources: 20 }) })
  ;[browser, keycloak] = await Promise.all([startBrowser(), startKeycloak()])
  proxy = await startServing(sandbox, {
    authentication: true,
    isReady: false,
    environment: {
      CSCS_KEYCLOAK_URL: keycloak.url,
      CSCS_KEYCLOAK_REALM: "cscs",
      CSCS_KEYCLOAK_CLIENT_ID: "storage-proxy",
      AUTH_REQUIRED_ROLES: "storage-reader",
      EXPLORER_CLIENT_ID: "storage-explorer",
    },
  })
  await runDocumentedCommands()
  await keycloak.admin.setAccessTokenLifespan(lifetime)
})
afterAll(async () => {
  await browser?.close()
  await proxy?.stop("SIGKILL")
  await Promise.all([keycloak?.stop(), sandbox?.close()])
})

/** Runs the commands of docs/explorer.md, which create the client and give ada the role. */
const runDocumentedCommands = async () => {
  const page = await readFile(new URL("../../../docs/explorer.md", import.meta.url), "utf8")
  const commands = /```bash\n(KEYCLOAK=[\s\S]*?)```/.exec(page)?.[1] ?? ""
  const here = { "https://auth.example.org": keycloak.url, "https://proxy.example.org": proxy.url }
  const directory = await mkdtemp(join(tmpdir(), "kcadm-"))
  await keycloak.runScript(
    Object.entries(here).reduce((script, [documented, actual]) => script.replace(documented, actual), commands),
    directory,
  )
  await rm(directory, { recursive: true })
}

const openSignedOut = async (query = ""): Promise<Page> => {
  const page = await openPage(browser, proxy.url, { allowed: [keycloak.url] })
  await page.clock.install()
  await page.goto(`/explorer/${query}`)
  await page.getByRole("button", { name: "Sign in" }).waitFor()
  return page
}
const signIn = async (page: Page, { username, password } = realmUser as { username: string; password: string }) => {
  await page.getByRole("button", { name: "Sign in" }).click()
  await page.getByLabel("Username").fill(username)
  await page.locator('input[name="password"]').fill(password)
  await page.getByRole("button", { name: "Sign In", exact: true }).click()
}
const isGrant = (response: { url(): string; request(): { method(): string } }) =>
  response.url().endsWith("/token") && response.request().method() === "POST"

describe("the explorer's sign-in at Keycloak, with the documented client", () => {
  it("returns to the same place, renews the token before it expires, and signs out at Keycloak too", async () => {
    const page = await openSignedOut("?status=active")
    await signIn(page)
    await page.waitForURL(/\/explorer\/\?status=active$/)
    await page.getByRole("treegrid").waitFor()
    const kept = await page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
    )
    expect(kept).toBe('[{},{},""]')

    const grant = page.waitForResponse(isGrant)
    await page.clock.fastForward(renewedAfter)
    expect((await grant).status()).toBe(200)
    await pollNow(page)
    await page.getByRole("treegrid").waitFor()

    await page.getByRole("button", { name: "Sign out" }).click()
    await page.waitForURL(/\/explorer\/$/)
    await page.getByRole("button", { name: "Sign in" }).click()
    await page.getByLabel("Username").waitFor()
  })

  it("shows no data after Keycloak ends the session, and offers to sign in again", async () => {
    const page = await openSignedOut()
    await signIn(page)
    await page.getByRole("treegrid").waitFor()
    await keycloak.admin.logOut(realmUser.username)
    await page.clock.fastForward(renewedAfter)
    await page.getByText("The session has ended").waitFor()
    expect(await page.getByRole("treegrid").count()).toBe(0)
    await signIn(page)
    await page.getByRole("treegrid").waitFor()
  })

  it("shows no data to a user without the required role, and lets another user sign in", async () => {
    const page = await openSignedOut()
    await signIn(page, secondRealmUser)
    await page.getByText(/does not have access. The token lacks a required role.*Ask an operator/).waitFor()
    expect(await page.getByRole("treegrid").count()).toBe(0)
    await page.getByRole("button", { name: "Sign out" }).click()
    await page.waitForURL(/\/explorer\/$/)
    await signIn(page)
    await page.getByRole("treegrid").waitFor()
  })
})
