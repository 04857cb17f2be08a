/** The readiness report: state, warnings and the health of the upstreams. */
import type { WarningCode } from "@cscs/storage-model"
import { Clock, Effect, Schema } from "effect"
import { Authentication, type RefusedInARow } from "../auth/authentication.ts"
import type { IssuerHealth } from "../auth/issuer.ts"
import { Settings } from "../config/settings.ts"
import { Lifecycle } from "../http/lifecycle.ts"
import { GidSource, gidFailureInWords } from "../refresh/gid-source.ts"
import { guardedInWords } from "../refresh/loss-guard.ts"
import { errorAnnotations, upstreamOf } from "../refresh/refresh-errors.ts"
import { slowCalls } from "../refresh/slow-calls.ts"
import { type SnapshotState, Snapshots } from "../serving/snapshots.ts"
import { invisibleOffering, oldestReadAt } from "../snapshot/snapshot.ts"
import { steadyMillis } from "../snapshot/steady-clock.ts"

const UpstreamReport = Schema.Struct({
  status: Schema.Literals(["ok", "slow", "failing", "unknown", "not configured"]).annotate({
    identifier: "UpstreamStatus",
  }),
  detail: Schema.optionalKey(Schema.String),
  /** The tag of the error, for programs. */
  error: Schema.optionalKey(Schema.String),
  /** ISO 8601. */
  since: Schema.optionalKey(Schema.String),
}).annotate({ identifier: "Upstream" })
type UpstreamReport = typeof UpstreamReport.Type

/** The readiness report, for an operator on call. */
export const ReadinessReport = Schema.Struct({
  status: Schema.Literals(["ready", "starting", "stopping"]).annotate({ identifier: "ReadinessStatus" }),
  warnings: Schema.Array(Schema.String),
  snapshot: Schema.NullOr(
    Schema.Struct({
      age: Schema.Finite.annotate({ description: "Age of the oldest entries in seconds, since their read began." }),
      entries: Schema.Int,
      skipped: Schema.Int,
    }).annotate({ identifier: "SnapshotSummary" }),
  ),
  upstreams: Schema.Struct({
    waldur: UpstreamReport,
    hpc_user_api: UpstreamReport,
    issuer: UpstreamReport,
  }).annotate({ identifier: "Upstreams" }),
  gid_cache: Schema.Struct({
    total_entries: Schema.Int,
    cache_policy: Schema.String,
    projects: Schema.Union([Schema.Array(Schema.String), Schema.Int]).annotate({
      description: "The projects whose GID is cached; their number if there are more than ten.",
    }),
  }).annotate({ identifier: "GidCache" }),
}).annotate({ identifier: "Readiness" })

/**
 * Ready from the first snapshot until shutdown begins. Degradations are only warnings: if stale data made a replica
 * unready, all replicas would leave the load balancer just when the last good data is needed.
 */
export const readinessReport = Effect.gen(function* () {
  const settings = yield* Settings
  const snapshots = yield* Snapshots
  const { isStopping } = yield* Lifecycle
  const { issuerHealth, refusedInARow } = yield* Authentication
  const { cacheStats } = yield* GidSource
  const state = snapshots.state()
  const now = yield* steadyMillis
  const slow = yield* slowCalls
  const wallClock = yield* Clock.currentTimeMillis
  const { current } = state
  const report: typeof ReadinessReport.Type = {
    status: isStopping() ? "stopping" : current === undefined ? "starting" : "ready",
    warnings: [...settings.warnings, ...refusalWarning(refusedInARow()), ...warningsOf(state, now)],
    snapshot:
      current === undefined
        ? null
        : {
            age: Math.round((now - oldestReadAt(current)) / 100) / 10,
            entries: current.snapshot.entries.size,
            skipped: current.snapshot.skipped.length,
          },
    upstreams: {
      waldur: orSlow(reportOf("waldur", state), ["waldur", "waldur-customers"], slow, wallClock),
      hpc_user_api:
        settings.hpcUserApi === undefined
          ? { status: "not configured" }
          : orSlow(reportOf("hpc-user-api", state), ["hpc-user-api", "hpc-user-api-token"], slow, wallClock),
      issuer: settings.auth.disabled ? { status: "not configured" } : issuerReport(issuerHealth()),
    },
    gid_cache: yield* cacheStats,
  }
  return report
})

/** Consecutive refused tokens that justify a warning: one or two are a caller's mistake. */
const suspiciousRefusals = 5

const refusalWarning = (refused: RefusedInARow | undefined): ReadonlyArray<string> =>
  refused === undefined || refused.count < suspiciousRefusals
    ? []
    : [
        `no access token has been accepted since ${new Date(refused.since).toISOString()}: ${refused.count} were refused, ` +
          `the last as ${refused.reason}; the log has each (Token refused)`,
      ]

/**
 * Tokens are checked with cached issuer data. The issuer is called, and its health known, only when that does not
 * suffice.
 */
const issuerReport = (health: IssuerHealth): UpstreamReport => {
  if (health?.status !== "failing") return { status: health?.status ?? "unknown" }
  const { detail, since } = health
  return { status: "failing", detail, since: new Date(since).toISOString() }
}

const reportOf = (upstream: "waldur" | "hpc-user-api", { current, origin, failure }: SnapshotState): UpstreamReport => {
  if (failure !== undefined && upstreamOf(failure.error) === upstream) {
    const { error, caused_by, detail } = errorAnnotations(failure.error)
    return { status: "failing", error: caused_by ?? error, detail, since: new Date(failure.since).toISOString() }
  }
  // The file is from before the start, and a refresh that failed without a known upstream says nothing about either.
  const isUnattributed = failure !== undefined && upstreamOf(failure.error) === undefined
  if (current === undefined || origin === "file" || isUnattributed) return { status: "unknown" }
  const { gidFailure } = current.snapshot
  const detail = gidFailureInWords(current.snapshot)
  return upstream === "hpc-user-api" && gidFailure !== undefined && detail !== undefined
    ? { status: "failing", error: gidFailure._tag, detail }
    : { status: "ok" }
}

/**
 * Reports an upstream that accepts requests and never responds, which is not a failure yet. The issuer is not included: it
 * has a timeout of five seconds.
 */
const orSlow = (
  report: UpstreamReport,
  names: ReadonlyArray<string>,
  slow: ReadonlyMap<string, number>,
  wallClock: number,
): UpstreamReport => {
  const length = Math.max(...names.map((name) => slow.get(name) ?? 0))
  if (length === 0 || report.status === "failing") return report
  const detail = `a call has run for ${Math.round(length / 1000)} seconds and has not ended`
  return { status: "slow", detail, since: new Date(wallClock - length).toISOString() }
}

/** Warnings for resources that are served in spite of a conflict, by code. */
const conflicts = {
  "shared-mount-point": "share a mount point with another",
  "nested-mount-point": "are being removed inside the directory of a live one",
  "shared-gid": "have a GID that another project has too",
  "shared-project-slug": "have a project slug that another project has too",
} as const satisfies Partial<Record<WarningCode, string>>

const warningsOf = (
  { current, origin, failure, slowSince, isOverdue, degradations }: SnapshotState,
  now: number,
): ReadonlyArray<string> => {
  const warnings: Array<string> = [...degradations]
  if (failure !== undefined) {
    const since = new Date(failure.since).toISOString()
    warnings.push(`no refresh has succeeded since ${since}: ${failure.error.message}`)
  }
  if (slowSince !== undefined) {
    warnings.push(`a refresh has run for ${Math.round((now - slowSince) / 1000)} seconds and has not ended`)
  }
  if (current === undefined) return warnings
  const { snapshot } = current
  if (failure !== undefined || isOverdue) {
    warnings.push(`the data is stale: ${Math.round((now - oldestReadAt(current)) / 1000)} seconds old`)
  }
  if (origin === "file") warnings.push("the list is from before the start: no refresh has ended yet")
  for (const slug of snapshot.invisibleOfferings) {
    warnings.push(invisibleOffering(slug))
  }
  warnings.push(...snapshot.offeringWarnings)
  for (const system of snapshot.guarded) warnings.push(guardedInWords(system, now))
  if (snapshot.mockedGids > 0) warnings.push(`the GIDs of ${snapshot.mockedGids} projects are mocks`)
  for (const [code, what] of Object.entries(conflicts)) {
    const count = snapshot.warnings.filter((warning) => warning.code === code).length
    if (count > 0) warnings.push(`${count} resources ${what}; ?debug=true lists them`)
  }
  const withoutOrder = snapshot.skipped.filter(({ code }) => code === "removal-without-order").length
  if (withoutOrder > 0) {
    warnings.push(
      `removals without an order that requests them, which are held back: ${withoutOrder}; ?debug=true lists them`,
    )
  }
  return warnings
}
