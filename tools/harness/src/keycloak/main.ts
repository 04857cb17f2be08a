/**
 * `node tools/harness/src/keycloak/main.ts [--port <port>]`: runs a real Keycloak on loopback, with the realm
 * of the proxy's tests, until it is stopped. Needs Java and Maven; the first start on a machine downloads Keycloak from
 * Maven Central.
 */
import { parseArgs } from "node:util"
import { administrator, startKeycloak } from "./keycloak.ts"
import { keycloakVersion } from "./keycloak-distribution.ts"
import { otherRealmUser, realmClient, realmClients, realmUser } from "./realms.ts"

const main = async (): Promise<void> => {
  const { values } = parseArgs({ options: { port: { type: "string", default: "0" } } })
  if (!/^\d{1,5}$/.test(values.port)) throw new Error("--port takes a number")
  console.error("Starting Keycloak ...")
  const keycloak = await startKeycloak(Number(values.port))
  const tokenUrl = `${keycloak.realmUrl}/protocol/openid-connect/token`
  const ourselves = realmClient("storage-proxy")
  const caller = realmClient("provisioner")
  console.log(`
Keycloak ${keycloakVersion}: ${keycloak.url}     (console: ${administrator.username} / ${administrator.password})
Realm: ${keycloak.realmUrl}

Clients:
${realmClients.map((each) => `  ${each.clientId.padEnd(14)} ${each.secret.padEnd(24)} ${each.description}`).join("\n")}
Users: ${[realmUser, otherRealmUser].map(({ username, password }) => `${username} / ${password}`).join(", ")}

The proxy takes its tokens with:

  export CSCS_KEYCLOAK_URL=${keycloak.url} CSCS_KEYCLOAK_REALM=cscs CSCS_KEYCLOAK_CLIENT_ID=${ourselves.clientId}
  export CSCS_KEYCLOAK_CLIENT_SECRET=${ourselves.secret} AUTH_MODE=introspection     # to ask about each token

A token:

  curl -s -d grant_type=client_credentials -d client_id=${caller.clientId} -d client_secret=${caller.secret} \\
    ${tokenUrl}

Stop with Ctrl+C.`)
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void keycloak.stop())
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
