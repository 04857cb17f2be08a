/** The mock issuer's tokens: valid ones as in Keycloak, and invalid ones for tests. */
import { createHash, createHmac, type KeyObject, randomUUID } from "node:crypto"
import { type JWTPayload, SignJWT } from "jose"
import type { IssuerKey } from "./issuer-keys.ts"

/** How a token is signed, and how long it is valid; omitted fields are as in Keycloak. */
export interface IssueOptions {
  /**
   * Default `RS256`. `none` leaves the token unsigned; the HS algorithms use the caller's own key, or
   * the PEM of the public key that `key` names, as the secret (the well-known confusion attack).
   */
  alg?: string
  /** `kid` of the header; null omits it. Default: that of the key that `key` names; of the signing key for the caller's own. */
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

/** A UUID that begins with the prefix and depends only on the name. */
export const subjectOf = (prefix: string, name: string) =>
  `${prefix}-0000-4000-8000-${createHash("sha256").update(name).digest("hex").slice(0, 12)}`

/** Claims as Keycloak 26 writes them for the service account of `client`. `now` in seconds since 1970. */
export function serviceAccountClaims(client: string, issuer: string, now: number, expiresIn: number): JWTPayload {
  return {
    exp: now + expiresIn,
    iat: now,
    jti: `trrtcc:${randomUUID()}`,
    iss: issuer,
    aud: ["storage-proxy", "account"],
    sub: subjectOf("5a4db0c5", client),
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
    const mac = createHmac(`sha${alg.slice(2)}`, secret)
      .update(content)
      .digest("base64url")
    return `${content}.${mac}`
  }
  return new SignJWT(claims).setProtectedHeader(header).sign(own ?? key.privateKey)
}

function unsigned(header: object, claims: JWTPayload): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url")
  return `${encode(header)}.${encode(claims)}`
}
