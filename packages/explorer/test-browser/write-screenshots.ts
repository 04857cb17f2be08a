/** Writes the screenshots of docs/explorer.md, of the demo's odd world: `pnpm --filter @cscs/storage-explorer screenshots`. */
import { fileURLToPath } from "node:url"
import { buildWorld, changeResource, startSandbox } from "@cscs/sandbox"
import type { Page } from "playwright-core"
import { pollNow, startBrowser, startServing } from "./browser.ts"

const folder = fileURLToPath(new URL("../../../docs/explorer/", import.meta.url))
/** Pixels: a desktop, a tablet, a phone. */
const widths = [1440, 1024, 390]
/** Dark mode only for the screenshots that the document itself shows. */
const widthInDark = 1440
/** Each shot's URL query, and the text that shows that the page has loaded. */
const shots = {
  tree: ["", "ETH Zurich"],
  waiting: ["?view=waiting", "To be removed"],
  problems: ["?view=problems", "Skipped"],
  health: ["?view=health", "HPC User API"],
  entry: ["?status=updating", "Where each value comes from"],
  changes: ["?view=changes", "since this page was opened, newest first"],
} as const

const sandbox = await startSandbox({ world: buildWorld() })
const [browser, proxy] = await Promise.all([startBrowser(), startServing(sandbox)])

/** Changes some entries, and waits until the page has them. */
const change = async (page: Page) => {
  const active = sandbox.world.resources.filter(({ state, backend_id }) => state === "OK" && !backend_id)
  for (const row of active.slice(0, 3)) changeResource(sandbox.world, row, { state: "Erred" })
  while ((await page.locator("li.changed").count()) === 0) await pollNow(page)
  for (const row of active.slice(0, 3)) changeResource(sandbox.world, row, { state: "OK" })
}

for (const width of widths) {
  const page = await browser.newPage({ viewport: { width, height: 800 } })
  for (const [name, [query, text]] of Object.entries(shots)) {
    await page.goto(`${proxy.url}/explorer/${query}`)
    await page.getByText(/ entries, .* old$/).waitFor()
    if (name === "entry") await page.locator(".level5").first().click()
    if (name === "changes") await change(page)
    await page.getByText(text).filter({ visible: true }).first().waitFor()
    await page.screenshot({ path: `${folder}${name}-${width}.png` })
    if (width !== widthInDark) continue
    await page.emulateMedia({ colorScheme: "dark" })
    await page.screenshot({ path: `${folder}${name}-${width}-dark.png` })
    await page.emulateMedia({ colorScheme: "light" })
  }
  await page.close()
}
await browser.close()
await proxy.stop()
await sandbox.close()
