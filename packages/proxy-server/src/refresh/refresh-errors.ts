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

/** A refresh did not end in time: what it waits for drips, or another replica holds the lease and reads nothing. */
export class RefreshTimedOut extends Schema.TaggedError<RefreshTimedOut>()("RefreshTimedOut", {
  waitedFor: Schema.Literals(["upstreams", "another replica"]),
  minutes: Schema.Finite,
}) {
  override get message() {
    const what = this.waitedFor === "upstreams" ? "a read of the upstreams" : "the read of another replica"
    return `${what} did not end within ${this.minutes} minutes`
  }
}

/** A refresh ended in a way that it must not: a fault of our own. The log has its cause. */
export class RefreshDied extends Schema.TaggedError<RefreshDied>()("RefreshDied", {
  /** The kind of the fault, such as `TypeError`: its message could hold what an upstream sent. */
  kind: Schema.String,
}) {
  override get message() {
    return `the refresh ended in a fault of our own (${this.kind}); the log has its cause`
  }
}

/** Why a refresh gave no snapshot. */
export const RefreshError = Schema.Union([
  WaldurError,
  OfferingsInvisible,
  GidsUnavailable,
  RefreshTimedOut,
  RefreshDied,
])
export type RefreshError = typeof RefreshError.Type

/** The upstream that a failed refresh failed at; `undefined` where it was none. */
export const upstreamOf = (error: RefreshError): "waldur" | "hpc-user-api" | undefined => {
  switch (error._tag) {
    case "GidsUnavailable":
      return "hpc-user-api"
    case "RefreshDied":
      return undefined
    case "RefreshTimedOut":
      return error.waitedFor === "upstreams" ? "waldur" : undefined
    default:
      return "waldur"
  }
}
