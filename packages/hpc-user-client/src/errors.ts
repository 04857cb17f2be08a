import { isRepeatable, TransportFailure } from "@cscs/http-transport"
import { Schema } from "effect"

/**
 * The API or its token endpoint gave no answer, or one that says "later" (408, 429, 5xx), through all repeats. `failure`
 * says which of the two and why; most such failures pass by themselves.
 */
export class HpcUserApiUnavailable extends Schema.TaggedError<HpcUserApiUnavailable>()("HpcUserApiUnavailable", {
  failure: TransportFailure,
}) {
  override get message() {
    return this.failure.message
  }
}

/** The API refused the call, and a 401 also with a fresh token: credentials, rights or the API's URL need a person. */
export class HpcUserApiRejected extends Schema.TaggedError<HpcUserApiRejected>()("HpcUserApiRejected", {
  /** Method and URL without query. */
  call: Schema.String,
  status: Schema.Int,
  /** The start of what the API wrote. */
  detail: Schema.String,
}) {
  override get message() {
    return `The HPC User API refused ${this.call} with ${this.status}: ${this.detail}`
  }
}

/** The token endpoint refused the client credentials (RFC 6749 section 5.2). */
export class TokenRefused extends Schema.TaggedError<TokenRefused>()("TokenRefused", {
  tokenUrl: Schema.String,
  status: Schema.Int,
  /** The OAuth error code, such as `invalid_client`; none where the endpoint answers with something else than OAuth. */
  error: Schema.optionalKey(Schema.String),
  errorDescription: Schema.optionalKey(Schema.String),
}) {
  override get message() {
    const why = [this.error ?? "no OAuth error in its answer", this.errorDescription].filter(Boolean).join(": ")
    return `${this.tokenUrl} refused the client credentials of the HPC User API with ${this.status}: ${why}`
  }
}

/** A success whose body is not what the API or the token endpoint promise. */
export class HpcUserApiUnexpectedAnswer extends Schema.TaggedError<HpcUserApiUnexpectedAnswer>()(
  "HpcUserApiUnexpectedAnswer",
  {
    /** Method and URL without query. */
    call: Schema.String,
    /** What was expected and what came. Never holds a token. */
    detail: Schema.String,
  },
) {
  override get message() {
    return `Unexpected answer to ${this.call}: ${this.detail}`
  }
}

/** All that asking the API can fail with. No message holds the client's secret or a token. */
export type HpcUserApiError = HpcUserApiUnavailable | HpcUserApiRejected | TokenRefused | HpcUserApiUnexpectedAnswer

/** Which of the errors a call to the API that failed is. */
export const apiErrorFrom = (failure: TransportFailure): HpcUserApiError => {
  switch (failure.reason) {
    case "not-json":
      return new HpcUserApiUnexpectedAnswer({ call: failure.call, detail: `no JSON: ${failure.detail}` })
    case "too-large":
      return new HpcUserApiUnexpectedAnswer({ call: failure.call, detail: failure.detail })
    case "status":
      return isRepeatable(failure)
        ? new HpcUserApiUnavailable({ failure })
        : new HpcUserApiRejected({ call: failure.call, status: failure.status ?? 0, detail: failure.detail })
    default:
      return new HpcUserApiUnavailable({ failure })
  }
}
