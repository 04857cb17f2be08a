/** The settings of the rules. */
import type { InodeSettings } from "./rules/quotas.ts"

/** A storage system: the name that callers filter by, and its offering in Waldur. */
export interface StorageSystem {
  readonly name: string
  readonly offeringSlug: string
  /** The offering's UUID, if configured; then no other offering with the same slug is accepted. */
  readonly offeringUuid?: string
}

/** The operator's settings for the tree. */
export interface ModelSettings extends InodeSettings {
  /** In list order. */
  readonly storageSystems: ReadonlyArray<StorageSystem>
  /** Default `lustre`. */
  readonly storageFileSystem: string
  /** Ignore target items in `backend_metadata` and generate them. Default `false`. */
  readonly useMockTargetItems: boolean
  /** Roots below which every served path must lie. Default none: anywhere outside the system directories. */
  readonly mountRoots: ReadonlyArray<string>
  /** The smallest GID that is served. Default 1000; smaller ones are system groups. */
  readonly minGid: number
  /** The largest GID that is served. Default 2147483647. */
  readonly maxGid: number
  /**
   * Waldur's address, with or without `/api`. Callback URLs are served only on its host and port or on `callbackOrigins`;
   * without it, on `callbackOrigins` only.
   */
  readonly waldurApiUrl: string | undefined
  /** Further origins on which callback URLs are served, such as `https://waldur.example.org`. Default none. */
  readonly callbackOrigins: ReadonlyArray<string>
}

/** The default settings; `storageSystems` has none and must be set. */
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
