/** The proxy's memory and sockets, from Linux. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs"
import { memoryOf } from "@cscs/harness"

/** Without /proc, neither is available. */
export const canBeMeasured: boolean = existsSync("/proc/self/status")

/** Resident megabytes (1,000,000 bytes), second by second. */
export interface Sample {
  /** Seconds since the load began. */
  readonly at: number
  readonly rss: number
}

export const residentMemory = (pid: number): number => memoryOf(pid).rss

/** Each TCP connection, by its ports and its kernel state number; listening sockets are excluded. */
export const connectionsOf = (pid: number): ReadonlyArray<string> => {
  const tcp = readFileSync(`/proc/${pid}/net/tcp`, "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
  return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1]
      const [, here, there, state] = tcp.find((fields) => inode !== undefined && fields[9] === inode) ?? []
      if (here === undefined || there === undefined || state === listening) return []
      return [`port ${portIn(here)} to ${portIn(there)}, state ${state}`]
    } catch {
      // Closed between the listing and the read.
      return []
    }
  })
}

const listening = "0A"

const portIn = (address: string): number => Number.parseInt(address.split(":")[1] ?? "", 16)

/** For any run: a world of some hundred resources needs far less, and a container has more. */
const mostResident = 400

/**
 * Growth in the second half, in MB, that is no leak: uncollected garbage, and old lists that are held for walkers for
 * five minutes. A kilobyte leaked for each response is more, in five minutes.
 */
const mostGrowth = 20
/** Before, heap and caches still grow to their size. */
const longEnough = 200

/** What is wrong with the memory, or `undefined`. */
export const memoryFault = (samples: ReadonlyArray<Sample>): string | undefined => {
  const peak = Math.max(...samples.map(({ rss }) => rss))
  if (peak > mostResident) return `resident memory rose to ${Math.round(peak)} MB; at most ${mostResident} are right`
  const growth = growthInSecondHalf(samples)
  return growth !== undefined && growth > mostGrowth
    ? `resident memory grows: ${growth.toFixed(1)} MB in the second half; at most ${mostGrowth} are right`
    : undefined
}

/** By linear regression over the samples, so that no single garbage collection decides; `undefined` for short runs. */
export const growthInSecondHalf = (samples: ReadonlyArray<Sample>): number | undefined => {
  const end = samples.at(-1)?.at ?? 0
  if (end < longEnough) return undefined
  const half = samples.filter(({ at }) => at >= end / 2)
  const mean = (of: (sample: Sample) => number) => half.reduce((sum, one) => sum + of(one), 0) / half.length
  const meanAt = mean(({ at }) => at)
  const meanRss = mean(({ rss }) => rss)
  const slope =
    half.reduce((sum, { at, rss }) => sum + (at - meanAt) * (rss - meanRss), 0) /
    half.reduce((sum, { at }) => sum + (at - meanAt) ** 2, 0)
  return slope * (end / 2)
}
