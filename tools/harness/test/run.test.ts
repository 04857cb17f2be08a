import { describe, expect, onTestFinished, test, vi } from "vitest"
import { parseLogLine, reportedStep, run, until } from "../src/index.ts"

const node = (source: string, options?: Parameters<typeof run>[2]) => run(process.execPath, ["-e", source], options)

describe("run", () => {
  test("passes the input and returns standard output", async () => {
    const echo = "process.stdin.on('data', (text) => process.stdout.write(text + process.env.MORE))"
    expect(await node(echo, { input: "in ", env: { MORE: "and out" } })).toBe("in and out")
  })

  test("fails with the command and its output if its exit code is not 0", async () => {
    const failing = "console.log('one'); console.error('two'); process.exit(1)"
    await expect(node(failing)).rejects.toThrow(/\none\ntwo$/)
  })

  test("kills a command on timeout", async () => {
    await expect(node("setInterval(() => {}, 1000)", { timeout: 200 })).rejects.toMatchObject({
      cause: { killed: true },
    })
  })
})

describe("until", () => {
  test("returns the first value that is neither undefined nor false", async () => {
    const values = [undefined, false, 0, 1]
    expect(await until("a value", () => values.shift())).toBe(0)
  })

  test("fails on timeout, and with the polled function's error", async () => {
    await expect(until("the impossible", () => false, 30)).rejects.toThrow("the impossible: not within 0.03 seconds")
    await expect(until("it", () => Promise.reject(new Error("broken")))).rejects.toThrow("broken")
  })
})

test.each([
  ["no JSON", undefined],
  ["[]", undefined],
  ["null", undefined],
  ['{"a":1}', undefined],
  ['{"message":["a",1],"level":"INFO"}', { message: "a 1", level: "INFO", event: undefined, annotations: {} }],
  [
    '{"message":"a","level":"WARN","timestamp":"2026-11-26T19:00:00.000Z","event":"stopping","n":1}',
    { message: "a", level: "WARN", event: "stopping", annotations: { event: "stopping", n: 1 } },
  ],
])("parseLogLine returns the event of a log line, and undefined for any other line: %s", (text, line) => {
  expect(parseLogLine(text)).toEqual(line)
})

test("reportedStep prints a line for each step, and a failed step sets the exit code", async () => {
  const log = vi.spyOn(console, "log").mockReturnValue()
  const before = process.exitCode
  onTestFinished(() => {
    process.exitCode = before
    log.mockRestore()
  })
  expect(await reportedStep("one", () => 1)).toBe(1)
  expect(process.exitCode).toBe(before)
  expect(await reportedStep("two", () => Promise.reject(new Error("no tool")))).toBeUndefined()
  expect(process.exitCode).toBe(1)
  const lines = log.mock.calls.map(([line]) => line.replace(/\([\d.]+ s\)/, "()"))
  expect(lines).toEqual(["ok    one (): 1", "FAIL  two (): no tool"])
})
