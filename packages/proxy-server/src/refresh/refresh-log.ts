/** The log lines of refreshes. */
import type { Finding } from "@cscs/storage-model"
import { type Cause, Effect } from "effect"
import { type LogEvent, logEvent } from "../observability/log-events.ts"
import { maskFound } from "../observability/mask-secrets.ts"
import { invisibleOffering, oldestReadAt, type Snapshot, type TimedSnapshot } from "../snapshot/snapshot.ts"
import { gidFailureInWords } from "./gid-source.ts"
import { countChanges } from "./list-changes.ts"
import { guardedInWords } from "./loss-guard.ts"
import type { ReadResult } from "./read-snapshot.ts"
import { errorAnnotations, needsOperator, type RefreshError } from "./refresh-errors.ts"
import { oldestCalls, slowAfter } from "./slow-calls.ts"

/**
 * Logs the result of a refresh. A finding is logged only when it is new, because refreshes run every few seconds and an
 * odd record stays odd for days. If nothing changed, only a full read logs more than a debug line.
 *
 * @param at when the refresh ended, in steady milliseconds
 */
export const logReading = Effect.fnUntraced(function* (
  { taken: { snapshot, readStartedAt }, origin }: ReadResult,
  last: Snapshot | undefined,
  at: number,
) {
  const { entries, skipped, warnings } = snapshot
  const isNotable = origin === "all" || entries.id !== last?.entries.id
  yield* (isNotable ? Effect.logInfo : Effect.logDebug)("Snapshot taken").pipe(
    logEvent("snapshot-taken"),
    Effect.annotateLogs({
      id: entries.id,
      read: origin,
      entries: entries.size,
      skipped: skipped.length,
      warnings: warnings.length,
      mocked_gids: snapshot.mockedGids,
      ...(last && (yield* countChanges(last.entries.chunks, entries.chunks))),
      milliseconds: at - readStartedAt,
    }),
  )
  if (snapshot === last) return
  if (snapshot.mockedGids > 0 && last?.mockedGids !== snapshot.mockedGids) {
    const projects = snapshot.mockedGids === 1 ? "1 project" : `${snapshot.mockedGids} projects`
    yield* Effect.logWarning(`GIDs of ${projects} are mocks: never use them in production`).pipe(
      logEvent("gids-mocked"),
    )
  }
  for (const slug of snapshot.invisibleOfferings) {
    if (last?.invisibleOfferings.includes(slug)) continue
    yield* Effect.logWarning(invisibleOffering(slug)).pipe(logEvent("offering-invisible"))
  }
  for (const warning of snapshot.offeringWarnings) {
    if (last?.offeringWarnings.includes(warning)) continue
    yield* Effect.logWarning(warning).pipe(logEvent("offering-warning"))
  }
  for (const system of snapshot.guarded) {
    if (last?.guarded.some(({ offeringSlug }) => offeringSlug === system.offeringSlug)) continue
    yield* Effect.logError(guardedInWords(system, at)).pipe(
      logEvent("system-guarded"),
      Effect.annotateLogs({ offering: system.offeringSlug }),
    )
  }
  for (const { offeringSlug } of last?.guarded ?? []) {
    if (snapshot.guarded.some((system) => system.offeringSlug === offeringSlug)) continue
    yield* Effect.logWarning(
      `The guard of ${offeringSlug} has ended: Waldur's resources are served unchanged again`,
    ).pipe(logEvent("system-released"), Effect.annotateLogs({ offering: offeringSlug }))
  }
  const { gidFailure } = snapshot
  const detail = gidFailureInWords(snapshot)
  if (gidFailure !== undefined && detail !== (last && gidFailureInWords(last))) {
    const log = needsOperator(gidFailure) ? Effect.logError : Effect.logWarning
    yield* log("The HPC User API cannot be asked for some projects").pipe(
      logEvent("gids-unavailable"),
      Effect.annotateLogs({ error: gidFailure._tag, detail }),
    )
  }
  yield* logNew(skippedLines, skipped, last?.skipped)
  yield* logNew(warningLines, warnings, last?.warnings)
})

/**
 * Logs that a refresh ended in a fault of our own: as an error only the first time, because it is retried every few
 * seconds.
 */
export const logRefreshDeath = (cause: Cause.Cause<unknown>, isKnown: boolean) =>
  (isKnown ? Effect.logDebug : Effect.logError)("Refresh ended unexpectedly", cause).pipe(logEvent("refresh-crashed"))

/** Logs that a refresh failed, and the age of the last good snapshot. */
export const logRefreshFailure = (error: RefreshError, last: TimedSnapshot | undefined, at: number) =>
  Effect.logError("Refresh failed").pipe(
    logEvent("refresh-failed"),
    Effect.annotateLogs({ ...errorAnnotations(error), last_good: lastGood(last, at) }),
  )

/** Logs that a refresh takes longer than it should, and which calls it may wait for. */
export const logSlowRefresh = (last: TimedSnapshot | undefined, at: number) =>
  Effect.flatMap(oldestCalls, (lengths) => {
    const running = [...lengths].filter(([, length]) => length > 0)
    const waited = running.map(([upstream, length]) => `${upstream} for ${Math.round(length / 1000)} s`)
    return Effect.logWarning("Refresh is slow").pipe(
      logEvent("refresh-slow"),
      Effect.annotateLogs({
        seconds: slowAfter / 1000,
        waits_for: waited.join(", ") || "no call",
        last_good: lastGood(last, at),
      }),
    )
  })

const lastGood = (last: TimedSnapshot | undefined, at: number): string =>
  last === undefined ? "none" : `${Math.round((at - oldestReadAt(last)) / 1000)} s old`

const skippedLines = { each: "resource-skipped", summary: "skipped-summary", message: "Resource skipped" } as const
const warningLines = { each: "resource-warning", summary: "warnings-summary", message: "Odd resource" } as const

/** How many new findings of one code a refresh logs one by one: more would hide all other lines. */
const loggedOneByOne = 20

/**
 * Logs new findings: the first of each code one by one, and more of them as their number. At the first snapshot all are
 * new, so only their numbers are logged. Those that are only counted are logged at debug level.
 */
const logNew = Effect.fnUntraced(function* (
  lines: { readonly each: LogEvent; readonly summary: LogEvent; readonly message: string },
  now: ReadonlyArray<Finding<string>>,
  before: ReadonlyArray<Finding<string>> | undefined,
) {
  if (now === before) return
  const most = before === undefined ? 0 : loggedOneByOne
  const kept = new Set(before)
  const made = now.filter((finding) => !kept.has(finding))
  const known = new Set(made.length === 0 ? [] : before?.map(identity))
  const counts = new Map<string, number>()
  for (const finding of made) {
    if (known.has(identity(finding))) continue
    const count = (counts.get(finding.code) ?? 0) + 1
    counts.set(finding.code, count)
    yield* (count > most ? Effect.logDebug : Effect.logWarning)(lines.message).pipe(
      logEvent(lines.each),
      Effect.annotateLogs({ ...finding, found: maskFound(finding.field, finding.found) }),
    )
  }
  const summed = [...counts].filter(([, count]) => count > most)
  if (summed.length === 0) return
  yield* Effect.logWarning(`${lines.message}: ${summed.map(([code, count]) => `${count} ${code}`).join(", ")}`).pipe(
    logEvent(lines.summary),
    Effect.annotateLogs(Object.fromEntries(summed)),
  )
})

const identity = ({ code, uuid, slug, field, found, reason }: Finding<string>) =>
  JSON.stringify([code, uuid, slug, field, found, reason])
