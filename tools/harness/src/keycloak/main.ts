/**
 * `node tools/harness/src/keycloak/main.ts [--port PORT]`: runs a real Keycloak on loopback, with the realms of the proxy's
 * tests (`realms/`), until it is stopped. Needs Java and Maven; the first start on a machine downloads Keycloak from
 * Maven Central.
 */
import { parseArgs } from "node:util"
import { administrator, startKeycloak } from "./keycloak.ts"

const { values } = parseArgs({ options: { port: { type: "string", default: "0" } } })
console.error("Starting Keycloak ...")
const { url, realmUrl, stop } = await startKeycloak(Number(values.port))
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop())
console.log(`Keycloak: ${url} (console: ${administrator.username} / ${administrator.password})
Realm: ${realmUrl}; its clients and their secrets are in tools/harness/src/keycloak/realms.
The proxy's settings for it are in docs/prerequisites.md. Stop with Ctrl+C.`)
