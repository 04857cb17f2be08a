/** Writes the screenshots of docs/explorer.md: `pnpm --filter @cscs/storage-explorer screenshots`. The demo's odd world, in light. */
import { fileURLToPath } from "node:url"
import { buildWorld, startSandbox } from "@cscs/sandbox"
import { startBrowser, startServing } from "./a-browser.ts"

const folder = fileURLToPath(new URL("../../../docs/explorer/", import.meta.url))
/** Pixels: a desk, a tablet, a telephone. */
const widths = [1440, 1024, 390]
/** What is opened, and the text that says that it is there. */
const shots = {
  tree: ["", "ETH Zurich"],
  waiting: ["?view=waiting", "To be removed"],
  problems: ["?view=problems", "Skipped"],
  health: ["?view=health", "HPC User API"],
  entry: ["?status=updating", "Where each value is from"],
} as const

const sandbox = await startSandbox({ world: buildWorld() })
const [browser, proxy] = await Promise.all([startBrowser(), startServing(sandbox)])
for (const width of widths) {
  const page = await browser.newPage({ viewport: { width, height: 800 } })
  for (const [name, [query, text]] of Object.entries(shots)) {
    await page.goto(`${proxy.url}/explorer/${query}`)
    if (name === "entry") await page.locator(".level5").first().click()
    await page.getByText(text).filter({ visible: true }).first().waitFor()
    await page.screenshot({ path: `${folder}${name}-${width}.png` })
  }
  await page.close()
}
await browser.close()
await proxy.stop()
await sandbox.close()
