import { Clock, Effect, Schema } from "effect"
import { Settings } from "../config/settings.ts"
import { Lifecycle } from "../lifecycle.ts"
import { guardedInWords } from "../snapshot/empty-guard.ts"
import { upstreamOf } from "../snapshot/refresh-errors.ts"
import { invisibleOffering } from "../snapshot/snapshot.ts"
import { type Held, Snapshots } from "../snapshot/snapshots.ts"

const UpstreamReport = Schema.Struct({
  status: Schema.Literals(["ok", "failing", "unknown", "not configured"]),
  detail: Schema.optionalKey(Schema.String),
  /** ISO 8601. */
  since: Schema.optionalKey(Schema.String),
})
type UpstreamReport = typeof UpstreamReport.Type

/** The readiness report, in words that help at night. */
export const ReadinessReport = Schema.Struct({
  status: Schema.Literals(["ready", "starting", "stopping"]),
  warnings: Schema.Array(Schema.String),
  snapshot: Schema.NullOr(
    Schema.Struct({
      age: Schema.Finite.annotate({ description: "Seconds since the read of Waldur began." }),
      entries: Schema.Int,
      skipped: Schema.Int,
    }),
  ),
  upstreams: Schema.Struct({ waldur: UpstreamReport, hpc_user_api: UpstreamReport }),
}).annotate({ identifier: "Readiness" })

/**
 * Ready once there is a snapshot and until the process stops. What is only a pity is a warning: if stale data made a
 * replica unready, all of them would leave the balancer just when the last good data is needed.
 */
export const readinessReport = Effect.gen(function* () {
  const settings = yield* Settings
  const { held } = yield* Snapshots
  const { isStopping } = yield* Lifecycle
  const state = held()
  const now = yield* Clock.currentTimeMillis
  const { current } = state
  const report: typeof ReadinessReport.Type = {
    status: isStopping() ? "stopping" : current === undefined ? "starting" : "ready",
    warnings: [...settings.warnings, ...warningsOf(state, now)],
    snapshot:
      current === undefined
        ? null
        : {
            age: Math.round((now - current.takenAt) / 100) / 10,
            entries: current.snapshot.entries.size,
            skipped: current.snapshot.skipped.length,
          },
    upstreams: {
      waldur: reportOf("waldur", state),
      hpc_user_api: settings.hpcUserApi === undefined ? { status: "not configured" } : reportOf("hpc-user-api", state),
    },
  }
  return report
})

const reportOf = (upstream: "waldur" | "hpc-user-api", { current, origin, failure }: Held): UpstreamReport => {
  if (failure !== undefined && upstreamOf(failure.error) === upstream) {
    return { status: "failing", detail: failure.error.message, since: new Date(failure.since).toISOString() }
  }
  // What the file says of them is of before the start.
  if (current === undefined || origin === "file") return { status: "unknown" }
  const { gidFailure } = current.snapshot
  return upstream === "hpc-user-api" && gidFailure !== undefined
    ? { status: "failing", detail: gidFailure }
    : { status: "ok" }
}

const warningsOf = ({ current, origin, failure, troubles }: Held, now: number): ReadonlyArray<string> => {
  const warnings: Array<string> = [...troubles]
  if (failure !== undefined) {
    const since = new Date(failure.since).toISOString()
    warnings.push(`no refresh has succeeded since ${since}: ${failure.error.message}`)
  }
  if (current === undefined) return warnings
  const { snapshot, takenAt } = current
  if (failure !== undefined) {
    warnings.push(`the data is stale: ${Math.round((now - takenAt) / 1000)} seconds old`)
  }
  if (origin === "file") warnings.push("the list is of before the start: no refresh has ended yet")
  for (const slug of snapshot.invisibleOfferings) {
    warnings.push(invisibleOffering(slug))
  }
  for (const system of snapshot.guarded) warnings.push(guardedInWords(system))
  if (snapshot.mockedGids > 0) warnings.push(`the GIDs of ${snapshot.mockedGids} projects are made up`)
  const shared = snapshot.warnings.filter(({ code }) => code === "shared-mount-point").length
  if (shared > 0) warnings.push(`${shared} resources share a mount point with another; debug mode lists them`)
  return warnings
}
