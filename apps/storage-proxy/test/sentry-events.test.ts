import { type LogEvent, logEvent } from "@cscs/proxy-server"
import { Cause, Effect, Logger } from "effect"
import { expect, test } from "vitest"
import { type Report, reportingLogger } from "../src/telemetry/sentry-events.ts"

const aLog = () => {
  const reports: Array<Report> = []
  const state: { outageSince: number | undefined; now: number } = { outageSince: undefined, now: 0 }
  const logger = reportingLogger(
    (report) => reports.push(report),
    () => state.outageSince,
    () => state.now,
  )
  return {
    state,
    reports,
    reported: () => reports.map(({ message }) => message),
    log: (line: Effect.Effect<void>) => Effect.runSync(Effect.provide(line, Logger.layer([logger]))),
  }
}
const minutes = 60_000

test("an outage is reported once, and the next one too unless it looks the same within ten minutes", () => {
  const { state, reported, log } = aLog()
  const failed = (error: string) =>
    log(Effect.logError("The read failed").pipe(logEvent("refresh-failed"), Effect.annotateLogs({ error })))
  state.outageSince = 1
  failed("TransportFailure")
  state.now = 60 * minutes
  failed("TransportFailure")
  failed("WaldurRefusal")
  expect(reported().length).toBe(1)
  state.outageSince = 2
  failed("TransportFailure")
  expect(reported().length).toBe(2)
  state.outageSince = 3
  state.now += 9 * minutes
  failed("TransportFailure")
  expect(reported().length).toBe(2)
  state.outageSince = 4
  failed("WaldurTooOld")
  expect(reported().length).toBe(3)
})

test("failures of the HPC User API are grouped by the tag of the error that caused them", () => {
  const { state, reports, log } = aLog()
  const failed = (event: LogEvent, tags: Readonly<Record<string, string>>) =>
    log(Effect.logError("No GIDs").pipe(logEvent(event), Effect.annotateLogs({ ...tags, detail: String(state.now) })))
  for (const caused_by of ["TokenRefused", "HpcUserApiUnavailable", "TokenRefused"]) {
    state.now += 1
    state.outageSince = state.now
    failed("refresh-failed", { error: "GidsUnavailable", caused_by })
    failed("gids-unavailable", { error: caused_by })
  }
  expect(reports.map(({ fingerprint }) => fingerprint)).toEqual([
    ["refresh-failed", "GidsUnavailable", "TokenRefused"],
    ["gids-unavailable", "TokenRefused"],
    ["refresh-failed", "GidsUnavailable", "HpcUserApiUnavailable"],
    ["gids-unavailable", "HpcUserApiUnavailable"],
  ])
})

test("requests that fail because of an outage, and non-errors, are not reported", () => {
  const { reported, log } = aLog()
  log(Effect.logError("No list for this one").pipe(logEvent("request-failed")))
  log(Effect.logWarning("Odd resource"))
  log(Effect.logInfo("Snapshot taken", Cause.die(new Error("lost"))))
  expect(reported()).toEqual([])
})

test("a fault is reported again after ten minutes, regardless of the numbers in it", () => {
  const { state, reported, log } = aLog()
  const fault = (n: number) => log(Effect.logError("Internal error", Cause.die(new Error(`lost ${n}`))))
  fault(1)
  fault(2)
  expect(reported().length).toBe(1)
  state.now = 10 * minutes
  fault(3)
  expect(reported().length).toBe(2)
})

test("at most twenty things are reported in ten minutes", () => {
  const { state, reported, log } = aLog()
  const words = Array.from({ length: 50 }, (_, index) => "x".repeat(index + 1))
  for (const word of words) log(Effect.logError(word))
  expect(reported().length).toBe(20)
  state.now = 10 * minutes
  log(Effect.logError("another"))
  expect(reported().length).toBe(21)
})
