/** Seeded randomness, so that a run can be repeated. */

export interface Chance {
  /** At least `from`, below `to`. */
  readonly between: (from: number, to: number) => number
  /** An integer from 0 to `below` - 1. */
  readonly below: (below: number) => number
  readonly happens: (probability: number) => boolean
  readonly pick: <A>(from: ReadonlyArray<A>) => A
  /** One of the values, with probability proportional to its weight. */
  readonly weighed: <A>(from: ReadonlyArray<readonly [weight: number, value: A]>) => A
}

/**
 * The generator mulberry32.
 *
 * @param purpose gives another sequence of the same seed, so that one consumer's draws do not shift the others'
 */
export const chanceOf = (seed: number, purpose: string): Chance => {
  let state = [...purpose].reduce((hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 0x01000193), seed | 0)
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  const pick = <A>(from: ReadonlyArray<A>): A => from[below(from.length)] as A
  return {
    between: (from, to) => from + next() * (to - from),
    below,
    happens: (probability) => next() < probability,
    pick,
    weighed: (from) => {
      let left = next() * from.reduce((sum, [weight]) => sum + weight, 0)
      for (const [weight, value] of from) {
        left -= weight
        if (left < 0) return value
      }
      throw new Error("Nothing to choose from")
    },
  }
}
