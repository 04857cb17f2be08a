/** The drivers by their names in the settings. */
import { Effect, type Scope } from "effect"
import { btrfsSystem } from "./btrfs.ts"
import { directorySystem } from "./directory.ts"
import type { Driver, DriverError, Reader } from "./driver.ts"
import { projectQuotaSystem } from "./ext4-and-xfs.ts"
import { lustreSystem } from "./lustre.ts"
import { makeDriver, type RootSettings } from "./make-driver.ts"
import { type ProjectIds, projectIdRange } from "./project-quotas.ts"
import type { QuotaSystem } from "./quota-system.ts"
import { type VastSettings, vastSystem } from "./vast.ts"

/** A driver and its settings. */
export type DriverSettings = RootSettings &
  (
    | { readonly type: "directory" }
    | { readonly type: "btrfs" }
    | {
        readonly type: "lustre" | "ext4" | "xfs"
        /** Where the file system is mounted. Default: the root. */
        readonly mount?: string
        readonly projectIds?: ProjectIds
      }
    | ({ readonly type: "vast" } & VastSettings)
  )

/**
 * Opens the root. Refused if it is missing, not a directory, writable by others, behind a symbolic link, or looks unmounted, or
 * if a program or a quota feature is missing.
 */
export const openDriver = (settings: DriverSettings): Effect.Effect<Driver, DriverError, Scope.Scope> =>
  Effect.flatMap(systemOf(settings), (system) => makeDriver(settings, system))

/** Like `openDriver`, for commands that only read: nothing is made, not even the trash of a new root. */
export const openReader = (settings: DriverSettings): Effect.Effect<Reader, DriverError, Scope.Scope> =>
  Effect.flatMap(systemOf(settings), (system) => makeDriver(settings, system, true))

const systemOf = (settings: DriverSettings): Effect.Effect<QuotaSystem, DriverError, Scope.Scope> => {
  switch (settings.type) {
    case "directory":
      return Effect.succeed(directorySystem)
    case "btrfs":
      return Effect.succeed(btrfsSystem)
    case "lustre":
    case "ext4":
    case "xfs": {
      const { type, mount = settings.root } = settings
      return Effect.map(projectIdRange(settings.projectIds), (range) =>
        type === "lustre" ? lustreSystem(mount, range) : projectQuotaSystem(type, mount, range),
      )
    }
    case "vast":
      return vastSystem(settings)
  }
}
