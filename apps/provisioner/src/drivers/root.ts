/** Opens the root of a driver, and directories below it. */
import { Effect, RcMap, RcRef, type Scope, type Semaphore } from "effect"
import {
  componentsBelow,
  type Directory,
  type DirectoryStatus,
  isClaim,
  makeChild,
  openAbsolute,
  openBelow,
  openChild,
  statusOf,
  sync,
} from "../disk/directory.ts"
import type { Registry } from "../disk/registry.ts"
import { type DriverError, Refused, UnknownOutcome } from "./driver.ts"
import type { QuotaSystem } from "./quota-system.ts"

/** In the root: no mount point has a hidden component. Its mode is 0700, so that no group can read removed data. */
const trashName = ".cscs-trash"

/** What the steps of one driver share. */
export interface Root {
  readonly path: string
  /** The effective user of this process, which owns every directory. */
  readonly uid: number
  readonly isReader: boolean
  readonly system: QuotaSystem
  readonly registry: Registry
  /** For what several items share: project IDs, and directories above. */
  readonly mutex: Semaphore.Semaphore
}
/** The root and its trash, open. A new root has no trash until a driver opens it for writing. */
export interface OpenRoot extends Root {
  readonly top: Directory
  readonly trash: Directory | null
}
export interface WritableRoot extends OpenRoot {
  readonly trash: Directory
}
export interface Found extends Directory {
  readonly status: DirectoryStatus
}
export type Step<A> = Effect.Effect<A, DriverError, Scope.Scope>

export const openRoot = Effect.fnUntraced(function* (root: Root) {
  const { path, uid, isReader, registry } = root
  const step = `open root ${path}`
  const top = yield* openAbsolute(path)
  if (top === null) return yield* new Refused({ step, detail: "it is missing: is the file system mounted?" })
  const trash = yield* openChild(top, trashName)
  if (trash === null && !registry.isEmpty())
    return yield* new Refused({ step, detail: `no ${trashName} in it: is the file system mounted?` })
  const { uid: owner, mode } = yield* statusOf(top)
  if (owner !== uid || (mode & 0o002) !== 0)
    return yield* new Refused({ step, detail: "it belongs to another user, or others may write it" })
  if (trash !== null || isReader) return { ...root, top, trash }
  yield* makeChild(top, trashName)
  const made = yield* openChild(top, trashName)
  if (made === null) return yield* new UnknownOutcome({ step, detail: `${trashName} has disappeared` })
  yield* sync(top)
  return { ...root, top, trash: made }
})

/** The directory at a path; `null` if there is none, or only a claim. */
export const directoryAt = Effect.fnUntraced(function* ({ path: root, top }: OpenRoot, path: string) {
  const found = yield* openBelow(top, yield* componentsBelow(root, path))
  return found === null ? null : yield* unlessClaim(found)
})

export const unlessClaim = (directory: Directory): Effect.Effect<Found | null, DriverError> =>
  Effect.map(statusOf(directory), (status) => (isClaim(status) ? null : { ...directory, status }))

/**
 * Opens a directory from the one above, which stays open while any look below it runs, so that concurrent looks share it. Only
 * for looks: a step that changes something opens every directory again.
 */
export const makeOpener = Effect.fnUntraced(function* (root: string, opened: RcRef.RcRef<OpenRoot, DriverError>) {
  const shared: RcMap.RcMap<string, Directory | null, DriverError> = yield* RcMap.make({
    lookup: (path: string) => (path === root ? Effect.map(RcRef.get(opened), ({ top }) => top) : openShared(path)),
  })
  const openShared = (path: string): Step<Directory | null> =>
    Effect.gen(function* () {
      const end = path.lastIndexOf("/")
      const parent = yield* RcMap.get(shared, path.slice(0, end))
      return parent === null ? null : yield* openChild(parent, path.slice(end + 1))
    })
  return openShared
})
