/** Checks every response's status, age, list and ETag; records wrong responses and counts. */
import { createHash } from "node:crypto"
import {
  checkList,
  type History,
  type ListedEntries,
  type Mismatch,
  type Oracle,
  overlaps,
  type Window,
} from "@cscs/oracle"
import type { Upstream } from "@cscs/sandbox"
import type { Reply } from "./client.ts"
import { type Counts, count } from "./counts.ts"
import { upstreams } from "./fault-injection.ts"
import { calmAfter, freshFor, longestRefresh, oldestInCalm, staleIfError } from "./pace.ts"

/** A response that a caller keeps, and may revalidate. */
export interface Kept {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly etag: string
  readonly listed: ListedEntries
}

export type Checker = ReturnType<typeof checkerOf>

/** Milliseconds for the clock's resolution and for late callbacks. */
const slack = 50
/** A refresh takes as long as this many responses from memory: about six consecutive calls, and the build. */
const refreshInResponses = 10
/** The maximum delay in milliseconds from an event to reading its log line. */
const loggedLate = 1000
/** How many wrong responses are recorded: more add no information. */
const maxWrongs = 1000

/** Whether an entry of this system has callback URLs. */
const isActionable = (entry: unknown, system: string): boolean =>
  (entry as { storageSystem?: { key?: string } }).storageSystem?.key === system &&
  Object.keys(entry as object).some((key) => key.endsWith("_url"))

export const checkerOf = (about: {
  readonly history: History
  readonly oracle: Oracle
  readonly wasFailing: (window: Window, upstreams: ReadonlyArray<Upstream>) => boolean
  /** When each system's guard began, by the system's slug. */
  readonly guardedSince: ReadonlyMap<string, number>
  /** Milliseconds of the first refresh, which reads everything. */
  readonly firstRead: number
  readonly begun: number
}) => {
  const { history, oracle, wasFailing, guardedSince, firstRead, begun } = about
  /** The wrong responses, each with its request, its response, and the seconds since the load began. */
  const wrongs: Array<Mismatch & Readonly<Record<"at" | "request" | "response", unknown>>> = []
  const statuses: Counts = new Map()
  const checks: Counts = new Map()
  const bodies = new Map<string, string>()
  let newestTaken = Number.NEGATIVE_INFINITY
  let oldest = 0
  /** The longest recent response time in milliseconds: on a busy machine refreshes take longer too. */
  let slowest = (2 * firstRead) / refreshInResponses

  /** Records a wrong response, or a missing one, with the actual and the expected value if known. */
  const wrong = (reply: Reply | undefined, what: string, found?: unknown, expected?: unknown): void => {
    if (wrongs.length >= maxWrongs) return
    const { request, status, header = () => undefined, receivedAt = 0, sentAt = 0 } = reply ?? {}
    const response = { status, age: header("age"), etag: header("etag"), milliseconds: Math.round(receivedAt - sentAt) }
    wrongs.push({ at: Math.round(performance.now() - begun) / 1000, request, response, what, found, expected })
  }

  /** The time span in which the content of a response was read, from its `Age`. */
  const windowOf = (reply: Reply): Window => {
    const age = reply.header("age")
    if (age === undefined || !/^\d+$/.test(age)) wrong(reply, "the response has no Age", age)
    // `Age` is in whole seconds, rounded down.
    return { from: reply.sentAt - (Number(age ?? 0) + 1) * 1000 - slack, to: reply.receivedAt + slack }
  }

  return {
    wrongs,
    /** Responses by status; `left` counts callers that disconnected. */
    statuses,
    checks,
    /** Seconds. */
    oldest: () => oldest,
    wrong,
    windowOf,
    /** Counts and checks the status; returns whether it is 200. Any status except 200 and `others` is wrong. */
    checkStatus: (reply: Reply, ...others: ReadonlyArray<number>): boolean => {
      const { status, receivedAt } = reply
      count(statuses, String(status))
      // A request for a renewed list also waits for upstreams.
      if (reply.request.headers?.["Cache-Control"] === undefined) {
        slowest = Math.max(receivedAt - reply.sentAt, slowest * 0.995)
      }
      if (status === 200) return true
      if (!others.includes(status)) {
        wrong(reply, `unexpected status ${status}`, reply.body.toString().slice(0, 500))
      } else if (status === 502 && receivedAt < newestTaken + freshFor + staleIfError - slack) {
        const held = `a list was read at most ${((receivedAt - newestTaken) / 1000).toFixed(1)} s before`
        wrong(reply, "502 although the proxy had a list that it could still serve", held)
      }
      return false
    },
    /** Checks the age of a list; not for a walk's later pages, which are as old as its first. */
    age: (reply: Reply): void => {
      count(checks, "ages")
      const { from } = windowOf(reply)
      newestTaken = Math.max(newestTaken, from)
      const age = Number(reply.header("age"))
      if (Number.isNaN(age)) return
      oldest = Math.max(oldest, age)
      // Guarded entries are as old as the last list before the loss, and so is the new list.
      const guarded = history.losses.filter((loss) => overlaps(loss, reply.receivedAt - age * 1000, reply.receivedAt))
      const isCalm = !wasFailing({ from: reply.sentAt - calmAfter, to: reply.receivedAt }, upstreams)
      const listMost = isCalm ? oldestInCalm + refreshInResponses * slowest : freshFor + staleIfError + longestRefresh
      // A guard ends with the first list after the loss.
      const lasting = guarded
        .filter(({ until }) => until > reply.receivedAt - listMost)
        .map(({ from }) => reply.receivedAt - from)
      const most = listMost + Math.max(0, ...lasting)
      if (age * 1000 > most) {
        const why = isCalm ? `no upstream failed for ${calmAfter / 1000} s` : "even while upstreams fail"
        wrong(reply, "the list is too old", `${age} s`, `at most ${(most / 1000).toFixed(1)} s: ${why}`)
      }
    },
    list: (reply: Reply, window: Window, listed: ListedEntries): void => {
      const verdict = checkList(oracle, window, listed)
      count(checks, verdict.isExact ? "lists with one correct content" : "lists during changes")
      count(checks, "entries", verdict.entries)
      for (const project of verdict.projects) {
        const gid = history.gids.get(project)
        if (gid !== undefined) gid.provenAt = Math.min(gid.provenAt, reply.receivedAt)
      }
      const mismatch = verdict.wrong
      if (mismatch !== undefined) wrong(reply, mismatch.what, mismatch.found, mismatch.expected)

      const guarded = [...guardedSince].filter(([, since]) => since < reply.sentAt - loggedLate)
      if (guarded.length > 0) count(checks, "lists with a guard")
      for (const [system, since] of guarded) {
        const acting = listed.entries.find((entry) => isActionable(entry, system))
        // Unless the proxy logs meanwhile that the guard has ended.
        const look = () =>
          guardedSince.get(system) === since && wrong(reply, "a guarded entry has callback URLs", acting)
        if (acting !== undefined) setTimeout(look, loggedLate + slowest)
      }
    },
    /** Checks that each ETag has only one body. */
    etag: (reply: Reply) => {
      count(checks, "ETags")
      const etag = reply.header("etag") ?? ""
      if (etag === "") return wrong(reply, "the response has no ETag")
      const { path, headers } = reply.request
      const requested = `${path} ${headers?.Accept ?? ""} ${reply.header("content-encoding") ?? ""}`
      const body = createHash("sha1").update(reply.body).digest("base64url")
      const before = bodies.get(`${requested} ${etag}`)
      bodies.set(`${requested} ${etag}`, body)
      if (before !== undefined && before !== body) wrong(reply, "two bodies have the same ETag", etag)
    },
  }
}
