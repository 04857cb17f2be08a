/** Callers' latency while the proxy continuously rebuilds its tree from a changing world. */
import { type Bench, near, withProxy } from "./bench-context.ts"
import { milliseconds, seconds, whole } from "./figures.ts"
import { type Findings, type Target, target } from "./section.ts"
import { pageOf100 } from "./storage-list.ts"
import { loadRound } from "./warm-load.ts"

export const duringRefreshHead = [
  "resources",
  "load at 8 connections",
  "for",
  "refreshes in it",
  "of which the longest",
  "requests/s",
  "p50",
  "p99",
  "max",
  "answers",
] as const

/**
 * The maximum throughput, and a rate that leaves the two cores room for the sandbox, which represents other machines.
 */
const loads = [
  { name: "as fast as it goes", perSecond: undefined },
  { name: "200 requests/s", perSecond: 200 },
] as const

/** Every refresh is full and follows immediately on the previous one. */
const alwaysRefreshing = { CACHE_FRESH_FOR: "1s", CACHE_FULL_REFRESH_EVERY: "1s" }

export const measureDuringRefresh = async (bench: Bench): Promise<Findings> => {
  const { resources, sandbox, effort, say } = bench
  await sandbox.ask("distance", near)
  return withProxy(bench, alwaysRefreshing, async ({ pid, url: origin, snapshots }) => {
    const changing = await startChanging(bench)
    try {
      const rows: Array<ReadonlyArray<string>> = []
      const targets: Array<Target> = []
      for (const { name, perSecond } of loads) {
        const before = snapshots.length
        const result = await loadRound(bench, pid, {
          origin,
          path: pageOf100,
          headers: {},
          connections: 8,
          seconds: effort.refreshSeconds(resources),
          ...(perSecond === undefined ? {} : { perSecond }),
        })
        const taken = snapshots.slice(before)
        const good = Object.keys(result.statuses).join() === "200" && taken.length > 0
        say(`  during ${taken.length} refreshes ${whole(result.perSecond)}/s, p99 ${milliseconds(result.p99)}`)
        rows.push([
          whole(resources),
          name,
          seconds(result.seconds * 1000),
          whole(taken.length),
          taken.length === 0 ? "" : seconds(Math.max(...taken.map((one) => one.milliseconds))),
          whole(result.perSecond),
          milliseconds(result.p50),
          milliseconds(result.p99),
          milliseconds(result.max),
          JSON.stringify(result.statuses).replaceAll('"', "").slice(1, -1),
        ])
        // The paced row shows the latency that callers hide by waiting for one another. It has no target, since no
        // proxy reads all of Waldur every second.
        if (perSecond === undefined) {
          targets.push(
            target(
              `${whole(resources)} resources, ${name}: p99 under 20 ms while refreshes run`,
              result.p99 < 20 && good,
              good ? milliseconds(result.p99) : `${taken.length} refreshes, ${JSON.stringify(result.statuses)}`,
            ),
          )
        }
      }
      return { rows, targets }
    } finally {
      await changing.stop()
    }
  })
}

/** Changes a resource every half second until stopped. */
const startChanging = async ({ sandbox }: Bench) => {
  const uuids = await sandbox.ask("pick", { kind: "options", count: 100 })
  let stopped = false
  const run = (async () => {
    for (let index = 0; !stopped; index++) {
      const uuid = uuids[index % uuids.length]
      if (uuid !== undefined) await sandbox.ask("perform", { kind: "options", uuid })
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  })()
  // `stop` reports a failure; it must not end the process.
  run.catch(() => {})
  return {
    stop: () => {
      stopped = true
      return run
    },
  }
}
