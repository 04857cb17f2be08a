/** The time from start to first response, compared with a plain reader of the same pages. */
import { spawn } from "node:child_process"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { cpuSecondsOf, until, watch } from "@cscs/harness"
import { type Bench, type BenchedProxy, freshForLong, withProxy } from "./bench-context.ts"
import { onAllCores } from "./cores.ts"
import { median, milliseconds, seconds, times } from "./figures.ts"
import type { AskedList } from "./sandbox-process.ts"

export const firstHead =
  "resources | Waldur | first response | plain read | ratio | first snapshot (log) | processor time to the first response | of the plain read"

/** For each latency of Waldur in milliseconds: how many times the plain read the first response may take. */
const maxRatios = [
  [0, 3],
  [40, 2],
] as const

export const measureFirst = async (bench: Bench): Promise<void> => {
  const { resources, sandbox, quick } = bench
  for (const [latency, most] of maxRatios) {
    await sandbox.latency(latency)
    // The first start shows which lists the proxy walks, and warms sandbox, disk and compiled code.
    await sandbox.clear()
    await coldStart(bench)
    const lists = await sandbox.lists()
    const bytes = lists.reduce((sum, list) => sum + list.bytes, 0)
    const rounds: Array<Readonly<Record<"first" | "cpu" | "snapshot" | "read" | "readCpu" | "ratio", number>>> = []
    for (let round = 0; round < (quick || resources > 10_000 ? 3 : 7); round++) {
      const ours = await coldStart(bench)
      const read = await readPlainly(bench, lists)
      if (read.bytes !== bytes) throw new Error(`The plain reader read ${read.bytes} bytes, the proxy ${bytes}`)
      rounds.push({ ...ours, read: read.took, readCpu: read.cpu, ratio: ours.first / read.took })
    }
    const middle = (of: keyof (typeof rounds)[number]) => median(rounds.map((round) => round[of]))
    const [first, read, ratio] = [seconds(middle("first")), seconds(middle("read")), middle("ratio")]
    const cpus = [milliseconds(middle("cpu")), milliseconds(middle("readCpu"))]
    bench.row(`${latency} ms`, first, read, times(ratio), milliseconds(middle("snapshot")), ...cpus)
    const wanted = `Waldur at ${latency} ms: first response at most ${most} times the plain read`
    bench.target(wanted, ratio <= most, times(ratio))
  }
}

const coldStart = (bench: Bench) => {
  const afterFirst = async ({ spawnedAt, pid, refreshes }: BenchedProxy) => {
    const first = performance.now() - spawnedAt
    const cpu = cpuSecondsOf(pid) * 1000
    // Its line can arrive after the response.
    return { first, cpu, snapshot: await until("the log line of the first snapshot", () => refreshes[0]) }
  }
  return withProxy(bench, freshForLong, afterFirst, "npx", onAllCores)
}

const plainReader = fileURLToPath(new URL("plain-read.mjs", import.meta.url))

const readPlainly = async ({ environment }: Bench, lists: ReadonlyArray<AskedList>) => {
  const { origin } = new URL(environment.WALDUR_API_URL ?? "")
  const task = JSON.stringify({ origin, token: environment.WALDUR_API_TOKEN, lists })
  const [program, ...parameters] = onAllCores(process.execPath, plainReader, task)
  const spawnedAt = performance.now()
  const env = { PATH: process.env.PATH }
  const child = watch(spawn(program, parameters, { stdio: ["ignore", "pipe", "inherit"], env }))
  let took = 0
  // It prints one line, when it has read everything.
  child.stdout.once("data", () => {
    took = performance.now() - spawnedAt
  })
  return { ...(JSON.parse(await text(child.stdout)) as { bytes: number; cpu: number }), took }
}
