/** The proxy's calls to Waldur and to the HPC User API: for a full read, for a refresh. */
import { setTimeout as pause } from "node:timers/promises"
import { type Bench, freshForLong, withProxy } from "./bench-context.ts"
import { median, megabytes, milliseconds, twoDecimals, whole } from "./figures.ts"
import { type CallCount, orderedPages } from "./sandbox-process.ts"
import { betweenRefreshes, refresh } from "./storage-list.ts"

export const upstreamHead = "resources | what | calls | bytes | of which ordered pages | takes | made of"

const quietRefreshes = 9

/** A quiet refresh before refreshes were incremental: calls, bytes. By the number of resources. */
const before: Readonly<Record<number, { readonly calls: number; readonly bytes: number }>> = {
  5000: { calls: 3, bytes: 419_000 },
  100000: { calls: 12, bytes: 7_400_000 },
}

export const measureUpstream = async (bench: Bench): Promise<void> => {
  const { resources, sandbox, bearer } = bench
  const row = (what: string, counts: Counts, takes = "") => {
    const ordered = totalOf(counts.filter(({ kind }) => kind === orderedPages))
    const { calls, bytes } = totalOf(counts)
    const parts = counts.map(({ calls, kind }) => `${calls} ${kind}`).join("; ")
    const ofOrdered = `${whole(ordered.calls)}, ${megabytes(ordered.bytes)}`
    bench.row(what, whole(calls), megabytes(bytes), ofOrdered, takes, parts)
  }
  await sandbox.clear()
  await withProxy(bench, freshForLong, async ({ url }) => {
    const full = await callsUntilQuiet(bench)
    row("full read at a cold start", full)
    let worst: Counts = []
    const took: Array<number> = []
    for (let round = 0; round < quietRefreshes; round++) {
      await pause(betweenRefreshes)
      await sandbox.clear()
      const begin = performance.now()
      await refresh(url, bearer)
      took.push(performance.now() - begin)
      const quiet = await callsUntilQuiet(bench)
      if (totalOf(quiet).bytes > totalOf(worst).bytes) worst = quiet
    }
    const takes = milliseconds(median(took))
    row(`quiet refresh, worst of ${quietRefreshes}`, worst, takes)
    const limit = before[resources]
    if (limit === undefined) return
    const { calls, bytes } = totalOf(worst)
    const share = `${twoDecimals((bytes / totalOf(full).bytes) * 100)} % of a full read's bytes`
    const wanted = `a quiet refresh in at most ${limit.calls} calls and ${megabytes(limit.bytes)}`
    // A hundredth for what differs between the sandbox's versions.
    const isMet = calls <= limit.calls && bytes <= limit.bytes * 1.01
    bench.target(wanted, isMet, `${calls} calls, ${megabytes(bytes)}, ${takes}; ${share}`)
  })
}

type Counts = ReadonlyArray<CallCount>

const totalOf = (counts: Counts) => ({
  calls: counts.reduce((total, { calls }) => total + calls, 0),
  bytes: counts.reduce((total, { bytes }) => total + bytes, 0),
})

/** The calls once none has been in flight for a while: a response may precede the end of its read. */
const callsUntilQuiet = async ({ sandbox }: Bench): Promise<Counts> => {
  let counts: Counts = []
  for (let still = -1; still < 5; ) {
    const now = await sandbox.stats()
    const isQuiet = totalOf(now).calls === totalOf(counts).calls && (await sandbox.inFlight()) === 0
    still = isQuiet ? still + 1 : 0
    counts = now
    await pause(50)
  }
  return counts
}
