/** Converts the list's quotas to bytes and inodes, and those to the units of storage systems. */
import { Effect } from "effect"
import { type QuotaKind, type Quotas, Refused } from "../drivers/driver.ts"

/** A quota of an entry, as the list has it: space in `tera` (10^12 bytes), inodes in `none`. */
export interface ListedQuota {
  readonly type: string
  readonly quota: number
  readonly unit: string
  readonly enforcementType: string
}

const kinds: Readonly<Record<string, { readonly kind: QuotaKind; readonly decimals: number }>> = {
  "space soft tera": { kind: "spaceSoft", decimals: 12 },
  "space hard tera": { kind: "spaceHard", decimals: 12 },
  "inodes soft none": { kind: "inodesSoft", decimals: 0 },
  "inodes hard none": { kind: "inodesHard", decimals: 0 },
}

/** 8 EiB, the largest file of Linux, and as many inodes: no file system takes more, and no listed quota comes near it. */
const maxAmount = 2n ** 63n - 1n

/**
 * The quotas of an entry in bytes and inodes, rounded down to whole ones: 1 TB is 10^12 bytes. `null` stays `null`.
 *
 * Refused: 0 or less, also after rounding (every file system takes 0 as unlimited), more than 8 EiB, an infinite one, an unknown
 * type or unit, a kind that occurs twice, a soft limit above the hard one.
 */
export const quotasOf = Effect.fnUntraced(function* (listed: ReadonlyArray<ListedQuota> | null) {
  if (listed === null) return null
  const quotas: Partial<Record<QuotaKind, bigint>> = {}
  for (const { type, quota, unit, enforcementType } of listed) {
    const known = kinds[`${type} ${enforcementType} ${unit}`]
    if (known === undefined)
      return yield* refused(`unknown quota: type ${type}, enforcement ${enforcementType}, unit ${unit}`)
    if (quotas[known.kind] !== undefined) return yield* refused(`${known.kind} occurs twice`)
    if (!Number.isFinite(quota)) return yield* refused(`${known.kind} is ${quota}: not a finite number`)
    quotas[known.kind] = exact(quota, known.decimals)
  }
  return yield* checkedQuotas(quotas)
})

/** Returns the quotas. Refused: 0, negative, too large, or soft above hard. */
export const checkedQuotas = (quotas: Quotas): Effect.Effect<Quotas, Refused> => {
  for (const [kind, amount] of Object.entries(quotas)) {
    if (amount <= 0n) return refused(`${kind} is ${amount}: not above 0, which file systems take as unlimited`)
    if (amount > maxAmount) return refused(`${kind} is ${amount}: more than any file system holds`)
  }
  for (const [soft, hard] of pairs) {
    if ((quotas[soft] ?? 0n) > (quotas[hard] ?? maxAmount)) return refused(`${soft} is above ${hard}`)
  }
  return Effect.succeed(quotas)
}

const pairs = [
  ["spaceSoft", "spaceHard"],
  ["inodesSoft", "inodesHard"],
] as const

/** The decimal number that a double stands for in JSON, times a power of ten, without the fraction. A product of doubles is not exact. */
const exact = (value: number, decimals: number): bigint => {
  const [digits = "", exponent = "0"] = String(value).split("e")
  const [whole = "", fraction = ""] = digits.split(".")
  const places = decimals + Number(exponent) - fraction.length
  const all = BigInt(whole + fraction)
  return places < 0 ? all / 10n ** BigInt(-places) : all * 10n ** BigInt(places)
}

const kibibyte = 1024n

/** Bytes to KiB for Lustre, XFS and `setquota`, rounded down: 10^12 bytes are 976,562,500 KiB. At least 1, since 0 is unlimited. */
export const kibibytes = (bytes: bigint): bigint => (bytes > kibibyte ? bytes / kibibyte : 1n)

/** KiB, as those systems return them, to bytes. */
export const bytesOfKibibytes = (count: bigint): bigint => count * kibibyte

/** The limit that a system with this granularity stores: the multiple at or below it, at least one granule. */
export const roundedTo = (granule: bigint, amount: bigint): bigint =>
  amount > granule ? (amount / granule) * granule : granule

/** Whether a kind counts bytes; otherwise, it counts inodes. */
export const isSpace = (kind: QuotaKind): boolean => kind === "spaceSoft" || kind === "spaceHard"

const refused = (detail: string) => Effect.fail(new Refused({ step: "quotas", detail }))
