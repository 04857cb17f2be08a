/**
 * Signs in at the issuer: authorization code with PKCE, as a public client. Tokens stay in memory; what must survive the
 * redirects (verifier, state, nonce) is in sessionStorage until the page is back.
 */
import * as oauth from "oauth4webapi"

/** The tokens that the issuer granted. */
export interface Session {
  readonly accessToken: string
  readonly refreshToken: string | undefined
  readonly idToken: string | undefined
  /** Lifetime of the access token in milliseconds; `undefined` if the issuer does not report it. */
  readonly lifetime: number | undefined
}

/** The public client and its issuer. */
export interface Client {
  readonly issuer: string
  readonly clientId: string
}

const pendingKey = "storage-explorer sign-in"
const scope = "openid"
const redirectUri = () => `${location.origin}${location.pathname}`

/** Allows plain HTTP only for an issuer on this machine, as in tests. */
const optionsFor = (issuer: string) => ({
  [oauth.allowInsecureRequests]: ["127.0.0.1", "localhost", "[::1]"].includes(new URL(issuer).hostname),
})

const discovered = new Map<string, oauth.AuthorizationServer>()
const serverOf = async (issuer: string): Promise<oauth.AuthorizationServer> => {
  const known = discovered.get(issuer)
  if (known !== undefined) return known
  const url = new URL(issuer)
  const response = await oauth.discoveryRequest(url, { ...optionsFor(issuer), algorithm: "oidc" })
  const server = await oauth.processDiscoveryResponse(url, response)
  discovered.set(issuer, server)
  return server
}

const endpoint = (address: string | undefined, name: string): URL => {
  if (address === undefined) throw new Error(`the issuer has no ${name}`)
  const url = new URL(address)
  // The URL is external data: a `javascript:` URL would run here.
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new Error(`the issuer's ${name} is not an HTTP URL`)
  return url
}

/** Redirects to the issuer, which redirects back to this page. @throws if the issuer cannot be reached */
export const leaveToSignIn = async ({ issuer, clientId }: Client): Promise<void> => {
  const server = await serverOf(issuer)
  const [verifier, state, nonce] = [
    oauth.generateRandomCodeVerifier(),
    oauth.generateRandomState(),
    oauth.generateRandomNonce(),
  ]
  sessionStorage.setItem(pendingKey, JSON.stringify({ verifier, state, nonce, query: location.search }))
  const url = endpoint(server.authorization_endpoint, "authorization endpoint")
  const parameters = {
    client_id: clientId,
    redirect_uri: redirectUri(),
    response_type: "code",
    scope,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  location.assign(url)
}

/** Whether the issuer's redirect opened this page. */
export const isReturning = (): boolean => {
  const query = new URLSearchParams(location.search)
  return query.has("state") && (query.has("code") || query.has("error")) && sessionStorage.getItem(pendingKey) !== null
}

/** Redeems the code in this page's URL, and restores the URL. @throws if that fails */
export const completeSignIn = async ({ issuer, clientId }: Client): Promise<Session> => {
  const returned = new URL(location.href)
  const { verifier, state, nonce, query } = JSON.parse(sessionStorage.getItem(pendingKey) ?? "{}")
  sessionStorage.removeItem(pendingKey)
  history.replaceState(null, "", `${location.pathname}${query ?? ""}`)
  const server = await serverOf(issuer)
  const client = { client_id: clientId }
  const parameters = oauth.validateAuthResponse(server, client, returned, state)
  const response = await oauth.authorizationCodeGrantRequest(
    server,
    client,
    oauth.None(),
    parameters,
    redirectUri(),
    verifier,
    optionsFor(issuer),
  )
  return sessionOf(
    await oauth.processAuthorizationCodeResponse(server, client, response, {
      expectedNonce: nonce,
      requireIdToken: true,
    }),
  )
}

const sessionOf = (granted: oauth.TokenEndpointResponse): Session => ({
  accessToken: granted.access_token,
  refreshToken: granted.refresh_token,
  idToken: granted.id_token,
  lifetime: granted.expires_in === undefined ? undefined : granted.expires_in * 1000,
})

/** Returns a session with a new access token. @throws if the issuer refuses, or cannot be reached */
export const renew = async ({ issuer, clientId }: Client, session: Session): Promise<Session> => {
  if (session.refreshToken === undefined) throw new Error("the issuer sent no refresh token")
  const server = await serverOf(issuer)
  const client = { client_id: clientId }
  const response = await oauth.refreshTokenGrantRequest(
    server,
    client,
    oauth.None(),
    session.refreshToken,
    optionsFor(issuer),
  )
  const renewed = sessionOf(await oauth.processRefreshTokenResponse(server, client, response))
  return {
    ...session,
    ...renewed,
    refreshToken: renewed.refreshToken ?? session.refreshToken,
    idToken: renewed.idToken ?? session.idToken,
  }
}

/** Why the issuer refused, in its own words if it gave any: `oauth4webapi` only says that it responded with an error. */
export const reasonOf = (refusal: Error & { readonly error?: string; readonly error_description?: string }): string =>
  refusal.error_description ?? refusal.error ?? refusal.message

/** Redirects to the issuer, which ends its own session too and redirects back to this page. @throws if the issuer cannot be reached */
export const leaveToSignOut = async ({ issuer, clientId }: Client, { idToken }: Session): Promise<void> => {
  const url = endpoint((await serverOf(issuer)).end_session_endpoint, "end session endpoint")
  url.searchParams.set("client_id", clientId)
  url.searchParams.set("post_logout_redirect_uri", redirectUri())
  if (idToken !== undefined) url.searchParams.set("id_token_hint", idToken)
  location.assign(url)
}
