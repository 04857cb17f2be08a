/**
 * The parts of Waldur's marketplace that a storage provider needs: its resources (read completely, although rows move
 * between pages during a read), offerings, customers, and actions on orders and resources.
 *
 * @example
 * ```ts
 * import { Effect, Redacted } from "effect"
 * import { WaldurClient } from "@cscs/waldur-client"
 *
 * const resources = WaldurClient.use((waldur) =>
 *   waldur.readResources({ offeringSlugs: ["capstor", "vast"], fields: ["uuid", "slug", "state", "limits"] }),
 * ).pipe(
 *   Effect.provide(
 *     WaldurClient.layer({ apiUrl: "https://waldur.example.org", token: Redacted.make("0123456789abcdef") }),
 *   ),
 * )
 * ```
 */
export { WaldurClient, type WaldurClientOptions } from "./client.ts"
export {
  WaldurError,
  WaldurInconsistent,
  WaldurRejected,
  WaldurTooOld,
  WaldurUnavailable,
  WaldurUnexpectedResponse,
} from "./errors.ts"
export type { OfferingCustomer, OfferingSummary } from "./offerings.ts"
export type { ReportOutcome } from "./report-outcome.ts"
export type { ResourcePage, ResourcePageQuery } from "./resource-page.ts"
export type { ResourceQuery, ResourceRead } from "./resources.ts"
