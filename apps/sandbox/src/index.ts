/**
 * A small realistic world on loopback for tests and the demo: Waldur's REST API, the HPC User API and an OIDC issuer,
 * each with its own HTTP listener, all behaving as measured on the real ones.
 *
 * `buildWorld` makes the data, `startSandbox` serves it. For the provisioner's tests, `startVast` and `installQuotaPrograms`
 * imitate storage systems. The sandbox is independent of the code of storage proxy and provisioner, so that the two sides
 * cannot share an error.
 */
export type { Call, CallLog, Upstream } from "./call-log.ts"
export type { Fault, Faults, MockResponse, SetFault } from "./faults.ts"
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
export { installQuotaPrograms, type ProgramFault, type QuotaPrograms } from "./storage/quota-programs.ts"
export { startVast, type Vast, type VastQuota } from "./storage/vast.ts"
export { cancelOrder, type PlacedOrder, placeOrder } from "./waldur/consumer-orders.ts"
export type { Arrange, WaldurControl } from "./waldur/control.ts"
export type { Dialect } from "./waldur/dialect.ts"
export { ALL_MUTATIONS, addResource, changeResource, type Mutation, mutate } from "./waldur/mutations.ts"
export { MS_PER_ROW } from "./waldur/pace.ts"
export { shuffleTies } from "./waldur/shuffle-ties.ts"
export type { WaldurWorker } from "./waldur/worker.ts"
export { buildWorld, type WorldOptions } from "./world/build-world.ts"
export { buildDemoWorld } from "./world/demo-world.ts"
export { type Random, random } from "./world/random.ts"
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
