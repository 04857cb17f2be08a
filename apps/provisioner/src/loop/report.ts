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
      return { _tag: "refused", detail: "reports pause since Waldur refused the token" }
    const outcome = yield* send(waldur, report)
    if (outcome._tag === "refused") pausedUntil = elapsedOf(clock) + refusalPause
    return outcome
  })
}

const uuidIn = (url: string) => /\/([0-9a-f-]{32,36})\/[a-z_]+\/$/i.exec(url)?.[1] ?? ""

const send = (waldur: WaldurClient["Service"], report: Report): Effect.Effect<ReportOutcome> => {
  const uuid = uuidIn(report.url)
  const call =
    report.act === "approve"
      ? waldur.approveByProvider(uuid)
      : report.act === "reject"
        ? waldur.rejectByProvider(uuid)
        : report.act === "done"
          ? waldur.setStateDone(uuid)
          : report.act === "backend-id"
            ? waldur.setBackendId(uuid, report.path)
            : waldur.setStateErred(uuid, {
                errorMessage: "message" in report ? report.message : "",
                errorTraceback: "",
              })
  return call.pipe(
    Effect.map((): ReportOutcome => ({ _tag: "done" })),
    Effect.catch((error) =>
      Effect.succeed<ReportOutcome>(
        error._tag === "WaldurRejected"
          ? {
              _tag:
                error.status === 409
                  ? "otherState"
                  : error.status === 404
                    ? "gone"
                    : error.status === 405
                      ? "unsupported"
                      : error.status === 400
                        ? "notAllowedNow"
                        : "refused",
              detail: error.message,
            }
          : { _tag: "unknown", detail: error.message },
      ),
    ),
  )
}
