import type { Skipped, Warning } from "@cscs/storage-model"
import type { EntryTable } from "./entry-table.ts"

/** A storage system of which Waldur suddenly shows far fewer resources: its last good entries stay for a while. */
export interface GuardedSystem {
  /** The slug of its offering. */
  readonly offeringSlug: string
  /** When that was first seen, in milliseconds since 1970. */
  readonly since: number
  /** Resources in Waldur when all was well, and now. */
  readonly before: number
  readonly now: number
}

/** The tree as the upstreams gave it. Never changes once made. */
export interface Snapshot {
  readonly entries: EntryTable
  readonly skipped: ReadonlyArray<Skipped>
  readonly warnings: ReadonlyArray<Warning>
  /** Waldur's resources by offering slug; of a guarded system as many as there were when all was well. */
  readonly counts: ReadonlyMap<string, number>
  /** Storage systems whose last good entries stay although Waldur does not show them. */
  readonly guarded: ReadonlyArray<GuardedSystem>
  /** Projects whose GID is made up. */
  readonly mockedGids: number
  /** Configured offerings that the token does not see, by slug. */
  readonly invisibleOfferings: ReadonlyArray<string>
  /** What ails the HPC User API though the tree is whole; `undefined` where nothing does. */
  readonly gidFailure: string | undefined
  /** Unix GIDs by project slug, as the HPC User API gave them: none is made up. */
  readonly gids: ReadonlyMap<string, number>
  /**
   * When an earlier process had the GIDs from the HPC User API, in milliseconds since 1970: while the API is down they are
   * carried on over restarts, and must not look new each time. `undefined` if this process has asked the API itself.
   */
  readonly gidsReadAt: number | undefined
}

/** A snapshot, and the times that go with it, in milliseconds since 1970. */
export interface TakenSnapshot {
  readonly snapshot: Snapshot
  /** When the last read began that gave it: it is no older. */
  readonly takenAt: number
  /** When that read had ended: a slow Waldur shall not make it stale before it is there. */
  readonly heldSince: number
  /** When its entries were first like this. */
  readonly changedAt: number
}

/** What an operator is told of an offering that the token does not see. */
export const invisibleOffering = (slug: string): string =>
  `Waldur's token does not see the offering ${slug}: its user needs a role in it, or the slug is wrong`
