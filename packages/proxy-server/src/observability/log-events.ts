/**
 * The codes of the storage proxy's log lines. Programs (Sentry, alerts on logs, tests) match a line's `event`; its message is for people
 * and may change. A code keeps its meaning, which docs/operations.md describes.
 */
import { Effect } from "effect"

/** All codes. */
export const logEvents = [
  // The process.
  "configuration",
  "configuration-warning",
  "secrets-reread",
  "configuration-refused",
  "restart-needed",
  "listening",
  "listening-ipv4-only",
  "stopping",
  "crashed",
  "log-lines-dropped",
  // Requests.
  "request",
  "request-failed",
  "caller-left",
  "internal-error",
  "token-refused",
  "role-missing",
  // Refreshes and their findings.
  "snapshot-taken",
  "refresh-failed",
  "refresh-slow",
  "refresh-crashed",
  "resource-skipped",
  "resource-warning",
  "skipped-summary",
  "warnings-summary",
  "system-guarded",
  "system-released",
  "offering-invisible",
  "offering-warning",
  "offerings-unavailable",
  "customers-unavailable",
  "gids-unavailable",
  "gids-mocked",
  // The upstreams' clients, which annotate their lines themselves.
  "waldur-clock-ahead",
  "waldur-concession",
  "waldur-on-rows-failed",
  "waldur-orders-unread",
  "waldur-page-too-large",
  "waldur-row-too-large",
  "waldur-rows-moved",
  "gids-request-halved",
  // The snapshot in a file.
  "snapshot-restored",
  "snapshot-not-kept",
  "snapshot-damaged",
  "snapshot-directory-unsafe",
  // The cache shared by replicas.
  "shared-cache-unavailable",
  "shared-cache-available",
  "shared-cache-refused",
  "outcome-not-shared",
  "lease-idle",
  // OpenTelemetry and Sentry.
  "telemetry-unavailable",
  "telemetry-available",
] as const

/** An event code. */
export type LogEvent = (typeof logEvents)[number]

/** Annotates the lines that an effect logs with an event code. */
export const logEvent = (event: LogEvent) => Effect.annotateLogs({ event })
