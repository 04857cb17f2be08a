/** How much memory the proxy takes, and whether it stays constant. */

import { type Memory, memoryOf } from "@cscs/harness"
import { type Bench, freshForLong, near, withProxy } from "./bench-context.ts"
import { median, megabytes, oneDecimal, seconds, whole } from "./figures.ts"
import { type Findings, notSupported, type Target, target, unsupported } from "./section.ts"
import { ask, pageOf100, refresh } from "./storage-list.ts"

export const memoryHead = ["resources", "after", "resident", "peak so far"] as const
export const soakHead = [
  "resources",
  "refreshes, a change at every fourth",
  "Waldur's bytes for each",
  "time of each",
  "resident over the time, MB",
  "first quarter",
  "last quarter",
  "peak",
] as const

/** The maximum memory of a process in MB, by the number of resources. */
const limits: Readonly<Record<number, number>> = { 5000: 200, 100000: 1_000 }

const shown = (mb: number) => `${whole(mb)} MB`

const withinLimit = (resources: number, when: string, peak: number): ReadonlyArray<Target> => {
  const limit = limits[resources]
  return limit === undefined
    ? []
    : [
        target(
          `${whole(resources)} resources: less than ${shown(limit)}, ${when}`,
          peak < limit,
          `${shown(peak)} at peak`,
        ),
      ]
}

/** Memory after the first response and after load. */
export const measureMemory = async (bench: Bench): Promise<Findings> => {
  const { resources, sandbox, effort, load } = bench
  await sandbox.ask("distance", near)
  return withProxy(bench, freshForLong, async ({ pid, url: origin }) => {
    const size = whole(resources)
    const line = (after: string, { rss, peak }: Memory) => [size, after, shown(rss), shown(peak)]
    const rows = [line("the first answer", memoryOf(pid))]
    const seconds = effort.roundSeconds * 3
    await load.ask("run", { origin, path: pageOf100, headers: {}, connections: 8, seconds })
    const loaded = memoryOf(pid)
    rows.push(line(`${seconds} s of load at 8 connections`, loaded))
    return { rows, targets: withinLimit(resources, "after load", loaded.peak) }
  })
}

interface Soak {
  readonly kind: "light" | "full"
  readonly refreshes: number
  /** Refreshes between two memory samples. */
  readonly every: number
  /** Skipped samples at the start: caches fill, the compiler works. */
  readonly warmUp: number
  readonly settings: Readonly<Record<string, string>>
  /** Between two refreshes. */
  readonly pauseMs: number
}

/**
 * Refreshes between two changes. Each changed snapshot is held for walkers for five minutes, which at the pace of this
 * soak would be all of them. With one in four it is still more than at the default pace, with thirty in that time.
 */
const changeEvery = 4

/** Memory over many refreshes, both light and full ones. */
export const measureSoak = async (bench: Bench): Promise<Findings> => {
  const { lightRefreshes, fullRefreshes } = bench.effort
  const light = await soak(bench, {
    kind: "light",
    refreshes: lightRefreshes,
    every: 5,
    warmUp: Math.floor(lightRefreshes / 15),
    settings: freshForLong,
    pauseMs: 0,
  })
  const full = await soak(bench, {
    kind: "full",
    refreshes: fullRefreshes,
    every: 1,
    warmUp: Math.floor(fullRefreshes / 4),
    settings: { CACHE_FRESH_FOR: "1h", CACHE_FULL_REFRESH_EVERY: "1s" },
    // A refresh before a full one is due is a light one.
    pauseMs: 1050,
  })
  return { rows: [...light.rows, ...full.rows], targets: [...light.targets, ...full.targets] }
}

const soak = (bench: Bench, { kind, refreshes, every, warmUp, settings, pauseMs }: Soak): Promise<Findings> => {
  const { resources, sandbox, say } = bench
  const name = `${whole(refreshes)} ${kind}`
  const flat = `${whole(resources)} resources: memory flat over ${name} refreshes (last quarter at most 10 % above the first)`
  return withProxy(bench, settings, async ({ pid, url: origin }) => {
    await sandbox.ask("distance", near)
    const uuids = await sandbox.ask("pick", { kind: "options", count: refreshes })
    const samples: Array<number> = []
    const bytes: Array<number> = []
    const took: Array<number> = []
    for (let round = 0; round < refreshes; round++) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
      const uuid = uuids[round % uuids.length]
      if (uuid !== undefined && round % changeEvery === 0) await sandbox.ask("perform", { kind: "options", uuid })
      await sandbox.ask("clear", null)
      took.push(await refresh(origin))
      const calls = await sandbox.ask("stats", null)
      if (calls.length === 0) {
        return { rows: [[whole(resources), name, notSupported]], targets: [unsupported(flat)] }
      }
      bytes.push(calls.reduce((total, one) => total + one.bytes, 0))
      await ask(origin + pageOf100)
      if (round % every === every - 1) samples.push(memoryOf(pid).rss)
    }
    const { peak } = memoryOf(pid)
    const judged = samples.slice(warmUp)
    const quarter = Math.max(1, Math.floor(judged.length / 4))
    const first = median(judged.slice(0, quarter))
    const last = median(judged.slice(-quarter))
    say(`  ${name} refreshes: ${shown(first)}, then ${shown(last)}, peak ${shown(peak)}`)
    const step = Math.max(1, Math.round(samples.length / 10))
    const targets: ReadonlyArray<Target> = [
      target(
        flat,
        last <= first * 1.1,
        `${shown(first)}, then ${shown(last)} (${oneDecimal((last / first - 1) * 100)} %)`,
      ),
      ...withinLimit(resources, `over ${name} refreshes`, peak),
    ]
    return {
      rows: [
        [
          whole(resources),
          name,
          megabytes(median(bytes)),
          seconds(median(took)),
          samples
            .filter((_, index) => index % step === step - 1)
            .map(whole)
            .join(" "),
          shown(first),
          shown(last),
          shown(peak),
        ],
      ],
      targets,
    }
  })
}
