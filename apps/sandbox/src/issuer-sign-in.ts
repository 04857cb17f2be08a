/** Sign-in of users: authorization code with PKCE for public clients, refresh, logout, as in Keycloak 26. */
import { createHash, randomUUID } from "node:crypto"
import type { Context, Hono, MiddlewareHandler } from "hono"
import { html } from "hono/html"
import { type ClaimOverrides, subjectOf } from "./issuer-tokens.ts"
import type { Exchange } from "./listening-server.ts"

/** The users that may sign in, and the clients that they may use. */
export interface SignInSettings {
  /** Public client id -> its valid redirect URIs. Their origins may call the token endpoint (CORS). */
  publicClients: Map<string, string[]>
  /** User name -> claims that override those of an ordinary user. Sign-in needs no password. */
  users: Map<string, ClaimOverrides>
}

/** The sign-in that a code or a refresh token belongs to. */
interface Grant {
  readonly client: string
  readonly user: string
  readonly nonce: string | undefined
  readonly session: string
}

const userIn = (c: Context): string | undefined => /KEYCLOAK_IDENTITY=([\w-]+)/.exec(c.req.header("Cookie") ?? "")?.[1]

/** The sign-in at `path`, the issuer's `protocol/openid-connect`. */
export function signIn(settings: SignInSettings) {
  const codes = new Map<string, Grant & { readonly redirectUri: string; readonly challenge: string }>()
  const refreshTokens = new Map<string, Grant>()

  /** Allows pages of the public clients to read responses. */
  const cors: MiddlewareHandler = async (c, next) => {
    await next()
    const origin = c.req.header("Origin")
    const known = [...settings.publicClients.values()].flat().some((uri) => new URL(uri).origin === origin)
    if (origin !== undefined && known) c.header("Access-Control-Allow-Origin", origin)
  }

  const authorize = async (c: Context) => {
    const query = new URL(c.req.url).searchParams
    const of = (name: string) => query.get(name) ?? ""
    const redirectUri = of("redirect_uri")
    if (!settings.publicClients.get(of("client_id"))?.includes(redirectUri)) {
      return c.html("<p>We are sorry... Invalid parameter: redirect_uri</p>", 400)
    }
    const back = (parameters: Record<string, string>) => {
      const url = new URL(redirectUri)
      for (const [name, value] of Object.entries({ ...parameters, state: of("state") })) {
        url.searchParams.set(name, value)
      }
      return c.redirect(url.href)
    }
    if (of("response_type") !== "code" || of("code_challenge_method") !== "S256") {
      return back({ error: "invalid_request", error_description: "Missing parameter: code_challenge_method" })
    }
    const form = c.req.method === "POST" ? await c.req.parseBody() : {}
    const user = typeof form.username === "string" ? form.username : userIn(c)
    if (user === undefined || !settings.users.has(user)) {
      const problem = user === undefined ? "" : "Invalid username or password."
      return c.html(html`<!doctype html><html lang="en"><title>Sign in to cscs</title>
        <form method="post"><p>${problem}</p><label>Username <input name="username" autofocus></label>
        <button>Sign In</button></form></html>`)
    }
    const code = randomUUID()
    codes.set(code, {
      client: of("client_id"),
      user,
      nonce: query.get("nonce") ?? undefined,
      session: randomUUID(),
      redirectUri,
      challenge: of("code_challenge"),
    })
    c.header("Set-Cookie", `KEYCLOAK_IDENTITY=${user}; Path=/; HttpOnly; SameSite=Lax`)
    return back({ code, session_state: randomUUID() })
  }

  /** Ends the user's sessions, and redirects to the client if its URI is registered. */
  const logout = (c: Context) => {
    const query = new URL(c.req.url).searchParams
    const returnTo = query.get("post_logout_redirect_uri") ?? ""
    for (const [token, { user }] of refreshTokens) if (user === userIn(c)) refreshTokens.delete(token)
    c.header("Set-Cookie", `KEYCLOAK_IDENTITY=; Path=/; Max-Age=0`)
    return settings.publicClients.get(query.get("client_id") ?? "")?.includes(returnTo)
      ? c.redirect(returnTo)
      : c.html("<p>You are logged out</p>")
  }

  /** The grant of a code, which is valid once, or of a refresh token; `undefined` if it is invalid. */
  const redeem = (form: URLSearchParams): Grant | undefined => {
    const client = form.get("client_id")
    if (form.get("grant_type") === "refresh_token") {
      const grant = refreshTokens.get(form.get("refresh_token") ?? "")
      return grant?.client === client ? grant : undefined
    }
    const code = form.get("code") ?? ""
    const grant = codes.get(code)
    codes.delete(code)
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url")
    const isValid =
      grant?.client === client && grant?.redirectUri === form.get("redirect_uri") && grant?.challenge === challenge
    return isValid ? grant : undefined
  }

  return {
    cors,
    redeem,
    addTo(app: Hono<{ Bindings: Exchange }>, path: string): void {
      app.on(["GET", "POST"], `${path}/auth`, authorize)
      app.get(`${path}/logout`, logout)
    },
    refreshTokenFor(grant: Grant): string {
      const token = randomUUID()
      refreshTokens.set(token, grant)
      return token
    },
    revoke(): void {
      codes.clear()
      refreshTokens.clear()
    },
  }
}

/** The claims by which a user's token differs from a service account's. */
export function userClaims(client: string, user: string): ClaimOverrides {
  return {
    azp: client,
    sub: subjectOf("6f4db0c5", user),
    preferred_username: user,
    clientId: undefined,
    client_id: undefined,
    clientHost: undefined,
    clientAddress: undefined,
  }
}
