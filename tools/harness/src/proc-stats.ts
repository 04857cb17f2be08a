/** A process's memory and CPU time, from Linux's /proc. */
import { readFileSync } from "node:fs"

/** Resident memory now, and its maximum so far, in MB (1,000,000 bytes). */
export const memoryOf = (pid: number) => {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  // safe-regex: reads a file of the kernel, for two fixed names
  const megabytes = (name: string) => (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024) / 1e6
  return { rss: megabytes("VmRSS"), peak: megabytes("VmHWM") }
}

/** Linux counts hundredths of a second on every platform that Node supports. */
const ticksPerSecond = 100

/** Seconds from two adjacent fields of /proc's `stat`, counted after the name, which may contain any character. */
const secondsIn = (pid: number | "self", field: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[field]) + Number(fields[field + 1])) / ticksPerSecond
}

/** CPU seconds since the process started, user and system. */
export const cpuSecondsOf = (pid: number): number => secondsIn(pid, 11)

/** CPU seconds of this process's ended children. */
export const endedChildrenCpuSeconds = (): number => secondsIn("self", 13)
