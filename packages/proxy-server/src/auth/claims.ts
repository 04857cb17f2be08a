/** The rules for the claims of an access token: which tokens are accepted, and the caller's name. */
import { Result, Schema } from "effect"
import { decodeJwt, type JWTPayload } from "jose"
import type { AuthSettings } from "../config/settings.ts"
import { RoleMissing, type TokenFault, TokenInvalid } from "./refusals.ts"

const Roles = Schema.Struct({ roles: Schema.optionalKey(Schema.Array(Schema.String)) })

/** The claims that decide about a token, as Keycloak writes them into tokens and introspection responses. */
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
  /** The key that the token is bound to (RFC 7800): of DPoP or of a client certificate. */
  cnf: Schema.optionalKey(Schema.Unknown),
  /** In introspection responses. */
  token_type: Schema.optionalKey(Schema.String),
  /** In ID tokens and logout tokens. */
  at_hash: Schema.optionalKey(Schema.Unknown),
  c_hash: Schema.optionalKey(Schema.Unknown),
  events: Schema.optionalKey(Schema.Unknown),
})
export type TokenClaims = typeof TokenClaims.Type

/** The caller. */
export interface Principal {
  /** `preferred_username`, else `username`, `sub`, or the client that the token was issued to; as the issuer wrote it. */
  readonly name: string
  /** Whether it has the roles that debug mode and explanations require. */
  readonly mayDebug: boolean
}

/** Tolerated clock skew, in seconds. */
export const leeway = 30

/** A token's own claims, for the operator's log. */
export const selfDescription = ({ aud, azp, iss }: Partial<TokenClaims>, auth: AuthSettings) => ({
  aud: shortened(aud),
  azp: shortened(azp),
  iss: shortened(iss),
  allowed_audience: auth.audience.join(", "),
  allowed_issuer: auth.issuer,
})

// An unverified token can contain anything: it must neither flood the log nor overflow the stack with lists nested
// thousands deep.
const shortened = (value: unknown): string => {
  if (value === undefined) return "none"
  const isFlat = [value].flat().every((item) => typeof item !== "object" || item === null)
  return isFlat ? JSON.stringify(value).slice(0, 200) : "neither a string nor a list of strings"
}

/** When a token is valid, in seconds since 1970. */
export type ValidityPeriod = Pick<TokenClaims, "exp" | "iat" | "nbf">

/**
 * Why a token is not valid at a time; `undefined` if it is.
 *
 * @param now seconds since 1970
 */
export const validityFault = ({ exp, iat, nbf }: ValidityPeriod, now: number): TokenFault | undefined => {
  if (exp !== undefined && exp <= now - leeway) return "expired"
  if (nbf !== undefined && nbf > now + leeway) return "not-yet-valid"
  return iat !== undefined && iat > now + leeway ? "from-the-future" : undefined
}

/**
 * Checks the claims of a token of proven origin: our issuer, a bearer access token, valid now, for our audience, with
 * all required roles and a name.
 *
 * The audience is `aud` or, failing that, `azp` or else `client_id`, the client that the token was issued to (OpenID
 * Connect Core section 2). Without this check any token of the realm would give access to the list.
 *
 * @param now seconds since 1970
 */
export const checkClaims = (
  claims: TokenClaims,
  auth: AuthSettings,
  now: number,
): Result.Result<Principal, TokenInvalid | RoleMissing> => {
  const invalid = (fault: TokenFault, claim?: string) =>
    Result.fail(
      new TokenInvalid({ fault, ...(claim === undefined ? {} : { claim }), log: selfDescription(claims, auth) }),
    )
  const { iss } = claims
  if (!isAccessToken(claims)) return invalid("other-kind")
  // Its bearer must also prove possession of the key (RFC 9449 section 7, RFC 8705 section 3), which we cannot check.
  if (claims.cnf !== undefined || !/^bearer$/i.test(claims.token_type ?? "bearer")) {
    return invalid("bound-to-key")
  }
  if (iss !== undefined && iss !== auth.issuer) return invalid("other-issuer")
  if (claims.exp === undefined) return invalid("lacks-claim", "exp")
  const fault = validityFault(claims, now)
  if (fault !== undefined) return invalid(fault)
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
  if (name === undefined) return invalid("nameless")
  return Result.succeed({ name, mayDebug: auth.debugRoles.every((role) => hasRole(claims, role)) })
}

/** White space, control and format characters alone are not a name. */
const visible = /[^\s\p{C}]/u

/**
 * The issuer signs other tokens with the same key; an ID token of our own client has our audience too and is exposed to
 * browsers (RFC 8725 section 3.11). Keycloak names the kind in `typ`; others are recognised by claims that no access
 * token has.
 */
const isAccessToken = ({ typ, at_hash, c_hash, events }: TokenClaims): boolean =>
  (typ === undefined || typ === "Bearer") && [at_hash, c_hash, events].every((claim) => claim === undefined)

/** `role` is a realm role, `client:role` a client role. */
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

/** The claims of an unverified token, for the log only; empty if it cannot be read. */
export const unverifiedClaims = (token: string): Partial<TokenClaims> => {
  try {
    const claims: JWTPayload = decodeJwt(token)
    return claims as Partial<TokenClaims>
  } catch {
    return {}
  }
}
