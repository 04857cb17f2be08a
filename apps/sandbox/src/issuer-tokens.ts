/** The mock issuer's tokens: valid ones as in Keycloak, and invalid ones for tests. */
import { createHmac, type KeyObject, randomUUID } from "node:crypto"
import { type JWTPayload, SignJWT } from "jose"
import type { IssuerKey } from "./issuer-keys.ts"

/** How a token is signed; omitted fields are as in Keycloak. */
export interface IssueOptions {
  /**
   * Default `RS256`. `none` leaves the token unsigned; the HS algorithms use `key`, or the PEM of the public signing
   * key as the secret (the well-known confusion attack).
   */
  alg?: string
  /** `kid` of the header; null omits it. Default: the kid of the key. */
  kid?: string | null
  /** `typ` of the header; null omits it. Default `JWT`, like Keycloak (not `at+jwt`). */
  typ?: string | null
  /**
   * The signing key. `signing` (default) and `encryption` are the two published keys; `unknown` is an unpublished key
   * with its own kid; or the caller's own key.
   */
  key?: "signing" | "encryption" | "unknown" | KeyObject | Uint8Array
  /** Seconds until `exp`; negative for an expired token. Default: `expiresIn` of the issuer's settings. */
  expiresIn?: number
}

/** Claims that override those of a service account. `undefined` removes a claim. */
export type ClaimOverrides = { [claim: string]: unknown }

/** Claims as Keycloak 26 writes them for the service account of `client`. `now` in seconds since 1970. */
export function serviceAccountClaims(client: string, issuer: string, now: number, expiresIn: number): JWTPayload {
  return {
    exp: now + expiresIn,
    iat: now,
    jti: `trrtcc:${randomUUID()}`,
    iss: issuer,
    aud: ["storage-proxy", "account"],
    sub: `5a4db0c5-0000-4000-8000-${Buffer.from(client).toString("hex").padEnd(12, "0").slice(0, 12)}`,
    typ: "Bearer",
    azp: client,
    acr: "1",
    realm_access: { roles: ["default-roles-cscs", "offline_access", "uma_authorization"] },
    resource_access: { account: { roles: ["manage-account", "view-profile"] } },
    scope: "openid email profile",
    email_verified: false,
    clientId: client,
    clientHost: "127.0.0.1",
    clientAddress: "127.0.0.1",
    client_id: client,
    preferred_username: `service-account-${client}`,
  }
}

/** Signs the claims as requested, valid or not. */
export async function sign(claims: JWTPayload, key: IssuerKey, options: IssueOptions): Promise<string> {
  const alg = options.alg ?? "RS256"
  const kid = options.kid === undefined ? key.kid : options.kid
  const typ = options.typ === undefined ? "JWT" : options.typ
  const header = { alg, ...(typ === null ? {} : { typ }), ...(kid === null ? {} : { kid }) }
  const own = typeof options.key === "object" ? options.key : undefined
  if (alg === "none") return `${unsigned(header, claims)}.`
  if (/^HS(256|384|512)$/.test(alg)) {
    const secret = own ?? Buffer.from(key.publicKey.export({ type: "spki", format: "pem" }))
    const content = unsigned(header, claims)
    return `${content}.${createHmac(`sha${alg.slice(2)}`, secret)
      .update(content)
      .digest("base64url")}`
  }
  return new SignJWT(claims).setProtectedHeader(header).sign(own ?? key.privateKey)
}

function unsigned(header: object, claims: JWTPayload): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url")
  return `${encode(header)}.${encode(claims)}`
}
