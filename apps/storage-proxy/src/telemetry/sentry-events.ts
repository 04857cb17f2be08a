import type { LogEvent } from "@cscs/proxy-server"
import { Cause, Logger, References } from "effect"

/** What Sentry is told of one line of the log. */
export interface Report {
  readonly message: string
  readonly level: "error" | "fatal"
  /** Faults of ours; none where an upstream failed. */
  readonly errors: ReadonlyArray<Error>
  readonly details: Readonly<Record<string, unknown>>
  /** What makes two reports one issue. */
  readonly fingerprint: ReadonlyArray<string>
}

/** Since when the upstreams fail, in milliseconds since 1970; `undefined` while they do not. */
export type OutageSince = () => number | undefined

/** Milliseconds in which the same is said once. */
const quietTime = 10 * 60_000
/** Reports within that time, whatever they are of. */
const most = 20

/**
 * A logger that reports errors. Once for each outage rather than for each try, nothing of requests that an outage fails, and
 * of anything else once in ten minutes: a fault that strikes with each request would else fill the quota in seconds.
 */
export const reportingLogger = (
  report: (one: Report) => void,
  outageSince: OutageSince,
  now: () => number = Date.now,
): Logger.Logger<unknown, void> => {
  const said = new Map<string, number>()
  const isFirst = (what: string) => {
    const oldest = now() - quietTime
    for (const [earlier, at] of said) if (at <= oldest) said.delete(earlier)
    if (said.has(what) || said.size >= most) return false
    said.set(what, now())
    return true
  }
  let lastOutage: number | undefined
  return Logger.make(({ message, logLevel, cause, fiber }) => {
    if (logLevel !== "Error" && logLevel !== "Fatal") return
    const [first] = Array.isArray(message) ? message : [message]
    const text = typeof first === "string" ? first : "An error that says nothing"
    const details = fiber.getRef(References.CurrentLogAnnotations)
    const event = details.event as LogEvent | undefined
    // Its outage has been reported; an issuer that fails is no fault of ours and has its alert.
    if (event === "request-failed") return
    if (event === "refresh-failed") {
      const since = outageSince()
      if (since !== undefined && since === lastOutage) return
      lastOutage = since
      const fingerprint = [event, String(details.error)]
      // An upstream that comes and goes is one event too.
      if (isFirst(fingerprint.join(" "))) report({ message: text, level: "error", errors: [], details, fingerprint })
      return
    }
    const errors = Cause.prettyErrors(cause)
    const fingerprint = [text, ...errors.map(({ name, message }) => `${name}: ${message.replace(/\d+/g, "0")}`)]
    if (!isFirst(fingerprint.join(" "))) return
    report({ message: text, level: logLevel === "Fatal" ? "fatal" : "error", errors, details, fingerprint })
  })
}
