/** Mock quota programs of Lustre, ext4 and XFS, for the provisioner's tests. */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const script = fileURLToPath(new URL("quota-programs.sh", import.meta.url))
const names = ["lfs", "setquota", "quota", "chattr", "lsattr", "xfs_quota"]

/** What the next program whose command line matches does instead of its work. */
export type ProgramFault =
  /** Does nothing, prints the text to standard error and exits with 1. */
  | { readonly what: "fail"; readonly text: string }
  /** Does its work, then exits with 1. */
  | { readonly what: "late" }
  /** Does nothing and exits with 0, exits with 4, hangs for a minute, or kills itself. */
  | { readonly what: "silent" | "eintr" | "hang" | "die" }
  /** Prints the text, in which `\\n` begins a line, and exits with 0, or prints it forever. */
  | { readonly what: "output" | "flood"; readonly text: string }

type Limits = readonly [softKib: number, hardKib: number, softInodes: number, hardInodes: number]

/** Programs for project quotas that keep their state in files. */
export interface QuotaPrograms {
  /** A folder with executables `lfs`, `setquota`, `quota`, `chattr`, `lsattr` and `xfs_quota`, for the start of `PATH`. */
  readonly bin: string
  /** @param commandLine a shell pattern without `|`: `lfs setquota *` */
  readonly fault: (commandLine: string, fault: ProgramFault) => void
  /** The command lines so far, oldest first. */
  readonly calls: () => ReadonlyArray<string>
  /** Sets limits as another program would: soft and hard KiB, soft and hard inodes. */
  readonly setLimits: (projectId: number, limits: Limits) => void
  /** Sets the limits that apply to an ID without its own, on Lustre: for space and for inodes separately. */
  readonly setDefault: (limits: Limits) => void
  /** Sets the usage: KiB and inodes. */
  readonly setUsed: (projectId: number, kibibytes: number, inodes: number) => void
  /** Sets a directory's project ID, which new entries inherit, or removes it. */
  readonly setProject: (inode: number | bigint, projectId: number | undefined) => void
  /** From now on, `quota` reports that the kernel has no project quotas. */
  readonly turnOff: () => void
}

/**
 * Writes the programs into a folder.
 *
 * @param folder an existing folder
 * @param mount the only mount point that the programs accept
 */
export const installQuotaPrograms = (folder: string, mount: string): QuotaPrograms => {
  const [bin, state] = [`${folder}/bin`, `${folder}/state`]
  for (const path of [bin, state, `${state}/project`, `${state}/limits`, `${state}/used`]) mkdirSync(path)
  writeFileSync(`${state}/mount`, mount)
  writeFileSync(`${state}/calls`, "")
  for (const name of names) {
    writeFileSync(`${bin}/${name}`, `#!/bin/sh\nSTATE='${state}' exec sh '${script}' ${name} "$@"\n`)
    chmodSync(`${bin}/${name}`, 0o755)
  }
  return {
    bin,
    fault: (commandLine, fault) =>
      writeFileSync(`${state}/fault`, `${commandLine}|${fault.what}|${"text" in fault ? fault.text : ""}\n`),
    calls: () => readFileSync(`${state}/calls`, "utf8").split("\n").slice(0, -1),
    setLimits: (projectId, limits) => writeFileSync(`${state}/limits/${projectId}`, `${limits.join(" ")}\n`),
    setDefault: (limits) => writeFileSync(`${state}/default`, `${limits.join(" ")}\n`),
    setUsed: (projectId, kibibytes, inodes) => writeFileSync(`${state}/used/${projectId}`, `${kibibytes} ${inodes}\n`),
    setProject: (inode, projectId) =>
      projectId === undefined
        ? rmSync(`${state}/project/${inode}`, { force: true })
        : writeFileSync(`${state}/project/${inode}`, `${projectId} P\n`),
    turnOff: () => writeFileSync(`${state}/off`, ""),
  }
}
