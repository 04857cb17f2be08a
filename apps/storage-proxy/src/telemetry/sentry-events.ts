/** Turns log lines into Sentry events, one for each outage. */
import type { LogEvent } from "@cscs/proxy-server"
import { Cause, Logger, References } from "effect"

/** The Sentry event for one log line. */
export interface Report {
  readonly message: string
  readonly level: "error" | "fatal"
  /** Our own faults; empty for an upstream failure. */
  readonly errors: ReadonlyArray<Error>
  readonly details: Readonly<Record<string, unknown>>
  /** Reports with equal fingerprints are one issue. */
  readonly fingerprint: ReadonlyArray<string>
}

/** When the current outage began, in milliseconds since 1970; `undefined` without an outage. */
export type OutageSince = () => number | undefined

/** Milliseconds during which equal reports are suppressed. */
const quietTime = 10 * 60_000
/** The maximum number of reports within that time, whatever they are about. */
const most = 20

/**
 * A logger that reports errors. It reports an outage once rather than at each attempt, does not report requests that
 * fail because of one, and reports anything else once in ten minutes: a fault that occurs with each request would
 * otherwise exhaust the quota in seconds.
 */
export const reportingLogger = (
  report: (one: Report) => void,
  outageSince: OutageSince,
  now: () => number = Date.now,
): Logger.Logger<unknown, void> => {
  const reported = new Map<string, number>()
  const isFirst = (what: string) => {
    const oldest = now() - quietTime
    for (const [earlier, at] of reported) if (at <= oldest) reported.delete(earlier)
    if (reported.has(what) || reported.size >= most) return false
    reported.set(what, now())
    return true
  }
  let lastOutage: number | undefined
  return Logger.make(({ message, logLevel, cause, fiber }) => {
    if (logLevel !== "Error" && logLevel !== "Fatal") return
    const [first] = Array.isArray(message) ? message : [message]
    const text = typeof first === "string" ? first : "An error without a message"
    const details = fiber.getRef(References.CurrentLogAnnotations)
    const event = details.event as LogEvent | undefined
    // Its outage has been reported. A failing issuer is not our fault and has its own alert.
    if (event === "request-failed") return
    if (event === "refresh-failed") {
      const since = outageSince()
      if (since !== undefined && since === lastOutage) return
      lastOutage = since
    }
    const errors = Cause.prettyErrors(cause)
    const fingerprint =
      event === "refresh-failed" || event === "gids-unavailable"
        ? [event, details.error, details.caused_by].filter((tag) => typeof tag === "string")
        : [text, ...errors.map(({ name, message }) => `${name}: ${message.replace(/\d+/g, "0")}`)]
    // A flapping upstream is one event too.
    if (!isFirst(fingerprint.join(" "))) return
    report({ message: text, level: logLevel === "Fatal" ? "fatal" : "error", errors, details, fingerprint })
  })
}
