/**
 * Unix GIDs of projects from the CSCS HPC User API: keeps a client-credentials token fresh, looks names up in batches
 * without duplicate requests, and caches the results.
 *
 * @example
 * ```ts
 * import { Effect, Redacted } from "effect"
 * import { HpcUserClient } from "@cscs/hpc-user-client"
 *
 * const program = HpcUserClient.use((client) => client.gids(["csstaff", "s1234"])).pipe(
 *   Effect.tap(({ known, unknown, failed }) => Effect.log(known, unknown, failed)),
 *   Effect.provide(
 *     HpcUserClient.layer({
 *       apiUrl: "https://api-user.example.org",
 *       clientId: "storage-proxy",
 *       clientSecret: Redacted.make("the client's secret"),
 *       tokenUrl: "https://auth.example.org/realms/cscs/protocol/openid-connect/token",
 *     }),
 *   ),
 * )
 * ```
 */
export { TokenRefused } from "@cscs/http-transport"
export { HpcUserClient, type HpcUserClientOptions } from "./client.ts"
export {
  HpcUserApiError,
  HpcUserApiRejected,
  HpcUserApiUnavailable,
  HpcUserApiUnexpectedResponse,
} from "./errors.ts"
export type { GidLookup } from "./export-response.ts"
export type { GidCacheStats } from "./gid-cache.ts"
