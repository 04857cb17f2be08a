/** The time from start to first response, compared with a plain reader of the same pages. */
import { spawn } from "node:child_process"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { cpuSecondsOf, watch } from "@cscs/harness"
import { type Bench, freshForLong, start } from "./bench-context.ts"
import { onAllCores } from "./cores.ts"
import { median, milliseconds, seconds, times, whole } from "./figures.ts"
import type { AskedList } from "./sandbox-process.ts"
import { type Findings, type Row, type Target, target } from "./section.ts"
import { firstAnswer, pageOf100 } from "./storage-list.ts"

export const firstHead =
  "resources | Waldur | first response | plain read | ratio | first snapshot (log) | processor time to the first response | of the plain read"
export const firstHow = `From the spawn of the process until a page of 100 is there, beside a cold Node process that reads the same lists with the
same fields by bare \`fetch\`, 8 pages side by side, with JSON.parse and nothing else (as many bytes: checked; the GIDs, which it
does not ask for, aside). In turn; medians; the ratio is the median of those of neighbours. A start before them has kept the
compiled code. Both may use every core.`

/** Waldur's latency in milliseconds, and how many times the plain read the first response may take. */
const mostRatio = [
  [0, 3],
  [40, 2],
] as const

export const measureFirst = async (bench: Bench): Promise<Findings> => {
  const { resources, sandbox, quick, say } = bench
  const size = whole(resources)
  const rows: Array<Row> = []
  const targets: Array<Target> = []
  for (const [latency, most] of mostRatio) {
    await sandbox.ask("latency", latency)
    // The first start shows which lists the proxy walks, and warms sandbox, disk and compiled code.
    await sandbox.ask("clear", null)
    await coldStart(bench)
    const lists = await sandbox.ask("lists", null)
    const bytes = lists.reduce((sum, list) => sum + list.bytes, 0)
    const ours: Array<Awaited<ReturnType<typeof coldStart>>> = []
    const plain: Array<Awaited<ReturnType<typeof readPlainly>>> = []
    for (let round = 0; round < (quick || resources > 10_000 ? 3 : 7); round++) {
      ours.push(await coldStart(bench))
      const read = await readPlainly(bench, lists)
      if (read.bytes !== bytes) throw new Error(`The plain reader read ${read.bytes} bytes, the proxy ${bytes}`)
      plain.push(read)
    }
    const first = seconds(median(ours.map(({ took }) => took)))
    const read = seconds(median(plain.map(({ took }) => took)))
    const ratio = median(ours.map(({ took }, index) => took / (plain[index]?.took ?? Number.NaN)))
    const ownCpu = milliseconds(median(ours.map(({ cpu }) => cpu)))
    const plainCpu = milliseconds(median(plain.map(({ cpu }) => cpu)))
    const snapshot = milliseconds(median(ours.map((one) => one.snapshot)))
    say(`  Waldur ${latency} ms: first ${first}, plain read ${read}, ratio ${times(ratio)}; CPU ${ownCpu}, ${plainCpu}`)
    rows.push([size, `${latency} ms`, first, read, times(ratio), snapshot, ownCpu, plainCpu])
    const wanted = `${size} resources, Waldur at ${latency} ms: first response at most ${most} times the plain read`
    targets.push(target(wanted, ratio <= most, times(ratio)))
  }
  return { rows, targets }
}

const coldStart = async (bench: Bench) => {
  const running = await start(bench, freshForLong, "npx", onAllCores)
  try {
    await firstAnswer(running.url + pageOf100, bench.bearer)
    const took = performance.now() - running.spawnedAt
    return { took, cpu: cpuSecondsOf(running.pid) * 1000, snapshot: running.refreshes[0] ?? Number.NaN }
  } finally {
    await running.stop()
  }
}

const plainReader = fileURLToPath(new URL("plain-read.mjs", import.meta.url))

const readPlainly = async ({ environment }: Bench, lists: ReadonlyArray<AskedList>) => {
  const { origin } = new URL(environment.WALDUR_API_URL ?? "")
  const [program, ...parameters] = onAllCores(
    process.execPath,
    plainReader,
    JSON.stringify({ origin, token: environment.WALDUR_API_TOKEN, lists }),
  )
  const spawnedAt = performance.now()
  const child = watch(
    spawn(program, parameters, { stdio: ["ignore", "pipe", "inherit"], env: { PATH: process.env.PATH } }),
  )
  let took = 0
  child.stdout.once("data", () => {
    took = performance.now() - spawnedAt
  })
  const { bytes, cpu } = JSON.parse(await text(child.stdout)) as { bytes: number; cpu: number }
  return { took, bytes, cpu }
}
