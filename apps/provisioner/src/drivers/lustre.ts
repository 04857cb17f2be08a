/** Lustre: each directory has a project ID of its own, and quotas by `lfs setquota -p`. */
import { Effect } from "effect"
import type { Directory } from "../disk/directory.ts"
import { givenDirectory, outputOf } from "../disk/run-program.ts"
import { Conflict, type DriverError, UnknownOutcome } from "./driver.ts"
import { projectQuotas, rootWithProject } from "./project-quotas.ts"
import type { QuotaSystem } from "./quota-system.ts"
import { limitsOf, readQuotaTable } from "./quota-table.ts"

/** @param mount where the file system is mounted */
export const lustreSystem = (mount: string, projectIds: QuotaSystem["projectIds"]): QuotaSystem => {
  const lfs = (args: ReadonlyArray<string>, given?: Directory) =>
    outputOf("lfs", args, given === undefined ? {} : { given })

  /** `lfs project -d` prints `  1000 P /path`; `P` means that new files inherit the ID. */
  const project = (
    directory: Directory,
  ): Effect.Effect<{ readonly id: number; readonly inherits: boolean }, DriverError> =>
    Effect.flatMap(lfs(["project", "-d", givenDirectory], directory), (text) => {
      const [, id, flag] = /^\s*(\d{1,10}) ([P-]) /.exec(text) ?? []
      const detail = `unknown output: ${text.slice(0, 100)}`
      return id === undefined
        ? Effect.fail(new UnknownOutcome({ step: `lfs project -d ${directory.path}`, detail }))
        : Effect.succeed({ id: Number(id), inherits: flag === "P" })
    })

  return {
    name: "lustre",
    capabilities: {
      enforces: ["spaceSoft", "spaceHard", "inodesSoft", "inodesHard"],
      // Servers are granted inodes in such portions: other limits would be reached early.
      granularity: { bytes: 1024n, inodes: 1024n },
      countsInodes: true,
    },
    ...projectQuotas({
      mount,
      projectIds,
      project,
      tie: Effect.fnUntraced(function* (directory, id) {
        yield* lfs(["project", "-p", String(id), "-s", givenDirectory], directory)
        const wrong = yield* lfs(["project", "-c", "-r", "-p", String(id), givenDirectory], directory)
        if (wrong.trim() !== "")
          return yield* new Conflict({ step: `lfs project -c ${directory.path}`, detail: wrong.trim().slice(0, 300) })
      }),
      row: (id) =>
        Effect.flatMap(lfs(["quota", "-p", String(id), mount]), (text) =>
          readQuotaTable(`lfs quota -p ${id} ${mount}`, text),
        ),
      set: (id, quotas) => {
        const { spaceSoft, spaceHard, inodesSoft, inodesHard } = quotas
        const [soft, hard, fileSoft, fileHard] = limitsOf(quotas)
        // A limit of space, even 0, replaces the default quota for space, and one of inodes that for inodes. So a kind without limits
        // has no options.
        const space = (spaceSoft ?? spaceHard) === undefined ? [] : ["-b", soft, "-B", hard]
        const inodes = (inodesSoft ?? inodesHard) === undefined ? [] : ["-i", fileSoft, "-I", fileHard]
        return Effect.asVoid(lfs(["setquota", "-p", String(id), ...space, ...inodes, mount]))
      },
    }),
    // A client does not see whether the servers enforce project quotas.
    check: (root) =>
      Effect.flatMap(project(root), ({ id, inherits }) =>
        id === 0 && !inherits ? Effect.void : Effect.fail(rootWithProject(`lfs project -d ${root.path}`, id, inherits)),
      ),
  }
}
