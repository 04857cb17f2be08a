/** What a refresh costs the processor by what has changed, when a change is seen, and what callers notice meanwhile. */
import { setTimeout as pause } from "node:timers/promises"
import { type Bench, type BenchedProxy, costOf, freshForLong, withProxy } from "./bench-context.ts"
import { median, milliseconds, seconds, times, whole } from "./figures.ts"
import { connections, runLoad } from "./load.ts"
import type { ChangeKind } from "./sandbox-process.ts"
import { askWell, betweenRefreshes, type Headers, listPath, pageOf100, refresh } from "./storage-list.ts"

/** Share of resources with an order in progress: their pages are read and compared at every refresh. */
const ordered = 0.01
/** Milliseconds of processor time from one changed row, and from a thousand, to the new snapshot of 100,000. */
const maxForOne = 150
const maxForBurst = 1000
const burst = 1000
/** The maximum of 100,000 resources over 10,000. */
const maxGrowth = 1.5

export const changeHead = "resources | refresh | times | processor time | longest | takes"

/** Refreshes with none, one and many changed rows, and full ones. */
export const measureOneChange = async (bench: Bench): Promise<void> => {
  const { resources, sandbox, bearer, quick, earlier } = bench
  const many = Math.min(burst, resources)
  await sandbox.keepOrders(ordered)
  const uuids = await sandbox.pick("options", 4 * many)

  /** The mean of refreshes after changes: Linux counts in hundredths of a second, and only a mean is finer. */
  const cost = async ({ pid, url }: BenchedProxy, name: string, count: number, changed: number) => {
    const costs: Array<Awaited<ReturnType<typeof costOf>>> = []
    // The first ones compile the code.
    for (let round = -2; round < count; round++) {
      const from = ((round + 2) * changed) % uuids.length
      await sandbox.perform("options", uuids.slice(from, from + changed))
      await pause(betweenRefreshes)
      const one = await costOf(pid, () => refresh(url, bearer))
      if (round >= 0) costs.push(one)
    }
    const mean = costs.reduce((sum, one) => sum + one.cpu, 0) / count
    const worst = Math.max(...costs.map((one) => one.cpu))
    const took = median(costs.map((one) => one.took))
    bench.row(name, whole(count), ...[mean, worst, took].map(milliseconds))
    return mean
  }
  const [one, burstCost] = await withProxy(bench, freshForLong, async (running) => {
    await cost(running, "light, no changed row", 5, 0)
    const one = await cost(running, "light, one changed row", quick ? 7 : 15, 1)
    return [one, await cost(running, `light, ${whole(many)} changed rows`, quick ? 2 : 4, many)]
  })
  await withProxy(bench, { CACHE_FRESH_FOR: "1h", CACHE_FULL_REFRESH_EVERY: "1s" }, (running) =>
    cost(running, "full, one changed row", quick ? 2 : 4, 1),
  )
  earlier.set(`one-change ${resources}`, one)
  if (resources !== 100_000) return
  for (const [rows, cpu, most] of [
    ["one changed row", one, maxForOne],
    [`${whole(many)} changed rows`, burstCost, maxForBurst],
  ] as const) {
    bench.target(`${rows}: at most ${most} ms of processor time`, cpu <= most, milliseconds(cpu))
  }
  const growth = one / (earlier.get("one-change 10000") ?? Number.NaN)
  const wanted = `one changed row costs at most ${maxGrowth} times as much as among 10,000`
  if (!Number.isNaN(growth)) bench.target(wanted, growth <= maxGrowth, times(growth))
}

const kinds: ReadonlyArray<readonly [ChangeKind, string]> = [
  ["options", "a resource gets other quotas"],
  ["finish-update", "an order to update is done"],
]

const freshForMs = 1000
/** The limit beyond `fresh_for`, in milliseconds. */
const seenWithin = 500

export const seenHead = "resources | change | times | median | longest | longest refresh meanwhile"

export const measureSeen = (bench: Bench): Promise<void> =>
  withProxy(bench, { CACHE_FRESH_FOR: "1s" }, async ({ url, refreshes }) => {
    for (const [kind, name] of kinds) {
      const before = refreshes.length
      const took: Array<number> = []
      for (const uuid of await bench.sandbox.pick(kind, bench.quick ? 2 : 5)) {
        took.push(await untilSeen(bench, url, kind, uuid))
      }
      const longest = Math.max(...took)
      const during = Math.max(0, ...refreshes.slice(before))
      bench.row(name, whole(took.length), ...[median(took), longest, during].map(seconds))
      const wanted = `${name}: seen within \`fresh_for\` (1 s) and 0.5 s`
      bench.target(wanted, longest <= freshForMs + seenWithin, seconds(longest))
    }
  })

/** Milliseconds from the change until the page with the entry differs, at most a minute: nothing else changes meanwhile. */
const untilSeen = async ({ sandbox, bearer }: Bench, origin: string, kind: ChangeKind, uuid: string) => {
  const dashed = uuid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
  const url = await pageWith(origin, dashed, bearer)
  const etag = async () => (await askWell(url, bearer)).headers.get("etag")
  const before = await etag()
  const begin = performance.now()
  await sandbox.perform(kind, [uuid])
  while ((await etag()) === before && performance.now() - begin < 60_000) await pause(20)
  return performance.now() - begin
}

/** The page with an entry, by its number, since a link may name a snapshot. */
const pageWith = async (origin: string, itemId: string, headers: Headers): Promise<string> => {
  const { body } = await askWell(origin + listPath, { ...headers, Accept: "application/x-ndjson" })
  const index = body
    .toString()
    .split("\n")
    .findIndex((line) => line.startsWith(`{"itemId":"${itemId}"`))
  if (index < 0) throw new Error(`No entry ${itemId}`)
  return `${origin}${listPath}?page_size=500&page=${Math.floor(index / 500) + 1}`
}

/** Requests per second that leave the server time for the refresh. */
const pace = 200
const mostP99 = 20

export const duringHead = `resources | load at ${connections} connections | for | full refreshes in it | of which the longest | requests/s | p50 | p99 | max | failures`

/** Callers' latency while the proxy reads everything without end. */
export const measureDuring = (bench: Bench): Promise<void> =>
  withProxy(bench, { CACHE_FRESH_FOR: "1s", CACHE_FULL_REFRESH_EVERY: "1s" }, async ({ pid, url, refreshes }) => {
    const { sandbox, bearer, quick } = bench
    const uuids = await sandbox.pick("options", 100)
    let index = 0
    const changing = setInterval(() => {
      const uuid = uuids[index++ % uuids.length] ?? ""
      sandbox.perform("options", [uuid]).catch(console.error)
    }, 500)
    try {
      const duration = quick ? 15 : 30
      const load = { url: url + pageOf100, headers: bearer, seconds: duration }
      for (const [name, rate] of [
        [`${pace} requests/s`, { perSecond: pace }],
        ["as fast as it goes", {}],
      ] as const) {
        const before = refreshes.length
        const { perSecond, p50, p99, max, failures } = await runLoad(pid, { ...load, ...rate })
        const taken = refreshes.slice(before)
        const during = [whole(taken.length), seconds(Math.max(0, ...taken))]
        const latencies = [p50, p99, max].map(milliseconds)
        bench.row(name, `${duration} s`, ...during, whole(perSecond), ...latencies, whole(failures))
        if (!("perSecond" in rate)) continue
        const met = p99 < mostP99 && taken.length > 0 && failures === 0
        const wanted = `${pace} requests/s: p99 under ${mostP99} ms while full refreshes run`
        bench.target(wanted, met, `${milliseconds(p99)}, ${taken.length} refreshes`)
      }
    } finally {
      clearInterval(changing)
    }
  })
