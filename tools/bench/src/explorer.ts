/** What the explorer costs the proxy: one that has served its page, beside one without it. */
import { memoryOf } from "@cscs/harness"
import { type Bench, freshForLong, withProxy } from "./bench-context.ts"
import { median, oneDecimal, twoDecimals } from "./figures.ts"
import { runLoad } from "./load.ts"
import { pageOf100 } from "./storage-list.ts"

export const explorerHead = "resources | explorer | first response, ms | requests/s | µs per request | resident, MB"

export const measureExplorer = async (bench: Bench): Promise<void> => {
  const measure = (isOn: boolean) =>
    withProxy(bench, { ...freshForLong, EXPLORER_ENABLED: String(isOn) }, async ({ pid, url, spawnedAt }) => {
      const first = performance.now() - spawnedAt
      const page = await fetch(`${url}/explorer/`)
      if (page.ok !== isOn) throw new Error(`${page.status} of the explorer`)
      for (const [path] of (await page.text()).matchAll(/assets\/[\w.-]+/g)) await fetch(`${url}/explorer/${path}`)
      const load = await runLoad(pid, { url: url + pageOf100, headers: bench.bearer, seconds: bench.quick ? 2 : 5 })
      return [first, load.perSecond, load.cpuPerRequest, memoryOf(pid).rss]
    })
  const [on, off]: [Array<Array<number>>, Array<Array<number>>] = [[], []]
  await measure(true)
  for (let round = 0; round < (bench.quick ? 3 : 7); round++)
    for (const isOn of [round % 2 === 0, round % 2 !== 0]) (isOn ? on : off).push(await measure(isOn))
  const medians = (rounds: typeof on) => (on[0] ?? []).map((_, at) => median(rounds.map((one) => one[at] ?? 0)))
  bench.row("on", ...medians(on).map(oneDecimal))
  bench.row("off", ...medians(off).map(oneDecimal))
  const ratios = on.map((one, round) => one.map((value, at) => value / (off[round]?.[at] ?? 0)))
  bench.row("on / off", ...medians(ratios).map(twoDecimals))
}
