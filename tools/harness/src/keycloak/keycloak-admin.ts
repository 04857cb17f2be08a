/** Changes to a running Keycloak, through its admin REST API. */

/** @param administrator a user of the realm `master` */
export const keycloakAdmin = (url: string, administrator: { readonly username: string; readonly password: string }) => {
  const realm = `${url}/admin/realms/cscs`

  const call = async (method: string, at: string, body?: unknown): Promise<unknown> => {
    // A new token each time: tokens of Keycloak's administrators are short-lived.
    const login = new URLSearchParams({ grant_type: "password", client_id: "admin-cli", ...administrator })
    const granted = fetch(`${url}/realms/master/protocol/openid-connect/token`, { method: "POST", body: login })
    const { access_token: token } = (await responseOf(granted)) as { readonly access_token: string }
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
    return responseOf(fetch(at, { method, headers, body: body === undefined ? null : JSON.stringify(body) }))
  }

  return {
    /** Adds a realm. */
    addRealm: (added: { readonly realm: string; readonly [name: string]: unknown }) =>
      call("POST", `${url}/admin/realms`, added),
    /** Adds a new signing key to the realm `cscs` and removes all earlier ones. */
    rotateKeys: async () => {
      const { keys } = (await call("GET", `${realm}/keys`)) as {
        readonly keys: ReadonlyArray<{ readonly algorithm: string; readonly providerId: string }>
      }
      await call("POST", `${realm}/components`, {
        name: `rsa-${Date.now()}`,
        providerId: "rsa-generated",
        providerType: "org.keycloak.keys.KeyProvider",
        config: { priority: ["100"], enabled: ["true"], active: ["true"], algorithm: ["RS256"] },
      })
      for (const { algorithm, providerId } of keys) {
        if (algorithm === "RS256") await call("DELETE", `${realm}/components/${providerId}`)
      }
    },
    /** Sets the lifetime of the access tokens of the realm `cscs`, in seconds. */
    setAccessTokenLifespan: (seconds: number) => call("PUT", realm, { accessTokenLifespan: seconds }),
    /** Ends all sessions of a user. */
    logOut: async (username: string) => {
      const found = await call("GET", `${realm}/users?exact=true&username=${encodeURIComponent(username)}`)
      await call("POST", `${realm}/users/${(found as [{ readonly id: string }])[0].id}/logout`)
    },
  }
}

const responseOf = async (pending: Promise<Response>): Promise<unknown> => {
  const response = await pending
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.url} returned ${response.status}: ${text}`)
  return text === "" ? undefined : JSON.parse(text)
}
