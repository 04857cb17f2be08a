/**
 * What a storage system adds to plain directories: the only interface that a new driver implements. `make-driver.ts` does the
 * rest, which is the same for all systems: paths, owners, marks, the trash, comparing what was read back.
 */
import type { Effect } from "effect"
import type { Directory } from "../disk/directory.ts"
import type { Registry } from "../disk/registry.ts"
import type { Capabilities, DriverError, Quotas } from "./driver.ts"

/** A directory of an item, open, and what identifies its quota. */
export interface Place {
  readonly itemId: string
  readonly directory: Directory
  /** Where it is or will be, absolute: for systems whose quotas are tied to paths. */
  readonly path: string
  /** The item's project ID, if the system uses them: allocated for it alone, and remembered. */
  readonly projectId: number
  readonly registry: Registry
}

export interface QuotaSystem {
  readonly name: string
  readonly capabilities: Capabilities
  /** Called when the driver is opened. Fails if quotas are seen to be off, or if the root passes a project ID on. */
  readonly check?: (root: Directory) => Effect.Effect<void, DriverError>
  /** Equivalent limits in the form that the system stores, for example without a soft one that equals the hard one. */
  readonly normalise?: (quotas: Quotas) => Quotas
  /** The range of project IDs, if directories get one. Each is assigned once. */
  readonly projectIds?: { readonly first: number; readonly last: number }
  /** Whether a project ID has neither usage nor limits; if it has, another program has assigned it. */
  readonly isFree?: (projectId: number) => Effect.Effect<boolean, DriverError>
  /** The project ID that a directory has, 0 for none. */
  readonly tiedTo?: (directory: Directory) => Effect.Effect<number, DriverError>
  /** Makes the directory `name`. Default: `mkdir`. */
  readonly make?: (parent: Directory, name: string) => Effect.Effect<void, DriverError>
  /** Ties a new, empty directory to its project ID, and verifies it. Must be repeatable. */
  readonly tie?: (place: Place) => Effect.Effect<void, DriverError>
  /** Sets these limits, all above 0 and rounded; an absent kind is unlimited. */
  readonly setQuotas: (place: Place, quotas: Quotas) => Effect.Effect<void, DriverError>
  /** The limits that are enforced, without those of 0. `Conflict` if the directory is not tied to its own quota. */
  readonly readQuotas: (place: Place) => Effect.Effect<Quotas, DriverError>
  readonly usage: (
    place: Place,
  ) => Effect.Effect<{ readonly bytes: bigint; readonly inodes: bigint | null }, DriverError>
  /**
   * Only for systems that tie a quota to a path: removes it, if there is one, before the directory is renamed, at both paths. The
   * registry remembers it until it is set again. A new directory gets its quota when it is in place, and is closed to all users
   * until then.
   */
  readonly release?: (place: Place) => Effect.Effect<void, DriverError>
}
