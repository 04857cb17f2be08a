import { describe, expect, onTestFinished, test } from "vitest"
import { median, megabytes, milliseconds, seconds, times } from "../src/figures.ts"
import { startHelper } from "../src/helpers.ts"
import { readOptions } from "../src/options.ts"
import { report } from "../src/report.ts"
import { target } from "../src/section.ts"
import type { EchoCommands } from "./echo-process.ts"

describe("a helper process", () => {
  const aHelper = () => {
    const helper = startHelper<EchoCommands>(new URL("echo-process.ts", import.meta.url))
    onTestFinished(helper.end)
    return helper
  }

  test("takes and returns values unchanged, bytes too, and passes errors on", async () => {
    const helper = aHelper()
    expect(await helper.ask("echo", Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2))
    await expect(helper.ask("fail", "the reason")).rejects.toThrow("the reason")
  })

  test("that ends fails its pending commands", async () => {
    await expect(aHelper().ask("leave", 3)).rejects.toThrow(/ended \(3\)/)
  })
})

test("figures are shown with their unit", () => {
  expect([seconds(1234), seconds(12_345), milliseconds(1.234), megabytes(1500), megabytes(2.5e6), times(1234)]).toEqual(
    ["1.234 s", "12.3 s", "1.23 ms", "1.5 kB", "2.5 MB", "1,234"],
  )
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5])
})

test("a run with custom options writes nothing unless requested; a whole run does", () => {
  expect(readOptions([])).toMatchObject({ write: true, resources: [1_000, 5_000, 50_000, 100_000] })
  expect(readOptions(["--quick"])).toMatchObject({ write: false, resources: [1_000, 5_000] })
  expect(readOptions(["--only", "warm", "--write"])).toMatchObject({ write: true, only: ["warm"] })
  expect(() => readOptions(["--only", "cold"])).toThrow(/cold/)
  expect(() => readOptions(["--resources", "1.5"])).toThrow(/1.5/)
})

test("the report counts missed targets and escapes its cells", () => {
  const surroundings = { date: "2026-01-01", command: "pnpm bench", commit: "abc", processor: "CPU", cores: 2 }
  const text = report({
    surroundings: { ...surroundings, memory: 4, system: "Linux", node: "v24", load: 0 },
    versions: { effect: "4" },
    minutes: 1,
    notes: "By hand.",
    sections: [
      {
        question: "How fast?",
        how: "So.",
        table: { head: ["a"], rows: [["1|2"]] },
        targets: [target("fast", true, "1"), target("faster", false, "2")],
      },
    ],
  })
  expect(text).toContain("1 of 2 are missed.")
  expect(text).toContain("| **FAIL** | faster | 2 |")
  expect(text).toContain("| 1\\|2 |")
})
