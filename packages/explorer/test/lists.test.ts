import { entryStatuses, type StorageEntry } from "@cscs/storage-model"
import { describe, expect, it } from "vitest"
import { changesBetween } from "../src/changes.ts"
import { csvOf, jsonOf } from "../src/export.ts"
import { count, sentence, shortValue, span, value } from "../src/format.ts"
import { branchesOf, treeOf, waitingIn } from "../src/tree.ts"
import { kinds, seenWaiting } from "../src/waiting.ts"
import { entry, list } from "./example-list.ts"

const changes = (before: ReadonlyArray<StorageEntry>, now: ReadonlyArray<StorageEntry>) => {
  const tree = treeOf(before)
  return changesBetween(tree, treeOf(now, tree), 5)
}
const waitingOf = (entries: ReadonlyArray<StorageEntry>) => treeOf(entries).waiting

describe("the changes between two lists", () => {
  it("are the added entries, the removed entries, and the changed fields of the others", () => {
    const [, , climate, , ...others] = list
    if (climate === undefined) throw new Error("the example list has no third entry")
    const added = entry("/vast/store/cscs/new", "project", null)
    const now = [...others, { ...climate, status: "error" as const, set_state_ok_url: "https://example.org/" }, added]
    expect(changes(list, now).map(({ key, kind, fields }) => [kind, key.split(" ")[1], fields])).toEqual([
      ["gone", "/capstor/store/cscs", []],
      ["gone", "/capstor/store/cscs/ethz", []],
      ["gone", "/capstor/store/cscs/ethz/ocean", []],
      [
        "changed",
        "/capstor/store/cscs/ethz/climate",
        [
          { name: "status", before: "active", now: "error" },
          { name: "set_state_ok_url", before: undefined, now: "https://example.org/" },
        ],
      ],
      ["added", "/vast/store/cscs/new", []],
    ])
  })

  it("are empty if the lists are equal, even in another order", () => {
    expect(changes(list, structuredClone(list).toReversed())).toEqual([])
  })
})

describe("the list of waiting entries", () => {
  it("has a section for each status, so that it shows every entry that it counts", () => {
    expect(kinds.toSorted()).toEqual(entryStatuses.toSorted())
  })

  it("contains the projects for which a step is due, each with the URL of the step", () => {
    const url = "https://waldur.example.org/api/marketplace-orders/1/approve_by_provider/"
    const ordered = entry("/vast/store/cscs/new", "project", null, { status: "pending", approve_by_provider_url: url })
    expect(
      waitingOf([...list, ordered]).map(({ entry, step, callback }) => [
        entry.status,
        step.by,
        callback && entry[callback],
      ]),
    ).toEqual([
      ["updating", "provider", undefined],
      ["pending", "provider", url],
    ])
    const pending = branchesOf(treeOf([...list, ordered]).systems, (_, { status }) => status === "pending")
    expect(waitingIn(pending).map(({ entry }) => entry)).toEqual([ordered])
  })

  it("dates each wait from its beginning or from when the page was opened, and anew when the status changes", () => {
    const removing = (status: "updating" | "removing") => entry("/vast/store/cscs/x", "project", null, { status })
    const first = seenWaiting(waitingOf(list), undefined, 10)
    expect([...first.values()]).toEqual([{ status: "updating", since: 10, isBeginning: false }])
    const second = seenWaiting(waitingOf([...list, removing("updating")]), first, 20)
    expect([...second.values()]).toEqual([...first.values(), { status: "updating", since: 20, isBeginning: true }])
    const third = seenWaiting(waitingOf([removing("removing")]), second, 30)
    expect([...third.values()]).toEqual([{ status: "removing", since: 30, isBeginning: true }])
  })
})

describe("an export of the explorer", () => {
  it("never contains a formula for a spreadsheet, whatever a name contains", () => {
    for (const bad of ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("x")']) {
      const [, line = ""] = csvOf([entry("/a/b/c", "project", null, { itemId: bad })]).split("\r\n")
      expect(line).toContain(`"'${bad.replaceAll('"', '""')}"`)
      const [, cells = ""] = csvOf([entry("/a/b/c", "project", null, { itemId: `a;${bad};` })]).split("\r\n")
      expect(cells).toContain(`"a;'${bad.replaceAll('"', '""')};"`)
    }
  })

  it("has a line with numeric limits for each entry as CSV, and equals the API's list as JSON", () => {
    const [header, ...lines] = csvOf(list).trim().split("\r\n")
    expect(lines).toHaveLength(list.length)
    expect(header?.split(",").length).toBe(lines[2]?.split(",").length)
    expect(lines[2]).toContain(',1,2,10,20,"')
    expect(JSON.parse(jsonOf(list))).toEqual(list)
  })
})

describe("a displayed value", () => {
  it("is quoted if it is an empty string or has whitespace at either end", () => {
    expect(["", " a", "a\n", "a b", 5, null, undefined, [1]].map(value)).toEqual([
      '""',
      '" a"',
      '"a\\n"',
      "a b",
      "5",
      "null",
      "none",
      "[1]",
    ])
  })
})

describe("a displayed value in a list", () => {
  it("is cut after 60 characters", () => {
    expect(shortValue("x".repeat(60))).toBe("x".repeat(60))
    expect(shortValue("x".repeat(61))).toBe(`${"x".repeat(60)}…`)
  })
})

describe("a displayed sentence", () => {
  it("begins with a capital letter, unless it begins with the name of a key, a file or a variable", () => {
    const names = [
      "cache.path and cache.url",
      "waldur_api_token (file)",
      "config.yaml: x",
      ".env: x",
      "2 resources",
      "",
    ]
    expect(names.map(sentence)).toEqual(names)
    expect(["missing; expected", "its GID", "missing"].map(sentence)).toEqual([
      "Missing; expected",
      "Its GID",
      "Missing",
    ])
  })
})

describe("a displayed count or time span", () => {
  it("has the right plural, or a unit that keeps the number small", () => {
    expect([count(1, "entry", "entries"), count(1200, "entry", "entries")]).toEqual(["1 entry", "1,200 entries"])
    expect([span(-5), span(59_400), span(600_000), span(86_400_000)]).toEqual(["0 s", "59 s", "10 min", "24 h"])
  })
})
