import type { TimedSnapshot } from "../snapshot/snapshot.ts"

/** A walk takes its time: so long are its pages there after a newer snapshot took the place of theirs, in milliseconds. */
export const walkTime = 5 * 60 * 1000
/** However often Waldur changes, so many are there, the newest included. */
const keptAtLeast = 3

const idOf = ({ snapshot }: TimedSnapshot): string => snapshot.entries.id

/** The newest snapshot, and those before it through whose pages somebody may still be walking. */
export const retainedSnapshots = () => {
  /** The newest last; each with when another took its place. */
  let kept: ReadonlyArray<{ readonly taken: TimedSnapshot; readonly replacedAt: number }> = []
  return {
    /** Makes a snapshot the newest. One of the same id is then replaced, not beside it. */
    put: (taken: TimedSnapshot, now: number): void => {
      const newest = kept.at(-1)?.taken
      const earlier = kept
        .map((one) => (one.taken === newest ? { ...one, replacedAt: now } : one))
        .filter((one) => idOf(one.taken) !== idOf(taken))
      kept = [
        ...earlier.filter((one, index) => index > earlier.length - keptAtLeast || now - one.replacedAt < walkTime),
        { taken, replacedAt: Number.POSITIVE_INFINITY },
      ]
    },
    /** Adds one that another replica has, for the rest of a walk that began there. */
    putEarlier: (taken: TimedSnapshot, now: number): void => {
      kept = [{ taken, replacedAt: now }, ...kept.filter((one) => idOf(one.taken) !== idOf(taken))]
    },
    get: (id: string): TimedSnapshot | undefined => kept.find(({ taken }) => idOf(taken) === id)?.taken,
  }
}
