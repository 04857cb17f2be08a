import { buildWorld, changeResource } from "@cscs/sandbox"
import { expect, test } from "vitest"
import { checkList, historyOf, type ListedEntries, oracleOf } from "../src/index.ts"

/** An oracle of a small world, and the correct list while nothing changes. */
const anOracle = () => {
  const world = buildWorld({ resources: 30, seed: 1, edgeCases: false })
  const history = historyOf(world)
  const about = { history, api: world.apiUrl, fullRefreshEvery: 0, askAgainAfter: 0, wasFailing: () => false }
  const oracle = oracleOf(about)
  const now = () => ({ from: performance.now(), to: performance.now() })
  const right = oracle(now(), {}).map(({ entries: [text = ""] }) => JSON.parse(text))
  const verdict = (entries: ReadonlyArray<unknown>, page?: ListedEntries["page"], window = now()) =>
    checkList(oracle, window, { entries, filter: {}, page })
  return { world, history, right, now, verdict }
}
type Entry = { itemId: string; target: { targetType: string; targetItem: { unixGid?: number } } }
const isProject = ({ target }: Entry) => target.targetType === "project"

test("a correct list has no fault, whole or by pages", () => {
  const { right, verdict } = anOracle()
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
  ["without one in the middle", (right) => right.toSpliced(7, 1), /missing/],
  ["with one twice", (right) => right.toSpliced(7, 0, right[7] as Entry), /twice/],
  ["in another order", (right) => right.toSpliced(7, 2, right[8] as Entry, right[7] as Entry), /missing|order/],
  ["with an entry of nothing", (right) => [...right, { itemId: "x" }], /none of the list/],
  ["with another group's GID", withAnotherGid, /a wrong value/],
  ["that is empty", () => [], /missing/],
]
test.each(spoilt)("a list %s is detected as wrong", (_, spoil, what) => {
  const { right, verdict } = anOracle()
  expect(verdict(spoil(right)).wrong?.what).toMatch(what)
})

test("a page with a wrong start, too few entries or a wrong total is detected", () => {
  const { right, verdict } = anOracle()
  const total = right.length
  expect(verdict(right.slice(11, 21), { offset: 10, limit: 10, total }).wrong?.what).toMatch(/begins elsewhere/)
  expect(verdict(right.slice(10, 19), { offset: 10, limit: 10, total }).wrong?.what).toMatch(/fewer or more entries/)
  expect(verdict(right.slice(10, 20), { offset: 10, limit: 10, total: total + 1 }).wrong?.what).toMatch(/total/)
})

test("while a resource changes, its old and its new entry are correct; afterwards only the new one", async () => {
  const { world, history, right, now, verdict } = anOracle()
  const before = now()
  const row = world.resources.find(({ state }) => state === "OK")
  if (row === undefined) throw new Error("no resource is OK")
  await history.change(() => changeResource(world, row, { limits: { storage: 999 } }))
  const { to } = now()
  expect(verdict(right, undefined, { from: before.from, to })).toMatchObject({ wrong: undefined, isExact: false })
  await new Promise((resolve) => setTimeout(resolve, 2))
  expect(verdict(right).wrong?.what).toMatch(/a wrong value/)
})
