/** Keeps replaced snapshots for callers that are walking through their pages. */
import type { TimedSnapshot } from "../snapshot/snapshot.ts"

/** Milliseconds for which the pages of a replaced snapshot remain available to a walk, at least. */
export const walkTime = 5 * 60 * 1000
/** Minimum number of retained snapshots, including the newest, however long ago they were replaced. */
const minRetained = 3

const idOf = ({ snapshot }: TimedSnapshot): string => snapshot.entries.id

/** An empty store of the newest snapshot and of earlier ones whose pages a caller may still be walking through. */
export const retainedSnapshots = () => {
  /**
   * Oldest first, after those from other replicas. Each with the time in milliseconds at which it was replaced, or came from
   * another replica.
   */
  let kept: ReadonlyArray<{ readonly taken: TimedSnapshot; readonly replacedAt: number }> = []
  return {
    /** Makes a snapshot the newest. It replaces one with the same id. */
    put: (taken: TimedSnapshot, now: number): void => {
      const newest = kept.at(-1)?.taken
      const earlier = kept
        .map((one) => (one.taken === newest ? { ...one, replacedAt: now } : one))
        .filter((one) => idOf(one.taken) !== idOf(taken))
      kept = [
        ...earlier.filter(
          (one, index) => index >= earlier.length - (minRetained - 1) || now - one.replacedAt < walkTime,
        ),
        { taken, replacedAt: Number.POSITIVE_INFINITY },
      ]
    },
    /** Adds a snapshot from another replica, for the rest of a walk that began there. */
    putEarlier: (taken: TimedSnapshot, now: number): void => {
      // A refresh may have taken it meanwhile, even as the newest.
      if (kept.some((one) => idOf(one.taken) === idOf(taken))) return
      kept = [{ taken, replacedAt: now }, ...kept]
    },
    get: (id: string): TimedSnapshot | undefined => kept.find(({ taken }) => idOf(taken) === id)?.taken,
  }
}
