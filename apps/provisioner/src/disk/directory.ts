/**
 * Directories by open handles. Each step below a root is relative to an open directory, by `/proc/self/fd/<fd>/<name>` since Node
 * has no `openat`: so no component can be replaced by a symbolic link on the way.
 */
import { constants } from "node:fs"
import { type FileHandle, mkdir, open, readdir, rename, rmdir } from "node:fs/promises"
import { Effect, type Scope } from "effect"
import { Conflict, type DriverError, Refused, UnknownOutcome } from "../drivers/driver.ts"

/** An open directory. Its path is for messages only. */
export interface Directory {
  readonly handle: FileHandle
  readonly path: string
}

/** The part of a directory's status that drivers compare. */
export interface DirectoryStatus {
  readonly uid: number
  readonly gid: number
  /** At most 0o7777. */
  readonly mode: number
  /**
   * Inode and time of birth: constant while the directory exists, wherever it is renamed to. Inode numbers alone are reused. The
   * device is not included, because it may change with each mount.
   */
  readonly identity: string
}

const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
/** The longest name in bytes, on every file system in use. */
const maxNameLength = 255

const pathOf = (directory: Directory, name: string): string => `/proc/self/fd/${directory.handle.fd}/${name}`
const shownPath = (directory: Directory, name: string): string =>
  `${directory.path === "/" ? "" : directory.path}/${name}`

/** The driver error for a step that failed with an error of Node. */
export const errorOf = (step: string, cause: unknown): DriverError => {
  const { code = "" } = cause as NodeJS.ErrnoException
  const detail = meanings[code] ?? (code || String(cause))
  if (["EEXIST", "ENOTEMPTY", "ENOTDIR", "ELOOP", "EXDEV", "ENOENT", "EBUSY"].includes(code))
    return new Conflict({ step, detail })
  if (["EPERM", "EACCES", "EROFS", "ENOSYS", "EINVAL", "ENAMETOOLONG", "EOPNOTSUPP"].includes(code))
    return new Refused({ step, detail })
  return new UnknownOutcome({ step, detail })
}

const meanings: Readonly<Record<string, string>> = {
  EEXIST: "something else is there (EEXIST)",
  ENOTEMPTY: "something else is there (ENOTEMPTY)",
  ENOTDIR: "not a directory, or a symbolic link (ENOTDIR)",
  ELOOP: "a symbolic link, which is not followed (ELOOP)",
  EXDEV: "another file system or project quota tree: root and trash must be in one (EXDEV)",
  ENOENT: "it is missing (ENOENT)",
  EPERM: "not permitted (EPERM): the provisioner runs as root in production",
  EACCES: "not permitted (EACCES): the provisioner runs as root in production",
  EROFS: "the file system is read-only (EROFS)",
}

const attempt = <A>(step: string, run: () => Promise<A>): Effect.Effect<A, DriverError> =>
  Effect.tryPromise({ try: run, catch: (cause) => errorOf(step, cause) }).pipe(Effect.uninterruptible)

const openAt = (at: string, path: string): Effect.Effect<Directory | null, DriverError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({ try: () => open(at, flags), catch: (cause) => cause as NodeJS.ErrnoException }).pipe(
      Effect.catch((cause) =>
        cause.code === "ENOENT" ? Effect.succeed(null) : Effect.fail(errorOf(`open ${path}`, cause)),
      ),
    ),
    (handle) => Effect.promise(async () => handle?.close()),
  ).pipe(Effect.map((handle) => (handle === null ? null : { handle, path })))

/** The directory `name` in an open one, or `null` if it is missing. `Conflict` for a symbolic link and anything else. */
export const openChild = (parent: Directory, name: string): Effect.Effect<Directory | null, DriverError, Scope.Scope> =>
  openAt(pathOf(parent, name), shownPath(parent, name))

/** Follows the components from an open directory; `null` as soon as one is missing. */
export const openBelow = Effect.fnUntraced(function* (start: Directory, components: ReadonlyArray<string>) {
  let current: Directory | null = start
  for (const name of components) {
    if (current === null) return null
    current = yield* openChild(current, name)
  }
  return current
})

/** An absolute directory, from `/` on, without following a symbolic link; `null` if it is missing. */
export const openAbsolute = Effect.fnUntraced(function* (path: string) {
  const start = yield* openAt("/", "/")
  return start === null ? null : yield* openBelow(start, path.split("/").filter(Boolean))
})

/**
 * The components of a path below a root. Refused: a path that is the root or outside, `.` and `..`, an empty or hidden
 * component (those are the drivers' own), one that is too long or has a NUL.
 */
export const componentsBelow = (root: string, path: string): Effect.Effect<readonly [string, ...string[]], Refused> => {
  const refused = (detail: string) => Effect.fail(new Refused({ step: `path ${path}`, detail }))
  if (!path.startsWith(`${root}/`)) return refused(`not below ${root}`)
  const [first = "", ...others] = path.slice(root.length + 1).split("/")
  for (const name of [first, ...others]) {
    if (name === "" || name.startsWith(".")) return refused("an empty or hidden component")
    if (name.includes("\0") || Buffer.byteLength(name) > maxNameLength)
      return refused("a component that is not a valid name")
  }
  return Effect.succeed([first, ...others])
}

export const statusOf = (directory: Directory): Effect.Effect<DirectoryStatus, DriverError> =>
  attempt(`stat ${directory.path}`, async () => {
    const { uid, gid, mode, ino, birthtimeNs } = await directory.handle.stat({ bigint: true })
    return { uid: Number(uid), gid: Number(gid), mode: Number(mode & 0o7777n), identity: `${ino}:${birthtimeNs}` }
  })

/** Sets owner and group, then the mode, which an earlier group must never get. `Conflict` if what is read back differs. */
export const setOwnerAndMode = Effect.fnUntraced(function* (
  directory: Directory,
  wanted: { readonly uid: number; readonly gid: number; readonly mode: number },
) {
  const agrees = (status: DirectoryStatus) =>
    status.uid === wanted.uid && status.gid === wanted.gid && status.mode === wanted.mode
  if (agrees(yield* statusOf(directory))) return "unchanged" as const
  const step = `owner and mode of ${directory.path}`
  yield* attempt(step, async () => {
    await directory.handle.chown(wanted.uid, wanted.gid)
    await directory.handle.chmod(wanted.mode)
  })
  const now = yield* statusOf(directory)
  if (agrees(now)) return "changed" as const
  const detail = `${wanted.uid}:${wanted.gid} ${octal(wanted.mode)} was set, ${now.uid}:${now.gid} ${octal(now.mode)} read back`
  return yield* new Conflict({ step, detail })
})

/** Four octal digits, such as `2770`. */
export const octal = (mode: number): string => mode.toString(8).padStart(4, "0")

export const namesIn = (directory: Directory): Effect.Effect<ReadonlyArray<string>, DriverError> =>
  attempt(`list ${directory.path}`, () => readdir(pathOf(directory, ".")))

/** Makes `name` in the directory, accessible to its owner only. */
export const makeChild = (parent: Directory, name: string): Effect.Effect<void, DriverError> =>
  attempt(`mkdir ${shownPath(parent, name)}`, () => mkdir(pathOf(parent, name), 0o700))

export const sync = (directory: Directory): Effect.Effect<void, DriverError> =>
  attempt(`fsync ${directory.path}`, () => directory.handle.sync())

/** Mode of a claim: the sticky bit alone, which no directory in use has. `mkdir` sets it together with the name. */
const claimMode = 0o1000
const setgid = 0o2000

/** Whether it is a claim that a killed `renameInto` left: it is empty, and is ignored. */
export const isClaim = (status: DirectoryStatus): boolean =>
  status.uid === process.geteuid?.() && (status.mode & ~setgid) === claimMode

/**
 * Renames without replacing anything. Node has no `renameat2`, and `rename` silently replaces an empty directory. So an empty
 * directory is made first, as a claim, which fails if the name is taken; then `rename` replaces it, which fails if it is no
 * longer empty. `mv -n` is not an alternative: it copies if it cannot rename.
 *
 * Not prevented: another root process that replaces the claim with an empty directory of its own in between, which is then lost.
 *
 * @param moved the directory that is renamed, open: what is at the new place is compared with it
 */
export const renameInto = Effect.fnUntraced(function* (
  moved: Directory,
  [from, name]: readonly [Directory, string],
  [to, newName]: readonly [Directory, string],
) {
  const step = `rename ${shownPath(from, name)} to ${shownPath(to, newName)}`
  yield* attempt(step, () => mkdir(pathOf(to, newName), claimMode)).pipe(
    Effect.catchTag("Conflict", (conflict) =>
      Effect.gen(function* () {
        const there = yield* openChild(to, newName)
        if (there === null || !isClaim(yield* statusOf(there))) return yield* conflict
      }),
    ),
  )
  const source = yield* openChild(from, name)
  const { identity } = yield* statusOf(moved)
  if (source === null || (yield* statusOf(source)).identity !== identity) {
    yield* withdrawClaim(to, newName)
    return yield* new Conflict({ step, detail: "another directory is there" })
  }
  yield* attempt(step, () => rename(pathOf(from, name), pathOf(to, newName))).pipe(
    Effect.tapError(() => withdrawClaim(to, newName)),
  )
  yield* sync(to)
  if (from !== to) yield* sync(from)
  const now = yield* openChild(to, newName)
  if (now === null || (yield* statusOf(now)).identity !== identity)
    return yield* new UnknownOutcome({ step, detail: "the directory is not at its new place" })
}, Effect.scoped)

/** A leftover claim does no harm, so the first error is the one to report. */
const withdrawClaim = (parent: Directory, name: string) =>
  Effect.ignore(
    Effect.scoped(
      Effect.gen(function* () {
        const there = yield* openChild(parent, name)
        if (there !== null && isClaim(yield* statusOf(there)))
          yield* attempt(`rmdir ${shownPath(parent, name)}`, () => rmdir(pathOf(parent, name)))
      }),
    ),
  )
