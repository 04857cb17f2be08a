/** Seeded random numbers, so that a run can be repeated. */
import { hash } from "node:crypto"
import { random } from "@cscs/sandbox"

export type Chance = ReturnType<typeof chanceOf>

/** @param purpose selects a sequence of the seed, so that one consumer's draws do not shift those of another */
export const chanceOf = (seed: number, purpose: string) => {
  const numbers = random(hash("sha256", `${seed} ${purpose}`, "buffer").readInt32LE())
  return {
    ...numbers,
    /** A number from `from` up to, but not including, `to`. */
    between: (from: number, to: number): number => from + numbers.next() * (to - from),
    happens: (probability: number): boolean => numbers.next() < probability,
    /** One of the values, with probability proportional to its weight. */
    weighted: <A>(from: ReadonlyArray<readonly [weight: number, value: A]>): A => {
      let left = numbers.next() * from.reduce((sum, [weight]) => sum + weight, 0)
      for (const [weight, value] of from) {
        left -= weight
        if (left < 0) return value
      }
      throw new Error("Nothing to choose from")
    },
  }
}
