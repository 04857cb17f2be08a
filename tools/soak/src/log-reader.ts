/** What of the proxy's log is a fault, and what it tells of refreshes. */
import { parseLogLine } from "@cscs/harness"
import type { Sandbox } from "@cscs/sandbox"
import { type Counts, count } from "./mutations.ts"

/** Events that are faults of the proxy; and what Node writes to standard error by itself. */
const faultEvents = ["refresh-crashed", "internal-error", "crashed"]
const nodeWarnings = /unhandled|uncaught|MaxListenersExceeded/i

export interface LogReader {
  readonly read: (line: string) => void
  /** Lines that must not be there, each with why. */
  readonly faulty: ReadonlyArray<{ readonly why: string; readonly line: string }>
  /** Lines by event; those of the upstreams' clients, which have none, by message. */
  readonly events: Counts
  /** When the last failed refresh was told, by `performance.now()`. */
  readonly failedAt: () => number
  /** Since when the proxy says that it keeps the last good entries of a system; of those that it keeps now, by slug. */
  readonly guardedSince: ReadonlyMap<string, number>
}

export const logReader = (sandbox: Sandbox): LogReader => {
  const holdsSecret = secretsIn(sandbox)
  const faulty: Array<{ readonly why: string; readonly line: string }> = []
  const events: Counts = new Map()
  const guardedSince = new Map<string, number>()
  let failedAt = Number.NEGATIVE_INFINITY
  return {
    faulty,
    events,
    failedAt: () => failedAt,
    guardedSince,
    read: (line) => {
      const parsed = parseLogLine(line)
      if (holdsSecret(line)) faulty.push({ why: "a secret is in the log", line })
      else if (faultEvents.includes(parsed?.event ?? "") || parsed?.level === "FATAL" || nodeWarnings.test(line))
        faulty.push({ why: "a fault of the proxy's own", line })
      else if (parsed === undefined) faulty.push({ why: "no line of the log's form", line })
      if (parsed === undefined) return
      const { event, message, annotations } = parsed
      if (event === "refresh-failed") failedAt = performance.now()
      if (event === "system-guarded") guardedSince.set(String(annotations.offering), performance.now())
      if (event === "system-released") guardedSince.delete(String(annotations.offering))
      count(events, event ?? nameOf(message))
    },
  }
}

/** Whether a text holds a secret that the sandbox knows, or any token of its issuer. */
export const secretsIn = ({ world, waldur, hpcUserApi, issuer }: Sandbox): ((text: string) => boolean) => {
  const secrets = [
    ...Object.values(waldur.tokens),
    hpcUserApi.clientSecret,
    issuer.audience.clientSecret,
    issuer.integrator.clientSecret,
    ...world.offerings.flatMap(({ secret_options }) => Object.values(secret_options ?? {}).map(String)),
  ].filter((secret) => secret.length > 5)
  // safe-regex: a log line of our own process, which keeps them short
  return (text) => secrets.some((secret) => text.includes(secret)) || /\beyJ[\w-]{10,}\.[\w-]{10,}/.test(text)
}

/** Without what differs from time to time. */
const nameOf = (message: string): string => message.replaceAll(/https?:\S+|\d[\d,.:]*/g, "…").slice(0, 80)
