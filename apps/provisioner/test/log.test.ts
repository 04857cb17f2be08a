import { Effect } from "effect"
import { expect, onTestFinished, test, vi } from "vitest"
import { libraryLogs } from "../src/cli/log.ts"

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
