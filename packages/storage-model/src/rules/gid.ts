/** Which numbers are Unix group ids. */

/** Which Unix group ids may be served. */
export interface GidRange {
  readonly minGid: number
  readonly maxGid: number
}

/** 65534 and -1 in 16 bits: `chown` and NFS read these as the anonymous group or as "unchanged". */
const reservedGids: ReadonlySet<number> = new Set([65_534, 65_535])

/** Whether `value` is a Unix group id that may be served: an integer from `minGid` to `maxGid`, not 65534 or 65535. */
export const isGid = (value: unknown, { minGid, maxGid }: GidRange): value is number =>
  typeof value === "number" &&
  Number.isSafeInteger(value) &&
  value >= minGid &&
  value <= maxGid &&
  !reservedGids.has(value)

/** Describes the values that `isGid` accepts. */
export const wantedGid = ({ minGid, maxGid }: GidRange): string =>
  `an integer from ${minGid} to ${maxGid}, not 65534 or 65535`
