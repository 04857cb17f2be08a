import { keyOf, type StorageEntry } from "@cscs/storage-model"
import { expect, test } from "vitest"
import { conditionsAfter, type ItemStatus, type Statuses } from "../src/loop/conditions.ts"
import type { ActResult, ItemResult } from "../src/loop/perform.ts"
import type { Act, PlanItem } from "../src/plan/plan.ts"
import { anEntry, aTenant, executing, itemId, waiting } from "./an-entry.ts"

const noon = "2026-11-26T12:00:00.000Z"
const one = anEntry({ status: "pending", ...executing })
const create: Act = {
  act: "create",
  listed: { itemId: one.itemId, path: one.mountPoint.default, gid: 31_001, mode: 0o2770, quotas: null },
  differences: [],
}
const done: Act = { act: "done", url: executing.set_state_done_url }

const planOf = (entry: StorageEntry, more: Partial<PlanItem> = {}): PlanItem => ({
  sign: "+",
  key: keyOf(entry),
  itemId: entry.itemId,
  path: entry.mountPoint.default,
  system: "capstor",
  acts: [create, done],
  ...more,
})
const resultOf = (item: PlanItem, ...acts: ReadonlyArray<readonly [Act, ActResult["outcome"]]>): ItemResult => ({
  item,
  results: acts.map(([act, outcome]) => ({ item, act, outcome, milliseconds: 1, detail: `the detail of ${outcome}` })),
  isDone: acts.every(([, outcome]) => outcome === "made" || outcome === "done"),
  wasReported: acts.some(([act]) => "url" in act),
})
const after = (
  entry: StorageEntry,
  {
    item,
    result,
    before = {},
    wasExamined = true,
    now = noon,
  }: { item?: PlanItem; result?: ItemResult; before?: Statuses; wasExamined?: boolean; now?: string } = {},
): Statuses =>
  conditionsAfter(
    before,
    [entry],
    {
      planned: item === undefined ? [] : [item],
      results: result === undefined ? [] : [result],
      wasExamined: () => wasExamined,
    },
    now,
  )
const told = (statuses: Statuses, entry = one) => {
  const { DirectoryReady, QuotaApplied, Reported } = (statuses[keyOf(entry)] as ItemStatus).conditions
  return [DirectoryReady, QuotaApplied, Reported].map(({ status, reason }) => `${status} ${reason}`)
}

test("all conditions of a directory that was made and reported are True", () => {
  const item = planOf(one)
  const statuses = after(one, { item, result: resultOf(item, [create, "made"], [done, "done"]) })
  expect(told(statuses)).toEqual(["True AsListed", "True AsListed", "True done"])
})

test("all conditions of an active entry that requires no act are True", () => {
  const active = anEntry()
  expect(told(after(active), active)).toEqual(["True AsListed", "True AsListed", "True NothingToReport"])
})

test("a tenant's directory that requires no act is as listed, and its quota condition Unknown", () => {
  const tenant = aTenant()
  expect(told(after(tenant), tenant)).toEqual(["True AsListed", "Unknown NoQuotaListed", "True NothingToReport"])
})

test("the quota condition of an entry without quotas is Unknown", () => {
  const active = anEntry({ quotas: null })
  expect(told(after(active), active)[1]).toBe("Unknown NoQuotaListed")
})

test("a condition is False with its reason after a failed act on the disk, and Unknown after an unknown outcome; no report is claimed", () => {
  const item = planOf(one)
  for (const [outcome, status] of [
    ["Conflict", "False"],
    ["Refused", "False"],
    ["UnknownOutcome", "Unknown"],
  ] as const) {
    const statuses = after(one, { item, result: resultOf(item, [create, outcome]) })
    expect(told(statuses).slice(0, 2)).toEqual([`${status} ${outcome}`, `${status} ${outcome}`])
    expect(statuses[keyOf(one)]?.conditions.DirectoryReady.message).toBe(`the detail of ${outcome}`)
    expect(told(statuses)[2]).toBe("False OrderInProgress")
  }
})

test("a failed report does not change the condition of the directory, whether it was made now or before", () => {
  const item = planOf(one)
  for (const entry of [one, { ...one, status: "active" } as const])
    for (const [outcome, status] of [
      ["unknown", "Unknown"],
      ["refused", "False"],
    ] as const)
      for (const acts of [[[create, "made"] as const], []]) {
        const statuses = after(entry, { item, result: resultOf(item, ...acts, [done, outcome]) })
        expect(told(statuses, entry)).toEqual(["True AsListed", "True AsListed", `${status} ${outcome}`])
      }
})

test("an order that is only approved, rejected or given up claims neither a directory nor a quota", () => {
  const url = "https://waldur.example.org/x/"
  const asked = anEntry({ status: "pending", approve_by_provider_url: url })
  const erred: Act = { act: "erred", url, message: "failed" }
  for (const [entry, act, reason] of [
    [asked, { act: "approve", url }, "NotRequired"],
    [asked, { act: "reject", url, reason: "full" }, "NotRequired"],
    [one, erred, "GivenUp"],
    [anEntry({ status: "updating", ...executing, newQuotas: anEntry().quotas }), erred, "GivenUp"],
  ] as ReadonlyArray<readonly [StorageEntry, Act, string]>) {
    const item = planOf(entry, { sign: "~", acts: [act] })
    for (const [outcome, status] of [
      ["done", `True ${act.act}`],
      ["refused", "False refused"],
    ] as const) {
      const statuses = after(entry, { item, result: resultOf(item, [act, outcome]) })
      expect(told(statuses, entry)).toEqual([`Unknown ${reason}`, `Unknown ${reason}`, status])
    }
  }
  expect(told(after(asked), asked)[2]).toBe("Unknown AwaitsApproval")
})

test("the quota condition during an Update is that of the new quotas", () => {
  const { quotas } = anEntry()
  for (const [entry, expected] of [
    [{ quotas: null, newQuotas: quotas }, "True AsListed"],
    [{ quotas, newQuotas: null }, "Unknown NoQuotaListed"],
  ] as const) {
    const updating = anEntry({ status: "updating", ...executing, ...entry })
    expect(told(after(updating), updating)[1]).toBe(expected)
  }
})

test("an entry that the cycle did not look at and that has no conditions yet has unknown ones", () => {
  const active = anEntry()
  expect(told(after(active, { wasExamined: false }), active)).toEqual([
    "Unknown NotExamined",
    "Unknown NotExamined",
    "True NothingToReport",
  ])
})

test("a condition of an entry that needs an operator is False, with the note", () => {
  const item = planOf(one, { sign: "!", acts: [], note: "something else is there" })
  const statuses = after(one, { item })
  expect(told(statuses)[0]).toBe("False NeedsPerson")
  expect(statuses[keyOf(one)]?.conditions.DirectoryReady.message).toBe("something else is there")
})

test("an order that is not approved makes only the report's condition False if its directory is as listed", () => {
  const active = anEntry({ approve_by_provider_url: "https://waldur.example.org/x/" })
  const note = "not approved: there is not enough space"
  const statuses = after(active, { item: planOf(active, { sign: "!", acts: [], note, isOnlyOrder: true }) })
  expect(told(statuses, active)).toEqual(["True AsListed", "True AsListed", "False NeedsPerson"])
  expect(statuses[keyOf(active)]?.conditions.Reported.message).toBe(note)
})

test("`DirectoryReady` and `QuotaApplied` are unknown for an Update that waits for approval, because no cycle has looked", () => {
  const updating = anEntry({ status: "updating", ...waiting, newQuotas: anEntry().quotas })
  const active = anEntry()
  const conflict = after(active, { item: planOf(active, { sign: "!", acts: [], note: "something else is there" }) })
  for (const before of [{}, conflict])
    expect(told(after(updating, { before }), updating)).toEqual([
      "Unknown NotExamined",
      "Unknown NotExamined",
      "Unknown AwaitsApproval",
    ])
})

test("an order that is not approved makes the report's condition False, also in the cycle that made the directory", () => {
  const active = anEntry(waiting)
  const note = "not approved: there is not enough space"
  for (const [outcome, directory] of [
    ["made", "True AsListed"],
    ["Conflict", "False Conflict"],
  ] as const) {
    const item = planOf(active, { acts: [create], note, isOnlyOrder: true })
    const statuses = after(active, { item, result: resultOf(item, [create, outcome]) })
    expect(told(statuses, active)).toEqual([directory, directory, "False NeedsPerson"])
    expect(statuses[keyOf(active)]?.conditions.Reported.message).toBe(note)
  }
})

test("a condition keeps its time while its status stays, and gets a new one when it changes", () => {
  const item = planOf(one)
  const first = after(one, { item, result: resultOf(item, [create, "UnknownOutcome"]) })
  const later = "2026-11-26T13:00:00.000Z"
  const second = after(one, { item, result: resultOf(item, [create, "UnknownOutcome"]), before: first, now: later })
  expect(second[keyOf(one)]?.conditions.DirectoryReady.since).toBe(noon)
  const third = after(one, { item, result: resultOf(item, [create, "made"]), before: second, now: later })
  expect(third[keyOf(one)]?.conditions.DirectoryReady).toMatchObject({ status: "True", since: later })
})

test("an entry that the cycle did not look at keeps its conditions, and one that is no longer listed has none", () => {
  const gone = anEntry({ itemId: itemId(2), path: "/capstor/store/cscs/ethz/gone" })
  const before = { ...after(one), ...after(gone) }
  const statuses = after(one, { before, wasExamined: false, now: "2026-11-26T13:00:00.000Z" })
  expect(statuses).toEqual({ [keyOf(one)]: before[keyOf(one)] })
})
