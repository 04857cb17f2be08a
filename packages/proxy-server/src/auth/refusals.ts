import { Data } from "effect"

/** The request shows no credential at all (RFC 6750 section 3.1: no error code then). */
export class TokenMissing extends Data.TaggedError("TokenMissing") {}

/** What can be wrong with a token, in the words that its bearer gets: printable ASCII without quotes (RFC 6750 section 3). */
const faults = {
  "not-a-token": "The Authorization header must be: Bearer, a space, and one access token",
  malformed: "The token is malformed",
  algorithm: "The token's algorithm is not allowed",
  "unknown-key": "The token's key is unknown",
  signature: "The token's signature is wrong",
  inactive: "The token is not active",
  "other-issuer": "The token is from another issuer",
  "other-audience": "The token is for another audience",
  "other-kind": "The token is no bearer access token",
  "bound-to-key": "The token is bound to a key and is no bearer token",
  expired: "The token is expired",
  "not-yet-valid": "The token is not yet valid",
  "from-the-future": "The token is from the future",
  "lacks-claim": "The token lacks a valid claim",
  nameless: "The token names nobody",
} as const
export type TokenFault = keyof typeof faults

/** Every reason for which a request is refused for the sake of its token, as metrics name them. */
export const refusalReasons = [
  ...(Object.keys(faults) as ReadonlyArray<TokenFault>),
  "no-token",
  "role",
  "issuer",
] as const
export type RefusalReason = (typeof refusalReasons)[number]

/** The token opens nothing here. */
export class TokenInvalid extends Data.TaggedError("TokenInvalid")<{
  readonly fault: TokenFault
  /** The claim that it lacks. */
  readonly claim?: string
  /** For the operator: what the token said of itself. */
  readonly log: Readonly<Record<string, unknown>>
}> {
  /** For the caller. */
  get description(): string {
    return this.claim === undefined ? faults[this.fault] : `${faults[this.fault]} ${this.claim}`
  }
}

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
