import { existsSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { type RunningProxy, sandboxEnvironment, startProxy } from "@cscs/harness"
import type { Sandbox } from "@cscs/sandbox"
import axe from "axe-core"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { expect, onTestFinished } from "vitest"

/** Milliseconds until an expected state counts as missing: machines in CI are busy. */
const patience = 120_000

/** Debian's Chromium, or Chrome. Its own sandbox does not start as root. */
export const startBrowser = (): Promise<Browser> => {
  const folders = (process.env.PATH ?? "").split(delimiter)
  const executablePath = ["chromium", "google-chrome"]
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => existsSync(path))
  if (executablePath === undefined)
    throw new Error("There is no chromium on the PATH: install Debian's package chromium")
  return chromium.launch({ executablePath, chromiumSandbox: process.getuid?.() !== 0, timeout: patience })
}

/** A proxy that asks Waldur for changes at each request. */
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
 * A page that must break no rule of its content security policy, throw no error, and call no other origin. That is judged
 * when the test ends.
 *
 * @param allowed other origins that it may call
 */
export const aPage = async (
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
    if (protocol.startsWith("http") && !origins.includes(origin)) problems.push(`a request to ${request.url()}`)
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
  page.on("pageerror", (error) => problems.push(`an error: ${error.message}`))
  onTestFinished(async () => {
    await context.close()
    expect(problems).toEqual([])
  })
  return page
}

/** Makes the page ask now, as when the network is back, and waits until a list has arrived. */
export const askNow = async (page: Page): Promise<void> => {
  const responded = page.waitForResponse((response) => response.url().includes("/api/storage-resources/"))
  await page.evaluate(() => dispatchEvent(new Event("online")))
  await responded
}

/** Violations that axe-core finds in what the page shows, in short: all in light, and in dark those of colours. */
export const violations = async (page: Page): Promise<ReadonlyArray<string>> => {
  const run = (rules: ReadonlyArray<string>) =>
    page.evaluate(async (runOnly) => {
      const { violations } = await (window as unknown as { axe: typeof axe }).axe.run(
        runOnly.length === 0 ? {} : { runOnly: [...runOnly] },
      )
      return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 200)} ${nodes[0]?.failureSummary}`)
    }, rules)
  // Not as a script element, which the page's policy forbids.
  await page.evaluate(axe.source)
  const light = await run([])
  await page.emulateMedia({ colorScheme: "dark" })
  const dark = await run(["color-contrast"])
  await page.emulateMedia({ colorScheme: "light" })
  return [...light, ...dark]
}
