/**
 * The storage proxy as a library: its configuration, the layer that wires its services, and the Hono app on top.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { loadSettings, makeApp, proxyLayer } from "@cscs/proxy-server"
 *
 * const answer = Effect.gen(function* () {
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
export { checkUpstreams, configurationWarnings, gidCacheStats } from "./commands/check-upstreams.ts"
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
export { ConfigurationInvalid, ConfigurationProblem } from "./config/configuration-invalid.ts"
export { loadSettings } from "./config/load-settings.ts"
export { configurationReference, configurationSchema } from "./config/reference.ts"
export {
  type AuthSettings,
  type HpcUserApiSettings,
  type ProxySettings,
  Settings,
  type TelemetrySettings,
  type WaldurSettings,
  type WayOut,
} from "./config/settings.ts"
export type { ConfigurationSources } from "./config/sources.ts"
export { Lifecycle } from "./lifecycle.ts"
export { Gauges } from "./observability/gauges.ts"
export { type LogEvent, logEvent, logEvents } from "./observability/log-events.ts"
export { isSecretName, mask, masker, maskValue, secretsIn } from "./observability/mask-secrets.ts"
export { metricName } from "./observability/metric-name.ts"
export { proxyLayer } from "./proxy-layer.ts"
export type { AppServices } from "./run-effect.ts"
export type { Chunk, EntryTable } from "./snapshot/entry-table.ts"
export type { Origin } from "./snapshot/read-snapshot.ts"
export {
  GidsUnavailable,
  OfferingsInvisible,
  RefreshDied,
  RefreshError,
  RefreshTimedOut,
} from "./snapshot/refresh-errors.ts"
export type { GuardedSystem, InvisiblePath, Loss, Snapshot, TakenSnapshot } from "./snapshot/snapshot.ts"
export { type Held, type RefreshFailure, Snapshots } from "./snapshot/snapshots.ts"
