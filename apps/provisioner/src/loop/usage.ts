/** The usage of each directory: as `status` shows it, and as Open OnDemand reads it. */
import { Effect, Result } from "effect"
import { runProgram } from "../disk/run-program.ts"
import type { DriverError, Reader, Usage } from "../drivers/driver.ts"
import type { ItemStatus } from "./conditions.ts"
import type { Systems } from "./observe.ts"

/** How many directories are read concurrently: each may take a program or a walk of the tree. */
const atOnce = 8
/** In milliseconds. A directory service that does not respond must not hang the command: it fails. */
const getentDeadline = 10_000

/** Space in bytes, or a number of files. Without a limit there is no percentage. */
export interface Used {
  readonly used: bigint
  readonly soft?: bigint
  readonly hard?: bigint
  /** The percentage of the hard limit, else of the soft one, rounded down. */
  readonly percent?: number
  /** Whether usage is above the soft limit, so that the grace period runs. */
  readonly isInGrace: boolean
}

export interface ItemUsage {
  readonly space: Used
  /** `null` if the system does not count files. */
  readonly files: Used | null
}

const used = (amount: bigint, soft: bigint | undefined, hard: bigint | undefined): Used => {
  const limit = hard ?? soft
  return {
    used: amount,
    ...(soft === undefined ? {} : { soft }),
    ...(hard === undefined ? {} : { hard }),
    ...(limit === undefined ? {} : { percent: Number((amount * 100n) / limit) }),
    isInGrace: soft !== undefined && amount > soft,
  }
}

export const itemUsage = ({ bytes, inodes, quotas }: Usage): ItemUsage => ({
  space: used(bytes, quotas.spaceSoft, quotas.spaceHard),
  files: inodes === null ? null : used(inodes, quotas.inodesSoft, quotas.inodesHard),
})

/**
 * The usage of each item, in the order of `items`; the error if it could not be read; or `null` if the item has no
 * directory of its own: its storage system has no driver here, or its path is missing or in use by something else.
 */
export const usages = (
  items: ReadonlyArray<ItemStatus>,
  { drivers, prefix }: Systems<Reader>,
): Effect.Effect<ReadonlyArray<ItemUsage | DriverError | null>> =>
  Effect.forEach(
    items,
    ({ itemId, path, system }) => {
      const driver = drivers.get(system)
      if (driver === undefined) return Effect.succeed(null)
      return Effect.map(Effect.result(driver.usage({ itemId, path: prefix + path })), (read) =>
        Result.isSuccess(read) ? itemUsage(read.success) : read.failure._tag === "Conflict" ? null : read.failure,
      )
    },
    { concurrency: atOnce },
  )

/** A row of Open OnDemand's quota file, version 1: space in KiB, and 0 for no limit. */
export interface OpenOnDemandQuota {
  readonly type: "user"
  readonly user: string
  readonly path: string
  readonly block_limit: number
  readonly total_block_usage: number
  readonly file_limit: number
  readonly total_file_usage: number
}

/**
 * The rows of Open OnDemand's quota file: one for each member of a project's group, because it shows a user only rows with
 * that user's name. Directories of users have none: the list does not name their users. The type is `user` also for shared
 * directories, because a `fileset` needs the usage of each user, which no driver knows.
 */
export const openOnDemandQuotas = Effect.fn("openOnDemandQuotas")(function* (
  items: ReadonlyArray<{ readonly item: ItemStatus; readonly usage: ItemUsage }>,
  membersOf: (gid: number) => Effect.Effect<ReadonlyArray<string>, DriverError> = groupMembers,
): Effect.fn.Return<ReadonlyArray<OpenOnDemandQuota>, DriverError> {
  const members = new Map<number, ReadonlyArray<string>>()
  const rows: Array<OpenOnDemandQuota> = []
  for (const { item, usage } of items) {
    if (item.targetType !== "project") continue
    const users = members.get(item.gid) ?? (yield* membersOf(item.gid))
    members.set(item.gid, users)
    const { space, files } = usage
    for (const user of users) {
      rows.push({
        type: "user",
        user,
        path: item.path,
        block_limit: kibibytes(space.hard ?? space.soft ?? 0n),
        total_block_usage: kibibytes(space.used),
        file_limit: Number(files?.hard ?? files?.soft ?? 0n),
        total_file_usage: Number(files?.used ?? 0n),
      })
    }
  }
  return rows
})

/** Exact as a JSON number: 8 EiB, the limit of file systems, are 2^53 KiB. */
const kibibytes = (bytes: bigint): number => Number(bytes / 1024n)

/** The members of a Unix group, by `getent`; empty if the group is unknown. */
const groupMembers = (gid: number): Effect.Effect<ReadonlyArray<string>, DriverError> =>
  Effect.map(runProgram("getent", ["group", String(gid)], { deadline: getentDeadline }), ({ stdout }) =>
    (stdout.trim().split(":")[3] ?? "").split(",").filter(Boolean),
  )
