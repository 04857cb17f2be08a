/**
 * Which process runs where. The measured server has a core of its own; this process, load generator and sandbox share the
 * others, so that none takes the server's time. Without `taskset` or a second core, the scheduler decides, and the report
 * says so.
 */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"

const isThere = (program: string) => spawnSync(program, ["--version"]).error === undefined

/** `0-1,4` -> [0, 1, 4]. */
const allowed = (/^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0")
  .split(",")
  .flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
const [serverCore, ...others] = allowed
const isPinned = others.length > 0 && isThere("taskset")
// All children inherit it.
if (isPinned) spawnSync("taskset", ["-apc", others.join(","), String(process.pid)])

export const hasWrk = isThere("wrk")
/** The number of cores for the load generator. */
export const otherCores = Math.max(1, others.length)

type Command = readonly [string, ...ReadonlyArray<string>]
const at = (cores: string, command: Command): Command => (isPinned ? ["taskset", "-c", cores, ...command] : command)
/** A command, on the core of the measured server. */
export const onServerCore = (...command: Command): Command => at(String(serverCore), command)
/** A command on every core, for a cold start: a part of its compilation and of its garbage collection is parallel. */
export const onAllCores = (...command: Command): Command => at(allowed.join(","), command)

export const placement = isPinned
  ? `Pinned with \`taskset\`: the measured server to core ${serverCore}, load generator and sandbox to core ${others.join(", ")}.`
  : "Nothing is pinned (no `taskset`, or one core): the processes share the cores."
