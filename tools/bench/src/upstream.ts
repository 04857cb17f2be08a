/** The proxy's calls to Waldur and to the HPC User API: for a full read, for a refresh. */
import { setTimeout as pause } from "node:timers/promises"
import { type Bench, freshForLong, withProxy } from "./bench-context.ts"
import { median, megabytes, milliseconds, twoDecimals, whole } from "./figures.ts"
import { type CallCount, orderedPages } from "./sandbox-process.ts"
import { type Findings, type Row, type Target, target } from "./section.ts"
import { refresh } from "./storage-list.ts"

export const upstreamHead = "resources | what | calls | bytes | of which ordered pages | takes | made of"
export const upstreamHow = `Calls as the sandbox logged them, bytes of bodies. A quiet refresh is requested with \`Cache-Control: no-cache\` while nothing
has changed. Pages of resources with an order in progress are told apart: such an order changes without a trace in its
resource, so they are read each time.`

const quietRefreshes = 9

/** A quiet refresh before refreshes were incremental: calls, bytes. By the number of resources. */
const before: Readonly<Record<number, { readonly calls: number; readonly bytes: number }>> = {
  5000: { calls: 3, bytes: 419_000 },
  100000: { calls: 12, bytes: 7_400_000 },
}

export const measureUpstream = async (bench: Bench): Promise<Findings> => {
  const { resources, sandbox, bearer } = bench
  const size = whole(resources)
  await sandbox.ask("clear", null)
  const { full, quiet, took } = await withProxy(bench, freshForLong, async ({ url }) => {
    const full = await callsUntilQuiet(bench)
    const quiet: Array<ReadonlyArray<CallCount>> = []
    const took: Array<number> = []
    for (let round = 0; round < quietRefreshes; round++) {
      await sandbox.ask("clear", null)
      const begin = performance.now()
      await refresh(url, bearer)
      took.push(performance.now() - begin)
      quiet.push(await callsUntilQuiet(bench))
    }
    return { full, quiet, took }
  })
  const worst = quiet.reduce((one, other) => (bytesOf(other) > bytesOf(one) ? other : one))
  const targets: Array<Target> = []
  const limit = before[resources]
  if (limit !== undefined) {
    const found = `${callsOf(worst)} calls, ${megabytes(bytesOf(worst))}, ${milliseconds(median(took))}; ${twoDecimals((bytesOf(worst) / bytesOf(full)) * 100)} % of a full read's bytes`
    const wanted = `${size} resources: a quiet refresh in at most ${limit.calls} calls and ${megabytes(limit.bytes)}`
    // A hundredth for what differs between the sandbox's versions.
    targets.push(target(wanted, callsOf(worst) <= limit.calls && bytesOf(worst) <= limit.bytes * 1.01, found))
  }
  return {
    rows: [
      row(size, "full read at a cold start", full),
      row(size, `quiet refresh, worst of ${quietRefreshes}`, worst, milliseconds(median(took))),
    ],
    targets,
  }
}

type Counts = ReadonlyArray<CallCount>
const callsOf = (counts: Counts) => counts.reduce((total, { calls }) => total + calls, 0)
const bytesOf = (counts: Counts) => counts.reduce((total, { bytes }) => total + bytes, 0)

const row = (size: string, what: string, counts: Counts, takes = ""): Row => {
  const ordered = counts.filter(({ kind }) => kind === orderedPages)
  return [
    size,
    what,
    whole(callsOf(counts)),
    megabytes(bytesOf(counts)),
    `${whole(callsOf(ordered))}, ${megabytes(bytesOf(ordered))}`,
    takes,
    counts.map(({ calls, kind }) => `${calls} ${kind}`).join("; "),
  ]
}

/** The calls once none has been in flight for a while: a response may precede the end of its read. */
const callsUntilQuiet = async ({ sandbox }: Bench): Promise<Counts> => {
  let counts: Counts = []
  for (let still = -1; still < 5; ) {
    const now = await sandbox.ask("stats", null)
    const isQuiet = callsOf(now) === callsOf(counts) && (await sandbox.ask("inFlight", null)) === 0
    still = isQuiet ? still + 1 : 0
    counts = now
    await pause(50)
  }
  return counts
}
