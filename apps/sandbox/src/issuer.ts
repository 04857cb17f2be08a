/** A mock OIDC issuer that imitates Keycloak: discovery, keys, tokens, introspection. */
import { randomBytes } from "node:crypto"
import { Hono } from "hono"
import { decodeProtectedHeader, type JWTPayload, jwtVerify } from "jose"
import { type IssuerKey, type KeySet, newKey, newKeySet, publishedKey } from "./issuer-keys.ts"
import { type SignInSettings, signIn, userClaims } from "./issuer-sign-in.ts"
import { type ClaimOverrides, type IssueOptions, serviceAccountClaims, sign } from "./issuer-tokens.ts"
import type { Exchange } from "./listening-server.ts"

const REALM = "/realms/cscs"
const SCOPES = ["openid", "profile", "email", "roles", "web-origins", "acr", "basic"]

/** The issuer's settings that can be changed at run time. */
export interface IssuerSettings extends SignInSettings {
  /** Client id -> secret: the clients that may get tokens and introspect them. */
  clients: Map<string, string>
  /** Lifetime of a token in seconds: `expires_in` and `exp`. Default 300, like Keycloak. */
  expiresIn: number
  /** The format of tokens: a JWT as in Keycloak, or an opaque string. */
  tokenFormat: "jwt" | "opaque"
}

/** The OIDC issuer behind its HTTP listener. */
export interface Issuer {
  app: Hono<{ Bindings: Exchange }>
  settings: IssuerSettings
  /** Issues an access token with these claims over those of a service account, signed as requested. */
  issueToken(claims?: ClaimOverrides, options?: IssueOptions): Promise<string>
  /** Replaces the keys; the old ones stay published only with `keepOld`. Keycloak with `dev-mem` gets new keys at each start. */
  rotateKeys(options?: { keepOld?: boolean }): Promise<void>
  /** Invalidates every token issued so far, regardless of its `exp`. */
  revokeTokens(): void
  /** Whether the token was issued here and is still valid. */
  accepts(token: string): Promise<boolean>
}

/** `url` returns the issuer's own URL, `http://127.0.0.1:<port>/realms/cscs`: the port is not known until the server listens. */
export function createIssuer(url: () => string, settings: IssuerSettings, now: () => number): Issuer {
  let keys: Promise<KeySet> | undefined
  let unknownKey: Promise<IssuerKey> | undefined
  let retired: KeySet[] = []
  const revoked = new Set<string>()
  const issued = new Map<string, JWTPayload>()
  const seconds = (): number => Math.floor(now() / 1000)
  const currentKeys = (): Promise<KeySet> => {
    keys ??= newKeySet()
    return keys
  }

  async function issueToken(overrides: ClaimOverrides = {}, options: IssueOptions = {}): Promise<string> {
    const client = typeof overrides.azp === "string" ? overrides.azp : "integrator"
    const claims: JWTPayload = {
      ...serviceAccountClaims(client, url(), seconds(), options.expiresIn ?? settings.expiresIn),
      ...overrides,
    }
    const set = await currentKeys()
    unknownKey ??= options.key === "unknown" ? newKey() : undefined
    const key =
      options.key === "encryption" ? set.encryption : options.key === "unknown" ? await unknownKey : set.signing
    const token = await sign(claims, key ?? set.signing, options)
    issued.set(token, claims)
    return token
  }

  /** The claims of a valid token, or undefined. */
  async function claimsOf(token: string): Promise<JWTPayload | undefined> {
    if (revoked.has(token)) return undefined
    if (!token.includes(".")) {
      const claims = issued.get(token)
      return claims !== undefined && (claims.exp ?? 0) > seconds() ? claims : undefined
    }
    try {
      const { kid } = decodeProtectedHeader(token)
      const published = [await currentKeys(), ...retired].map((set) => set.signing)
      const key = published.find((candidate) => candidate.kid === kid)
      if (key === undefined) return undefined
      const { payload } = await jwtVerify(token, key.publicKey, {
        issuer: url(),
        algorithms: ["RS256"],
        currentDate: new Date(now()),
      })
      return payload
    } catch {
      return undefined
    }
  }

  const userSignIn = signIn(settings)
  const app = new Hono<{ Bindings: Exchange }>()
  app.use(userSignIn.cors)
  userSignIn.addTo(app, `${REALM}/protocol/openid-connect`)
  app.notFound((c) =>
    new URL(c.req.url).pathname.startsWith(`${REALM}/`)
      ? c.json({ error: "HTTP 404 Not Found" }, 404)
      : c.json({ error: "Realm does not exist" }, 404),
  )

  app.get(`${REALM}/.well-known/openid-configuration`, (c) => c.json(discovery(url())))

  app.get(`${REALM}/protocol/openid-connect/certs`, async (c) => {
    const sets = [await currentKeys(), ...retired]
    const published = sets.flatMap((set) => [publishedKey(set.encryption, "enc"), publishedKey(set.signing, "sig")])
    return c.json({ keys: await Promise.all(published) })
  })

  app.post(`${REALM}/protocol/openid-connect/token`, async (c) => {
    const form = new URLSearchParams(await c.req.text())
    if (["authorization_code", "refresh_token"].includes(form.get("grant_type") ?? "")) {
      const tokens = await tokensOfUser(form)
      return tokens === undefined ? c.json(oauthError("invalid_grant", "Code not valid"), 400) : c.json(tokens)
    }
    const client = authenticatedClient(settings.clients, form, c.req.header("Authorization"))
    if (!form.get("grant_type")) return c.json(oauthError("invalid_request", "Missing form parameter: grant_type"), 400)
    if (client === undefined) {
      return c.json(oauthError("invalid_client", "Invalid client or Invalid client credentials"), 401)
    }
    if (form.get("grant_type") !== "client_credentials") {
      return c.json(oauthError("unsupported_grant_type", "Unsupported grant_type"), 400)
    }
    const scopes = (form.get("scope") ?? "").split(/\s+/).filter((scope) => scope !== "")
    if (scopes.some((scope) => !SCOPES.includes(scope))) {
      return c.json(oauthError("invalid_scope", `Invalid scopes: ${scopes.join(" ")}`), 400)
    }
    const scope = [...new Set(["email", "profile", ...scopes])].join(" ")
    const claims = { azp: client, clientId: client, client_id: client, scope }
    return c.json({
      access_token: settings.tokenFormat === "jwt" ? await issueToken(claims) : issueOpaque(claims),
      expires_in: settings.expiresIn,
      refresh_expires_in: 0,
      token_type: "Bearer",
      "not-before-policy": 0,
      scope,
    })
  })

  /** The token response for a code or a refresh token, or undefined if it is invalid. */
  async function tokensOfUser(form: URLSearchParams): Promise<object | undefined> {
    const grant = userSignIn.redeem(form)
    if (grant === undefined) return undefined
    const claims: ClaimOverrides = {
      ...userClaims(grant.client, grant.user),
      sid: grant.session,
      ...settings.users.get(grant.user),
    }
    const { azp, sub, preferred_username, sid } = claims as Record<string, string>
    const times = { iat: seconds(), exp: seconds() + settings.expiresIn }
    const { nonce } = grant
    const identity = { iss: url(), aud: azp, typ: "ID", azp, sub, preferred_username, sid, nonce, ...times }
    return {
      access_token: await issueToken(claims),
      expires_in: settings.expiresIn,
      refresh_token: userSignIn.refreshTokenFor(grant),
      refresh_expires_in: 1800,
      id_token: await sign(identity as JWTPayload, (await currentKeys()).signing, {}),
      token_type: "Bearer",
      "not-before-policy": 0,
      session_state: sid,
      scope: "openid email profile",
    }
  }

  function issueOpaque(claims: ClaimOverrides): string {
    const token = randomBytes(32).toString("base64url")
    const own = serviceAccountClaims(String(claims.azp), url(), seconds(), settings.expiresIn)
    issued.set(token, { ...own, ...claims })
    return token
  }

  app.post(`${REALM}/protocol/openid-connect/token/introspect`, async (c) => {
    const form = new URLSearchParams(await c.req.text())
    const client = authenticatedClient(settings.clients, form, c.req.header("Authorization"))
    if (client === undefined) return c.json(oauthError("invalid_request", "Authentication failed."), 401)
    const claims = await claimsOf(form.get("token") ?? "")
    // Keycloak describes a token only to a client in its audience.
    if (claims === undefined || ![claims.aud].flat().includes(client)) return c.json({ active: false })
    const { clientId: _, ...described } = claims
    return c.json({
      ...described,
      client_id: claims.client_id ?? claims.azp,
      username: claims.preferred_username,
      token_type: "Bearer",
      active: true,
    })
  })

  return {
    app,
    settings,
    issueToken,
    async rotateKeys({ keepOld = false } = {}) {
      const old = await currentKeys()
      retired = keepOld ? [old, ...retired] : []
      keys = newKeySet()
      await keys
    },
    revokeTokens() {
      for (const token of issued.keys()) revoked.add(token)
      issued.clear()
      userSignIn.revoke()
    },
    accepts: async (token) => (await claimsOf(token)) !== undefined,
  }
}

/** The client authenticated by the form body or the Basic header, by RFC 6749 section 2.3.1. */
function authenticatedClient(
  clients: ReadonlyMap<string, string>,
  form: URLSearchParams,
  authorization: string | undefined,
): string | undefined {
  let id = form.get("client_id") ?? ""
  let secret = form.get("client_secret")
  const [scheme, credentials] = (authorization ?? "").split(/\s+/)
  if (scheme?.toLowerCase() === "basic" && credentials !== undefined) {
    const text = Buffer.from(credentials, "base64").toString()
    const colon = text.indexOf(":")
    id = decodeForm(text.slice(0, Math.max(colon, 0)))
    secret = decodeForm(text.slice(colon + 1))
  }
  return secret !== null && clients.get(id) === secret ? id : undefined
}

/** The two halves of Basic credentials are form-encoded before they are joined. */
function decodeForm(text: string): string {
  return new URLSearchParams(`v=${text.replaceAll("&", "%26")}`).get("v") ?? ""
}

function oauthError(error: string, description: string): { error: string; error_description: string } {
  return { error, error_description: description }
}

function discovery(url: string): object {
  const endpoint = (name: string): string => `${url}/protocol/openid-connect/${name}`
  const methods = ["private_key_jwt", "client_secret_basic", "client_secret_post", "client_secret_jwt"]
  return {
    issuer: url,
    authorization_endpoint: endpoint("auth"),
    token_endpoint: endpoint("token"),
    introspection_endpoint: endpoint("token/introspect"),
    userinfo_endpoint: endpoint("userinfo"),
    end_session_endpoint: endpoint("logout"),
    revocation_endpoint: endpoint("revoke"),
    jwks_uri: endpoint("certs"),
    grant_types_supported: ["authorization_code", "refresh_token", "client_credentials"],
    code_challenge_methods_supported: ["plain", "S256"],
    response_types_supported: ["code", "none", "id_token", "token"],
    subject_types_supported: ["public", "pairwise"],
    id_token_signing_alg_values_supported: ["RS256", "PS256", "ES256", "HS256"],
    token_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_methods_supported: methods,
    scopes_supported: SCOPES,
    claims_supported: ["iss", "sub", "aud", "exp", "iat", "azp", "preferred_username", "scope"],
  }
}
