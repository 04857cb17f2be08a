import { buildWorld, changeResource } from "@cscs/sandbox"
import { expect, test } from "vitest"
import { checkList, historyOf, type ListedEntries, oracleOf } from "../src/index.ts"

/** An oracle for a small world, and the correct list while nothing changes. */
const makeOracle = () => {
  const world = buildWorld({ resources: 30, seed: 1, edgeCases: false })
  const history = historyOf(world)
  const about = { history, api: world.apiUrl, fullRefreshEvery: 0, retryGidAfter: 0, wasFailing: () => false }
  const oracle = oracleOf(about)
  const now = () => ({ from: performance.now(), to: performance.now() })
  const right = oracle(now(), {}).map(({ entries: [text = ""] }) => JSON.parse(text))
  const verdict = (entries: ReadonlyArray<unknown>, page?: ListedEntries["page"], window = now()) =>
    checkList(oracle, window, { entries, filter: {}, page })
  return { world, history, right, now, verdict }
}
type Entry = { itemId: string; target: { targetType: string; targetItem: { unixGid?: number } } }
const isProject = ({ target }: Entry) => target.targetType === "project"

test("checkList accepts a correct list, whole or in pages", () => {
  const { right, verdict } = makeOracle()
  expect(right.length).toBeGreaterThan(20)
  expect(verdict(right)).toMatchObject({ wrong: undefined, isExact: true, entries: right.length })
  const total = right.length
  expect(verdict(right.slice(10, 20), { offset: 10, limit: 10, total }).wrong).toBeUndefined()
  expect(verdict([], { offset: 1000, limit: 10, total }).wrong).toBeUndefined()
})

const withAnotherGid = (right: ReadonlyArray<Entry>) => {
  const spoilt = structuredClone(right)
  Object.assign(spoilt.find(isProject)?.target.targetItem ?? {}, { unixGid: 1 })
  return spoilt
}

const spoilt: ReadonlyArray<readonly [string, (right: ReadonlyArray<Entry>) => ReadonlyArray<unknown>, RegExp]> = [
  ["without its last entry", (right) => right.slice(0, -1), /missing/],
  ["without an entry in the middle", (right) => right.toSpliced(7, 1), /missing/],
  ["with a duplicate", (right) => right.toSpliced(7, 0, right[7] as Entry), /duplicate/],
  ["in another order", (right) => right.toSpliced(7, 2, right[8] as Entry, right[7] as Entry), /missing|order/],
  ["with an unknown entry", (right) => [...right, { itemId: "x" }], /does not belong/],
  ["with another group's GID", withAnotherGid, /a wrong value/],
  ["that is empty", () => [], /missing/],
]
test.each(spoilt)("checkList rejects a list %s", (_, spoil, what) => {
  const { right, verdict } = makeOracle()
  expect(verdict(spoil(right)).wrong?.what).toMatch(what)
})

test("checkList rejects a page with a wrong start, too few entries or a wrong total", () => {
  const { right, verdict } = makeOracle()
  const total = right.length
  expect(verdict(right.slice(11, 21), { offset: 10, limit: 10, total }).wrong?.what).toMatch(/wrong start/)
  expect(verdict(right.slice(10, 19), { offset: 10, limit: 10, total }).wrong?.what).toMatch(/fewer or more entries/)
  expect(verdict(right.slice(10, 20), { offset: 10, limit: 10, total: total + 1 }).wrong?.what).toMatch(/total/)
})

test("checkList accepts the old and the new entry while a resource changes, and then only the new one", async () => {
  const { world, history, right, now, verdict } = makeOracle()
  const before = now()
  const row = world.resources.find(({ state }) => state === "OK")
  if (row === undefined) throw new Error("no resource is OK")
  await history.change(() => changeResource(world, row, { limits: { storage: 999 } }))
  const { to } = now()
  expect(verdict(right, undefined, { from: before.from, to })).toMatchObject({ wrong: undefined, isExact: false })
  await new Promise((resolve) => setTimeout(resolve, 2))
  expect(verdict(right).wrong?.what).toMatch(/a wrong value/)
})
