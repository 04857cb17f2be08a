import { random } from "../world/random.ts"
import type { Arrange } from "./control.ts"

/**
 * Returns rows with the same `created` in a different order on every request, like PostgreSQL under concurrent writes:
 * this is why a walk through pages can lose or duplicate rows.
 */
export function shuffleTies(seed = 1): Arrange {
  return (rows, { number }) => {
    const chance = random(seed + number)
    const keyed = rows.map((row) => ({ row, key: chance.next() }))
    keyed.sort((a, b) => {
      const one = String(a.row.created ?? "")
      const other = String(b.row.created ?? "")
      return one === other ? a.key - b.key : one < other ? -1 : 1
    })
    return keyed.map(({ row }) => row)
  }
}
