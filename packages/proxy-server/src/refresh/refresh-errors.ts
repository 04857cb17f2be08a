/** The errors of a refresh, and their messages. */
import { HpcUserApiError } from "@cscs/hpc-user-client"
import { WaldurError } from "@cscs/waldur-client"
import { Schema } from "effect"

/** Waldur responds, but the token's user has no role in any configured offering: an empty list would be wrong. */
export class OfferingsInvisible extends Schema.TaggedError<OfferingsInvisible>()("OfferingsInvisible", {
  slugs: Schema.Array(Schema.String),
}) {
  override get message() {
    return `Waldur's token sees none of the offerings ${this.slugs.join(", ")}: its user needs a role in them, or the slugs in storage_systems are wrong`
  }
}

/** Resources that must be served lack their GID, because the lookup at the HPC User API failed. */
export class GidsUnavailable extends Schema.TaggedError<GidsUnavailable>()("GidsUnavailable", {
  resources: Schema.Int,
  failure: HpcUserApiError,
}) {
  override get message() {
    const lacking = this.resources === 1 ? "resource lacks its GID" : "resources lack their GID"
    return `${this.resources} ${lacking}: ${hpcUserApiMessage(this.failure)}`
  }
}

/** Whether an operator must act on a failure of the HPC User API; otherwise it may be transient. */
export const needsOperator = (failure: HpcUserApiError): boolean => failure._tag !== "HpcUserApiUnavailable"

/** What an operator can do about an error of the HPC User API, or about an invalid proxy, by the error's tag. */
export const hpcUserApiAdvice = ({ _tag }: { readonly _tag: string }): string => {
  switch (_tag) {
    case "TokenRefused":
      return "Correct hpc_user_api.client_id and client_secret."
    case "HpcUserApiRejected":
      return "Check hpc_user_api.api_url and the permissions of hpc_user_api.client_id."
    default:
      return "Check hpc_user_api.api_url, oidc_token_url, socks_proxy and the network path."
  }
}

/** The message for operators about a failure of the HPC User API, with advice if they must act. */
export const hpcUserApiMessage = (failure: HpcUserApiError): string =>
  needsOperator(failure) ? `${failure.message}. ${hpcUserApiAdvice(failure)}` : failure.message

/**
 * A refresh did not end in time: an upstream responds too slowly, or another replica holds the lease and does not finish.
 */
export class RefreshTimedOut extends Schema.TaggedError<RefreshTimedOut>()("RefreshTimedOut", {
  waitedFor: Schema.Literals(["upstreams", "upstreams or another replica"]),
  minutes: Schema.Finite,
}) {
  override get message() {
    const what = this.waitedFor === "upstreams" ? "a read of the upstreams" : "a refresh, by this replica or another,"
    return `${what} did not end within ${this.minutes} minutes`
  }
}

/** A refresh ended in a fault of our own. The log has the cause. */
export class RefreshDied extends Schema.TaggedError<RefreshDied>()("RefreshDied", {
  /** The kind of the fault, such as `TypeError`. Its message could contain upstream data. */
  kind: Schema.String,
}) {
  override get message() {
    return `the refresh ended in a fault of our own (${this.kind}); the log has its cause`
  }
}

/** Why a refresh failed. */
export const RefreshError = Schema.Union([
  WaldurError,
  OfferingsInvisible,
  GidsUnavailable,
  RefreshTimedOut,
  RefreshDied,
])
export type RefreshError = typeof RefreshError.Type

/** The annotations of a log line about an error: its tag, the tag of the error that caused it, and its message. */
export const errorAnnotations = (error: { readonly _tag: string; readonly message: string }) => ({
  error: error._tag,
  ...(error instanceof GidsUnavailable ? { caused_by: error.failure._tag } : {}),
  detail: error.message,
})

/** The upstream that made a refresh fail; `undefined` if none did, or if it is unknown which. */
export const upstreamOf = (error: RefreshError): "waldur" | "hpc-user-api" | undefined => {
  switch (error._tag) {
    case "GidsUnavailable":
      return "hpc-user-api"
    case "RefreshDied":
    case "RefreshTimedOut":
      return undefined
    default:
      return "waldur"
  }
}
