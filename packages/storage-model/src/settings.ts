import type { InodeSettings } from "./rules/quotas.ts"

/** A storage system: the name that callers filter by, and its offering in Waldur. */
export interface StorageSystem {
  readonly name: string
  readonly offeringSlug: string
  /** The offering's UUID, if the configuration names it: then it is that one alone. */
  readonly offeringUuid?: string
}

/** What an operator decides about the tree. */
export interface ModelSettings extends InodeSettings {
  /** In the order that the list has. */
  readonly storageSystems: ReadonlyArray<StorageSystem>
  /** Default `lustre`. */
  readonly storageFileSystem: string
  /** Ignore target items in `backend_metadata` and make them. Default `false`. */
  readonly useMockTargetItems: boolean
  /** Directories below one of which each served path lies. Default none: anywhere but in a system directory. */
  readonly mountRoots: ReadonlyArray<string>
  /** The smallest GID that is served. Default 1000: below live the system's own groups. */
  readonly minGid: number
  /** The largest GID that is served. Default 2147483647. */
  readonly maxGid: number
  /**
   * Waldur's address, with or without `/api`: callback URLs are served only on its host and port, or on `callbackOrigins`.
   * Without it, on `callbackOrigins` alone: nothing else says which addresses are Waldur's.
   */
  readonly waldurApiUrl: string | undefined
  /** Further origins on which callback URLs are served, such as `https://waldur.example.org`. Default none. */
  readonly callbackOrigins: ReadonlyArray<string>
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
  maxGid: 2_147_483_647,
  waldurApiUrl: undefined,
  callbackOrigins: [],
}
