/** What a refresh costs the processor by what has changed, when a change is seen, and what callers notice meanwhile. */
import { setTimeout as pause } from "node:timers/promises"
import { type Bench, costOf, freshForLong, near, withProxy } from "./bench-context.ts"
import { median, milliseconds, seconds, times, twoDecimals, whole } from "./figures.ts"
import { connections, runLoad } from "./load.ts"
import type { ChangeKind } from "./sandbox-process.ts"
import { type Findings, type Target, target } from "./section.ts"
import { ask, askWell, bodyOf, type Headers, listPath, pageOf100, refresh } from "./storage-list.ts"

/** Share of resources with an order in progress: their pages are read and compared at every refresh. */
const ordered = 0.01
/** Milliseconds of processor time from one changed row, and from a thousand, to the new snapshot of 100,000. */
const mostForOne = 150
const mostForBurst = 1000
const burst = 1000
/** The maximum of 100,000 resources over 10,000. */
const mostGrowth = 1.5

export const changeHead = [
  "resources",
  "changed rows",
  "times",
  "processor time",
  "of which above a quiet refresh",
  "longest",
  "refresh takes",
]
export const changeHow = `A refresh is requested with \`Cache-Control: no-cache\`. From before it until 0.3 s after its response, what Linux counts
for the process: means, garbage collections included. ${ordered * 100} % of the resources have an order in progress.`

/** Light refreshes with none, one and many changed rows, and a full one. */
export const measureOneChange = async (bench: Bench): Promise<Findings> => {
  const { resources, sandbox, bearer, quick, earlier, say } = bench
  const size = whole(resources)
  await sandbox.ask("distance", near)
  await sandbox.ask("keepOrders", ordered)
  return withProxy(bench, freshForLong, async ({ pid, url }) => {
    const uuids = [...(await sandbox.ask("pick", { kind: "options", count: 4 * burst + 100 }))]
    const rounds = async (count: number, rows: number) => {
      const costs: Array<Awaited<ReturnType<typeof costOf>>> = []
      // The first ones compile the code.
      for (let round = -2; round < count; round++) {
        const changed = Array.from({ length: rows }, () => uuids[Math.floor(Math.random() * uuids.length)] ?? "")
        if (rows > 0) await sandbox.ask("perform", { kind: "options", uuids: changed })
        const cost = await costOf(pid, () => refresh(url, bearer))
        if (round >= 0) costs.push(cost)
      }
      const of = (key: "took" | "cpu") => costs.map((cost) => cost[key])
      // Linux counts in hundredths of a second: only the mean is finer.
      return {
        count,
        cpu: of("cpu").reduce((sum, one) => sum + one, 0) / count,
        worst: Math.max(...of("cpu")),
        took: median(of("took")),
      }
    }
    const quiet = await rounds(5, 0)
    const one = await rounds(quick ? 7 : 15, 1)
    const many = await rounds(quick ? 2 : 4, Math.min(burst, resources))
    say(
      `  one changed row ${milliseconds(one.cpu)} of processor time (quiet ${milliseconds(quiet.cpu)}), ${burst} rows ${milliseconds(many.cpu)}`,
    )
    earlier.set(`one-change ${resources}`, one.cpu)
    const row = (name: string, cost: typeof one) => [
      size,
      name,
      whole(cost.count),
      milliseconds(cost.cpu),
      milliseconds(cost.cpu - quiet.cpu),
      milliseconds(cost.worst),
      milliseconds(cost.took),
    ]
    const targets: Array<Target> = []
    if (resources === 100_000) {
      targets.push(
        target(
          `${size} resources, one changed row: at most ${mostForOne} ms of processor time`,
          one.cpu <= mostForOne,
          milliseconds(one.cpu),
        ),
        target(
          `${size} resources, ${whole(burst)} changed rows: at most 1 s of processor time`,
          many.cpu <= mostForBurst,
          milliseconds(many.cpu),
        ),
      )
      const small = earlier.get("one-change 10000")
      if (small !== undefined) {
        targets.push(
          target(
            `One changed row costs at most ${mostGrowth} times as much among 100,000 as among 10,000`,
            one.cpu / small <= mostGrowth,
            `${twoDecimals(one.cpu / small)} times`,
          ),
        )
      }
    }
    return { rows: [row("none", quiet), row("1", one), row(whole(burst), many)], targets }
  })
}

const kinds: ReadonlyArray<readonly [ChangeKind, string]> = [
  ["options", "a resource gets other quotas"],
  ["recover", "an erred resource without an order is set to OK"],
  ["finish-update", "an order to update is done"],
  ["finish-removal", "an order to terminate is done"],
  ["vanish", "a resource is in Waldur's list no more (found by a full read)"],
]

const freshForMs = 1000
/** The limit beyond `fresh_for`, in milliseconds. */
const seenWithin = 500

export const seenHead = ["resources", "change", "times", "median", "longest", "longest refresh meanwhile"]
export const seenHow = `\`CACHE_FRESH_FOR\` at 1 second. From the change in Waldur until the page that the entry is on shows it, asked every 20 ms.`

export const measureSeen = async (bench: Bench): Promise<Findings> => {
  const { resources, sandbox, quick, say } = bench
  const size = whole(resources)
  await sandbox.ask("distance", near)
  return withProxy(bench, { CACHE_FRESH_FOR: "1s" }, async ({ url, refreshes }) => {
    const rows: Array<ReadonlyArray<string>> = []
    const targets: Array<Target> = []
    for (const [kind, name] of kinds) {
      const before = refreshes.length
      const took: Array<number> = []
      for (const uuid of await sandbox.ask("pick", { kind, count: quick ? 2 : 5 })) {
        took.push(await untilSeen(bench, url, kind, uuid))
      }
      const longest = Math.max(...took)
      say(`  ${kind}: seen after ${seconds(median(took))}, at most ${seconds(longest)}`)
      rows.push([
        size,
        name,
        whole(took.length),
        seconds(median(took)),
        seconds(longest),
        seconds(Math.max(0, ...refreshes.slice(before))),
      ])
      // A row that is gone makes a full read necessary.
      if (kind === "vanish") continue
      targets.push(
        target(
          `${size} resources, ${name}: seen within \`fresh_for\` (1 s) and 0.5 s`,
          longest <= freshForMs + seenWithin,
          seconds(longest),
        ),
      )
    }
    return { rows, targets }
  })
}

/** Milliseconds from the change until the entry differs. */
const untilSeen = async (
  { sandbox, bearer }: Bench,
  origin: string,
  kind: ChangeKind,
  uuid: string,
): Promise<number> => {
  const dashed = uuid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
  const { url, entry } = await pageWith(origin, dashed, bearer)
  const begin = performance.now()
  await sandbox.ask("perform", { kind, uuids: [uuid] })
  while ((await entryIn(url, dashed, bearer)) === entry) await pause(20)
  return performance.now() - begin
}

/** The entry as a text; empty if it is not on the page. */
const entryIn = async (url: string, itemId: string, headers: Headers): Promise<string> =>
  JSON.stringify(bodyOf(await askWell(url, headers)).resources.find((one) => one.itemId === itemId)) ?? ""

/** The page with an entry, found again by its number, since a link may name a snapshot. */
const pageWith = async (origin: string, itemId: string, headers: Headers): Promise<{ url: string; entry: string }> => {
  for (let page = 1, pages = 1; page <= pages; page++) {
    const url = `${origin}${listPath}?page_size=500&page=${page}`
    pages = bodyOf(await ask(url, headers)).pagination.pages
    const entry = await entryIn(url, itemId, headers)
    if (entry !== "") return { url, entry }
  }
  throw new Error(`No entry ${itemId}`)
}

/** Requests per second that leave the server time for the refresh. */
const pace = 200
const mostP99 = 20

export const duringHead = [
  "resources",
  `load at ${connections} connections`,
  "for",
  "full refreshes in it",
  "of which the longest",
  "requests/s",
  "p50",
  "p99",
  "max",
  "failures",
]
export const duringHow = `\`CACHE_FRESH_FOR\` and \`CACHE_FULL_REFRESH_EVERY\` at 1 second, a resource changes every half second: full refreshes run
nearly all the time. Callers have a valid JWT. The paced load is autocannon's, which counts a late request from when it was due.`

/** Callers' latency while the proxy reads everything without end. */
export const measureDuring = async (bench: Bench): Promise<Findings> => {
  const { resources, sandbox, bearer, quick, say } = bench
  await sandbox.ask("distance", near)
  const settings = { CACHE_FRESH_FOR: "1s", CACHE_FULL_REFRESH_EVERY: "1s" }
  return withProxy(bench, settings, async ({ pid, url, refreshes }) => {
    const uuids = await sandbox.ask("pick", { kind: "options", count: 100 })
    let index = 0
    const changing = setInterval(() => {
      const uuid = uuids[index++ % uuids.length] ?? ""
      sandbox.ask("perform", { kind: "options", uuids: [uuid] }).catch(say)
    }, 500)
    try {
      const rows: Array<ReadonlyArray<string>> = []
      const targets: Array<Target> = []
      for (const perSecond of [pace, undefined]) {
        const before = refreshes.length
        const duration = quick ? 15 : 40
        const load = { url: url + pageOf100, headers: bearer, seconds: duration }
        const result = await runLoad(pid, perSecond === undefined ? load : { ...load, perSecond })
        const taken = refreshes.slice(before)
        say(`  during ${taken.length} full refreshes ${whole(result.perSecond)}/s, p99 ${milliseconds(result.p99)}`)
        rows.push([
          whole(resources),
          perSecond === undefined ? "as fast as it goes" : `${perSecond} requests/s`,
          `${duration} s`,
          whole(taken.length),
          seconds(Math.max(0, ...taken)),
          whole(result.perSecond),
          milliseconds(result.p50),
          milliseconds(result.p99),
          milliseconds(result.max),
          whole(result.failures),
        ])
        if (perSecond !== undefined) {
          const isFair = taken.length > 0 && result.failures === 0
          targets.push(
            target(
              `${whole(resources)} resources, ${pace} requests/s: p99 under ${mostP99} ms while full refreshes run`,
              isFair && result.p99 < mostP99,
              `${milliseconds(result.p99)}, ${times(taken.length)} refreshes`,
            ),
          )
        }
      }
      return { rows, targets }
    } finally {
      clearInterval(changing)
    }
  })
}
