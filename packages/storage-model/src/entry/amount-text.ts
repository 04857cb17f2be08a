/** Amounts of space and inodes as texts for people: the same in commands and on pages. */

const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"] as const

// Rounded down: what is just below a limit must not look like the limit.
const rounding = { maximumFractionDigits: 2, roundingMode: "trunc" } as const
const number = new Intl.NumberFormat("en", rounding)
const compactNumber = new Intl.NumberFormat("en", { ...rounding, notation: "compact" })

/**
 * Space, such as `1.5 PB`: in the unit in which it is given or, from 1000 on, in a larger one (powers of 1000), with at
 * most two decimals, rounded down.
 *
 * @param unit of the amount: `TB` for a quota of the list
 */
export const spaceText = (amount: number | bigint, unit: "B" | "TB"): string => {
  let at = units.indexOf(unit)
  let value = Number(amount)
  for (; value >= 1000 && at < units.length - 1; at++) value /= 1000
  return `${number.format(value)} ${units[at]}`
}

/** A count of inodes, such as `66.5M`, with at most two decimals, rounded down. */
export const inodesText = (count: number | bigint): string => compactNumber.format(count)
