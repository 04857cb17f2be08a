/** Limits how often something happens: a burst, then a rate per second. Times are milliseconds of one monotonic clock. */

export interface TokenBucket {
  /** Whether a token is left. */
  readonly hasToken: (now: number) => boolean
  /** Takes a token. If none is left, the bucket goes into debt, which is refilled first. */
  readonly take: () => void
}

/** A bucket that is full at `now`. */
export const tokenBucket = (inARow: number, perSecond: number, now: number): TokenBucket => {
  let left = inARow
  let countedAt = now
  return {
    hasToken: (now) => {
      left = Math.min(inARow, left + ((now - countedAt) / 1000) * perSecond)
      countedAt = now
      return left >= 1
    },
    take: () => {
      left -= 1
    },
  }
}
