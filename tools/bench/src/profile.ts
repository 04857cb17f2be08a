/** CPU profiles of the proxy under load and while it rebuilds, and heap snapshots. */
import { mkdir, readdir, readFile, rename } from "node:fs/promises"
import { join } from "node:path"
import { type Bench, freshForLong, near } from "./bench-context.ts"
import { milliseconds, oneDecimal } from "./figures.ts"
import { type BenchedProxy, startBenchedProxy } from "./proxy-process.ts"
import { firstAnswer, pageOf100 } from "./storage-list.ts"

const profiles = [
  { name: "warm-load", settings: freshForLong, loaded: true },
  // The first read and those that follow it without a pause; the only requests keep it active.
  { name: "rebuild", settings: { CACHE_FRESH_FOR: "1s", CACHE_FULL_REFRESH_EVERY: "1s" }, loaded: false },
] as const

/**
 * Writes `<name>-<resources>.cpuprofile` and, on request, `.heapsnapshot` into `target`; prints the most expensive
 * functions.
 */
export const writeProfiles = async (bench: Bench, target: string, heapSnapshot: boolean): Promise<void> => {
  const { proxy, folder, environment, load, resources, effort, say, sandbox } = bench
  await mkdir(target, { recursive: true })
  await sandbox.ask("distance", near)
  for (const { name, settings, loaded } of profiles) {
    say(`Profile of ${resources} resources: ${name}`)
    const running = await startBenchedProxy({
      main: proxy.main,
      folder,
      environment,
      settings,
      nodeFlags: ["--cpu-prof", "--heapsnapshot-signal=SIGUSR2"],
    })
    try {
      await firstAnswer(running.url + pageOf100)
      await load.ask("run", {
        origin: running.url,
        path: pageOf100,
        headers: {},
        connections: 8,
        seconds: effort.refreshSeconds(resources),
        ...(loaded ? {} : { perSecond: 5 }),
      })
      if (heapSnapshot) await moveHeapSnapshot(running, join(target, `${name}-${resources}.heapsnapshot`))
    } finally {
      await running.stop()
    }
    const found = (await readdir(running.folder)).find((file) => file.endsWith(".cpuprofile"))
    if (found === undefined) throw new Error(`No profile was written:\n${running.stderr()}`)
    const file = join(target, `${name}-${resources}.cpuprofile`)
    await rename(join(running.folder, found), file)
    console.log(`\n${file}\n${await mostSelfTime(file)}`)
  }
}

const moveHeapSnapshot = async ({ signal, folder }: BenchedProxy, file: string): Promise<void> => {
  signal("SIGUSR2")
  for (let tries = 0; tries < 1200; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    const found = (await readdir(folder)).find((name) => name.endsWith(".heapsnapshot"))
    // The file exists before it is complete: a snapshot ends with the end of its JSON.
    if (found !== undefined && (await readFile(join(folder, found))).subarray(-2).toString().trim().endsWith("}")) {
      await rename(join(folder, found), file)
      return
    }
  }
  throw new Error("No heap snapshot was written")
}

interface Profile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }>
  readonly samples: ReadonlyArray<number>
  /** Microseconds between samples. */
  readonly timeDeltas: ReadonlyArray<number>
}

/** Idle time, and the profiler's own overhead. */
const noWork = /^(\(idle\)|writeHeapSnapshot )/

/** The functions with the most self time, as lines. */
const mostSelfTime = async (file: string): Promise<string> => {
  const { nodes, samples, timeDeltas } = JSON.parse(await readFile(file, "utf8")) as Profile
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      `${functionName || "(anonymous)"} ${url.split("/").slice(-4).join("/")}${url === "" ? "" : `:${lineNumber + 1}`}`,
    ]),
  )
  const self = new Map<string, number>()
  samples.forEach((id, index) => {
    const name = names.get(id) ?? "?"
    self.set(name, (self.get(name) ?? 0) + (timeDeltas[index] ?? 0))
  })
  const working = [...self].filter(([name]) => !noWork.test(name))
  const total = working.reduce((sum, [, time]) => sum + time, 0)
  return working
    .sort(([, a], [, b]) => b - a)
    .slice(0, 30)
    .map(
      ([name, time]) =>
        `${`${oneDecimal((time / total) * 100)} %`.padStart(7)} ${milliseconds(time / 1000).padStart(12)}  ${name}`,
    )
    .join("\n")
}
