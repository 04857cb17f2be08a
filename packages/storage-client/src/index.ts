/**
 * A client of the CSCS storage proxy for provisioners. It fetches the whole list of storage entries and checks each entry,
 * so that a program can act on it as root; it polls conditionally, and reports what changed.
 *
 * @example
 * ```ts
 * import { Effect, Redacted } from "effect"
 * import { StorageClient } from "@cscs/storage-client"
 *
 * const entries = StorageClient.use((proxy) => proxy.entries()).pipe(
 *   Effect.provide(
 *     StorageClient.layer({
 *       baseUrl: "https://storage-proxy.example.org",
 *       auth: {
 *         issuer: "https://auth.example.org/realms/cscs",
 *         clientId: "my-provisioner",
 *         clientSecret: Redacted.make("the client's secret"),
 *       },
 *       query: { storage_system: "capstor" },
 *     }),
 *   ),
 * )
 * ```
 */
export { changes, type EntryChange, type EntryChanges } from "./changes.ts"
export {
  type EntryQuery,
  makeStorageClient,
  StorageClient,
  type StorageClientAuth,
  type StorageClientOptions,
} from "./client.ts"
export { type EntryList, isReadAfter, type NotUnderstood } from "./entry-list.ts"
export {
  IncompleteList,
  ProxyRejected,
  ProxyUnavailable,
  StorageClientError,
  UnexpectedResponse,
} from "./errors.ts"
export type { ListUpdate, WatchOptions } from "./watch.ts"
