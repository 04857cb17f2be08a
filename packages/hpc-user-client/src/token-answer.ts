import { Option, Redacted, Schema } from "effect"

/** An access token as the token endpoint gave it. */
export interface TokenGrant {
  /** Redacted from the start: a tracer keeps what a span's effect returns. */
  readonly accessToken: Redacted.Redacted
  /** Seconds from the request on, at most a day; none where the endpoint does not say, or says 0 or less. */
  readonly expiresIn: number | undefined
}

/** Characters of a token: a longer one fits into no request that a server takes. */
const longestToken = 16 * 1024
/** What may follow `Bearer` (RFC 6750 section 2.1) and anything else that a header can carry: kept, another would fail every call. */
const Token = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]+$/), Schema.isMaxLength(longestToken))

const Grant = Schema.Struct({
  access_token: Token,
  token_type: Schema.String,
  // RFC 6749 says a number; some servers write it as a string, and null where they do not say.
  expires_in: Schema.optionalKey(Schema.NullOr(Schema.Union([Schema.Finite, Schema.FiniteFromString]))),
})
const decodeGrant = Schema.decodeUnknownOption(Grant)

const Refusal = Schema.Struct({
  error: Schema.NonEmptyString,
  error_description: Schema.optionalKey(Schema.String),
})
const decodeRefusal = Schema.decodeUnknownOption(Schema.fromJsonString(Refusal))

/**
 * Reads a success of the token endpoint (RFC 6749 section 5.1); `undefined` where it grants no bearer token.
 *
 * Not oauth4webapi's own reading: for the scope `openid` Keycloak sends an ID token along, whose issuer it would check,
 * and the issuer is not known where the token endpoint is given directly. The ID token is not used. Its errors, too,
 * carry the body, and with it the token.
 */
export const readTokenGrant = (body: unknown): TokenGrant | undefined => {
  const grant = decodeGrant(body)
  if (Option.isNone(grant) || grant.value.token_type.toLowerCase() !== "bearer") return undefined
  return {
    accessToken: Redacted.make(grant.value.access_token),
    expiresIn: lifeOf(grant.value.expires_in ?? undefined),
  }
}

/** Seconds: no token is kept for longer than a day, whatever is said of it. */
const longestLife = 86_400

/** A life that has ended before it began is not believed: it would cost a new token for each call. */
const lifeOf = (seconds: number | undefined): number | undefined =>
  seconds === undefined || seconds <= 0 ? undefined : Math.min(seconds, longestLife)

/** Reads a refusal of the token endpoint (RFC 6749 section 5.2); `undefined` where it is none. */
export const readTokenRefusal = (
  text: string,
): { readonly error: string; readonly errorDescription?: string } | undefined =>
  Option.getOrUndefined(
    Option.map(decodeRefusal(text), ({ error, error_description }) => ({
      error,
      ...(error_description === undefined ? {} : { errorDescription: error_description }),
    })),
  )
