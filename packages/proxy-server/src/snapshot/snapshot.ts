/** The types of a snapshot. */
import type { HpcUserApiError } from "@cscs/hpc-user-client"
import type { Skipped, Warning } from "@cscs/storage-model"
import { Schema } from "effect"
import type { EntryTable } from "./entry-table.ts"

/** The last time that a `Date` can represent. */
const lastMoment = 8.64e15
/** Milliseconds since 1970. */
export const Moment = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: lastMoment }))
export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * A storage system of which a refresh would lose or remove too much at once: its last good entries stay for a while.
 */
export const GuardedSystem = Schema.Struct({
  /** The slug of its offering. */
  offeringSlug: Schema.String,
  /** When the guard began, in steady milliseconds. */
  since: Moment,
  /** When the read of the entries that stay began, in steady milliseconds. */
  readAt: Moment,
  /** Its live project and user entries in the last good list, and how many of them the refresh would leave live. */
  before: Count,
  now: Count,
  /** What the refresh found instead, in numbers and codes, never in upstream text. */
  why: Schema.String,
})
export type GuardedSystem = typeof GuardedSystem.Type

/** A live project or user entry of the last good list that a refresh lost. Many of them in a row are one large loss. */
export const Loss = Schema.Struct({
  /** The slug of its offering. */
  offeringSlug: Schema.String,
  itemId: Schema.String,
  mountPoint: Schema.String,
  /** In steady milliseconds. */
  at: Moment,
  /** Whether it turned to removing; otherwise it vanished. */
  isRemoval: Schema.Boolean,
})
export type Loss = typeof Loss.Type

/** A path of a live entry whose offering the token no longer sees. */
export const InvisiblePath = Schema.Struct({ offeringSlug: Schema.String, path: Schema.String })
export type InvisiblePath = typeof InvisiblePath.Type

/** The tree of one refresh. Immutable. */
export interface Snapshot {
  readonly entries: EntryTable
  readonly skipped: ReadonlyArray<Skipped>
  readonly warnings: ReadonlyArray<Warning>
  /** Number of Waldur's resources by offering slug; for a guarded system, the number before the loss. */
  readonly counts: ReadonlyMap<string, number>
  /** Storage systems whose last good entries stay. */
  readonly guarded: ReadonlyArray<GuardedSystem>
  /** Losses within `cache.empty_guard` that were small enough to be plausible. */
  readonly losses: ReadonlyArray<Loss>
  /** Number of projects with a mock GID. */
  readonly mockedGids: number
  /** Configured offerings that the token does not see, by slug. */
  readonly invisibleOfferings: ReadonlyArray<string>
  /** Their last known live mount points: nothing there may be removed, even once their entries are gone. */
  readonly invisiblePaths: ReadonlyArray<InvisiblePath>
  /** Messages for the operator about the user's offerings, such as a slug that several share. */
  readonly offeringWarnings: ReadonlyArray<string>
  /** A failure of the HPC User API that leaves the tree complete; `undefined` if there is none. */
  readonly gidFailure: HpcUserApiError | undefined
  /** Unix GIDs by project slug from the HPC User API, without mocks. */
  readonly gids: ReadonlyMap<string, number>
  /**
   * When an earlier process read the GIDs from the HPC User API, in milliseconds since 1970: while the API is down they
   * are carried over restarts, and must not look new each time. `undefined` if this process has called the API itself.
   */
  readonly gidsReadAt: number | undefined
}

/** A snapshot and its times. */
export interface TimedSnapshot {
  readonly snapshot: Snapshot
  /** When the last read that returned it began, in steady milliseconds: it is at most this old. */
  readonly readStartedAt: number
  /** When that read ended, likewise: with a slow Waldur, a list must not be stale on arrival. */
  readonly readEndedAt: number
  /** When its entries first had this content, by the wall clock, in milliseconds since 1970. It is sent to callers. */
  readonly changedAt: number
}

/**
 * When the read of the oldest entries began, in steady milliseconds: a guard keeps older ones.
 *
 * @param slugs the offerings whose entries count; all by default
 */
export const oldestReadAt = (
  { snapshot: { guarded }, readStartedAt }: TimedSnapshot,
  slugs?: ReadonlyArray<string>,
): number =>
  guarded.reduce(
    (oldest, { offeringSlug, readAt }) =>
      slugs === undefined || slugs.includes(offeringSlug) ? Math.min(oldest, readAt) : oldest,
    readStartedAt,
  )

/** The operator's message for an offering that the token does not see. */
export const invisibleOffering = (slug: string): string =>
  `Waldur's token does not see the offering ${slug}: its user needs a role in it, or the slug is wrong`

/** The operator's message for an offering of which Waldur shows no resource: it has none, or the token lacks rights. */
export const emptyOffering = (slug: string): string =>
  `Waldur shows no resource of the offering ${slug}, which its token sees: if it has any, give the token's user the role CUSTOMER.READER in the provider's organization`
