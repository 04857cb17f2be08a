/** Whether an order that waits for the provider is approved. */
import { gidOf, type Quota, type StorageEntry } from "@cscs/storage-model"
import type { Policy } from "./plan.ts"

export interface PolicySettings {
  /** New resources with a GID outside are rejected. */
  readonly minGid: number | undefined
  readonly maxGid: number | undefined
  /** What happens to an order for more space than is free. */
  readonly freeSpace: "ignore" | "wait" | "reject"
}

/** Approves unless a setting says otherwise. A Terminate is always approved: it needs neither GID nor space. */
export const policyOf =
  ({ minGid = 1, maxGid = Number.MAX_SAFE_INTEGER, freeSpace }: PolicySettings): Policy =>
  (entry, { free }) => {
    const gid = gidOf(entry) ?? 0
    if (entry.status === "pending" && (gid < minGid || gid > maxGid)) {
      return { verdict: "reject", reason: `the GID ${gid} is not from ${minGid} to ${maxGid}` }
    }
    if (freeSpace === "ignore") return { verdict: "approve" }
    const more = additionalBytes(entry)
    if (more === 0) return { verdict: "approve" }
    if (free === undefined) return { verdict: "wait", reason: "the free space is unknown" }
    return more > free
      ? { verdict: freeSpace, reason: `${more} more bytes were ordered, and ${free} are free` }
      : { verdict: "approve" }
  }

/** The bytes that the order adds to the hard limit of space. */
const additionalBytes = ({ status, quotas, newQuotas }: StorageEntry): number => {
  const before = status === "pending" ? 0 : hardSpace(quotas)
  const after = status === "pending" ? hardSpace(quotas) : hardSpace(newQuotas ?? quotas)
  return after > before ? after - before : 0
}

const bytesPerTerabyte = 1e12

const hardSpace = (quotas: ReadonlyArray<Quota> | null): number => {
  const tera = quotas?.find(({ type, enforcementType }) => type === "space" && enforcementType === "hard")?.quota ?? 0
  return Math.round(tera * bytesPerTerabyte)
}
