/** What systems with project IDs share: an ID for each directory, verified before anything relies on it. */
import { stat } from "node:fs/promises"
import { Effect } from "effect"
import { type Directory, errorOf } from "../disk/directory.ts"
import { Conflict, type DriverError, type Quotas, Refused } from "./driver.ts"
import type { Place, QuotaSystem } from "./quota-system.ts"
import type { QuotaRow } from "./quota-table.ts"
import { isEmpty } from "./quotas.ts"

/** The range of IDs that may be assigned, one for each directory. */
export interface ProjectIds {
  /** Default 1,000,000,000: far above GIDs, which other programs use as project IDs. At least 1. */
  readonly first?: number
  /** Default 1,999,999,999. At most 2^32 - 2: the last number means "none". */
  readonly last?: number
}

const maxProjectId = 2 ** 32 - 2

/** A root that passes a project ID on, in which directories cannot be renamed freely. */
export const rootWithProject = (step: string, id: number, inherits: boolean) => {
  const found = `the root has the project ID ${id}${inherits ? ", which new directories inherit" : ""}`
  return new Refused({ step, detail: `${found}: choose a root with ID 0 and without the flag P` })
}

/** The range, or `Refused`: 0 is the ID of everything without one. */
export const projectIdRange = ({
  first = 1_000_000_000,
  last = 1_999_999_999,
}: ProjectIds = {}): Effect.Effect<{ readonly first: number; readonly last: number }, Refused> =>
  Number.isInteger(first) && Number.isInteger(last) && 1 <= first && first <= last && last <= maxProjectId
    ? Effect.succeed({ first, last })
    : Effect.fail(
        new Refused({ step: "project IDs", detail: `from ${first} to ${last}: they must be from 1 to 2^32 - 2` }),
      )

/** The part of a quota system that follows from four commands. */
export const projectQuotas = (commands: {
  /** Where the file system is mounted whose quotas the commands set. */
  readonly mount: string
  readonly projectIds: QuotaSystem["projectIds"]
  /** The ID of a directory, and whether new files in it inherit the ID. */
  readonly project: (
    directory: Directory,
  ) => Effect.Effect<{ readonly id: number; readonly inherits: boolean }, DriverError>
  readonly tie: (directory: Directory, id: number) => Effect.Effect<void, DriverError>
  readonly row: (id: number) => Effect.Effect<QuotaRow, DriverError>
  readonly set: (id: number, quotas: Quotas) => Effect.Effect<void, DriverError>
}) => {
  const verified = Effect.fnUntraced(function* ({ directory, projectId }: Place) {
    const step = `project ID of ${directory.path}`
    const [{ dev }, mounted] = yield* Effect.tryPromise({
      try: () => Promise.all([directory.handle.stat(), stat(commands.mount)]),
      catch: (cause) => errorOf(step, cause),
    })
    // The same ID exists there, too: limits would be set and read back, and never apply to this directory.
    if (dev !== mounted.dev)
      return yield* new Conflict({ step, detail: `it is not on the file system that is mounted at ${commands.mount}` })
    const { id, inherits } = yield* commands.project(directory)
    if (id === projectId && inherits) return
    const detail = `it is ${id}${inherits ? "" : ", which is not inherited"}; ${projectId} is expected`
    return yield* new Conflict({ step, detail })
  })
  return {
    ...(commands.projectIds === undefined ? {} : { projectIds: commands.projectIds }),
    tiedTo: (directory) => Effect.map(commands.project(directory), ({ id }) => id),
    isFree: (id) =>
      Effect.map(commands.row(id), ({ bytes, inodes, quotas }) => bytes + inodes === 0n && isEmpty(quotas)),
    tie: (place) => Effect.andThen(commands.tie(place.directory, place.projectId), verified(place)),
    setQuotas: ({ projectId }, quotas) => commands.set(projectId, quotas),
    readQuotas: (place) =>
      Effect.andThen(
        verified(place),
        Effect.map(commands.row(place.projectId), ({ quotas }) => quotas),
      ),
    usage: ({ projectId }) => Effect.map(commands.row(projectId), ({ bytes, inodes }) => ({ bytes, inodes })),
  } satisfies Partial<QuotaSystem>
}
