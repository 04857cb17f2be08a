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
export { type CheckResult, checkUpstreams } from "./check-upstreams.ts"
export { ConfigurationInvalid, ConfigurationProblem } from "./config/configuration-invalid.ts"
export { loadSettings } from "./config/load-settings.ts"
export { configurationReference, configurationSchema } from "./config/reference.ts"
export {
  type AuthSettings,
  type HpcUserApiSettings,
  type ProxySettings,
  Settings,
  type WaldurSettings,
  type WayOut,
} from "./config/settings.ts"
export type { ConfigurationSources } from "./config/sources.ts"
export { Lifecycle } from "./lifecycle.ts"
export { proxyLayer } from "./proxy-layer.ts"
export type { AppServices } from "./run-effect.ts"
export type { EntryTable } from "./snapshot/entry-table.ts"
export { GidsUnavailable, OfferingsInvisible, type RefreshError } from "./snapshot/refresh-errors.ts"
export type { Snapshot } from "./snapshot/snapshot.ts"
export { type Held, type RefreshFailure, Snapshots } from "./snapshot/snapshots.ts"
export type { TakenSnapshot } from "./snapshot/walkable-snapshots.ts"
