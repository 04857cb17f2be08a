/**
 * Puts load on a server with a program that takes less time for a page than the server: `wrk` if the machine has it,
 * else autocannon. A paced load is our own client's: autocannon alone has a p99 of 25 ms at 200 requests/s.
 */
import { spawn } from "node:child_process"
import { buffer } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { cpuSecondsOf, endedChildrenCpuSeconds, watch } from "@cscs/harness"
import { hasWrk, otherCores } from "./cores.ts"

export interface Load {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly seconds: number
  /** Requests per second over all connections; by default as many as possible. */
  readonly perSecond?: number
}

export type LoadResult = Awaited<ReturnType<typeof runLoad>>

export const generator = hasWrk ? "`wrk`" : "autocannon (this machine has no `wrk`)"
/** Above this share of its cores the generator, and not the server, is the limit. */
export const maxShare = 0.9
export const connections = 8

const autocannon = fileURLToPath(import.meta.resolve("autocannon"))
/** Seconds that a response may take under load. */
const patience = "60"

const paced = fileURLToPath(new URL("paced-load.ts", import.meta.url))

const commandOf = ({ url, headers = {}, seconds, perSecond }: Load) => {
  if (perSecond !== undefined) {
    return [process.execPath, paced, url, ...[connections, perSecond, seconds].map(String), JSON.stringify(headers)]
  }
  const lines = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`])
  const common = ["-c", String(connections), "-d", String(seconds), ...lines, url]
  if (hasWrk) return ["wrk", "-t1", "--latency", "--timeout", patience, ...common]
  return [process.execPath, autocannon, "-j", "-t", patience, "-w", String(otherCores), ...common]
}

/** @param pid the server's process */
export const runLoad = async (pid: number, load: Load) => {
  const [program = "", ...parameters] = commandOf(load)
  const before = { own: endedChildrenCpuSeconds(), server: cpuSecondsOf(pid), at: performance.now() }
  const child = watch(spawn(program, parameters, { stdio: ["ignore", "pipe", "pipe"] }))
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
  const [text, problems] = (await Promise.all([buffer(child.stdout), buffer(child.stderr)])).map(String)
  if ((await ended) !== 0 || text === undefined) throw new Error(`${program} failed: ${problems}${text}`)
  const [figures, cores] = figuresOf(load, text)
  const elapsed = (performance.now() - before.at) / 1000
  return {
    ...figures,
    share: (endedChildrenCpuSeconds() - before.own) / Math.min(load.seconds, elapsed) / cores,
    /** Microseconds of the server's processor time, user and system. */
    cpuPerRequest: ((cpuSecondsOf(pid) - before.server) * 1e6) / figures.requests,
  }
}

/** Figures, and the number of cores that the program can use. */
const figuresOf = (load: Load, text: string) => {
  if (load.perSecond !== undefined) return [JSON.parse(text) as ReturnType<typeof fromWrk>, 1] as const
  return hasWrk ? ([fromWrk(text), 1] as const) : ([fromAutocannon(text), otherCores] as const)
}

/** Latencies in milliseconds; failures are responses other than 2xx and 3xx, and missing ones. */
export const fromAutocannon = (text: string) => {
  const { requests, duration, latency, errors, ...report } = JSON.parse(text.slice(text.indexOf("{")))
  return {
    requests: Number(requests.total),
    perSecond: requests.total / duration,
    p50: Number(latency.p50),
    p99: Number(latency.p99),
    max: Number(latency.max),
    failures: Number(errors + report["4xx"] + report["5xx"]),
  }
}

const units: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 }

export const fromWrk = (text: string) => {
  const found = (pattern: RegExp) => pattern.exec(text) ?? []
  const time = ([, number, unit = "ms"]: ReadonlyArray<string>) => Number(number) * (units[unit] ?? Number.NaN)
  const problems = [/Non-2xx or 3xx responses: (\d+)/, /connect (\d+)/, /read (\d+)/, /write (\d+)/, /timeout (\d+)/]
  return {
    requests: Number(found(/\b(\d+) requests in/)[1]),
    perSecond: Number(found(/Requests\/sec:\s+([\d.]+)/)[1]),
    p50: time(found(/50%\s+([\d.]+)(\w+)/)),
    p99: time(found(/99%\s+([\d.]+)(\w+)/)),
    max: time(found(/Latency\s+\S+\s+\S+\s+([\d.]+)([a-z]+)/)),
    failures: problems.reduce((sum, pattern) => sum + Number(found(pattern)[1] ?? 0), 0),
  }
}
