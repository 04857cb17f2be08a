/** Whether the proxy's memory grows. Samples are resident megabytes (1,000,000 bytes), one for each second of load. */

/** Megabytes for any run: a world of some hundred resources needs far less, and a container has more. */
const mostResident = 400
/**
 * Growth in the second half, in MB, that is not a leak: uncollected garbage, and old lists that are held for walkers for
 * five minutes. A kilobyte leaked for each response is more, in five minutes.
 */
const mostGrowth = 20
/** Seconds; before, heap and caches still grow to their size. */
const longEnough = 200

/** What is wrong with the memory, or `undefined`. */
export const memoryFault = (samples: ReadonlyArray<number>): string | undefined => {
  const peak = Math.max(...samples)
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
export const growthInSecondHalf = (samples: ReadonlyArray<number>): number | undefined => {
  if (samples.length < longEnough) return undefined
  const quarter = Math.floor(samples.length / 4)
  const mean = (part: ReadonlyArray<number>) => part.reduce((sum, rss) => sum + rss, 0) / part.length
  return 2 * (mean(samples.slice(-quarter)) - mean(samples.slice(-2 * quarter, -quarter)))
}
