/** Decodes the token endpoint's responses. */
import { Option, Redacted, Schema } from "effect"

/** An access token from the token endpoint. */
export interface TokenGrant {
  /** Redacted from the start, since tracers record what a span's effect returns. */
  readonly accessToken: Redacted.Redacted
  /** Seconds from the request, at most a day; `undefined` if the endpoint returns none, or 0 or less. */
  readonly expiresIn: number | undefined
}

/** Maximum number of characters of a token; servers reject requests with a longer one. */
const longestToken = 16 * 1024
/** Visible ASCII, which includes the characters of RFC 6750 section 2.1; any other token would fail every call. */
const Token = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]+$/), Schema.isMaxLength(longestToken))

const Grant = Schema.Struct({
  access_token: Token,
  token_type: Schema.String,
  // RFC 6749 requires a number; some servers send a string, or null if unspecified.
  expires_in: Schema.optionalKey(Schema.NullOr(Schema.Union([Schema.Finite, Schema.FiniteFromString]))),
})
const decodeGrant = Schema.decodeUnknownOption(Grant)

const Refusal = Schema.Struct({
  error: Schema.NonEmptyString,
  error_description: Schema.optionalKey(Schema.String),
})
const decodeRefusal = Schema.decodeUnknownOption(Schema.fromJsonString(Refusal))

/**
 * Decodes a success of the token endpoint (RFC 6749 section 5.1); `undefined` if it grants no bearer token.
 *
 * Replaces oauth4webapi's own decoder, which would check the issuer of the ID token that Keycloak adds for the scope
 * `openid`; the issuer is unknown if the token endpoint is configured directly, and the ID token is not used. Its errors also
 * contain the body, and with it the token.
 */
export const readTokenGrant = (body: unknown): TokenGrant | undefined => {
  const grant = decodeGrant(body)
  if (Option.isNone(grant) || grant.value.token_type.toLowerCase() !== "bearer") return undefined
  return {
    accessToken: Redacted.make(grant.value.access_token),
    expiresIn: lifeOf(grant.value.expires_in ?? undefined),
  }
}

/** The longest time to keep a token, in seconds: one day. */
const longestLife = 86_400

/** A lifetime of 0 or less is ignored, since it would cost a new token for each call. */
const lifeOf = (seconds: number | undefined): number | undefined =>
  seconds === undefined || seconds <= 0 ? undefined : Math.min(seconds, longestLife)

/** Decodes a refusal of the token endpoint (RFC 6749 section 5.2); `undefined` if it is not one. */
export const readTokenRefusal = (
  text: string,
): { readonly error: string; readonly errorDescription?: string } | undefined =>
  Option.getOrUndefined(
    Option.map(decodeRefusal(text), ({ error, error_description }) => ({
      error,
      ...(error_description === undefined ? {} : { errorDescription: error_description }),
    })),
  )
