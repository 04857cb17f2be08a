import { readFileSync } from "node:fs"
import { expect, onTestFinished, test } from "vitest"
import type { BareServerCommands } from "../src/bare-server.ts"
import { median, megabytes, milliseconds, seconds, times } from "../src/figures.ts"
import { startHelper } from "../src/helpers.ts"
import { fromAutocannon, fromWrk } from "../src/load.ts"
import { report } from "../src/report.ts"
import { firstResponse } from "../src/storage-list.ts"

test("a helper process takes bytes, and when it ends its pending commands fail", async () => {
  const { pid, commands, end } = startHelper<BareServerCommands>(new URL("../src/bare-server.ts", import.meta.url))
  onTestFinished(end)
  const url = await commands.serve(Uint8Array.of(1, 2), "application/octet-stream")
  expect(await (await fetch(url)).bytes()).toEqual(Uint8Array.of(1, 2))
  process.kill(pid, "SIGSTOP")
  const pending = commands.serve(Uint8Array.of(3), "application/octet-stream")
  process.kill(pid, "SIGKILL")
  await expect(pending).rejects.toThrow(/ended \(SIGKILL\)/)
})

test("the wait for a first response fails at once if the server has ended", async () => {
  await expect(firstResponse("http://127.0.0.1:1", {}, () => true)).rejects.toThrow(/has ended/)
})

test("figures are shown with their unit", () => {
  expect([seconds(1234), seconds(12_345), milliseconds(1.234), megabytes(1500), megabytes(2.5e6), times(1234)]).toEqual(
    ["1.234 s", "12.3 s", "1.23 ms", "1.5 kB", "2.5 MB", "1,234"],
  )
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5])
})

test("the reports of both load generators are read", () => {
  const wrk = readFileSync(new URL("wrk.txt", import.meta.url), "utf8")
  const found = { p50: 0.152, p99: 1.2, max: 10.2 }
  expect(fromWrk(wrk)).toEqual({ requests: 92_100, perSecond: 46_050.12, ...found, failures: 15 })
  const latency = { p50: 1, p99: 12, max: 30 }
  expect(
    fromAutocannon(JSON.stringify({ requests: { total: 400 }, duration: 2, latency, errors: 1, "4xx": 2, "5xx": 3 })),
  ).toEqual({ requests: 400, perSecond: 200, ...latency, failures: 6 })
})

test("the report counts missed targets and escapes its cells", () => {
  const targets = [
    { wanted: "fast", met: true, found: "1" },
    { wanted: "faster", met: false, found: "2" },
  ]
  const section = { question: "How fast?", how: "So.", head: "a", rows: [["1|2"]], targets }
  const text = report([["commit", "abc"]], [section], 1, "By hand.")
  expect(text).toContain("1 of 2 are missed.")
  expect(text).toContain("| **FAIL** | faster | 2 |")
  expect(text).toContain("| 1\\|2 |")
})
