/**
 * A small believable world on loopback: Waldur's REST API, the HPC User API and an OIDC issuer, each with an HTTP
 * listener of its own, all behaving as the real ones were found to behave. For tests and for the demo.
 *
 * `buildWorld` makes the data, `startSandbox` serves it. Nothing here knows the storage proxy: it is a witness, not an
 * accomplice.
 */
export type { Call, CallLog, Upstream } from "./call-log.ts"
export type { Answer, Fault, Faults, SetFault } from "./faults.ts"
export type { IssuerSettings } from "./issuer.ts"
export type { ClaimOverrides, IssueOptions } from "./issuer-tokens.ts"
export type { Json, JsonObject } from "./json.ts"
export {
  type Sandbox,
  type SandboxHpcUserApi,
  type SandboxIssuer,
  type SandboxOptions,
  type SandboxWaldur,
  startSandbox,
} from "./start-sandbox.ts"
export { cancelOrder, type PlacedOrder, placeOrder } from "./waldur/consumer-orders.ts"
export type { Arrange, WaldurControl } from "./waldur/control.ts"
export type { Dialect } from "./waldur/dialect.ts"
export { ALL_HAPPENINGS, changeResource, type Happening, happen } from "./waldur/happenings.ts"
export { MS_PER_ROW } from "./waldur/pace.ts"
export { shuffleTies } from "./waldur/shuffle-ties.ts"
export type { WaldurWorker } from "./waldur/worker.ts"
export { buildWorld, type WorldOptions } from "./world/build-world.ts"
export {
  type EdgeCase,
  TOKENS,
  type WaldurCustomer,
  type WaldurOffering,
  type WaldurRecord,
  type WaldurRole,
  type WaldurToken,
  type World,
  worldOf,
} from "./world/world.ts"
