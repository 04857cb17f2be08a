/** The time, the machine and the versions of a run. */
import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { cpus, loadavg, release, totalmem } from "node:os"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

export interface Surroundings {
  readonly date: string
  readonly command: string
  readonly commit: string
  readonly processor: string
  readonly cores: number
  /** GB, of 1,000,000,000 bytes. */
  readonly memory: number
  readonly system: string
  readonly node: string
  /** Runnable processes in the minute before the run: well above 0 means that others disturbed it. */
  readonly load: number
}

const workspace = fileURLToPath(new URL("../../../", import.meta.url))

/** Empty without a repository, as in an unpacked archive. */
const git = (...parameters: ReadonlyArray<string>): Promise<string> =>
  promisify(execFile)("git", parameters, { cwd: workspace }).then(
    ({ stdout }) => stdout.trim(),
    () => "",
  )

export const surroundings = async (line: ReadonlyArray<string>): Promise<Surroundings> => {
  const changed = await git("status", "--porcelain", "--", "apps", "packages")
  const distribution = await readFile("/etc/os-release", "utf8").catch(() => "")
  return {
    date: new Date().toISOString().slice(0, 10),
    command: ["pnpm bench", ...line].join(" "),
    commit: `${(await git("rev-parse", "--short", "HEAD")) || "unknown"}${changed === "" ? "" : ", with changes that are not committed"}`,
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memory: totalmem() / 1e9,
    system: `${/^PRETTY_NAME="?([^"\n]*)/m.exec(distribution)?.[1] ?? process.platform}, Linux ${release()}`,
    node: process.version,
    load: loadavg()[0] ?? 0,
  }
}
