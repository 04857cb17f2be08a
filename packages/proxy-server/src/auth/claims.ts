import { Result, Schema } from "effect"
import { decodeJwt, type JWTPayload } from "jose"
import type { AuthSettings } from "../config/settings.ts"
import { RoleMissing, type TokenFault, TokenInvalid } from "./refusals.ts"

const Roles = Schema.Struct({ roles: Schema.optionalKey(Schema.Array(Schema.String)) })

/** What decides of a token, as Keycloak writes it into the token itself and into an introspection's answer. */
export const TokenClaims = Schema.Struct({
  iss: Schema.optionalKey(Schema.String),
  sub: Schema.optionalKey(Schema.String),
  aud: Schema.optionalKey(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
  azp: Schema.optionalKey(Schema.String),
  client_id: Schema.optionalKey(Schema.String),
  exp: Schema.optionalKey(Schema.Finite),
  iat: Schema.optionalKey(Schema.Finite),
  nbf: Schema.optionalKey(Schema.Finite),
  typ: Schema.optionalKey(Schema.String),
  preferred_username: Schema.optionalKey(Schema.String),
  username: Schema.optionalKey(Schema.String),
  realm_access: Schema.optionalKey(Roles),
  resource_access: Schema.optionalKey(Schema.Record(Schema.String, Roles)),
  /** The key that the token is bound to (RFC 7800): of DPoP, or of a client certificate. */
  cnf: Schema.optionalKey(Schema.Unknown),
  /** Of an introspection's answer. */
  token_type: Schema.optionalKey(Schema.String),
  /** Of ID tokens, and of logout tokens. */
  at_hash: Schema.optionalKey(Schema.Unknown),
  c_hash: Schema.optionalKey(Schema.Unknown),
  events: Schema.optionalKey(Schema.Unknown),
})
export type TokenClaims = typeof TokenClaims.Type

/** Who asks. */
export interface Principal {
  /** `preferred_username`, else `sub`, else the client that the token was issued to; as the issuer wrote it. */
  readonly name: string
}

/** Seconds by which clocks may differ. */
export const leeway = 30

/** What a token says of itself, for the operator's log. */
export const selfDescription = ({ aud, azp, iss }: Partial<TokenClaims>, auth: AuthSettings) => ({
  aud: shortened(aud),
  azp: shortened(azp),
  iss: shortened(iss),
  allowed_audience: auth.audience.join(", "),
  allowed_issuer: auth.issuer,
})

// An unverified token says what it likes: it shall not flood the log, nor end us by lists nested thousands deep.
const shortened = (value: unknown): string => {
  if (value === undefined) return "none"
  const isFlat = [value].flat().every((item) => typeof item !== "object" || item === null)
  return isFlat ? JSON.stringify(value).slice(0, 200) : "neither a text nor a list of texts"
}

/**
 * Judges the claims of a token whose origin is proven: of our issuer, a bearer access token, from no later than now and not
 * past, meant for us, with all required roles and a name.
 *
 * The audience is `aud`, or failing that `azp`, the client that the token was issued to (OpenID Connect Core section 2):
 * without it any token of the realm would open the list.
 *
 * @param now seconds since 1970
 */
export const judgeClaims = (
  claims: TokenClaims,
  auth: AuthSettings,
  now: number,
): Result.Result<Principal, TokenInvalid | RoleMissing> => {
  const invalid = (fault: TokenFault, claim?: string) =>
    Result.fail(
      new TokenInvalid({ fault, ...(claim === undefined ? {} : { claim }), log: selfDescription(claims, auth) }),
    )
  const { iss, exp, iat, nbf } = claims
  if (!isAccessToken(claims)) return invalid("other-kind")
  // Whoever shows it must also prove that the key is theirs (RFC 9449 section 7, RFC 8705 section 3), which we cannot ask.
  if (claims.cnf !== undefined || !/^bearer$/i.test(claims.token_type ?? "bearer")) {
    return invalid("bound-to-key")
  }
  if (iss !== undefined && iss !== auth.issuer) return invalid("other-issuer")
  if (exp === undefined) return invalid("lacks-claim", "exp")
  if (exp <= now - leeway) return invalid("expired")
  if (nbf !== undefined && nbf > now + leeway) return invalid("not-yet-valid")
  if (iat !== undefined && iat > now + leeway) return invalid("from-the-future")
  const audiences = typeof claims.aud === "string" ? [claims.aud] : (claims.aud ?? [])
  const party = claims.azp ?? claims.client_id
  const isMeantForUs =
    audiences.some((audience) => auth.audience.includes(audience)) ||
    (party !== undefined && auth.audience.includes(party))
  if (!isMeantForUs) return invalid("other-audience")
  const missing = auth.requiredRoles.filter((role) => !hasRole(claims, role))
  if (missing.length > 0) {
    return Result.fail(
      new RoleMissing({ log: { ...selfDescription(claims, auth), missing_roles: missing.join(", ") } }),
    )
  }
  const name = [claims.preferred_username, claims.username, claims.sub, claims.azp, claims.client_id].find(
    (one) => one !== undefined && visible.test(one),
  )
  return name === undefined ? invalid("nameless") : Result.succeed({ name })
}

/** White space, control and format characters alone are no name. */
const visible = /[^\s\p{C}]/u

/**
 * The issuer signs other tokens with the same key, and an ID token of our own client has our audience too and is shown to
 * browsers (RFC 8725 section 3.11). Keycloak says the kind in `typ`; others are known by claims that no access token has.
 */
const isAccessToken = ({ typ, at_hash, c_hash, events }: TokenClaims): boolean =>
  (typ === undefined || typ === "Bearer") && [at_hash, c_hash, events].every((claim) => claim === undefined)

/** `role` is a role of the realm, `client:role` one of a client. */
const hasRole = (claims: TokenClaims, role: string): boolean => {
  const colon = role.indexOf(":")
  if (claims.realm_access?.roles?.includes(role)) return true
  if (colon < 0) return false
  const client = role.slice(0, colon)
  const access = claims.resource_access
  return (
    access !== undefined &&
    Object.hasOwn(access, client) &&
    (access[client]?.roles?.includes(role.slice(colon + 1)) ?? false)
  )
}

/** What a token says that nobody has verified yet, for the log alone; nothing where it cannot be read. */
export const unverifiedClaims = (token: string): Partial<TokenClaims> => {
  try {
    const claims: JWTPayload = decodeJwt(token)
    return claims as Partial<TokenClaims>
  } catch {
    return {}
  }
}
