import { existsSync, mkdirSync } from "node:fs"
import { elapsedMillis } from "@cscs/http-transport"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { expect, test } from "vitest"
import { notDoneIn } from "../../src/cli/apply.ts"
import { type Driver, UnknownOutcome } from "../../src/drivers/driver.ts"
import { anEntry, aTenant, executing, itemId, order, waiting } from "../an-entry.ts"
import { aList, aSite } from "./a-site.ts"

const created = anEntry({ status: "pending", ...executing })
/** Milliseconds: older than anything that a test reports. */
const old = 60_000

test("after a report, an item is left unchanged until a list from after the report, however often older ones are read", async () => {
  const site = aSite()
  const outcomes = await site.session({ age: old })([[created], [created], [created]])
  expect(site.reports.map(({ act }) => act)).toEqual(["backend-id", "done"])
  expect(outcomes.map(({ awaitingList, waiting }) => [awaitingList, waiting])).toEqual([
    [1, 0],
    [1, 1],
    [1, 1],
  ])
})

test("an operator is needed only for the order that is not approved, once its directory is made as listed", async () => {
  const active = anEntry({ ...waiting })
  const policy = () => ({ verdict: "wait", reason: "by hand" }) as const
  const [first, second] = await aSite().session({ settings: { policy } })([[active], [active]])
  expect(first?.plan.items).toMatchObject([{ sign: "+", note: "not approved: by hand" }])
  // One item is not done each time, so `apply` fails, although the directory is made.
  expect([first, second].map((outcome) => outcome && notDoneIn(outcome))).toEqual([1, 1])
  expect(second?.plan.items).toMatchObject([{ sign: "!", note: "not approved: by hand", isOnlyOrder: true }])
})

test("a report of unknown outcome is not repeated before a newer list", async () => {
  const site = aSite()
  const waits = anEntry({ status: "pending", ...waiting })
  await site.session({ age: old, respond: () => ({ _tag: "unknown", detail: "timeout" }) })([[waits], [waits]])
  expect(site.reports.map(({ act }) => act)).toEqual(["approve"])
})

test.each([
  [120, 120],
  [86_400, 3600],
])("a report for which Waldur asks to wait %i seconds is due again after %i", async (retryAfter, expected) => {
  const site = aSite()
  const waits = anEntry({ status: "pending", ...waiting })
  const respond = () => ({ _tag: "unknown", detail: "503", retryAfter }) as const
  const [outcome] = await site.session({ age: -old, respond })([[waits], [waits]])
  expect(site.reports).toHaveLength(1)
  const now = await Effect.runPromise(elapsedMillis)
  expect(((outcome?.retryAt ?? 0) - now) / 1000).toBeCloseTo(expected, -1)
})

test("a restart waits for a list from after its start, because the process before it may have reported", async () => {
  const site = aSite()
  await site.session()([[created]])
  await site.session({ age: old })([[created], [created]])
  expect(site.reports).toHaveLength(2)
})

test("an order that is listed as executing after its approval is carried out, however old the list, and once", async () => {
  const site = aSite()
  const waits = anEntry({ status: "pending", ...waiting })
  await site.session({ age: old })([[waits], [waits], [created], [created]])
  expect(site.reports.map(({ act }) => act)).toEqual(["approve", "backend-id", "done"])
})

test("an approved order that is listed as executing is carried out after a restart too, and another order is not", async () => {
  const site = aSite()
  const waits = anEntry({ status: "pending", ...waiting })
  const another = Object.entries(executing).map(([name, url]) => [name, url.replace(order, order.replace("1", "2"))])
  await site.session({ age: old, respond: () => ({ _tag: "unknown", detail: "timeout" }) })([[waits]])
  await site.session({ age: old })([[waits], [anEntry({ status: "pending", ...Object.fromEntries(another) })]])
  expect(site.reports.map(({ act }) => act)).toEqual(["approve"])
  await site.session({ age: old })([[created], [created]])
  expect(site.reports.map(({ act }) => act)).toEqual(["approve", "backend-id", "done"])
})

test("nothing is removed because of a list that is minutes old: the removal counts as waiting", async () => {
  const site = aSite()
  await site.session()([[anEntry()]])
  const removing = anEntry({ status: "removing", ...executing })
  const [outcome] = await site.session({ age: 10 * old })([[removing]])
  expect(outcome).toMatchObject({ results: [], waiting: 1 })
  expect(site.reports).toEqual([])
})

test("a removal whose list becomes too old during the cycle waits for a newer list", async () => {
  const site = aSite()
  await site.session()([[anEntry()]])
  const slow = (driver: Driver): Driver => ({
    ...driver,
    ensureFolder: (path, mode) => Effect.tap(driver.ensureFolder(path, mode), () => TestClock.adjust("3 minutes")),
  })
  const removing = anEntry({ status: "removing", ...executing })
  const twoCycles = Effect.gen(function* () {
    const cycle = yield* site.start({ driver: slow })
    const late = yield* cycle(aList([aTenant({ path: "/capstor/other/cscs" }), removing], 0))
    return [late, yield* cycle(aList([removing], yield* elapsedMillis))]
  })
  const outcomes = await Effect.runPromise(Effect.scoped(twoCycles).pipe(Effect.provide(TestClock.layer())))
  expect(outcomes.map(({ results, waiting }) => [results.map(({ item }) => item.sign), waiting])).toEqual([
    [["+"], 1],
    [["-"], 0],
  ])
  expect(site.reports.map(({ act }) => act)).toEqual(["done"])
})

test("a removal does not wait behind directories whose making takes longer than its list is recent", async () => {
  const site = aSite()
  await site.session()([[anEntry()]])
  const slow = (driver: Driver): Driver => ({
    ...driver,
    ensureDirectory: (listed) => Effect.tap(driver.ensureDirectory(listed), () => TestClock.adjust("3 minutes")),
  })
  const others = Array.from({ length: 10 }, (_, number) =>
    anEntry({ itemId: itemId(10 + number), path: `/capstor/store/cscs/ethz/${number}` }),
  )
  const list = aList([...others, anEntry({ status: "removing", ...executing })], 0)
  const oneCycle = Effect.flatMap(site.start({ driver: slow }), (cycle) => cycle(list))
  const outcome = await Effect.runPromise(Effect.scoped(oneCycle).pipe(Effect.provide(TestClock.layer())))
  expect([outcome.results.length, outcome.waiting]).toEqual([11, 0])
  expect(site.reports.map(({ act }) => act)).toEqual(["done"])
})

test("a removal that an old list holds back is carried out with the first recent one, even if no check is due", async () => {
  const site = aSite()
  await site.session()([[anEntry()]])
  const list = [anEntry({ status: "removing", ...executing })]
  const settings = { checkEvery: 3_600_000 }
  const outcomes = await site.session({ age: [10 * old, 10 * old, -1], settings })([list, list, list])
  expect(outcomes.map(({ results }) => results.length)).toEqual([0, 0, 1])
})

test("removals above the limit of a poll are carried out at the next polls, even if nothing else has changed", async () => {
  const site = aSite()
  const many = [1, 2, 3, 4].map((number) => ({ itemId: itemId(number), path: `/capstor/store/a/b/${number}` }))
  await site.session()([many.map((one) => anEntry(one))])
  const list = many.map((one) => anEntry({ ...one, status: "removing", ...executing }))
  const settings = { checkEvery: 3_600_000, maxRemovals: 2 }
  const rest = list.slice(2)
  // The second cycle is not a poll.
  const outcomes = await site.session({ settings, between: [1] })([list, rest, rest])
  expect(outcomes.map(({ results }) => results.length)).toEqual([2, 0, 2])
})

test("an item whose retry finds nothing to perform is not retried again, and a cycle without a change keeps the counts", async () => {
  const site = aSite()
  const create = anEntry({ status: "pending", ...executing })
  const fails = (driver: Driver): Driver => ({
    ...driver,
    ensureDirectory: ({ path }) =>
      Effect.suspend(() => {
        mkdirSync(path, { recursive: true })
        return Effect.fail(new UnknownOutcome({ step: "create", detail: "timeout" }))
      }),
  })
  const list = [create]
  const settings = { checkEvery: 3_600_000 }
  const outcomes = await site.session({ driver: fails, settings })([list, list, list, list])
  expect(outcomes.map(({ retryAt }) => retryAt !== undefined)).toEqual([true, false, false, false])
  expect(outcomes.slice(1).map(({ plan }) => plan.counts["!"])).toEqual([1, 1, 1])
})

test("a directory follows a list that returns to an earlier state, even if no check is due", async () => {
  const settings = { checkEvery: 3_600_000 }
  const renamed = anEntry({ path: "/capstor/store/cscs/ethz/renamed" })
  const removing = anEntry({ status: "removing", ...executing })
  for (const between of [renamed, removing]) {
    const site = aSite()
    // For `removing`: the order was cancelled while its directory was moved to the trash, so its report is refused.
    await site.session({ settings, respond: () => ({ _tag: "otherState", detail: "409" }) })([
      [anEntry()],
      [anEntry()],
      [between],
      [anEntry()],
    ])
    expect(existsSync(site.prefix + anEntry().mountPoint.default)).toBe(true)
  }
})
