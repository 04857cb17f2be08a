/** Other versions beside this one, against the same sandbox: the two Python ones, or an earlier release. */
import { spawn } from "node:child_process"
import { end, freePort, watch } from "@cscs/harness"
import { type Bench, freshForLong, start } from "./bench-context.ts"
import { onServerCore } from "./cores.ts"
import { milliseconds, seconds, times, whole } from "./figures.ts"
import { runLoad } from "./load.ts"
import type { Findings } from "./section.ts"
import { firstAnswer, pageOf100 } from "./storage-list.ts"

export const peersHead = "version | first response | of ours | warm requests/s | of ours | p50 | failures"
export const peersHow = `A page of 100 with a valid JWT, 8 connections. A version that is started by a command reads the same sandbox, and its first
response is counted from the start; one that already runs is only asked. Its settings are its command's business:
docs/comparison-with-peers.md names the packages of the two Python versions. Without \`--peers\` none is measured.`

/** Seconds of load: the slowest answer a handful of requests in it. */
const duration = 30

export const measurePeers = async (bench: Bench): Promise<Findings> => {
  const { peers } = bench
  if (peers.size === 0) return { rows: [["none given"]], targets: [] }
  const running = await start(bench, freshForLong)
  const ours = await measured(bench, running.url, running.pid, running.spawnedAt).finally(() => running.stop())
  const rows = [
    ["this one", seconds(ours.first), "", whole(ours.perSecond), "", milliseconds(ours.p50), whole(ours.failures)],
  ]
  for (const [name, how] of peers) {
    const theirs = await measuredPeer(bench, how)
    rows.push([
      name,
      seconds(theirs.first),
      `${times(theirs.first / ours.first)} times`,
      theirs.perSecond < 10 ? theirs.perSecond.toPrecision(3) : whole(theirs.perSecond),
      `1/${times(ours.perSecond / theirs.perSecond)}`,
      milliseconds(theirs.p50),
      whole(theirs.failures),
    ])
  }
  return { rows, targets: [] }
}

const measured = async (bench: Bench, origin: string, pid: number, since: number) => {
  await firstAnswer(origin + pageOf100, bench.bearer)
  const first = performance.now() - since
  bench.say(`  ${origin}: first response ${seconds(first)}`)
  return { first, ...(await runLoad(pid, { url: origin + pageOf100, headers: bench.bearer, seconds: duration })) }
}

const measuredPeer = async (bench: Bench, how: string) => {
  if (how.startsWith("http")) return measured(bench, how.replace(/\/$/, ""), process.pid, performance.now())
  const port = await freePort()
  const [program, ...parameters] = onServerCore("sh", "-c", `exec ${how}`)
  const spawnedAt = performance.now()
  const env = { ...process.env, ...bench.environment, PORT: String(port) }
  const child = watch(spawn(program, parameters, { stdio: "ignore", env }))
  try {
    return await measured(bench, `http://127.0.0.1:${port}`, child.pid ?? 0, spawnedAt)
  } finally {
    await end(child)
  }
}
