/**
 * What the reconciler may ask of a storage system, and the three ways in which it can fail. A driver never acts on its own:
 * each call is one step, may be repeated after a crash at any point, and reports only what it has read back.
 */
import { Data, type Effect } from "effect"

/** One limit of a directory: bytes of space or a number of inodes, soft (with the system's grace) or hard. */
export type QuotaKind = "spaceSoft" | "spaceHard" | "inodesSoft" | "inodesHard"

/**
 * Limits in bytes and inodes, as `bigint`: 10 PB in bytes exceed the safe integers. Each is above 0, because every file
 * system takes 0 as "no limit". An absent kind means, in a request, that it stays unchanged; in what was read, that it is unlimited.
 */
export type Quotas = Readonly<Partial<Record<QuotaKind, bigint>>>

/** What a driver can enforce. `ensureQuota` skips the other kinds. */
export interface Capabilities {
  readonly enforces: ReadonlyArray<QuotaKind>
  /** The system stores limits in multiples of these; a request is rounded down to them, but not to 0. */
  readonly granularity: { readonly bytes: bigint; readonly inodes: bigint }
  /** Whether `usage` returns inodes, too. */
  readonly countsInodes: boolean
}

/** The directory of a `project` or `user` entry. */
export interface Item {
  /** UUID of the resource: the identity of the directory, wherever it is. */
  readonly itemId: string
  /** `mountPoint.default`: absolute, below the driver's root. */
  readonly path: string
}

/** The directory of an entry as listed. Its owner is the user of this process, which is root in production. */
export interface Listed extends Item {
  /** Above 0. */
  readonly gid: number
  /** Permission bits with setuid, setgid and sticky: at most 0o7777. */
  readonly mode: number
  /** `null` leaves the current quotas unchanged. */
  readonly quotas: Quotas | null
}

/** A directory as it is on the disk now. */
export interface Observed {
  readonly uid: number
  readonly gid: number
  /** At most 0o7777. */
  readonly mode: number
  /** Whose directory it is, by its mark; `null` if it was not made by a driver, and so must not be touched. */
  readonly itemId: string | null
  /** The limits that the system enforces. Always empty if `itemId` is `null`. */
  readonly quotas: Quotas
}

/** Where an item's directory is. `trash` has the name in the trash and the order that put it there. */
export type Whereabouts =
  | { readonly at: "path"; readonly path: string }
  | { readonly at: "trash"; readonly name: string; readonly order: string; readonly since: string }
  | { readonly at: "nowhere" }

/** The usage of a directory, in bytes and inodes; `inodes` is `null` if the system does not count them. */
export interface Usage {
  readonly bytes: bigint
  readonly inodes: bigint | null
  readonly quotas: Quotas
}

/** What a step has found and done: all of them end in the same state. */
export type Outcome = "made" | "changed" | "unchanged"

/** A removed directory, which an operator deletes after its retention. */
export interface Trashed {
  /** Its name in the trash. */
  readonly name: string
  readonly itemId: string
  /** UUID of the order by which it was removed. */
  readonly order: string
  /** The day on which it was removed, in UTC: `2026-11-26`. */
  readonly since: string
}

/**
 * The step may have been done or not: a timeout, a signal, an interrupted call, a busy system, a 5xx. Retry in a later
 * cycle, and report nothing.
 */
export class UnknownOutcome extends Data.TaggedError("UnknownOutcome")<FailedStep> {
  override get message() {
    return `${this.step}: ${this.detail}`
  }
}

/**
 * The disk contradicts the list: something else is at the path, a project ID belongs to another directory, the limits that
 * were read back are not those that were set. Nothing was overwritten. Stop this item, and alert an operator.
 */
export class Conflict extends Data.TaggedError("Conflict")<FailedStep> {
  override get message() {
    return `${this.step}: ${this.detail}`
  }
}

/**
 * The step cannot be done until an operator has changed something: a wrong argument, a missing right or program, a file system
 * that is not mounted or has no quotas. Nothing was done.
 */
export class Refused extends Data.TaggedError("Refused")<FailedStep> {
  override get message() {
    return `${this.step}: ${this.detail}`
  }
}

interface FailedStep {
  /** What was attempted, such as `rename /vast/store/a`. Contains no secret. */
  readonly step: string
  /** What was found, and the remedy. Contains no secret. */
  readonly detail: string
}

export type DriverError = UnknownOutcome | Conflict | Refused

/** A directory that is on the disk and should not be. */
export interface Unlisted {
  readonly path: string
  /** Whose it is, by registry or mark; `null` if no driver has made it. */
  readonly itemId: string | null
}

/** The part of a driver that only reads, both below the root and in the registry: it needs no lock. */
export interface Reader {
  /** `directory`, `btrfs`, `lustre`, `vast`, `ext4` or `xfs`. */
  readonly name: string
  /** The directory, absolute and free of symbolic links, that no step leaves. */
  readonly root: string
  readonly capabilities: Capabilities

  /**
   * Where the directory of this item is, by its mark (the last known path, `item.path`, the trash), and what `readBack` returns
   * for `item.path`.
   *
   * @param isShared whether it may use directories above that concurrent looks hold open: many then cost little, but the path
   *   may have led elsewhere since they were opened. Not for an order that is reported after it
   */
  readonly look: (
    item: Item,
    isShared: boolean,
  ) => Effect.Effect<{ readonly whereabouts: Whereabouts; readonly atPath: Observed | null }, DriverError>

  /** What is at `item.path`, or `null` if nothing is. `Conflict` for anything but a directory, symbolic links included. */
  readonly readBack: (item: Item) => Effect.Effect<Observed | null, DriverError>

  /**
   * Whether what was read is what is listed: group, mode, owner, and the quotas that this driver enforces, rounded to its
   * granularity. The differences, such as `mode 0755, not 2770`; empty if there are none.
   */
  readonly differences: (listed: Listed, observed: Observed) => ReadonlyArray<string>

  /** The usage of the directory at `item.path`, which must be this item's. */
  readonly usage: (item: Item) => Effect.Effect<Usage, DriverError>

  /**
   * Whether `adopt` may take over the directory at `listed.path`; changes nothing. `Conflict` if there is none, or not a
   * directory; if it is marked or known as another item's; if it has another group; if this item's directory is elsewhere; if
   * its project ID is another item's, or not the remembered one; if its quota is not one of its own. Refused: as
   * `ensureDirectory`, and a directory without a project ID of the configured range, if the system has project IDs.
   */
  readonly adoptable: (listed: Listed) => Effect.Effect<void, DriverError>

  /**
   * What is on the disk but not at one of the paths, in their order: the directories of this driver, and whatever else is
   * beside a path or beside a directory above one. Hidden names are the drivers' own. A path outside the root counts for nothing.
   */
  readonly unlisted: (paths: ReadonlySet<string>) => Effect.Effect<ReadonlyArray<Unlisted>, DriverError>

  /** What is in the trash. Nothing here is ever deleted by a driver. */
  readonly trashed: () => Effect.Effect<ReadonlyArray<Trashed>, DriverError>
}

/**
 * One storage system below one root. All steps are idempotent and may be repeated after a crash. There must be one writer
 * per root: the reconciler holds the lock. Steps for different items may run concurrently.
 */
export interface Driver extends Reader {
  /**
   * The directory of a tenant or customer: made with the mode, owned by this process, if it is missing. An existing one is
   * left as it is. `Conflict` if something other than a directory is there.
   */
  readonly ensureFolder: (path: string, mode: number) => Effect.Effect<Outcome, DriverError>

  /**
   * The directory at `path`, with owner, group, mode and quotas as listed, all read back. Made under a hidden name beside its
   * place and renamed into place when complete. Missing directories above are made, with mode 755.
   *
   * `Conflict` if something at the path is not this item's, or if this item's directory is elsewhere (`move`, `restore`).
   * Refused: a gid of 0, a quota of 0, a path outside the root.
   */
  readonly ensureDirectory: (listed: Listed) => Effect.Effect<Outcome, DriverError>

  /**
   * Sets the quotas of an existing directory, and reads them back. Kinds that are absent stay; kinds that the driver cannot
   * enforce are skipped. Part of `ensureDirectory`; alone it is for `newQuotas`.
   */
  readonly ensureQuota: (item: Item, quotas: Quotas) => Effect.Effect<Outcome, DriverError>

  /**
   * Renames the item's directory into the trash of the root, under a name made of item and order. `unchanged` if it is there
   * already, and only there. `Conflict` if the directory at the path is not this item's, if it is in both places, or if there
   * is none of this item anywhere.
   */
  readonly trash: (item: Item, order: string) => Effect.Effect<Outcome, DriverError>

  /** Renames the item's directory from the trash back to `item.path`. `unchanged` if it is there already. */
  readonly restore: (item: Item) => Effect.Effect<Outcome, DriverError>

  /**
   * Renames the item's directory from `from` to `item.path`, without replacing. `unchanged` if it is there already. If
   * quotas are tied to paths (`vast`), they are remembered, and `ensureDirectory` sets them again, as after `restore`: until
   * then they are among the `differences`.
   */
  readonly move: (item: Item, from: string) => Effect.Effect<Outcome, DriverError>

  /**
   * Takes over a directory that another program has made: marks and remembers it as the item's, and changes nothing else.
   * `unchanged` if that was done already. Fails as `adoptable` does.
   */
  readonly adopt: (listed: Listed) => Effect.Effect<Outcome, DriverError>
}
