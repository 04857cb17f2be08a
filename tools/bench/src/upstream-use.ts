/** The proxy's calls to Waldur and to the HPC User API: for a full read, for a refresh, for many callers. */
import { type Bench, freshForLong, near, withProxy } from "./bench-context.ts"
import { median, megabytes, milliseconds, twoDecimals, whole } from "./figures.ts"
import { startBenchedProxy } from "./proxy-process.ts"
import type { CallCount } from "./sandbox-process.ts"
import { type Findings, notSupported, type Target, target, unsupported } from "./section.ts"
import { ask, pageOf100, refresh } from "./storage-list.ts"
import { orderedPages } from "./upstream-calls.ts"

export const upstreamHead = ["resources", "what", "calls", "bytes", "of which ordered pages", "made of"] as const

const crowd = 200
const quietRefreshes = 5

export const measureUpstream = async (bench: Bench): Promise<Findings> => {
  const { resources, sandbox } = bench
  const size = whole(resources)
  await sandbox.ask("distance", near)
  const rows: Array<ReadonlyArray<string>> = []
  const targets: Array<Target> = []

  await sandbox.ask("clear", null)
  const { full, quiet, took } = await withProxy(bench, freshForLong, async ({ url: origin }) => {
    const full = await callsUntilQuiet(bench)
    const quiet: Array<ReadonlyArray<CallCount>> = []
    const took: Array<number> = []
    for (let round = 0; round < quietRefreshes; round++) {
      await sandbox.ask("clear", null)
      took.push(await refresh(origin))
      quiet.push(await callsUntilQuiet(bench))
    }
    return { full, quiet, took }
  })
  rows.push(row(size, "whole read at a cold start", full))

  const wanted = `${size} resources: a quiet refresh in at most 5 calls and 2 % of a whole read's bytes, pages of ordered resources aside`
  const worst = [...quiet].sort((a, b) => bytesOf(besides(b)) - bytesOf(besides(a)))[0] ?? []
  if (callsOf(worst) === 0) {
    rows.push([size, "quiet refresh", notSupported])
    if (resources === 5000) targets.push(unsupported(wanted))
  } else {
    rows.push(row(size, `quiet refresh, worst of ${quietRefreshes}; ${milliseconds(median(took))}`, worst))
    const share = bytesOf(besides(worst)) / bytesOf(full)
    const calls = Math.max(...quiet.map((one) => callsOf(besides(one))))
    if (resources === 5000) {
      const withOrdered = bytesOf(worst) / bytesOf(full)
      targets.push(
        target(
          wanted,
          share < 0.02 && calls <= 5,
          `${calls} calls, ${percent(share)}; with the ordered pages ${percent(withOrdered)}`,
        ),
      )
    }
  }

  const together = await callsOfACrowd(bench)
  rows.push(row(size, `${crowd} callers at once at a cold start`, together.calls))
  targets.push(
    target(
      `${size} resources: ${crowd} callers at a cold start cost the upstreams one read`,
      sameCalls(together.calls, full) && together.statuses === "200",
      `${callsOf(together.calls)} calls for ${crowd}, ${callsOf(full)} for one; answers: ${together.statuses}`,
    ),
  )
  return { rows, targets }
}

const callsOf = (counts: ReadonlyArray<CallCount>) => counts.reduce((total, { calls }) => total + calls, 0)
const bytesOf = (counts: ReadonlyArray<CallCount>) => counts.reduce((total, { bytes }) => total + bytes, 0)
const besides = (counts: ReadonlyArray<CallCount>) => counts.filter(({ kind }) => kind !== orderedPages)
const ordered = (counts: ReadonlyArray<CallCount>) => counts.filter(({ kind }) => kind === orderedPages)
const percent = (share: number) => `${twoDecimals(share * 100)} %`

const sameCalls = (some: ReadonlyArray<CallCount>, others: ReadonlyArray<CallCount>): boolean =>
  callsOf(some) === callsOf(others) &&
  some.every(({ upstream, kind, calls }) =>
    others.some((other) => other.upstream === upstream && other.kind === kind && other.calls === calls),
  )

const row = (size: string, what: string, counts: ReadonlyArray<CallCount>): ReadonlyArray<string> => [
  size,
  what,
  whole(callsOf(counts)),
  megabytes(bytesOf(counts)),
  `${whole(callsOf(ordered(counts)))}, ${megabytes(bytesOf(ordered(counts)))}`,
  counts.map(({ calls, kind }) => `${calls} ${kind}`).join("; "),
]

/** The calls once none has been in flight for a while: a response may precede the end of its read. */
const callsUntilQuiet = async ({ sandbox }: Bench): Promise<ReadonlyArray<CallCount>> => {
  let counts = await sandbox.ask("stats", null)
  for (let still = 0; still < 5; ) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    const now = await sandbox.ask("stats", null)
    const quiet = callsOf(now) === callsOf(counts) && (await sandbox.ask("inFlight", null)) === 0
    still = quiet ? still + 1 : 0
    counts = now
  }
  return counts
}

const callsOfACrowd = async (bench: Bench) => {
  const { proxy, folder, environment, sandbox } = bench
  await sandbox.ask("clear", null)
  const running = await startBenchedProxy({ main: proxy.main, folder, environment, settings: freshForLong })
  try {
    const answers = await Promise.all(Array.from({ length: crowd }, () => ask(running.url + pageOf100)))
    const statuses = [...new Set(answers.map(({ status }) => status))].join(", ")
    return { calls: await callsUntilQuiet(bench), statuses }
  } finally {
    await running.stop()
  }
}
