import { expect, test } from "vitest"
import { anEntry, executing, order, waiting } from "../an-entry.ts"
import { aSite } from "./a-site.ts"

const created = anEntry({ status: "pending", ...executing })
/** Milliseconds: older than anything that a test reports. */
const old = 60_000

test("after a report, an item is left unchanged until a list from after the report, however often older ones are read", async () => {
  const site = aSite()
  const outcomes = await site.session({ age: old })([[created], [created], [created]])
  expect(site.reports.map(({ act }) => act)).toEqual(["backend-id", "done"])
  expect(outcomes.map(({ awaitingList }) => awaitingList)).toEqual([1, 1, 1])
})

test("a report of unknown outcome is not repeated before a newer list", async () => {
  const site = aSite()
  const waits = anEntry({ status: "pending", ...waiting })
  await site.session({ age: old, respond: () => ({ _tag: "unknown", detail: "timeout" }) })([[waits], [waits]])
  expect(site.reports.map(({ act }) => act)).toEqual(["approve"])
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

test("nothing is removed because of a list that is minutes old", async () => {
  const site = aSite()
  await site.session()([[anEntry()]])
  const removing = anEntry({ status: "removing", ...executing })
  const [outcome] = await site.session({ age: 10 * old })([[removing]])
  expect(outcome?.results).toEqual([])
  expect(site.reports).toEqual([])
})
