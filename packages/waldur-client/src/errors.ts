/** The errors of the client. */
import { TransportFailure } from "@cscs/http-transport"
import { Schema } from "effect"

/**
 * There is no usable response: Waldur is unreachable or fails (5xx, 408, 429), or the response is too large. Reads whose
 * failure may pass were retried. The outcome of a POST is unknown, unless `reason` shows that it was not sent (`dns`,
 * `unsendable`, `circuit-open`).
 */
export class WaldurUnavailable extends Schema.TaggedError<WaldurUnavailable>()("WaldurUnavailable", {
  /** Method and URL without query: `GET https://waldur.example.org/api/version/`. */
  call: Schema.String,
  /** The reason of the `TransportFailure`. */
  reason: TransportFailure.fields.reason,
  /** A description of the failure. */
  detail: Schema.String,
  status: Schema.optionalKey(Schema.Int),
  /** Seconds to wait (`Retry-After`). */
  retryAfter: Schema.optionalKey(Schema.Finite),
  /** The proxy that was used, without credentials; absent if the call was direct. */
  proxy: Schema.optionalKey(Schema.String),
}) {
  override get message() {
    const what = this.reason === "status" ? `responded with ${this.status}` : `failed (${this.reason})`
    const via = this.proxy === undefined ? "" : ` (through ${this.proxy})`
    return `Waldur: ${this.call} ${what}: ${this.detail}${via}`
  }
}

/** Waldur refuses the call (4xx except 408 and 429); a retry does not help. */
export class WaldurRejected extends Schema.TaggedError<WaldurRejected>()("WaldurRejected", {
  call: Schema.String,
  status: Schema.Int,
  /** Waldur's message: its `detail`, its messages by field (`state: …`), or the start of an HTML page. */
  detail: Schema.String,
  /** The parameters or fields that a 400 names. */
  parameters: Schema.optionalKey(Schema.Array(Schema.String)),
}) {
  override get message() {
    switch (this.status) {
      case 401:
        return `Waldur refused the API token (it is wrong, or it has expired): ${this.call} responded with 401: ${this.detail}`
      case 403:
        return `Waldur does not permit the token's user to do this: ${this.call} responded with 403: ${this.detail}`
      default:
        return `Waldur refused: ${this.call} responded with ${this.status}: ${this.detail}`
    }
  }
}

/** The response does not match Waldur's API: another server, a gateway's page, or an unknown version of Waldur. */
export class WaldurUnexpectedResponse extends Schema.TaggedError<WaldurUnexpectedResponse>()(
  "WaldurUnexpectedResponse",
  {
    call: Schema.String,
    /** A description of the response: `an object with "detail"`. */
    received: Schema.String,
    /** A description of the expected response: `a list`. */
    wanted: Schema.String,
  },
) {
  override get message() {
    return `Waldur: ${this.call} returned ${this.received}, expected ${this.wanted}; the URL may not be that of Waldur's API, or a gateway may have changed the response`
  }
}

/** Waldur cannot select a provider's own resources. Its response must not be used, since it contains the resources of all providers. */
export class WaldurTooOld extends Schema.TaggedError<WaldurTooOld>()("WaldurTooOld", {
  apiUrl: Schema.String,
  /** A description of how it was detected. */
  seen: Schema.String,
}) {
  override get message() {
    return `The Waldur at ${this.apiUrl} is too old: ${this.seen}. It cannot select resources by offering_slug, so every resource of the marketplace would be served; Waldur 8 is needed`
  }
}

/** A list changed during every read, so that no read is certain to be complete. */
export class WaldurInconsistent extends Schema.TaggedError<WaldurInconsistent>()("WaldurInconsistent", {
  call: Schema.String,
  /** How often the whole list was read. */
  reads: Schema.Int,
  /** The distinct counts of the pages of the last read. */
  totals: Schema.Array(Schema.Int),
  /** Distinct rows of the last read, plus those of earlier reads that still exist. */
  rows: Schema.Int,
}) {
  override get message() {
    return `Waldur's rows moved between pages in each of ${this.reads} reads of ${this.call}: the last, with look-ups, returned ${rowsAndCounts(this)}`
  }
}

/** Describes the rows of a read, and Waldur's counts of them, for messages. */
export const rowsAndCounts = ({ rows, totals }: Pick<WaldurInconsistent, "rows" | "totals">): string =>
  `${rows} rows, ${totals.length === 0 ? "without a count" : `but Waldur counts ${totals.join(", then ")}`}`

/** Whether Waldur refuses a value or the whole query (400). */
export const isBadRequest = (error: WaldurError): error is WaldurRejected & { readonly status: 400 } =>
  error._tag === "WaldurRejected" && error.status === 400

/** Whether Waldur refuses the value of this parameter. */
export const refuses =
  (parameter: string) =>
  (error: WaldurError): error is WaldurRejected =>
    isBadRequest(error) && error.parameters?.includes(parameter) === true

/** All errors of this package's calls. */
export const WaldurError = Schema.Union([
  WaldurUnavailable,
  WaldurRejected,
  WaldurUnexpectedResponse,
  WaldurTooOld,
  WaldurInconsistent,
])
export type WaldurError = typeof WaldurError.Type
