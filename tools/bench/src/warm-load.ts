/**
 * How fast a warm proxy responds, compared with a bare server that sends the same bytes; and that it then calls no
 * upstream.
 */

import { cpuSecondsOf } from "@cscs/harness"
import type { BareServerCommands } from "./bare-server.ts"
import { type Bench, freshForLong, near, withProxy } from "./bench-context.ts"
import { median, milliseconds, oneDecimal, times, twoDecimals, whole } from "./figures.ts"
import { startHelper } from "./helpers.ts"
import type { Load, LoadResult } from "./load-process.ts"
import { type Findings, notSupported, type Target, target, unsupported } from "./section.ts"
import { ask, header, pageOf100 } from "./storage-list.ts"

export const warmHead = [
  "resources",
  "what",
  "bytes",
  "requests/s",
  "of the bare server",
  "p50",
  "p99",
  "max",
  "server CPU per request",
  "load generator's core",
] as const

const connections = 8

/** A load, with the server's CPU use. */
export interface Round extends LoadResult {
  /** Microseconds. */
  readonly cpuPerRequest: number
}

export const loadRound = async (bench: Bench, pid: number, load: Load): Promise<Round> => {
  const before = cpuSecondsOf(pid)
  const result = await bench.load.ask("run", load)
  return { ...result, cpuPerRequest: ((cpuSecondsOf(pid) - before) * 1e6) / result.requests }
}

/** Combines several rounds: the median, but the worst of the worst. */
const together = (rounds: ReadonlyArray<Round>) => {
  const middle = (of: "perSecond" | "p50" | "p99" | "cpuPerRequest" | "ownCpu") =>
    median(rounds.map((round) => round[of]))
  return {
    perSecond: middle("perSecond"),
    p50: middle("p50"),
    p99: middle("p99"),
    max: Math.max(...rounds.map(({ max }) => max)),
    cpuPerRequest: middle("cpuPerRequest"),
    ownCpu: middle("ownCpu"),
    bytes: Math.round(median(rounds.map(({ bytes, requests }) => bytes / requests))),
  }
}

const row = (resources: number, what: string, ratio: string, rounds: ReadonlyArray<Round>): ReadonlyArray<string> => {
  const { bytes, perSecond, p50, p99, max, cpuPerRequest, ownCpu } = together(rounds)
  return [
    whole(resources),
    what,
    whole(bytes),
    whole(perSecond),
    ratio,
    milliseconds(p50),
    milliseconds(p99),
    milliseconds(max),
    `${whole(cpuPerRequest)} µs`,
    twoDecimals(ownCpu),
  ]
}

const onlyStatus = (status: string, rounds: ReadonlyArray<Round>): void => {
  for (const { statuses } of rounds) {
    if (Object.keys(statuses).some((one) => one !== status)) {
      throw new Error(`Under load, responses other than ${status}: ${JSON.stringify(statuses)}`)
    }
  }
}

/** Alternates between two servers; every other round begins with the first. */
const inTurn = async (count: number, one: () => Promise<Round>, other: () => Promise<Round>) => {
  const ones: Array<Round> = []
  const others: Array<Round> = []
  for (let round = 0; round < count; round++) {
    if (round % 2 === 0) ones.push(await one())
    others.push(await other())
    if (round % 2 === 1) ones.push(await one())
  }
  return {
    ones,
    others,
    ratio: median(ones.map((result, index) => result.perSecond / (others[index]?.perSecond ?? 0))),
  }
}

export interface WarmFindings extends Findings {
  /** Upstream calls during all rounds. */
  readonly upstreamCalls: number
}

export const measureWarm = async (bench: Bench): Promise<WarmFindings> => {
  const { resources, sandbox, effort, say } = bench
  await sandbox.ask("distance", near)
  return withProxy(bench, freshForLong, async ({ pid, url: origin }) => {
    const bare = startHelper<BareServerCommands>(new URL("bare-server.ts", import.meta.url))
    try {
      const page = await ask(origin + pageOf100)
      const bareOrigin = await bare.ask("serve", {
        body: page.body,
        contentType: header(page, "content-type") ?? "application/json",
      })
      const load = (headers: Readonly<Record<string, string>>): Load => ({
        origin,
        path: pageOf100,
        headers,
        connections,
        seconds: effort.roundSeconds,
      })
      const ours = (headers: Readonly<Record<string, string>>) => () => loadRound(bench, pid, load(headers))
      const theirs = () => loadRound(bench, bare.pid, { ...load({}), origin: bareOrigin })
      await ours({})()
      await theirs()
      await sandbox.ask("clear", null)

      const rows: Array<ReadonlyArray<string>> = []
      const targets: Array<Target> = []
      const size = `${whole(resources)} resources`

      const plain = await inTurn(effort.rounds, ours({}), theirs)
      onlyStatus("200", [...plain.ones, ...plain.others])
      const { perSecond, p99 } = together(plain.ones)
      say(`  warm page ${whole(perSecond)}/s, ${times(plain.ratio)} of bare`)
      rows.push(row(resources, "page of 100", twoDecimals(plain.ratio), plain.ones))
      rows.push(row(resources, "the same bytes from a bare `node:http`", "", plain.others))
      targets.push(
        target(`${size}: a warm page at 0.8 or more of the bare server's rate`, plain.ratio >= 0.8, times(plain.ratio)),
        target(`${size}: p99 of a warm page under 20 ms`, p99 < 20, milliseconds(p99)),
      )

      const etag = header(page, "etag")
      const faster = `${size}: 304 faster than the page`
      if (etag === undefined || (await ask(origin + pageOf100, { "If-None-Match": etag })).status !== 304) {
        rows.push([whole(resources), "304 to If-None-Match", notSupported])
        targets.push(unsupported(faster))
      } else {
        const unchanged = await inTurn(effort.rounds, ours({ "If-None-Match": etag }), ours({}))
        onlyStatus("304", unchanged.ones)
        rows.push(row(resources, "304 to If-None-Match", "", unchanged.ones))
        targets.push(target(faster, unchanged.ratio > 1, `${oneDecimal(unchanged.ratio)} times its rate`))
      }

      const gzip = { "Accept-Encoding": "gzip" }
      if (header(await ask(origin + pageOf100, gzip), "content-encoding") !== "gzip") {
        rows.push([whole(resources), "page of 100, gzip", notSupported])
      } else {
        const zipped = await rounds(effort.rounds, ours(gzip))
        onlyStatus("200", zipped)
        rows.push(row(resources, "page of 100, gzip", "", zipped))
      }

      const calls = await sandbox.ask("stats", null)
      const upstreamCalls = calls.reduce((total, one) => total + one.calls, 0)
      targets.push(target(`${size}: no upstream call while fresh`, upstreamCalls === 0, whole(upstreamCalls)))
      return { rows, targets, upstreamCalls }
    } finally {
      await bare.end()
    }
  })
}

const rounds = async (count: number, one: () => Promise<Round>): Promise<ReadonlyArray<Round>> => {
  const all: Array<Round> = []
  for (let round = 0; round < count; round++) all.push(await one())
  return all
}
