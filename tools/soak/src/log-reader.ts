/** What of the proxy's log is a fault, and what it tells of refreshes. */
import type { Sandbox } from "@cscs/sandbox"
import { type Counts, count } from "./world-changes.ts"

const faults = /Refresh ended unexpectedly|Internal error|unhandled|uncaught|MaxListenersExceeded|"level":"FATAL"/i

export interface LogReader {
  readonly read: (line: string) => void
  /** Lines that must not be there, each with why. */
  readonly faulty: ReadonlyArray<{ readonly why: string; readonly line: string }>
  /** Lines by message. */
  readonly messages: Counts
  /** When the last failed refresh was told, by `performance.now()`. */
  readonly failedAt: () => number
  /** Since when the proxy says that it keeps the last good entries of a system; of those that it keeps now, by slug. */
  readonly guardedSince: ReadonlyMap<string, number>
}

export const logReader = (sandbox: Sandbox): LogReader => {
  const holdsSecret = secretsIn(sandbox)
  const faulty: Array<{ readonly why: string; readonly line: string }> = []
  const messages: Counts = new Map()
  const guardedSince = new Map<string, number>()
  let failedAt = Number.NEGATIVE_INFINITY
  return {
    faulty,
    messages,
    failedAt: () => failedAt,
    guardedSince,
    read: (line) => {
      const message = messageOf(line)
      if (holdsSecret(line)) faulty.push({ why: "a secret is in the log", line })
      else if (faults.test(line)) faulty.push({ why: "a fault of the proxy's own", line })
      else if (message === undefined) faulty.push({ why: "no line of the log's form", line })
      if (message === "Refresh failed") failedAt = performance.now()
      const [, guarded] = /^A refresh would leave \d+ of \d+ live entries of (\w+) /.exec(message ?? "") ?? []
      if (guarded !== undefined) guardedSince.set(guarded, performance.now())
      const [, asIs] = /^Waldur's resources of (\w+) are taken as they are again/.exec(message ?? "") ?? []
      if (asIs !== undefined) guardedSince.delete(asIs)
      if (message !== undefined) count(messages, nameOf(message))
    },
  }
}

/** Whether a text holds a secret that the sandbox knows, or any token of its issuer. */
export const secretsIn = ({ world, waldur, hpcUserApi, issuer }: Sandbox): ((text: string) => boolean) => {
  const secrets = [
    waldur.token,
    hpcUserApi.clientSecret,
    issuer.audience.clientSecret,
    issuer.integrator.clientSecret,
    ...world.offerings.flatMap(({ secret_options }) => Object.values(secret_options ?? {}).map(String)),
  ].filter((secret) => secret.length > 5)
  // safe-regex: a log line of our own process, which keeps them short
  return (text) => secrets.some((secret) => text.includes(secret)) || /\beyJ[\w-]{10,}\.[\w-]{10,}/.test(text)
}

const messageOf = (line: string): string | undefined => {
  try {
    const { message } = JSON.parse(line) as { message?: unknown }
    return message === undefined ? undefined : [message].flat().map(String).join(" ")
  } catch {
    return undefined
  }
}

/** Without what differs from time to time. */
const nameOf = (message: string): string => message.replaceAll(/https?:\S+|\d[\d,.:]*/g, "…").slice(0, 80)
