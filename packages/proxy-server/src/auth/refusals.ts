import { Data } from "effect"

/** The request shows no credential at all (RFC 6750 section 3.1: no error code then). */
export class TokenMissing extends Data.TaggedError("TokenMissing") {}

/** The token opens nothing here. `description` is for the caller, `log` for the operator: what it said of itself. */
export class TokenInvalid extends Data.TaggedError("TokenInvalid")<{
  /** Printable ASCII without quotes, as RFC 6750 section 3 asks; one of a few fixed sentences. */
  readonly description: string
  readonly log: Readonly<Record<string, unknown>>
}> {}

/** The token is good, but its bearer lacks a role. */
export class RoleMissing extends Data.TaggedError("RoleMissing")<{
  readonly log: Readonly<Record<string, unknown>>
}> {}

/** Tokens cannot be checked, because the issuer does not answer as it must. */
export class IssuerUnavailable extends Data.TaggedError("IssuerUnavailable")<{
  readonly detail: string
  /** That it answered with, if it answered. */
  readonly status?: number | undefined
}> {
  override get message() {
    return `The token issuer: ${this.detail}`
  }
}

export type AuthenticationRefusal = TokenMissing | TokenInvalid | RoleMissing | IssuerUnavailable
