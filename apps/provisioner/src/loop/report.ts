/** Sends reports to Waldur. */
import { elapsedOf } from "@cscs/http-transport"
import type { ReportOutcome, WaldurClient } from "@cscs/waldur-client"
import { Effect } from "effect"
import type { Report, SendReport } from "./perform.ts"

/** Milliseconds without reports after Waldur has refused the token. */
const refusalPause = 60_000

export const sendReports = (waldur: WaldurClient["Service"]): SendReport => {
  let pausedUntil = 0
  return Effect.fnUntraced(function* (report) {
    const clock = yield* Effect.clockWith(Effect.succeed)
    if (elapsedOf(clock) < pausedUntil)
      return { _tag: "refused", detail: "reports are paused, because Waldur refused the token" }
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
      return waldur.rejectByProvider(report.url)
    case "done":
      return waldur.setStateDone(report.url)
    case "backend-id":
      return waldur.setBackendId(report.url, report.path)
    case "erred":
      return waldur.setStateErred(report.url, report.message)
  }
}
