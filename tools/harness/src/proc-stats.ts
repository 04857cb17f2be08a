/** A process's memory and CPU time, from Linux. */
import { readFileSync } from "node:fs"

/** Resident memory now, and its maximum so far, in MB (1,000,000 bytes). */
export const memoryOf = (pid: number) => {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  // safe-regex: a file of the kernel's, asked for two names
  const megabytes = (name: string) => (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024) / 1e6
  return { rss: megabytes("VmRSS"), peak: megabytes("VmHWM") }
}

/** Linux counts in hundredths of a second on every platform that Node supports. */
const ticksPerSecond = 100

/** Seconds from two neighbouring fields of /proc's `stat`, counted after the name, which may contain anything. */
const secondsIn = (pid: number | "self", field: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[field]) + Number(fields[field + 1])) / ticksPerSecond
}

/** CPU seconds since the process began, user and system. */
export const cpuSecondsOf = (pid: number): number => secondsIn(pid, 11)

/** CPU seconds of this process's ended children. */
export const endedChildrenCpuSeconds = (): number => secondsIn("self", 13)
