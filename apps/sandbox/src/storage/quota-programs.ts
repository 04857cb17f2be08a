/** Mock quota programs of Lustre, ext4 and XFS, for the provisioner's tests. */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const script = fileURLToPath(new URL("quota-programs.sh", import.meta.url))
const names = ["lfs", "setquota", "quota", "chattr", "lsattr", "xfs_quota"]

/** What the next program whose command line matches does instead. */
export type ProgramFault =
  /** Nothing, and exit code 1 with this text. */
  | { readonly what: "fail"; readonly text: string }
  /** Its work, and then exit code 1. */
  | { readonly what: "late" }
  /** Nothing, and exit code 0; with `output`, this text. */
  | { readonly what: "silent" | "eintr" | "hang" | "die" }
  | { readonly what: "output" | "flood"; readonly text: string }

/** Programs for project quotas that keep their state in files. */
export interface QuotaPrograms {
  /** A folder with executables `lfs`, `setquota`, `quota`, `chattr`, `lsattr` and `xfs_quota`, for the start of `PATH`. */
  readonly bin: string
  /** @param commandLine a shell pattern: `lfs setquota *` */
  readonly fault: (commandLine: string, fault: ProgramFault) => void
  /** The command lines so far, the oldest first. */
  readonly calls: () => ReadonlyArray<string>
  /** Sets limits as another program would: soft and hard KiB, soft and hard inodes. */
  readonly setLimits: (projectId: number, limits: readonly [number, number, number, number]) => void
  /** What an ID without its own limits gets on Lustre. */
  readonly setDefault: (limits: readonly [number, number, number, number]) => void
  /** Sets what is used: KiB and inodes. */
  readonly setUsed: (projectId: number, kibibytes: number, inodes: number) => void
  /** Gives a directory a project ID, which new entries inherit, or takes it away. */
  readonly setProject: (inode: number | bigint, projectId: number | undefined) => void
  /** From now on, `quota` reports that the kernel has no project quotas. */
  readonly turnOff: () => void
}

/**
 * Writes the programs into a folder of the caller's.
 *
 * @param folder an existing folder
 * @param mount the one mount point that they accept
 */
export const installQuotaPrograms = (folder: string, mount: string): QuotaPrograms => {
  const [bin, state] = [`${folder}/bin`, `${folder}/state`]
  for (const path of [bin, state, `${state}/project`, `${state}/limits`, `${state}/used`]) mkdirSync(path)
  writeFileSync(`${state}/mount`, mount)
  for (const name of names) {
    writeFileSync(`${bin}/${name}`, `#!/bin/sh\nSTATE='${state}' exec sh '${script}' ${name} "$@"\n`)
    chmodSync(`${bin}/${name}`, 0o755)
  }
  return {
    bin,
    fault: (commandLine, fault) =>
      writeFileSync(`${state}/fault`, `${commandLine}|${fault.what}|${"text" in fault ? fault.text : ""}\n`),
    calls: () => readFileSync(`${state}/calls`, "utf8").trim().split("\n"),
    setLimits: (projectId, limits) => writeFileSync(`${state}/limits/${projectId}`, limits.join(" ").concat("\n")),
    setDefault: (limits) => writeFileSync(`${state}/default`, limits.join(" ").concat("\n")),
    setUsed: (projectId, kibibytes, inodes) => writeFileSync(`${state}/used/${projectId}`, `${kibibytes} ${inodes}\n`),
    setProject: (inode, projectId) =>
      projectId === undefined
        ? rmSync(`${state}/project/${inode}`, { force: true })
        : writeFileSync(`${state}/project/${inode}`, `${projectId} P\n`),
    turnOff: () => writeFileSync(`${state}/off`, ""),
  }
}
