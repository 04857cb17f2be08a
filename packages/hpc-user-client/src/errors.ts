/** The errors of the client. */
import { isRepeatable, type TokenError, TokenRefused, TransportFailure } from "@cscs/http-transport"
import { Schema } from "effect"

/**
 * The API or its token endpoint is unreachable or temporarily unavailable (408, 429, 5xx). What a retry could mend was
 * retried; a refused certificate, an unsendable request and an open circuit breaker were not. `failure` names the endpoint
 * and the cause; most such failures are transient.
 */
export class HpcUserApiUnavailable extends Schema.TaggedError<HpcUserApiUnavailable>()("HpcUserApiUnavailable", {
  failure: TransportFailure,
}) {
  override get message() {
    return this.failure.message
  }
}

/** The API refused the call (for a 401, even with a fresh token); credentials, permissions or the API's URL must be fixed. */
export class HpcUserApiRejected extends Schema.TaggedError<HpcUserApiRejected>()("HpcUserApiRejected", {
  /** Method and URL without query. */
  call: Schema.String,
  status: Schema.Int,
  /** The start of the API's response. */
  detail: Schema.String,
}) {
  override get message() {
    return `The HPC User API refused ${this.call} with ${this.status}: ${this.detail}`
  }
}

/** A success whose body does not match the API's or the token endpoint's specification. */
export class HpcUserApiUnexpectedResponse extends Schema.TaggedError<HpcUserApiUnexpectedResponse>()(
  "HpcUserApiUnexpectedResponse",
  {
    /** Method and URL without query. */
    call: Schema.String,
    /** The expected and the actual content. Never contains a token. */
    detail: Schema.String,
  },
) {
  override get message() {
    return `Unexpected response to ${this.call}: ${this.detail}`
  }
}

/** All errors of a call to the API. No message contains the client's secret or a token. */
export const HpcUserApiError = Schema.Union([
  HpcUserApiUnavailable,
  HpcUserApiRejected,
  TokenRefused,
  HpcUserApiUnexpectedResponse,
])
export type HpcUserApiError = typeof HpcUserApiError.Type

/** Converts a failure of the API's transport, or of its token, to an error of the client. */
export const apiErrorFrom = (failure: TokenError): HpcUserApiError => {
  if (failure._tag === "TokenRefused") return failure
  if (failure._tag === "NoTokenGranted") {
    return new HpcUserApiUnexpectedResponse({ call: failure.call, detail: failure.detail })
  }
  switch (failure.reason) {
    case "not-json":
      return new HpcUserApiUnexpectedResponse({ call: failure.call, detail: `not valid JSON: ${failure.detail}` })
    case "too-large":
      return new HpcUserApiUnexpectedResponse({ call: failure.call, detail: failure.detail })
    case "status":
      return isRepeatable(failure)
        ? new HpcUserApiUnavailable({ failure })
        : new HpcUserApiRejected({ call: failure.call, status: failure.status ?? 0, detail: failure.detail })
    default:
      return new HpcUserApiUnavailable({ failure })
  }
}
