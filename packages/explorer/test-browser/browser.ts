import { existsSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { type RunningProxy, sandboxEnvironment, startProxy } from "@cscs/harness"
import type { Sandbox } from "@cscs/sandbox"
import axe from "axe-core"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { expect, onTestFinished } from "vitest"

/** Milliseconds to wait for an expected state: machines in CI are busy. */
const patience = 120_000

/** Debian's Chromium, or Chrome. Its own sandbox does not start as root. */
export const startBrowser = (): Promise<Browser> => {
  const folders = (process.env.PATH ?? "").split(delimiter)
  const executablePath = ["chromium", "google-chrome"]
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => existsSync(path))
  if (executablePath === undefined) throw new Error("chromium is not on the PATH: install Debian's package chromium")
  return chromium.launch({ executablePath, chromiumSandbox: process.getuid?.() !== 0, timeout: patience })
}

/** Starts a proxy that reads changes from Waldur at each request. */
export const startServing = (
  sandbox: Sandbox,
  { authentication = false, isReady = true, environment = {} }: ServingOptions = {},
): Promise<RunningProxy> =>
  startProxy({
    isReady,
    directory: mkdtempSync(join(tmpdir(), "explorer-")),
    environment: { ...sandboxEnvironment(sandbox, authentication), CACHE_FRESH_FOR: "0s", ...environment },
  })
interface ServingOptions {
  readonly authentication?: boolean
  readonly isReady?: boolean
  readonly environment?: Readonly<Record<string, string>>
}

/**
 * Opens a page. The test fails at its end if the page violated its content security policy, threw an error, or called
 * another origin.
 *
 * @param allowed other origins that the page may call
 */
export const openPage = async (
  browser: Browser,
  url: string,
  { allowed = [], ...options }: BrowserContextOptions & { allowed?: ReadonlyArray<string> } = {},
): Promise<Page> => {
  const context = await browser.newContext({ baseURL: url, acceptDownloads: true, ...options })
  context.setDefaultTimeout(patience)
  const problems: Array<string> = []
  const origins = [new URL(url).origin, ...allowed]
  context.on("request", (request) => {
    const { protocol, origin } = new URL(request.url())
    if (protocol.startsWith("http") && !origins.includes(origin)) problems.push(`request to ${request.url()}`)
  })
  await context.exposeFunction("reportViolation", (text: string) => problems.push(text))
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
      (window as unknown as { reportViolation(text: string): void }).reportViolation(
        `${violatedDirective} ${blockedURI}`,
      ),
    )
  })
  const page = await context.newPage()
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`))
  onTestFinished(async () => {
    await context.close()
    expect(problems).toEqual([])
  })
  return page
}

/** Makes the page poll now, as if the network were back, and waits for a list. */
export const pollNow = async (page: Page): Promise<void> => {
  const responded = page.waitForResponse((response) => response.url().includes("/api/storage-resources/"))
  await page.evaluate(() => dispatchEvent(new Event("online")))
  await responded
}

/** Accessibility violations that axe-core finds on the page, in short: all rules in light mode, color contrast in dark mode. */
export const violations = async (page: Page): Promise<ReadonlyArray<string>> => {
  const run = (rules: ReadonlyArray<string>) =>
    page.evaluate(async (runOnly) => {
      const { violations } = await (window as unknown as { axe: typeof axe }).axe.run(
        runOnly.length === 0 ? {} : { runOnly: [...runOnly] },
      )
      return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 200)} ${nodes[0]?.failureSummary}`)
    }, rules)
  // Not as a script element: the page's policy forbids it.
  await page.evaluate(axe.source)
  const light = await run([])
  await page.emulateMedia({ colorScheme: "dark" })
  const dark = await run(["color-contrast"])
  await page.emulateMedia({ colorScheme: "light" })
  return [...light, ...dark]
}
