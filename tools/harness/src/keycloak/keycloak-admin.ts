/** Changes to a running Keycloak, through its admin REST API. */

export interface KeycloakAdmin {
  /** Adds a realm. */
  readonly addRealm: (realm: { readonly realm: string; readonly [name: string]: unknown }) => Promise<void>
  /** Gives the realm `cscs` a new signing key and withdraws all earlier ones. */
  readonly rotateKeys: () => Promise<void>
  /** Sets the lifetime of the access tokens of the realm `cscs`. */
  readonly setAccessTokenLifespan: (seconds: number) => Promise<void>
  /** Ends all sessions of a user. */
  readonly logOut: (username: string) => Promise<void>
}

const keyProvider = "org.keycloak.keys.KeyProvider"

/** @param administrator a user of the realm `master` */
export const keycloakAdmin = (
  url: string,
  administrator: { readonly username: string; readonly password: string },
): KeycloakAdmin => {
  const realm = `${url}/admin/realms/cscs`

  const call = async (method: string, at: string, body?: unknown): Promise<unknown> => {
    // A new token each time: those of Keycloak's own administrators are short-lived.
    const { access_token: token } = (await answerOf(
      fetch(`${url}/realms/master/protocol/openid-connect/token`, {
        method: "POST",
        body: new URLSearchParams({ grant_type: "password", client_id: "admin-cli", ...administrator }),
      }),
    )) as { readonly access_token: string }
    return answerOf(
      fetch(at, {
        method,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    )
  }

  return {
    addRealm: async (added) => {
      await call("POST", `${url}/admin/realms`, added)
    },
    rotateKeys: async () => {
      const { keys } = (await call("GET", `${realm}/keys`)) as { readonly keys: ReadonlyArray<RealmKey> }
      await call("POST", `${realm}/components`, {
        name: `rsa-${Date.now()}`,
        providerId: "rsa-generated",
        providerType: keyProvider,
        config: { priority: ["100"], enabled: ["true"], active: ["true"], algorithm: ["RS256"] },
      })
      for (const { algorithm, providerId } of keys) {
        if (algorithm === "RS256") await call("DELETE", `${realm}/components/${providerId}`)
      }
    },
    setAccessTokenLifespan: async (seconds) => {
      await call("PUT", realm, { accessTokenLifespan: seconds })
    },
    logOut: async (username) => {
      const users = (await call("GET", `${realm}/users?exact=true&username=${encodeURIComponent(username)}`)) as [
        { readonly id: string },
      ]
      await call("POST", `${realm}/users/${users[0].id}/logout`)
    },
  }
}

interface RealmKey {
  readonly algorithm: string
  readonly providerId: string
}

const answerOf = async (asked: Promise<Response>): Promise<unknown> => {
  const response = await asked
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.url} responded with ${response.status}: ${text}`)
  return text === "" ? undefined : JSON.parse(text)
}
