/** Numbers: medians and formatting. */

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

const withCommas = (digits: number) => (value: number) =>
  value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })

export const whole = withCommas(0)
export const oneDecimal = withCommas(1)
export const twoDecimals = withCommas(2)
const threeDecimals = withCommas(3)

/** Seconds from milliseconds. */
export const seconds = (milliseconds: number): string =>
  milliseconds < 10_000 ? `${threeDecimals(milliseconds / 1000)} s` : `${oneDecimal(milliseconds / 1000)} s`

export const milliseconds = (value: number): string => `${value < 10 ? twoDecimals(value) : oneDecimal(value)} ms`

/** 1 MB is 1,000,000 bytes. */
export const megabytes = (bytes: number): string =>
  bytes < 1e6 ? `${oneDecimal(bytes / 1e3)} kB` : `${oneDecimal(bytes / 1e6)} MB`

export const times = (ratio: number): string => (ratio >= 100 ? whole(ratio) : twoDecimals(ratio))
