/** Whether the proxy's memory grows. */

/** Resident megabytes (1,000,000 bytes), second by second. */
export interface Sample {
  /** Seconds since the load began. */
  readonly at: number
  readonly rss: number
}

/** Megabytes for any run: a world of some hundred resources needs far less, and a container has more. */
const mostResident = 400
/**
 * Growth in the second half, in MB, that is no leak: uncollected garbage, and old lists that are held for walkers for
 * five minutes. A kilobyte leaked for each response is more, in five minutes.
 */
const mostGrowth = 20
/** Seconds; before, heap and caches still grow to their size. */
const longEnough = 200

/** What is wrong with the memory, or `undefined`. */
export const memoryFault = (samples: ReadonlyArray<Sample>): string | undefined => {
  const peak = Math.max(...samples.map(({ rss }) => rss))
  if (peak > mostResident) return `resident memory rose to ${Math.round(peak)} MB, over the limit of ${mostResident}`
  const growth = growthInSecondHalf(samples)
  return growth !== undefined && growth > mostGrowth
    ? `resident memory grew by ${growth.toFixed(1)} MB in the second half, over the limit of ${mostGrowth}`
    : undefined
}

/**
 * Twice the difference between the means of the last two quarters, so that no single garbage collection decides;
 * `undefined` for short runs.
 */
export const growthInSecondHalf = (samples: ReadonlyArray<Sample>): number | undefined => {
  const end = samples.at(-1)?.at ?? 0
  if (end < longEnough) return undefined
  const meanFrom = (from: number, to: number) => {
    const part = samples.filter(({ at }) => at >= end * from && at < end * to)
    return part.reduce((sum, { rss }) => sum + rss, 0) / part.length
  }
  return 2 * (meanFrom(0.75, 1) - meanFrom(0.5, 0.75))
}
