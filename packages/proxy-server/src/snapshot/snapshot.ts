import type { Skipped, Warning } from "@cscs/storage-model"
import type { EntryTable } from "./entry-table.ts"

/** A storage system of which a refresh would lose or remove too much at once: its last good entries stay for a while. */
export interface GuardedSystem {
  /** The slug of its offering. */
  readonly offeringSlug: string
  /** When the guard began, in steady milliseconds. */
  readonly since: number
  /** When the read began that gave the entries that stay, in steady milliseconds. */
  readonly readAt: number
  /** Its live project and user entries in the last good list, and how many of them the refresh would leave live. */
  readonly before: number
  readonly now: number
  /** What the refresh found instead, in numbers and codes: never in an upstream's words. */
  readonly why: string
}

/** A live project or user entry of the last good list that a refresh lost: many of them in a row are one large loss. */
export interface Loss {
  /** The slug of its offering. */
  readonly offeringSlug: string
  readonly itemId: string
  readonly mountPoint: string
  /** In steady milliseconds. */
  readonly at: number
  /** Whether it turned to removing; otherwise it vanished. */
  readonly isRemoval: boolean
}

/** Where an offering's live entries are that the token does not see any more. */
export interface InvisiblePath {
  readonly offeringSlug: string
  readonly path: string
}

/** The tree as the upstreams gave it. Never changes once made. */
export interface Snapshot {
  readonly entries: EntryTable
  readonly skipped: ReadonlyArray<Skipped>
  readonly warnings: ReadonlyArray<Warning>
  /** Waldur's resources by offering slug; of a guarded system as many as there were when all was well. */
  readonly counts: ReadonlyMap<string, number>
  /** Storage systems whose last good entries stay. */
  readonly guarded: ReadonlyArray<GuardedSystem>
  /** What was lost within `cache.empty_guard`, little enough to be believed. */
  readonly losses: ReadonlyArray<Loss>
  /** Projects whose GID is made up. */
  readonly mockedGids: number
  /** Configured offerings that the token does not see, by slug. */
  readonly invisibleOfferings: ReadonlyArray<string>
  /** Their last known live mount points: nothing there may be removed, also once their entries are gone. */
  readonly invisiblePaths: ReadonlyArray<InvisiblePath>
  /** What an operator is told of the user's offerings: a slug that several have, for example. */
  readonly offeringWarnings: ReadonlyArray<string>
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

/** A snapshot, and the times that go with it. */
export interface TimedSnapshot {
  readonly snapshot: Snapshot
  /** When the last read began that gave it, in steady milliseconds: it is no older. */
  readonly readStartedAt: number
  /** When that read had ended, likewise: a slow Waldur shall not make it stale before it is there. */
  readonly readEndedAt: number
  /** When its entries were first like this, by the wall clock, in milliseconds since 1970: it is told to callers. */
  readonly changedAt: number
}

/** When the read began that gave the oldest of the entries, in steady milliseconds: a guard keeps older ones. */
export const oldestReadAt = ({ snapshot: { guarded }, readStartedAt }: TimedSnapshot): number =>
  guarded.reduce((oldest, { readAt }) => Math.min(oldest, readAt), readStartedAt)

/** What an operator is told of an offering that the token does not see. */
export const invisibleOffering = (slug: string): string =>
  `Waldur's token does not see the offering ${slug}: its user needs a role in it, or the slug is wrong`

/** What an operator is told of an offering of which Waldur shows no resource: it has none, or the rights do not suffice. */
export const emptyOffering = (slug: string): string =>
  `Waldur shows no resource of the offering ${slug}, which its token sees: if it has any, give the token's user the role CUSTOMER.READER in the provider's organization`
