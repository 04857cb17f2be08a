import { type Sandbox, startSandbox } from "@cscs/sandbox"
import { Duration } from "effect"
import { onTestFinished } from "vitest"
import { asked, type Document, type Got, started, startProxy, type TestedProxy } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"

/** A proxy that requires tokens of the sandbox's issuer, whose clock follows the proxy's. */
export interface LockedProxy extends TestedProxy {
  /** Requests the list with this `Authorization` header. */
  readonly asking: (authorization?: string) => Promise<Got>
  readonly bearing: (token: string) => Promise<Got>
  /** Number of times that the keys were fetched. */
  readonly keyFetches: () => number
  /** Number of introspection requests. */
  readonly introspections: () => number
}

export interface LockedProxyOptions {
  readonly prepare?: (sandbox: Sandbox) => void
  /** Overrides for the `auth` section. */
  readonly auth?: (sandbox: Sandbox) => Document
}

export const jwksPath = "/realms/cscs/protocol/openid-connect/certs"
export const introspectionPath = "/realms/cscs/protocol/openid-connect/token/introspect"
export const discoveryPath = "/realms/cscs/.well-known/openid-configuration"

/** The caller closes it; `aLockedProxy` does so itself. */
export const startLockedProxy = async ({ prepare, auth }: LockedProxyOptions = {}): Promise<LockedProxy> => {
  let now = started
  const sandbox = await startSandbox({ world: aWorld(6), now: () => now })
  const proxy = await startProxy({
    sandbox,
    ...(prepare === undefined ? {} : { prepare }),
    document: ({ issuer }) => ({
      auth: {
        keycloak_url: issuer.baseUrl,
        keycloak_client_id: issuer.audience.clientId,
        keycloak_client_secret: issuer.audience.clientSecret,
        ...auth?.(sandbox),
      },
    }),
  })
  const asking: LockedProxy["asking"] = (authorization) =>
    proxy.get("/api/storage-resources/", {
      headers: authorization === undefined ? {} : { Authorization: authorization },
    })
  const count = (path: string) => asked(sandbox, "issuer").filter((call) => call.includes(` ${path}?`)).length
  return {
    ...proxy,
    asking,
    bearing: (token) => asking(`Bearer ${token}`),
    keyFetches: () => count(jwksPath),
    introspections: () => count(introspectionPath),
    pass: async (duration) => {
      await proxy.pass(duration)
      now += Duration.toMillis(Duration.fromInputUnsafe(duration))
    },
    close: async () => {
      await proxy.close()
      await sandbox.close()
    },
  }
}

/** A locked proxy that is closed when the test ends. */
export const aLockedProxy = async (options: LockedProxyOptions = {}): Promise<LockedProxy> => {
  const proxy = await startLockedProxy(options)
  onTestFinished(() => proxy.close())
  return proxy
}
