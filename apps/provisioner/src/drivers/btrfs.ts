/** btrfs: each directory is a subvolume, and its quota the limit of its qgroup. It has neither soft limits nor limits of inodes. */
import { readFile } from "node:fs/promises"
import { Effect, Result, Semaphore } from "effect"
import { type Directory, errorOf, openChild } from "../disk/directory.ts"
import { givenDirectory, outputOf, runProgram } from "../disk/run-program.ts"
import { Conflict, type DriverError, Refused, UnknownOutcome } from "./driver.ts"
import type { Place, QuotaSystem } from "./quota-system.ts"

/** The inode of every subvolume's top directory. */
const inodeOfSubvolume = 256n

/**
 * Subvolumes are made and limited one at a time: with several at once, a limit that had been read back sometimes disappeared
 * (Linux 6.18).
 */
const mutex = Semaphore.makeUnsafe(1)

export const btrfsSystem: QuotaSystem = {
  name: "btrfs",
  capabilities: { enforces: ["spaceHard"], granularity: { bytes: 1n, inodes: 1n }, countsInodes: false },
  make: (parent, name) =>
    mutex.withPermit(
      Effect.asVoid(outputOf("btrfs", ["subvolume", "create", "--", `${givenDirectory}/${name}`], { given: parent })),
    ),
  tie: ({ directory }) => isSubvolume(directory),
  setQuotas: Effect.fnUntraced(function* (place: Place, { spaceHard }) {
    const limit = spaceHard === undefined ? "none" : String(spaceHard)
    const { id } = yield* qgroupOf(place)
    const given = place.directory
    const limitAt = (path: string) =>
      mutex.withPermit(outputOf("btrfs", ["qgroup", "limit", "--", limit, id, path], { given }))
    // At a subvolume that is over its limit, the call itself fails with EDQUOT: then by the directory above.
    const done = yield* Effect.result(limitAt(givenDirectory))
    if (Result.isSuccess(done)) return
    const { failure: error } = done
    // On another file system, another subvolume may have the same ID.
    if (!/quota exceeded/i.test(error.detail) || (yield* isMountPoint(given))) return yield* error
    yield* limitAt(`${givenDirectory}/..`)
  }),
  readQuotas: (place) => Effect.map(qgroupOf(place), ({ limit }) => (limit === null ? {} : { spaceHard: limit })),
  usage: (place) =>
    // Data counts only after it is committed.
    Effect.flatMap(qgroupOf(place, "--sync"), ({ used, isAccurate }) =>
      isAccurate
        ? Effect.succeed({ bytes: used, inodes: null })
        : Effect.fail(
            new UnknownOutcome({ step: `usage of ${place.path}`, detail: "btrfs is recounting (quota rescan)" }),
          ),
    ),
}

const isMountPoint = Effect.fnUntraced(function* (directory: Directory) {
  const above = yield* openChild(directory, "..")
  if (above === null) return true
  const mountOf = ({ handle, path }: Directory) =>
    Effect.tryPromise({
      try: async () => /^mnt_id:\s*(\d+)$/m.exec(await readFile(`/proc/self/fdinfo/${handle.fd}`, "utf8"))?.[1],
      catch: (cause) => errorOf(`mount of ${path}`, cause),
    })
  return (yield* mountOf(directory)) !== (yield* mountOf(above))
}, Effect.scoped)

const isSubvolume = Effect.fnUntraced(function* (directory: Directory) {
  const step = `subvolume ${directory.path}`
  const { ino } = yield* Effect.tryPromise({
    try: () => directory.handle.stat({ bigint: true }),
    catch: (cause) => errorOf(step, cause),
  })
  if (ino === inodeOfSubvolume) return
  return yield* new Conflict({ step, detail: "it is a plain directory" })
})

interface Qgroup {
  readonly id: string
  readonly used: bigint
  readonly limit: bigint | null
  /** `false` while a rescan runs or is needed. */
  readonly isAccurate: boolean
}

/** The qgroup of a subvolume: `0/<id>  <referenced>  <exclusive>  <limit>  <limit of exclusive>  …`, in bytes. */
const qgroupOf = Effect.fnUntraced(function* (
  { directory }: Place,
  ...options: ReadonlyArray<string>
): Effect.fn.Return<Qgroup, DriverError> {
  yield* isSubvolume(directory)
  const args = ["qgroup", "show", "-re", "--raw", "-f", ...options, "--", givenDirectory]
  const step = `btrfs qgroup show ${directory.path}`
  const { code, stdout, stderr } = yield* runProgram("btrfs", args, { given: directory })
  if (/quotas? not enabled/i.test(stderr))
    return yield* new Refused({ step, detail: "quotas are not enabled: run `btrfs quota enable` on the file system" })
  const row = stdout
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .find(([first]) => first?.startsWith("0/"))
  const [id = "", used = "", , limit = ""] = row ?? []
  if (code !== 0 || !/^\d+$/.test(used) || !/^(\d+|none)$/.test(limit))
    return yield* new Conflict({
      step,
      detail: `no qgroup of its own: ${stderr.trim() || stdout.trim()}`.slice(0, 300),
    })
  return { id, used: BigInt(used), limit: limit === "none" ? null : BigInt(limit), isAccurate: stderr.trim() === "" }
})
