/** Sends reports to Waldur. */
import { elapsedOf } from "@cscs/http-transport"
import type { ReportOutcome, WaldurClient } from "@cscs/waldur-client"
import { Effect } from "effect"
import type { Report, SendReport } from "./perform.ts"

/** Milliseconds without reports after a 401 or 403: Waldur would most likely refuse the next ones, too. */
const refusalPause = 60_000

/** Makes the function that sends reports. After a refusal it sends none for a minute, and returns `refused`. */
export const reportSender = (waldur: WaldurClient["Service"]): SendReport => {
  let pausedUntil = 0
  return Effect.fnUntraced(function* (report) {
    const clock = yield* Effect.clockWith(Effect.succeed)
    if (elapsedOf(clock) < pausedUntil)
      return {
        _tag: "refused",
        detail: "not sent: reports are paused, because Waldur refused the last one with 401 or 403",
      }
    const outcome = yield* send(waldur, report)
    if (outcome._tag === "refused") pausedUntil = elapsedOf(clock) + refusalPause
    return outcome
  })
}

const send = (waldur: WaldurClient["Service"], report: Report): Effect.Effect<ReportOutcome> => {
  switch (report.act) {
    case "approve":
      return waldur.approveByProvider(report.url)
    case "reject":
      // Waldur takes no reason; the plan and the log have it.
      return waldur.rejectByProvider(report.url)
    case "done":
      return waldur.setStateDone(report.url)
    case "backend-id":
      return waldur.setBackendId(report.url, report.path)
    case "erred":
      return waldur.setStateErred(report.url, report.message)
  }
}
