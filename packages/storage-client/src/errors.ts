/** The errors of the client. */
import { TokenRefused, TransportFailure } from "@cscs/http-transport"
import { Schema } from "effect"

/**
 * The proxy or the token endpoint is unreachable or temporarily unavailable (5xx, 408, 429), even after all retries. Keep the
 * last list, and try again later.
 */
export class ProxyUnavailable extends Schema.TaggedError<ProxyUnavailable>()("ProxyUnavailable", {
  failure: TransportFailure,
}) {
  override get message() {
    return this.failure.message
  }
}

/**
 * The proxy refused the call (a 401 also with a fresh token): the token, its roles or the query must be corrected. Or the issuer
 * refused the call for its metadata, as `call` shows: its URL must be corrected.
 */
export class ProxyRejected extends Schema.TaggedError<ProxyRejected>()("ProxyRejected", {
  /** Method and URL without query. */
  call: Schema.String,
  status: Schema.Int,
  /** The start of the response. */
  detail: Schema.String,
}) {
  override get message() {
    return `${this.call} was refused with ${this.status}: ${this.detail}`
  }
}

/** A success that is not a list of this API, or a token endpoint's success without a token. Never quotes a body. */
export class UnexpectedResponse extends Schema.TaggedError<UnexpectedResponse>()("UnexpectedResponse", {
  call: Schema.String,
  /** What was found and what was expected. */
  detail: Schema.String,
}) {
  override get message() {
    return `Unexpected response to ${this.call}: ${this.detail}`
  }
}

/** The response ended properly but is not the whole list. Never act on a part: keep the last list, and try again later. */
export class IncompleteList extends Schema.TaggedError<IncompleteList>()("IncompleteList", {
  call: Schema.String,
  /** Entries that were received. */
  received: Schema.Int,
  /** Entries that the proxy counts (`X-Total-Count`). */
  total: Schema.Int,
  /** How it was detected. */
  detail: Schema.String,
}) {
  override get message() {
    return `${this.call} returned ${this.received} of ${this.total} entries: ${this.detail}`
  }
}

/** All errors of this package's calls. No message contains a token or a secret. */
export const StorageClientError = Schema.Union([
  ProxyUnavailable,
  ProxyRejected,
  UnexpectedResponse,
  IncompleteList,
  TokenRefused,
])
export type StorageClientError = typeof StorageClientError.Type
