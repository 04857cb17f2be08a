import type { Hierarchy } from "@cscs/storage-model"

/** The tree as one read of the upstreams gave it. Never changed once made. */
export interface Snapshot {
  /** When the read began, in milliseconds since 1970: no entry is older. */
  readonly takenAt: number
  readonly hierarchy: Hierarchy
  /** Uuids of the resources that are served. */
  readonly served: ReadonlySet<string>
  /** Projects whose GID is made up. */
  readonly mockedGids: number
  /** Configured offerings that the token does not see, by slug. */
  readonly invisibleOfferings: ReadonlyArray<string>
  /** What ails the HPC User API though the tree is whole; `undefined` where nothing does. */
  readonly gidFailure: string | undefined
}

/** The resources among a tree's entries. */
export const servedResources = (hierarchy: Hierarchy): ReadonlySet<string> =>
  new Set(
    hierarchy.entries
      .filter(({ entry }) => entry.target.targetType === "project" || entry.target.targetType === "user")
      .map(({ entry }) => entry.itemId),
  )

/** What an operator is told of an offering that the token does not see. */
export const invisibleOffering = (slug: string): string =>
  `Waldur's token does not see the offering ${slug}: its user needs a role in it, or the slug is wrong`
