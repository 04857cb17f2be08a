/** How much memory the proxy takes, by how it is started, and whether it stays constant. */
import { setTimeout as pause } from "node:timers/promises"
import { memoryOf } from "@cscs/harness"
import { type Bench, type BenchedProxy, type LaunchMode, withProxy } from "./bench-context.ts"
import { median, oneDecimal, whole } from "./figures.ts"
import { connections, runLoad } from "./load.ts"
import { pageOf100, refresh } from "./storage-list.ts"

export const memoryHead = "resources | started | after | resident | peak so far"

/** The maximum memory of a process in MB, by the number of resources. */
const limits: Readonly<Record<number, number>> = { 5000: 200, 100000: 900 }
/**
 * Light refreshes between two changes. Each changed snapshot is held for walkers for five minutes, which at the pace of
 * this measurement would be all of them. With one in four it is still more than at the default pace.
 */
const changeEvery = 4
/** The growth from the second to the last fifth of the light refreshes that counts as none. */
const maxGrowth = 1.1
/** Full refreshes become due in this time: until then, a refresh is a light one. */
const fullEvery = { CACHE_FRESH_FOR: "1h", CACHE_FULL_REFRESH_EVERY: "2h" }

const shown = (mb: number) => `${whole(mb)} MB`

export const measureMemory = async (bench: Bench): Promise<void> => {
  for (const mode of ["npx", "image"] as const) await measureLaunchMode(bench, mode)
}

const measureLaunchMode = async (bench: Bench, mode: LaunchMode): Promise<void> => {
  const { resources, sandbox, bearer, quick } = bench
  const name = mode === "npx" ? "as by npx" : "as in the image"
  let peak = 0
  const row = (pid: number, after: string) => {
    const memory = memoryOf(pid)
    peak = Math.max(peak, memory.peak)
    bench.row(name, after, shown(memory.rss), shown(memory.peak))
  }
  const uuids = await sandbox.pick("options", 200)
  const change = (round: number) => sandbox.perform("options", [uuids[round % uuids.length] ?? ""])
  const lights = quick ? 60 : 200
  const samples: Array<number> = []
  const lightRefreshes = async ({ pid, url }: BenchedProxy) => {
    row(pid, "the first response")
    const duration = quick ? 5 : 10
    await runLoad(pid, { url: url + pageOf100, headers: bearer, seconds: duration })
    row(pid, `${duration} s of load at ${connections} connections`)
    for (let round = 0; round < lights; round++) {
      if (round % changeEvery === 0) await change(round)
      await refresh(url, bearer)
      samples.push(memoryOf(pid).rss)
    }
    row(pid, `${lights} light refreshes`)
  }
  const fulls = quick ? 5 : 12
  const fullRefreshes = async ({ pid, url }: BenchedProxy) => {
    for (let round = 0; round < fulls; round++) {
      await change(round)
      await pause(1050)
      await refresh(url, bearer)
    }
    row(pid, `${fulls} full refreshes, another process`)
  }
  await withProxy(bench, fullEvery, lightRefreshes, mode)
  await withProxy(bench, { CACHE_FRESH_FOR: "1h", CACHE_FULL_REFRESH_EVERY: "1s" }, fullRefreshes, mode)
  const fifth = Math.ceil(samples.length / 5)
  // The first fifth warms up.
  const [early, late] = [median(samples.slice(fifth, 2 * fifth)), median(samples.slice(-fifth))]
  bench.target(
    `${name}: memory flat over ${lights} light refreshes (last fifth at most 10 % above the second)`,
    late <= early * maxGrowth,
    `${shown(early)}, then ${shown(late)} (${oneDecimal((late / early - 1) * 100)} %)`,
  )
  const limit = limits[resources]
  if (limit !== undefined) bench.target(`${name}: less than ${shown(limit)} at peak`, peak < limit, shown(peak))
}
