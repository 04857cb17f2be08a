import { buildWorld, startSandbox } from "@cscs/sandbox"
import { describe, expect, it, onTestFinished } from "vitest"
import { aPage, startBrowser, startServing } from "./a-browser.ts"

/** Entries, with the tenants and customers above them; frames that are measured; pixels that each scrolls. */
const resources = Number(process.env.EXPLORER_RESOURCES ?? 10_000)
const frames = 120
const pixels = 400
/** Milliseconds: only a page that is stuck takes so long, however busy the machine is. */
const stuck = 2_000

describe("the explorer's tree of a large list", () => {
  it(`scrolls through ${resources} entries, and finds one as one types`, async () => {
    const sandbox = await startSandbox({ world: buildWorld({ edgeCases: false, resources }), logCalls: false })
    onTestFinished(() => sandbox.close())
    const [browser, proxy] = await Promise.all([
      startBrowser(),
      startServing(sandbox, { environment: { CACHE_FRESH_FOR: "1h" } }),
    ])
    onTestFinished(async () => void (await Promise.all([browser.close(), proxy.stop("SIGKILL")])))
    const page = await aPage(browser, proxy.url)
    const began = performance.now()
    await page.goto("/explorer/?q=/")
    await page.getByText(/^[\d,]+ entries, \d/).waitFor()
    const loaded = performance.now() - began
    const rows = Number(await page.getByRole("treegrid").getAttribute("aria-rowcount"))
    expect(rows).toBeGreaterThan(resources)
    const times = await page.evaluate(
      async ([frames, pixels]) => {
        const grid = document.querySelector(".grid") as HTMLElement
        const times: Array<number> = []
        const frame = () => new Promise<number>(requestAnimationFrame)
        let last = await frame()
        for (let at = 0; at < frames; at += 1) {
          grid.scrollTop += pixels
          const now = await frame()
          times.push(now - last)
          last = now
        }
        return times.sort((a, b) => a - b)
      },
      [frames, pixels] as const,
    )
    const p95 = times[Math.floor(0.95 * frames)] ?? Number.POSITIVE_INFINITY
    const typed = performance.now()
    const slug = String(sandbox.world.resources.at(-1)?.project_slug)
    await page.getByRole("searchbox").fill(slug)
    await page.locator(".name", { hasText: slug }).first().waitFor()
    const found = performance.now() - typed
    const figures = { rows, loaded, median: times[frames / 2], p95, worst: times.at(-1), found }
    process.stdout.write(
      `${JSON.stringify(figures, (_, value) => (typeof value === "number" ? Math.round(10 * value) / 10 : value))} ms\n`,
    )
    expect(p95).toBeLessThan(stuck)
    expect(Number(await page.getByRole("treegrid").getAttribute("aria-rowcount"))).toBeLessThan(rows)
  })
})
