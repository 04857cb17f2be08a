import { buildWorld, startSandbox } from "@cscs/sandbox"
import { describe, expect, it, onTestFinished } from "vitest"
import { aPage, startBrowser, startServing } from "./a-browser.ts"

/** Entries, without the tenants and customers above them; frames that are measured; pixels that each scrolls. */
const resources = Number(process.env.EXPLORER_RESOURCES ?? 10_000)
const frames = 120
const pixels = 400
/** Milliseconds of the main thread for a scroll frame, if the figures are to be judged: a frame at 60 Hz. */
const frameBudget = 16
const isJudged = process.env.EXPLORER_JUDGED === "1"

describe("the explorer's tree of a large list", () => {
  it(`scrolls through ${resources} entries with the visible rows alone, and finds one as one types`, async () => {
    const sandbox = await startSandbox({ world: buildWorld({ edgeCases: false, resources }), logCalls: false })
    onTestFinished(() => sandbox.close())
    const [browser, proxy] = await Promise.all([
      startBrowser(),
      startServing(sandbox, { environment: { CACHE_FRESH_FOR: "1h" } }),
    ])
    onTestFinished(async () => void (await Promise.all([browser.close(), proxy.stop("SIGKILL")])))
    const page = await aPage(browser, proxy.url)
    await page.addInitScript(() => {
      const longTasks: Array<number> = []
      new PerformanceObserver((seen) => longTasks.push(...seen.getEntries().map(({ duration }) => duration))).observe({
        type: "longtask",
      })
      Object.assign(window, { longestTask: () => Math.max(0, ...longTasks.splice(0)) })
    })
    const longestTask = () => page.evaluate(() => (window as unknown as { longestTask(): number }).longestTask())

    const began = performance.now()
    await page.goto("/explorer/?q=/")
    await page.getByRole("row").nth(1).waitFor()
    const firstRows = performance.now() - began
    await page.getByText(/^[\d,]+ entries, \d/).waitFor()
    const loaded = performance.now() - began
    const longestWhileLoading = await longestTask()
    const rows = Number(await page.getByRole("treegrid").getAttribute("aria-rowcount"))
    expect(rows).toBeGreaterThan(resources)

    const scrolled = await page.evaluate(
      async ([frames, pixels]) => {
        const grid = document.querySelector(".grid") as HTMLElement
        const frame = () => new Promise<number>(requestAnimationFrame)
        const painted = () =>
          new Promise((resolve) => {
            const { port1, port2 } = new MessageChannel()
            port1.onmessage = resolve
            port2.postMessage(0)
          })
        // A frame begins with its scroll events; a message that is sent in it arrives when it is painted.
        let beganAt = 0
        addEventListener("scroll", () => (beganAt = performance.now()), { capture: true })
        const [work, intervals, drawn]: [Array<number>, Array<number>, Array<number>] = [[], [], []]
        let last = await frame()
        for (let at = 0; at < frames; at += 1) {
          grid.scrollTop += pixels
          const now = await frame()
          await painted()
          work.push(performance.now() - beganAt)
          intervals.push(now - last)
          drawn.push(grid.querySelectorAll("[role=row]").length)
          last = now
        }
        return { work, intervals, drawn: Math.max(...drawn), visible: grid.clientHeight / 40 }
      },
      [frames, pixels] as const,
    )
    expect(scrolled.drawn).toBeLessThan(scrolled.visible + 20)

    const typed = performance.now()
    const slug = String(sandbox.world.resources.at(-1)?.project_slug)
    await page.getByRole("searchbox").fill(slug)
    await page.locator(".name", { hasText: slug }).first().waitFor()
    const found = performance.now() - typed
    expect(Number(await page.getByRole("treegrid").getAttribute("aria-rowcount"))).toBeLessThan(rows)

    const [work, intervals] = [part(scrolled.work), part(scrolled.intervals)]
    process.stdout.write(
      `${rows} rows, ms: first rows ${round(firstRows)}, loaded ${round(loaded)}, longest task ${round(longestWhileLoading)}; ` +
        `main thread per scroll frame p50 ${work(0.5)}, p95 ${work(0.95)}, worst ${work(1)}; ` +
        `between frames p50 ${intervals(0.5)}, p95 ${intervals(0.95)}; ` +
        `found ${round(found)}, longest task ${round(await longestTask())}\n`,
    )
    if (isJudged) expect(work(0.95)).toBeLessThan(frameBudget)
  })
})

const round = (value: number): number => Math.round(10 * value) / 10
/** The value below which a part of the values lies. */
const part = (values: ReadonlyArray<number>) => {
  const sorted = values.toSorted((a, b) => a - b)
  return (of: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(of * sorted.length))] ?? 0)
}
