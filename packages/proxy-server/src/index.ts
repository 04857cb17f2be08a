/**
 * The storage proxy as a library: its configuration, the layer that wires its services, and the Hono app on top.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { loadSettings, makeApp, proxyLayer } from "@cscs/proxy-server"
 *
 * const response = Effect.gen(function* () {
 *   const settings = yield* loadSettings({ environment: process.env, workingDirectory: process.cwd() })
 *   return yield* makeApp.pipe(
 *     Effect.flatMap((app) => Effect.promise(async () => app.request("/api/storage-resources/"))),
 *     Effect.provide(proxyLayer(settings)),
 *   )
 * })
 * ```
 */
export { makeApp } from "./app.ts"
export type { CheckResult } from "./commands/check-result.ts"
export { type Checked, checked, configurationWarnings } from "./commands/check-upstreams.ts"
export { type EntryExplanation, explainEntry } from "./commands/explain-entry.ts"
export {
  type CheckedSelection,
  checkSelection,
  type EntrySelection,
  InvalidSelection,
  type ListedEntry,
  listedEntries,
} from "./commands/listed-entries.ts"
export { type OnProgress, snapshotOnce } from "./commands/read-once.ts"
/** @hidden Its parts have docstrings of their own. */
export * as settingsLibrary from "./config/library.ts"
export { loadSettings } from "./config/load-settings.ts"
export { chartConfigSchema, configurationReference, configurationSchema } from "./config/reference.ts"
export { type Adopted, type RotatingSettings, rotatingSettings } from "./config/rotating-settings.ts"
export {
  type AuthSettings,
  type Egress,
  type ExplorerSettings,
  type HpcUserApiSettings,
  type ProxySettings,
  Settings,
  type TelemetrySettings,
  type WaldurSettings,
} from "./config/settings.ts"
export { ConfigurationInvalid, ConfigurationProblem } from "./config-sources/configuration-invalid.ts"
export type { ConfigurationSources } from "./config-sources/sources.ts"
export { Lifecycle } from "./http/lifecycle.ts"
export type { AppServices } from "./http/run-effect.ts"
export { escapeControls, escapeLines } from "./observability/escape-controls.ts"
export { type LogEvent, logEvent, logEvents } from "./observability/log-events.ts"
export { LogThreshold } from "./observability/log-threshold.ts"
export { isSecretName, mask, masker, maskValue, secretsIn } from "./observability/mask-secrets.ts"
export { metricName } from "./observability/metric-name.ts"
export { replaceFile } from "./persistence/replace-file.ts"
export type { Origin } from "./refresh/read-snapshot.ts"
export {
  GidsUnavailable,
  OfferingsInvisible,
  RefreshDied,
  RefreshError,
  RefreshTimedOut,
} from "./refresh/refresh-errors.ts"
export { Gauges } from "./serving/gauges.ts"
export type { RefreshFailure } from "./serving/serving-state.ts"
export { type SnapshotState, Snapshots } from "./serving/snapshots.ts"
export type { Chunk, EntryTable } from "./snapshot/entry-table.ts"
export type { GuardedSystem, InvisiblePath, Loss, Snapshot, TimedSnapshot } from "./snapshot/snapshot.ts"
export { proxyLayer } from "./wiring/proxy-layer.ts"
