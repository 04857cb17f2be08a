import { expect, test } from "vitest"
import { retainedSnapshots, walkTime } from "../src/serving/retained-snapshots.ts"
import { numberedSnapshot } from "./a-numbered-snapshot.ts"

test("a snapshot from another replica that is the newest here stays the newest", () => {
  const retained = retainedSnapshots()
  const [first, newest, next] = [1, 2, 3].map(numberedSnapshot)
  if (first === undefined || newest === undefined || next === undefined) throw new Error("three are made")
  retained.put(first, 0)
  retained.put(newest, 1)
  retained.putEarlier(newest, 2)
  retained.put(next, walkTime)
  for (const number of [4, 5]) retained.put(numberedSnapshot(number), walkTime + 1)
  expect(retained.get(newest.snapshot.entries.id)).toBe(newest)
  expect(retained.get(first.snapshot.entries.id)).toBeUndefined()
})
