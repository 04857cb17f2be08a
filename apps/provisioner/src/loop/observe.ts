/** Looks at the disk for the entries of a list. Changes nothing. */
import { statfs } from "node:fs/promises"
import { gidOf, keyOf, type StorageEntry } from "@cscs/storage-model"
import { Effect, Result } from "effect"
import { quotasOf } from "../disk/amounts.ts"
import type { Driver, DriverError, Listed, Reader } from "../drivers/driver.ts"
import { decide } from "../plan/decide.ts"
import type { Observation } from "../plan/plan.ts"

/** The storage systems that this process provides, by their key in entries, and where their mount points are. */
export interface Systems<D extends Reader = Driver> {
  readonly drivers: ReadonlyMap<string, D>
  /** Precedes mount points on this machine: empty in production, a folder in trials. */
  readonly prefix: string
}

/** Entries that are looked at concurrently. */
const atOnce = 32

/**
 * What is on the disk for each entry that asks for something, of the systems that have a driver, or the
 * error if looking failed; by entry key.
 */
export const observeAll = (
  entries: ReadonlyArray<StorageEntry>,
  systems: Systems<Reader>,
): Effect.Effect<ReadonlyMap<string, Observation>> =>
  Effect.forEach(
    entries,
    (entry) =>
      Effect.map(Effect.result(observe(entry, systems)), (seen): ReadonlyArray<readonly [string, Observation]> => {
        const observation = Result.isSuccess(seen) ? seen.success : seen.failure
        return observation === undefined ? [] : [[keyOf(entry), observation]]
      }),
    { concurrency: atOnce },
  ).pipe(Effect.map((seen) => new Map(seen.flat())))

const observe = Effect.fnUntraced(function* (
  entry: StorageEntry,
  { drivers, prefix }: Systems<Reader>,
): Effect.fn.Return<Observation | undefined, DriverError> {
  const driver = drivers.get(entry.storageSystem.key)
  const decision = decide(entry)
  if (driver === undefined || decision.kind === "nothing") return undefined
  const item = { itemId: entry.itemId, path: prefix + entry.mountPoint.default }
  const nowhere = { whereabouts: { at: "nowhere" }, atPath: null, differences: [] } as const
  if (decision.kind === "parent") return { ...nowhere, atPath: yield* driver.readBack(item) }
  const isReviewed = decision.kind === "review" || (decision.kind === "keep" && decision.then === "review")
  const bytes = isReviewed ? yield* freeBytes(driver.root) : undefined
  const free = bytes === undefined ? {} : { free: bytes }
  if (decision.kind === "review") return { ...nowhere, ...free }
  const isReported = decision.kind === "trash" || decision.then === "report"
  const { whereabouts: found, atPath } = yield* driver.look(item, !isReported)
  const whereabouts = found.at === "path" ? { ...found, path: withoutPrefix(prefix, found.path) } : found
  if (decision.kind === "trash") return { whereabouts, atPath, differences: [] }
  const listed: Listed = {
    ...item,
    // Only a tenant or customer has no group, and none is kept here; a driver refuses 0.
    gid: gidOf(entry) ?? 0,
    mode: Number.parseInt(entry.permission.value, 8),
    quotas: yield* quotasOf(decision.quotas),
  }
  return {
    whereabouts,
    atPath,
    listed: { ...listed, path: entry.mountPoint.default },
    differences: atPath === null ? [] : driver.differences(listed, atPath),
    ...free,
  }
})

/** The mount point of a path on this machine. */
export const withoutPrefix = (prefix: string, path: string): string =>
  path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : path

/** `undefined` if the file system does not report it. */
const freeBytes = (root: string): Effect.Effect<bigint | undefined> =>
  Effect.promise(() =>
    statfs(root, { bigint: true }).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => undefined,
    ),
  )
