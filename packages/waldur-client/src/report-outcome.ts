/** What became of a report to Waldur. */

/**
 * The outcome of an action on an order or resource. **Continue with the entry in the same cycle only after `done`**; after any other
 * outcome leave it as it is, since the next list shows what happened. `detail` is for people; it contains no secret.
 *
 * - `done`: Waldur has done the step (200)
 * - `otherState`: the order or resource is in another state (409): the step was done before, by this program or another party, or
 *   the customer has withdrawn the order
 * - `notAllowedNow`: Waldur's rules do not allow it for now (400), such as for a blocked customer. Alert a person
 * - `refused`: the token is wrong or may not act (401, 403). Stop reporting, and alert the operator
 * - `gone`: the order or resource does not exist, or the token does not see it (404)
 * - `unsupported`: the offering's type does not have this action (405)
 * - `untrusted`: the URL is not one of this action below the configured Waldur API; nothing was sent. Alert the operator
 * - `unknown`: the step may have been done or not: no response, a broken one, or any other status (429, 5xx, a redirect). The next
 *   list shows which
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
