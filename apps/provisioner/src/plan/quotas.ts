/** Quotas of an entry in bytes and inodes. The only place in which TB become bytes. */
import type { Quota } from "@cscs/storage-model"
import type { QuotaKind, Quotas } from "../drivers/driver.ts"

/** A TB in bytes: decimal, as the list means it. */
const bytesPerTera = 1_000_000_000_000n
/** TB are computed in steps of a millionth, a MB: exact for all quotas that Waldur has. */
const steps = 1_000_000

/**
 * The limits of an entry in bytes and inodes, rounded down, but not to 0.
 *
 * @throws RangeError for a quota that is not above 0: every file system takes 0 as no limit
 */
export const quotasOf = (quotas: ReadonlyArray<Quota>): Quotas =>
  Object.fromEntries(
    quotas.map(({ type, quota, unit, enforcementType }) => {
      const kind = `${type}${enforcementType === "soft" ? "Soft" : "Hard"}` satisfies QuotaKind
      if (!(quota > 0) || (type === "space") !== (unit === "tera")) {
        throw new RangeError(`a ${type} quota of ${quota} (unit ${unit}) cannot be set`)
      }
      const amount =
        type === "space" ? (BigInt(Math.floor(quota * steps)) * bytesPerTera) / BigInt(steps) : BigInt(Math.floor(quota))
      return [kind, amount > 0n ? amount : 1n]
    }),
  )
