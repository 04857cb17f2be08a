/** Gets tokens from a Keycloak, and revokes them. */
import { type Keycloak, realmClient, realmUser } from "@cscs/harness"

type ClientId = Parameters<typeof realmClient>[0]

/** The tokens that a password sign-in returns. */
export interface UserTokens {
  readonly accessToken: string
  readonly idToken: string
  readonly refreshToken: string
}

const credentialsOf = (clientId: ClientId) => ({ client_id: clientId, client_secret: realmClient(clientId).secret })

const post = async (url: string, form: Readonly<Record<string, string>>): Promise<string> => {
  const response = await fetch(url, { method: "POST", body: new URLSearchParams(form) })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url} responded with ${response.status}: ${text}`)
  return text
}

/** An access token of the client itself. */
export const clientToken = async (
  { url }: Keycloak,
  clientId: ClientId = "provisioner",
  realm = "cscs",
): Promise<string> => {
  const answer = await post(`${url}/realms/${realm}/protocol/openid-connect/token`, {
    grant_type: "client_credentials",
    ...credentialsOf(clientId),
  })
  return JSON.parse(answer).access_token
}

/** The tokens of a user who signs in through that client. */
export const userTokens = async ({ realmUrl }: Keycloak, clientId: ClientId = "provisioner"): Promise<UserTokens> => {
  const answer = await post(`${realmUrl}/protocol/openid-connect/token`, {
    grant_type: "password",
    scope: "openid",
    ...realmUser,
    ...credentialsOf(clientId),
  })
  const { access_token: accessToken, id_token: idToken, refresh_token: refreshToken } = JSON.parse(answer)
  return { accessToken, idToken, refreshToken }
}

/** Revokes a token (RFC 7009) as the client that it was issued to. */
export const revoke = async ({ realmUrl }: Keycloak, token: string, clientId: ClientId = "provisioner") => {
  await post(`${realmUrl}/protocol/openid-connect/revoke`, { token, ...credentialsOf(clientId) })
}
