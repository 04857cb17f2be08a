import { readFileSync } from "node:fs"
import { entryStatuses, type StorageEntry } from "@cscs/storage-model"
import { expect, test } from "vitest"
import { type Decision, decide } from "../../src/plan/decide.ts"
import { anEntry, aTenant, executing, quotas, waiting } from "../an-entry.ts"

const grown = [...quotas(8)]
const keep = (then: "nothing" | "review" | "report", of: StorageEntry["quotas"] = anEntry().quotas): Decision => ({
  kind: "keep",
  quotas: of,
  then,
})
const none = {}

/** Each row of the table in docs/integrators.md, "What to do", for each combination that it names. */
const rows: ReadonlyArray<readonly [row: string, entries: ReadonlyArray<StorageEntry>, decision: Decision]> = [
  [
    "pending, of a tenant or customer: create it if it is missing",
    [none, waiting, executing].map((urls) => aTenant(urls)),
    { kind: "parent" },
  ],
  [
    "pending, updating, removing or error that waits for approval: review, and change nothing on the disk",
    (["pending", "updating", "removing", "error"] as const).map((status) => anEntry({ status, ...waiting })),
    { kind: "review" },
  ],
  ["pending that executes: create, then report", [anEntry({ status: "pending", ...executing })], keep("report")],
  ["pending without an order: nothing", [anEntry({ status: "pending" })], { kind: "nothing" }],
  [
    "active that waits for approval: keep with quotas, and review",
    [anEntry(waiting), anEntry({ ...waiting, newQuotas: grown })],
    keep("review"),
  ],
  [
    "active that executes: keep with quotas, and report nothing",
    [anEntry(executing), anEntry({ ...executing, newQuotas: grown })],
    keep("nothing"),
  ],
  ["active: keep", [anEntry()], keep("nothing")],
  [
    "updating that executes: keep with newQuotas, then report",
    [anEntry({ status: "updating", ...executing, newQuotas: grown })],
    keep("report", grown),
  ],
  [
    "updating that executes without newQuotas: keep with quotas, then report",
    [anEntry({ status: "updating", ...executing })],
    keep("report"),
  ],
  [
    "updating without an order: nothing, and an operator if it persists",
    [anEntry({ status: "updating" })],
    { kind: "nothing", alert: "order-ended-early" },
  ],
  ["removing that executes: trash, then report", [anEntry({ status: "removing", ...executing })], { kind: "trash" }],
  [
    "removing without an executing order: nothing",
    [anEntry({ status: "removing" })],
    { kind: "nothing", alert: "removal-without-order" },
  ],
  ["error: nothing", [anEntry({ status: "error" }), anEntry({ status: "error", ...executing })], { kind: "nothing" }],
  [
    "removed: nothing, and an operator if the directory still exists",
    [none, waiting, executing].map((urls) => anEntry({ status: "removed", ...urls })),
    { kind: "nothing", alert: "removed-but-present" },
  ],
]

test.each(rows)("an entry that is %s", (_, entries, decision) => {
  for (const entry of entries) expect(decide(entry)).toEqual(decision)
})

test("these cases are the rows of the table in docs/integrators.md, with one row of updating split in two", () => {
  const document = readFileSync(new URL("../../../../docs/integrators.md", import.meta.url), "utf8")
  const [, section = ""] = document.split("\n| status | callback URLs | what to do |\n|---|---|---|\n")
  const [table = ""] = section.split("\n\n")
  expect(table.split("\n")).toHaveLength(rows.length - 1)
})

test("a directory is moved to the trash only for a removing entry whose order is executing", () => {
  for (const status of entryStatuses)
    for (const urls of [none, waiting, executing, { ...waiting, ...executing }])
      for (const make of [anEntry, aTenant]) {
        const entry = make({ status, ...urls })
        const isRemoval = make === anEntry && status === "removing" && urls === executing
        expect(decide(entry).kind === "trash").toBe(isRemoval)
      }
})
