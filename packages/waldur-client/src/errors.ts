import { TransportFailure } from "@cscs/http-transport"
import { Schema } from "effect"

/**
 * Waldur could not be asked, or said that it cannot answer now (5xx, 408, 429): the same call may succeed later. Reads
 * were repeated before this is said. A POST is sent once: nobody knows whether it was done.
 */
export class WaldurUnavailable extends Schema.TaggedError<WaldurUnavailable>()("WaldurUnavailable", {
  /** Method and URL without query: `GET https://waldur.example.org/api/version/`. */
  call: Schema.String,
  /** Why, as `TransportFailure` names it. */
  reason: TransportFailure.fields.reason,
  /** What came, in words. */
  detail: Schema.String,
  status: Schema.optionalKey(Schema.Int),
  /** Seconds that Waldur asks us to wait. */
  retryAfter: Schema.optionalKey(Schema.Finite),
  /** The proxy that was on the way, without credentials; none where it went direct. */
  proxy: Schema.optionalKey(Schema.String),
}) {
  override get message() {
    const what = this.reason === "status" ? `answered ${this.status}` : `failed (${this.reason})`
    const via = this.proxy === undefined ? "" : ` (through ${this.proxy})`
    return `Waldur: ${this.call} ${what}: ${this.detail}${via}`
  }
}

/** Waldur understood the call and refuses it (4xx, but 408 and 429): repeating it changes nothing. */
export class WaldurRejected extends Schema.TaggedError<WaldurRejected>()("WaldurRejected", {
  call: Schema.String,
  status: Schema.Int,
  /** Waldur's own words: its `detail`, its messages by field (`state: …`), or the start of a page of HTML. */
  detail: Schema.String,
  /** The parameters or fields that a 400 names. */
  parameters: Schema.optionalKey(Schema.Array(Schema.String)),
}) {
  override get message() {
    switch (this.status) {
      case 401:
        return `Waldur refused the API token (it is wrong, or it has expired): ${this.call} answered 401: ${this.detail}`
      case 403:
        return `Waldur does not allow this to the token's user: ${this.call} answered 403: ${this.detail}`
      default:
        return `Waldur refused: ${this.call} answered ${this.status}: ${this.detail}`
    }
  }
}

/** An answer that is not what Waldur's API gives: another server, a gateway's page, or a Waldur that we do not know. */
export class WaldurUnexpectedAnswer extends Schema.TaggedError<WaldurUnexpectedAnswer>()("WaldurUnexpectedAnswer", {
  call: Schema.String,
  /** What came, in words: `an object with "detail"`. */
  came: Schema.String,
  /** What was wanted, in words: `a list`. */
  wanted: Schema.String,
}) {
  override get message() {
    return `Waldur: ${this.call} gave ${this.came}, wanted is ${this.wanted}; is this URL the API of a Waldur?`
  }
}

/** The Waldur lacks what selects a provider's own resources. Nothing of its answer may be used: it is everybody's. */
export class WaldurTooOld extends Schema.TaggedError<WaldurTooOld>()("WaldurTooOld", {
  apiUrl: Schema.String,
  /** How it showed, in words. */
  seen: Schema.String,
}) {
  override get message() {
    return `The Waldur at ${this.apiUrl} is too old: ${this.seen}. It cannot select resources by offering_slug, so every resource of the marketplace would be served; Waldur 8 is needed`
  }
}

/** A list changed so much while it was read, each time, that no read of it can be trusted to be whole. */
export class WaldurInconsistent extends Schema.TaggedError<WaldurInconsistent>()("WaldurInconsistent", {
  call: Schema.String,
  /** How often the whole list was read. */
  reads: Schema.Int,
  /** The counts that the pages of the last read told, each once. */
  totals: Schema.Array(Schema.Int),
  /** Distinct rows of the last read, with those of earlier reads that still are there. */
  rows: Schema.Int,
}) {
  override get message() {
    return `Waldur's rows moved between pages in each of ${this.reads} reads of ${this.call}: the last gave ${this.rows} rows where Waldur counts ${this.totals.join(", then ")}`
  }
}

/** Waldur refuses a value, or the whole query. */
export const isBadRequest = (error: WaldurError): error is WaldurRejected =>
  error._tag === "WaldurRejected" && error.status === 400

/** Waldur refuses the value of this parameter. */
export const refuses =
  (parameter: string) =>
  (error: WaldurError): error is WaldurRejected =>
    isBadRequest(error) && error.parameters?.includes(parameter) === true

/** All that a call of this package fails with. */
export const WaldurError = Schema.Union([
  WaldurUnavailable,
  WaldurRejected,
  WaldurUnexpectedAnswer,
  WaldurTooOld,
  WaldurInconsistent,
])
export type WaldurError = typeof WaldurError.Type
