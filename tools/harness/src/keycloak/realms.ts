/** The clients and users of `realms/`, for tests. */
import cscs from "./realms/cscs-realm.json" with { type: "json" }
import other from "./realms/other-realm.json" with { type: "json" }

export const realmNames: ReadonlyArray<string> = [cscs.realm, other.realm]

/** A client of the realm `cscs`, by its ID. */
export const realmClient = (clientId: "storage-proxy" | "provisioner" | "foreign") => {
  const client = cscs.clients.find((each) => each.clientId === clientId)
  if (client === undefined) throw new Error(`realms/cscs-realm.json has no client ${clientId}`)
  return client
}

/** Two users of the realm `cscs` with passwords, without roles of the proxy. */
export const realmUser = { username: "ada", password: "password-of-ada" } as const
export const secondRealmUser = { username: "grace", password: "password-of-grace" } as const
