import type { InodeSettings } from "./quotas.ts"

/** A storage system: the name that callers filter by, and its offering in Waldur. */
export interface StorageSystem {
  readonly name: string
  readonly offeringSlug: string
}

/** What an operator decides about the tree. */
export interface ModelSettings extends InodeSettings {
  /** In the order that the list has. */
  readonly storageSystems: ReadonlyArray<StorageSystem>
  /** Default `lustre`. */
  readonly storageFileSystem: string
  /** Ignore target items in `backend_metadata` and make them. Default `false`. */
  readonly useMockTargetItems: boolean
  /** Directories below one of which an absolute `backend_id` must lie. Default none: anywhere. */
  readonly mountRoots: ReadonlyArray<string>
  /** The smallest GID that is served. Default 1000: below live the system's own groups. */
  readonly minGid: number
}

/** The settings as they are where nothing is given; `storageSystems` must be. */
export const defaultModelSettings: ModelSettings = {
  storageSystems: [],
  storageFileSystem: "lustre",
  inodeBaseMultiplier: 1_000_000,
  inodeSoftCoefficient: 1.33,
  inodeHardCoefficient: 2.0,
  useMockTargetItems: false,
  mountRoots: [],
  minGid: 1000,
}
