/** The time, the machine and the commit of a run. */
import { readFile } from "node:fs/promises"
import { cpus, loadavg, release, totalmem } from "node:os"
import { run } from "@cscs/harness"

export type Surroundings = Awaited<ReturnType<typeof surroundings>>

/** Empty without a repository, as in an unpacked archive. */
const git = async (...parameters: ReadonlyArray<string>): Promise<string> =>
  (await run("git", parameters, { cwd: import.meta.dirname }).catch(() => "")).trim()

export const surroundings = async (line: ReadonlyArray<string>) => {
  const changed = await git("status", "--porcelain", "--", ":/apps", ":/packages")
  const distribution = await readFile("/etc/os-release", "utf8").catch(() => "")
  return {
    date: new Date().toISOString().slice(0, 10),
    command: ["pnpm bench", ...line].join(" "),
    commit: `${(await git("rev-parse", "--short", "HEAD")) || "unknown"}${changed === "" ? "" : ", with changes that are not committed"}`,
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    /** GB, of 1,000,000,000 bytes. */
    memory: totalmem() / 1e9,
    system: `${/^PRETTY_NAME="?([^"\n]*)/m.exec(distribution)?.[1] ?? process.platform}, Linux ${release()}`,
    node: process.version,
    /** Runnable processes in the minute before the run: well above 0 means that others disturbed it. */
    load: loadavg()[0] ?? 0,
  }
}
