/** The drivers by their names in the settings. */
import { Effect, type Scope } from "effect"
import { btrfsSystem } from "./btrfs.ts"
import { directorySystem } from "./directory.ts"
import { type Driver, type DriverError, Refused } from "./driver.ts"
import { makeDriver } from "./make-driver.ts"

/** Of every driver. */
export interface CommonSettings {
  /** Absolute, without symbolic links: everything is done below it, and nothing outside. */
  readonly root: string
  /** The file of this root's registry: project IDs, where each item's directory is. Outside of the root; made if missing. */
  readonly registry: string
}

/** Of drivers with project quotas: which IDs they may give out, one for each directory. */
export interface ProjectIds {
  /** Default 1,000,000,000: far from GIDs, which other programs take for project IDs. At least 1. */
  readonly first?: number
  /** Default 1,999,999,999. At most 2^32 - 2. */
  readonly last?: number
}

/** A driver and its settings. */
export type DriverSettings = CommonSettings &
  (
    | { readonly type: "directory" }
    | { readonly type: "btrfs" }
    | {
        readonly type: "lustre"
        /** Where the file system is mounted, for `lfs setquota`. Default: the root. */
        readonly mount?: string
        readonly projectIds?: ProjectIds
        /** Programs to run in place of those on the path. */
        readonly lfs?: string
      }
    | {
        readonly type: "ext4" | "xfs"
        /** Where the file system is mounted. Default: the root. */
        readonly mount?: string
        readonly projectIds?: ProjectIds
      }
    | {
        readonly type: "vast"
        /** `https://vms.example.org` */
        readonly apiUrl: string
        /** Default `v5`. */
        readonly apiVersion?: string
        /** An API token, or the name and password of a user of the VMS. */
        readonly login: { readonly token: string } | { readonly user: string; readonly password: string }
        /** The path of the root in VAST's own name space, if it is mounted under another. Default: the root. */
        readonly exportedAs?: string
        readonly tenantId?: number
        /** PEM of the authority that signed the certificate, if it is not one of the system's. */
        readonly ca?: string
      }
  )

/**
 * Opens the root, or refuses: it is missing, not a directory, writable by others, behind a symbolic link, or looks as if its
 * file system were not mounted; a program or a quota feature is missing.
 */
export const openDriver = (settings: DriverSettings): Effect.Effect<Driver, DriverError, Scope.Scope> => {
  switch (settings.type) {
    case "directory":
      return makeDriver(settings, directorySystem)
    case "btrfs":
      return makeDriver(settings, btrfsSystem)
    default:
      return Effect.fail(new Refused({ step: `driver ${settings.type}`, detail: "not built yet" }))
  }
}
