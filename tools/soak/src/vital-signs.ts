/** Detects growth of the proxy's memory. Samples are resident megabytes (1,000,000 bytes), one per second of load. */

/** The limit in megabytes for any run: a world of some hundred resources needs far less, and a container has more. */
const maxResident = 400
/**
 * Growth in the second half, in MB, that is not a leak: uncollected garbage, and old lists, which the proxy keeps for
 * walks for five minutes. A leak of one kilobyte per response exceeds it in five minutes.
 */
const maxGrowth = 20
/** The shortest run in seconds: before that, heap and caches are still growing to their size. */
const minSeconds = 200

/** Describes a memory fault; `undefined` if there is none. */
export const memoryFault = (samples: ReadonlyArray<number>): string | undefined => {
  const peak = Math.max(...samples)
  if (peak > maxResident) return `resident memory rose to ${Math.round(peak)} MB, over the limit of ${maxResident}`
  const growth = growthInSecondHalf(samples)
  return growth !== undefined && growth > maxGrowth
    ? `resident memory grew by ${growth.toFixed(1)} MB in the second half, over the limit of ${maxGrowth}`
    : undefined
}

/**
 * Twice the difference between the means of the last two quarters, so that no single garbage collection decides;
 * `undefined` for short runs.
 */
export const growthInSecondHalf = (samples: ReadonlyArray<number>): number | undefined => {
  if (samples.length < minSeconds) return undefined
  const quarter = Math.floor(samples.length / 4)
  const mean = (part: ReadonlyArray<number>) => part.reduce((sum, rss) => sum + rss, 0) / part.length
  return 2 * (mean(samples.slice(-quarter)) - mean(samples.slice(-2 * quarter, -quarter)))
}
