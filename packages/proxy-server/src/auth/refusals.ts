/** The reasons to refuse a request because of its access token. */
import { Data } from "effect"

/** The request contains no credentials (RFC 6750 section 3.1: no error code in this case). */
export class TokenMissing extends Data.TaggedError("TokenMissing") {}

/** The possible faults of a token, as its bearer sees them: printable ASCII without quotes (RFC 6750 section 3). */
const faults = {
  "not-a-token": "The Authorization header must be: Bearer, a space, and one access token",
  malformed: "The token is malformed",
  algorithm: "The token's algorithm is not allowed",
  "unknown-key": "The token's key is unknown",
  signature: "The token's signature is wrong",
  inactive: "The token is not active",
  "other-issuer": "The token is from another issuer",
  "other-audience": "The token is for another audience",
  "other-kind": "The token is not a bearer access token",
  "bound-to-key": "The token is bound to a key and is not a bearer token",
  expired: "The token is expired",
  "not-yet-valid": "The token is not yet valid",
  "from-the-future": "The token is from the future",
  "lacks-claim": "The token lacks a valid claim",
  nameless: "The token contains no name",
} as const
export type TokenFault = keyof typeof faults

/** All reasons to refuse a request because of its token, as in metrics. */
export const refusalReasons = [
  ...(Object.keys(faults) as ReadonlyArray<TokenFault>),
  "no-token",
  "role",
  "issuer",
] as const
export type RefusalReason = (typeof refusalReasons)[number]

/** The token is invalid here. */
export class TokenInvalid extends Data.TaggedError("TokenInvalid")<{
  readonly fault: TokenFault
  /** The claim that it lacks. */
  readonly claim?: string
  /** For the operator: the token's own claims. */
  readonly log: Readonly<Record<string, unknown>>
}> {
  /** For the caller. */
  get description(): string {
    return this.claim === undefined ? faults[this.fault] : `${faults[this.fault]} ${this.claim}`
  }
}

/** The token is valid, but its bearer lacks a role. */
export class RoleMissing extends Data.TaggedError("RoleMissing")<{
  readonly log: Readonly<Record<string, unknown>>
}> {}

/** Tokens cannot be checked, because the issuer does not respond properly. */
export class IssuerUnavailable extends Data.TaggedError("IssuerUnavailable")<{
  readonly detail: string
  /** The status of its response, if there was one. */
  readonly status?: number | undefined
}> {
  override get message() {
    return `The token issuer: ${this.detail}`
  }
}

export type AuthenticationRefusal = TokenMissing | TokenInvalid | RoleMissing | IssuerUnavailable

export const reasonOf = (refusal: AuthenticationRefusal): RefusalReason => {
  switch (refusal._tag) {
    case "TokenMissing":
      return "no-token"
    case "TokenInvalid":
      return refusal.fault
    case "RoleMissing":
      return "role"
    case "IssuerUnavailable":
      return "issuer"
  }
}
