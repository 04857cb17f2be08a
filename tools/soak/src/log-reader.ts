/** Finds faults in the proxy's log, and extracts its guards. */
import { parseLogLine } from "@cscs/harness"
import type { Sandbox } from "@cscs/sandbox"
import { type Counts, count } from "./counts.ts"

/** Events that are faults of the proxy. Node's own warnings are not log lines, and so faults too. */
const faultEvents = ["refresh-crashed", "internal-error", "crashed"]

export const logReader = (sandbox: Sandbox) => {
  const holdsSecret = secretsIn(sandbox)
  /** Unexpected lines, each with a reason. */
  const faulty: Array<{ readonly why: string; readonly line: string }> = []
  /** Lines by event. */
  const events: Counts = new Map()
  /** When the proxy logged that it keeps the last good entries of a system; for the currently kept ones, by slug. */
  const guardedSince = new Map<string, number>()
  return {
    faulty,
    events,
    guardedSince,
    read: (line: string): void => {
      const parsed = parseLogLine(line)
      const { event = "", level, annotations } = parsed ?? {}
      if (holdsSecret(line)) faulty.push({ why: "a secret is in the log", line })
      else if (faultEvents.includes(event) || level === "FATAL") faulty.push({ why: "a fault of its own", line })
      else if (event === "") faulty.push({ why: "no line of the log's form, or without an event", line })
      if (event === "system-guarded") guardedSince.set(String(annotations?.offering), performance.now())
      if (event === "system-released") guardedSince.delete(String(annotations?.offering))
      count(events, event)
    },
  }
}

/** Whether a text contains a secret of the sandbox, or any token of its issuer. */
const secretsIn = ({ world, waldur, hpcUserApi, issuer }: Sandbox): ((text: string) => boolean) => {
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
