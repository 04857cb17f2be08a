/** ext4 and XFS with project quotas (`mount -o prjquota`), by the programs of Debian's `quota`, `e2fsprogs` and `xfsprogs`. */
import { readFile } from "node:fs/promises"
import { Effect } from "effect"
import { type Directory, errorOf } from "../disk/directory.ts"
import { givenDirectory, outputOf, runProgram } from "../disk/run-program.ts"
import { Refused, UnknownOutcome } from "./driver.ts"
import { projectQuotas, rootWithProject } from "./project-quotas.ts"
import type { QuotaSystem } from "./quota-system.ts"
import { limitsOf, readQuotaTable } from "./quota-table.ts"

/**
 * The quota system of ext4 or XFS.
 *
 * @param mount where the file system is mounted
 */
export const projectQuotaSystem = (
  name: "ext4" | "xfs",
  mount: string,
  projectIds: QuotaSystem["projectIds"],
): QuotaSystem => {
  /** `lsattr -p -d` prints `1000 ---------------------P /path`. XFS shows the flag since Linux 5.13. */
  const project = (given: Directory) =>
    Effect.flatMap(outputOf("lsattr", ["-p", "-d", "--", givenDirectory], { given }), (text) => {
      const [, id, flags = ""] = /^\s*(\d{1,10}) ([A-Za-z-]+) /.exec(text) ?? []
      const detail = `unknown output: ${text.slice(0, 100)}`
      return id === undefined
        ? Effect.fail(new UnknownOutcome({ step: `lsattr -p -d ${given.path}`, detail }))
        : Effect.succeed({ id: Number(id), inherits: flags.includes("P") })
    })
  /**
   * `quota` also exits with 1 if a quota is exceeded, so its output decides. `-p` prints grace times as numbers: without it,
   * the column of an absent one is empty.
   */
  const row = Effect.fnUntraced(function* (id: number) {
    const args = ["-P", "-v", "-w", "-p", `--filesystem=${mount}`, String(id)]
    const { stdout, stderr } = yield* runProgram("quota", args)
    return yield* readQuotaTable(`quota -P ${id} ${mount}`, `${stderr}\n${stdout}`)
  })
  return {
    name,
    capabilities: {
      enforces: ["spaceSoft", "spaceHard", "inodesSoft", "inodesHard"],
      // XFS stores limits in blocks of usually 4 KiB, rounded up: any other limit would be read back as a larger one.
      granularity: { bytes: name === "xfs" ? 4096n : 1024n, inodes: 1n },
      countsInodes: true,
    },
    ...projectQuotas({
      mount,
      projectIds,
      project,
      tie: (given, id) =>
        Effect.asVoid(
          name === "ext4"
            ? outputOf("chattr", ["-p", String(id), "+P", "--", givenDirectory], { given })
            : // Depth 0: the directory alone, which is empty.
              outputOf("xfs_quota", ["-x", "-c", `project -s -d 0 -p ${givenDirectory} ${id}`, mount], { given }),
        ),
      row,
      set: (id, quotas) => Effect.asVoid(outputOf("setquota", ["-P", String(id), ...limitsOf(quotas), mount])),
    }),
    check: Effect.fnUntraced(function* (root) {
      const step = `project quotas of ${mount}`
      const detail =
        "cannot be read: install quota, and mount with prjquota on a kernel with CONFIG_QFMT_V2 (ext4) or CONFIG_XFS_QUOTA (XFS)"
      // ID 0 always has a row if there are project quotas.
      yield* Effect.mapError(row(0), (error) => new Refused({ step, detail: `${detail} (${error.detail})` }))
      const options = yield* optionsOf(mount)
      if (options !== undefined && !options.includes("prjquota"))
        return yield* new Refused({ step, detail: "are counted, but limits are not enforced: mount with prjquota" })
      const { id, inherits } = yield* project(root)
      if (id !== 0 || inherits) return yield* rootWithProject(step, id, inherits)
    }),
  }
}

/**
 * The file system's own options of a mount, `undefined` if nothing is mounted there (proc_pid_mountinfo(5)). Only if limits are
 * enforced, `prjquota` is among them: without it, ext4 with `tune2fs -O quota` and XFS with `pqnoenforce` still count usage and
 * store limits.
 */
const optionsOf = (mount: string) =>
  Effect.tryPromise({
    try: async () => {
      const rows = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").map((line) => line.split(" "))
      // Of mounts on top of each other, the last one counts.
      const row = rows.findLast(([, , , , point = ""]) => unescaped(point) === mount)
      return row?.at(-1)?.split(",")
    },
    catch: (cause) => errorOf("mounts", cause),
  })

const unescaped = (point: string) =>
  point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
