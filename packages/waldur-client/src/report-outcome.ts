/** The path and message of a report to Waldur, and its outcome. */
import type { WaldurError } from "./errors.ts"

/**
 * The outcome of an action on an order or resource. **Continue with the entry in the same cycle only after `done`**; after any other
 * outcome leave it alone, since the next list shows what happened. `detail` is for people; it contains no secret.
 *
 * - `done`: Waldur carried out the step (200)
 * - `otherState`: the order or resource is in another state (409): this program or another party did the step before, or
 *   the customer withdrew the order
 * - `notAllowedNow`: Waldur's rules do not allow it for now (400), such as for a blocked customer. Alert a person
 * - `refused`: the token is wrong or may not act (401, 403). Stop reporting, and alert the operator
 * - `gone`: the order or resource does not exist, or is not visible to the token (404)
 * - `unsupported`: the offering's type does not have this action (405)
 * - `untrusted`: the URL is not one of this action below the configured Waldur API; nothing was sent. Alert the operator
 * - `unknown`: it is unknown whether the step was done: no response, a broken one, or any other status (429, 5xx, a redirect).
 *   The next list shows it
 */
export type ReportOutcome =
  | { readonly _tag: "done" }
  | {
      readonly _tag: "otherState" | "notAllowedNow" | "refused" | "gone" | "unsupported" | "untrusted"
      readonly detail: string
    }
  | {
      readonly _tag: "unknown"
      readonly detail: string
      /** Seconds that Waldur asks to wait (`Retry-After`). */
      readonly retryAfter?: number
    }

/** The kind of object that an action applies to, as in its path. */
export type ActionOf = "marketplace-orders" | "marketplace-provider-resources"

/** A path segment that every parser reads alike; Waldur's are UUIDs. */
const plainId = /^[A-Za-z0-9_-]{1,64}$/

/**
 * The path of an action below Waldur's API; `undefined` if the target is not trusted: a URL must be exactly that of this
 * action below `apiUrl`, so that the token is sent nowhere else.
 *
 * @param target a UUID, or the callback URL that an entry carries
 */
export const actionPath = (apiUrl: string, of: ActionOf, target: string, action: string): string | undefined => {
  const [start, end] = [`${apiUrl}${of}/`, `/${action}/`]
  const isUrl = target.startsWith(start) && target.endsWith(end)
  const id = isUrl ? target.slice(start.length, -end.length) : target
  return plainId.test(id) ? `${of}/${id}${end}` : undefined
}

/** The outcome that an error represents. */
export const outcomeOf = (error: WaldurError): ReportOutcome => {
  const detail = error.message
  if (error._tag === "WaldurRejected") {
    const tag = tagByStatus[error.status]
    if (tag !== undefined) return { _tag: tag, detail }
  }
  const retryAfter = error._tag === "WaldurUnavailable" ? error.retryAfter : undefined
  return { _tag: "unknown", detail, ...(retryAfter === undefined ? {} : { retryAfter }) }
}

const tagByStatus: Readonly<Record<number, "otherState" | "notAllowedNow" | "refused" | "gone" | "unsupported">> = {
  400: "notAllowedNow",
  401: "refused",
  403: "refused",
  404: "gone",
  405: "unsupported",
  409: "otherState",
}

/** Maximum length, in UTF-16 units, of an erred order's message, which the customer sees. */
const longestMessage = 1000
/** Without a message Waldur fails (500), and an empty one explains nothing. */
const noMessage = "The storage system could not carry out this order. Contact its operators for the reason."

/** A message for the customer: one line, never empty. */
export const messageFor = (message: string): string =>
  message
    .replace(/[\p{C}\p{Z}]+/gu, " ")
    .trim()
    .slice(0, longestMessage)
    // Half of a surrogate pair that the end divides.
    .replace(/\p{Cs}$/u, "") || noMessage
