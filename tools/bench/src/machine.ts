/** The time, the machine and the commit of a run. */
import { readFile } from "node:fs/promises"
import { cpus, loadavg, release, totalmem } from "node:os"
import { run } from "@cscs/harness"
import { oneDecimal, twoDecimals } from "./figures.ts"
import { generator } from "./load.ts"
import type { Row } from "./questions.ts"

/** Empty without a repository, as in an unpacked archive. */
const git = async (...parameters: ReadonlyArray<string>): Promise<string> =>
  (await run("git", parameters, { cwd: import.meta.dirname }).catch(() => "")).trim()

/** Runnable processes in the last minute: well above 0 before a run means that others disturb it. */
export const load = (): number => loadavg()[0] ?? 0

/** The rows of a table, before the run. */
export const surroundings = async (): Promise<ReadonlyArray<Row>> => {
  const changed = await git("status", "--porcelain", "--", ":/apps", ":/packages")
  const commit = (await git("rev-parse", "--short", "HEAD")) || "unknown"
  const distribution = await readFile("/etc/os-release", "utf8").catch(() => "")
  const system = /^PRETTY_NAME="?([^"\n]*)/m.exec(distribution)?.[1] ?? process.platform
  return [
    ["date", new Date().toISOString().slice(0, 10)],
    ["commit", `${commit}${changed === "" ? "" : ", with changes that are not committed"}`],
    ["processor", `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores`],
    ["memory", `${oneDecimal(totalmem() / 1e9)} GB`],
    ["system", `${system}, Linux ${release()}`],
    ["load before the run", `${twoDecimals(load())} of ${cpus().length} cores`],
    ["load generator", generator],
    ["Node", process.version],
  ]
}
