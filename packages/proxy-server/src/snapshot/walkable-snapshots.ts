import type { Snapshot } from "./snapshot.ts"

/** A snapshot, and the times that go with it, in milliseconds since 1970. */
export interface TakenSnapshot {
  readonly snapshot: Snapshot
  /** When the last read began that gave it: it is no older. */
  readonly takenAt: number
  /** When its entries were first like this. */
  readonly changedAt: number
}

/** A walk takes its time: so long are its pages there after a newer snapshot took the place of theirs. */
const walkTime = 5 * 60 * 1000
/** However often Waldur changes, so many are there, the newest included. */
const keptAtLeast = 3

/** The newest snapshot, and those before it through whose pages somebody may still be walking. */
export const walkableSnapshots = () => {
  /** The newest last; each with when another took its place. */
  let kept: ReadonlyArray<{ readonly taken: TakenSnapshot; readonly replacedAt: number }> = []
  return {
    /** Makes a snapshot the newest. One of the same id is then replaced, not beside it. */
    put: (snapshot: Snapshot, takenAt: number, now: number): TakenSnapshot => {
      const newest = kept.at(-1)?.taken
      const isSame = newest?.snapshot.entries.id === snapshot.entries.id
      const taken = { snapshot, takenAt, changedAt: isSame ? newest.changedAt : now }
      const earlier = kept
        .map((one) => (one.taken === newest ? { ...one, replacedAt: now } : one))
        .filter((one) => one.taken.snapshot.entries.id !== snapshot.entries.id)
      kept = [
        ...earlier.filter((one, index) => index > earlier.length - keptAtLeast || now - one.replacedAt < walkTime),
        { taken, replacedAt: Number.POSITIVE_INFINITY },
      ]
      return taken
    },
    get: (id: string): TakenSnapshot | undefined => kept.find(({ taken }) => taken.snapshot.entries.id === id)?.taken,
  }
}
