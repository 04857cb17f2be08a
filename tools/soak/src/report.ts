/** The report of a soak run. */

import type { Checker, WrongResponse } from "./checker.ts"
import type { LogReader } from "./log-reader.ts"
import type { Counts } from "./mutations.ts"

const whole = (value: number): string => value.toLocaleString("en-US", { maximumFractionDigits: 0 })

/** Maximum number of faulty responses that are reported in full. */
const shownWrongs = 5

export const progress = (second: number, checker: Checker, rss: number | undefined): string =>
  `${String(second).padStart(5)} s  ${inOrder(checker.statuses)}; wrong: ${checker.wrongs.length}${rss === undefined ? "" : `; ${whole(rss)} MB`}`

export interface Summary {
  readonly checker: Checker
  readonly log: LogReader
  readonly happened: Counts
  readonly struck: Counts
  /** The last content of `/metrics`. */
  readonly metrics: string
  /** In MB, and TCP connections; `undefined` without /proc. */
  readonly vital:
    | {
        readonly rssAtStart: number
        readonly rssAtEnd: number
        readonly rssPeak: number
        readonly growth: number | undefined
        readonly connectionsAtStart: number
        readonly connectionsAtEnd: number
      }
    | undefined
}

export const summary = ({ checker, log, happened, struck, metrics, vital }: Summary): string => {
  const table = (name: string, counts: Counts) => `${name}\n${lines(counts)}`
  return [
    table("Answers", checker.statuses),
    table("Checked", checker.checks),
    table("What happened in the world", happened),
    table("Requests that faults struck", struck),
    table("Refreshes", refreshesIn(metrics)),
    table("The proxy's log", log.events),
    `Oldest list that was given: ${checker.oldest()} s`,
    vital === undefined
      ? "Memory and sockets were not looked at: there is no /proc here."
      : `Memory: ${whole(vital.rssAtStart)} MB at the start, ${whole(vital.rssAtEnd)} at the end, ${whole(vital.rssPeak)} at most${
          vital.growth === undefined ? "" : `; ${vital.growth.toFixed(1)} MB more in the second half`
        }\nConnections: ${vital.connectionsAtStart} at the start, ${vital.connectionsAtEnd} at the end`,
  ].join("\n\n")
}

const refreshesIn = (metrics: string): Counts =>
  new Map(
    [...metrics.matchAll(/^storage_proxy_refreshes_total\{(.*?)\} (\d+)/gm)].map(([, labels = "", value]) => [
      labels.replaceAll('"', ""),
      Number(value),
    ]),
  )

const lines = (counts: Counts): string =>
  [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([name, value]) => `  ${whole(value).padStart(10)}  ${name}`)
    .join("\n") || "        none"

const inOrder = (counts: Counts): string =>
  [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}: ${whole(value)}`)
    .join(", ")

export const wrongResponses = (wrongs: ReadonlyArray<WrongResponse>): string =>
  [
    ...wrongs.slice(0, shownWrongs).map((wrong) => JSON.stringify(wrong, null, 2)),
    ...(wrongs.length > shownWrongs ? [`and ${wrongs.length - shownWrongs} more:`, kindsOf(wrongs)] : []),
  ].join("\n")

const kindsOf = (wrongs: ReadonlyArray<WrongResponse>): string => {
  const kinds: Counts = new Map()
  for (const { what } of wrongs) {
    const kind = what.replaceAll(/\d+/g, "…")
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  }
  return lines(kinds)
}
