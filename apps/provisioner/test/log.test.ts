import { Effect } from "effect"
import { expect, onTestFinished, test, vi } from "vitest"
import { libraryLogs, logLine } from "../src/cli/log.ts"
import { planText } from "../src/cli/show-plan.ts"

test("warnings of libraries are lines of JSON on standard error, and lower levels are not logged", async () => {
  const written = vi.spyOn(process.stderr, "write").mockReturnValue(true)
  const printed = vi.spyOn(console, "log").mockReturnValue()
  onTestFinished(() => {
    written.mockRestore()
    printed.mockRestore()
  })
  const logs = Effect.andThen(Effect.logInfo("quiet"), Effect.logWarning("loud"))
  await Effect.runPromise(Effect.provide(logs, libraryLogs))
  const lines = written.mock.calls.map(([line]) => JSON.parse(String(line)))
  expect(lines).toMatchObject([{ message: "loud", level: "WARN" }])
  expect(printed).not.toHaveBeenCalled()
})

test("the text of a plan has no control character, whatever the list contains", () => {
  const items = [{ sign: "!", key: "", itemId: "", path: "\u009b", system: "", acts: [], note: "\u001b" }] as const
  const text = planText({ etag: "\u001b]0;\u0007", counts: { "+": 0, "~": 0, "-": 0, "!": 1 }, items })
  expect(text.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u)
})

test("a secret is masked without cutting the line, and no line has a control character", async () => {
  const written = vi.spyOn(process.stderr, "write").mockReturnValue(true)
  onTestFinished(() => written.mockRestore())
  const cutsAll = (text: string) => text.replace(/secret.*/, "***")
  await Effect.runPromise(
    logLine(cutsAll)("info", { event: "act", detail: 'a "secret": \u009b\u202e', path: "\u009b", ms: 3 }),
  )
  const [[line]] = written.mock.calls as [[string]]
  expect(JSON.parse(line)).toMatchObject({ event: "act", detail: 'a "***', ms: 3 })
  expect(line).not.toMatch(/[\u0080-\u009f\u202e]/)
})
