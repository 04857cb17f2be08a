import type { Skipped, Warning } from "@cscs/storage-model"
import type { EntryTable } from "./entry-table.ts"

/** The tree as the upstreams gave it. Never changes once made. */
export interface Snapshot {
  readonly entries: EntryTable
  readonly skipped: ReadonlyArray<Skipped>
  readonly warnings: ReadonlyArray<Warning>
  /** Projects whose GID is made up. */
  readonly mockedGids: number
  /** Configured offerings that the token does not see, by slug. */
  readonly invisibleOfferings: ReadonlyArray<string>
  /** What ails the HPC User API though the tree is whole; `undefined` where nothing does. */
  readonly gidFailure: string | undefined
}

/** What an operator is told of an offering that the token does not see. */
export const invisibleOffering = (slug: string): string =>
  `Waldur's token does not see the offering ${slug}: its user needs a role in it, or the slug is wrong`
