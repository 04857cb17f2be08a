import { WaldurError } from "@cscs/waldur-client"
import { Schema } from "effect"

/** Waldur answers, but the token's user has no role in any of the configured offerings: an empty list would be a lie. */
export class OfferingsInvisible extends Schema.TaggedError<OfferingsInvisible>()("OfferingsInvisible", {
  slugs: Schema.Array(Schema.String),
}) {
  override get message() {
    return `Waldur's token sees none of the offerings ${this.slugs.join(", ")}: its user needs a role in them, or the slugs in storage_systems are wrong`
  }
}

/** Resources that must be served lack their GID because the HPC User API cannot be asked. */
export class GidsUnavailable extends Schema.TaggedError<GidsUnavailable>()("GidsUnavailable", {
  resources: Schema.Int,
  detail: Schema.String,
}) {
  override get message() {
    return `${this.resources} resources lack their GID: ${this.detail}`
  }
}

/** Why the upstreams gave no snapshot. */
export const RefreshError = Schema.Union([WaldurError, OfferingsInvisible, GidsUnavailable])
export type RefreshError = typeof RefreshError.Type

/** The upstream that a failed refresh failed at. */
export const upstreamOf = (error: RefreshError): "waldur" | "hpc-user-api" =>
  error._tag === "GidsUnavailable" ? "hpc-user-api" : "waldur"
