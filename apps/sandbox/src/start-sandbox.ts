/** Starts the sandbox: mock Waldur, HPC User API and issuer on loopback. */
import { type CallLog, callRecorder } from "./call-log.ts"
import { type Faults, faultBook } from "./faults.ts"
import { createHpcUserApiApp } from "./hpc-user-api.ts"
import { createIssuer, type IssuerSettings } from "./issuer.ts"
import type { ClaimOverrides, IssueOptions } from "./issuer-tokens.ts"
import { startListener } from "./listening-server.ts"
import { createWaldurApp } from "./waldur/app.ts"
import type { WaldurControl } from "./waldur/control.ts"
import type { Dialect } from "./waldur/dialect.ts"
import { waldurWorker } from "./waldur/worker.ts"
import { buildWorld } from "./world/build-world.ts"
import { TOKENS, type World } from "./world/world.ts"

export interface SandboxOptions {
  /** The data of the servers. Default: `buildWorld({ seed, resources })`. */
  world?: World
  /** For the built world. Default 1. */
  seed?: number
  /** For the built world; see `WorldOptions`. */
  resources?: number
  /** Ports on 127.0.0.1; the default 0 means any free port. A taken port rejects with EADDRINUSE. */
  ports?: { waldur?: number; hpcUserApi?: number; issuer?: number }
  /** The Waldur version to imitate. Default `8.x`. */
  dialect?: Dialect
  /** The clock of the issuer and the HPC User API, in milliseconds since 1970, to let tokens expire without waiting. Default `Date.now`. */
  now?: () => number
  /** See `WaldurControl`. Default true. */
  worldChangesByHand?: boolean
  /** False keeps only the counts, for a process that runs for days. Default true. */
  logCalls?: boolean
}

export interface SandboxWaldur extends WaldurControl {
  /** `http://127.0.0.1:<port>/api/` */
  url: string
  /** The token of a reader of the provider: all that a storage proxy needs. It cannot act on orders. */
  token: string
  /** The token of a manager of the provider, which can act on orders and resources. */
  actingToken: string
  /** All tokens, including one for each kind of user. */
  tokens: typeof TOKENS
}

export interface SandboxHpcUserApi {
  /** `http://127.0.0.1:<port>/`, the base of the path `/api/v1/export/waldur/projects`. */
  url: string
  clientId: string
  clientSecret: string
  tokenUrl: string
  scope: string
  /** Revokes every token that the issuer issued so far, which then gets a 401; new ones are valid. */
  revokeTokens(): void
}

export interface SandboxIssuer {
  /** The `iss` of its tokens: `http://127.0.0.1:<port>/realms/cscs`. */
  url: string
  /** For the setting `keycloak_url`: `http://127.0.0.1:<port>/` */
  baseUrl: string
  /** For the setting `keycloak_realm`. */
  realm: string
  discoveryUrl: string
  tokenUrl: string
  introspectionUrl: string
  jwksUrl: string
  /** The client of a protected API: tokens name it as their audience, and it may introspect them. */
  audience: { clientId: string; clientSecret: string }
  /** A client that calls that API. */
  integrator: { clientId: string; clientSecret: string }
  settings: IssuerSettings
  /**
   * Issues an access token of the integrator's service account with these claims over its own (`undefined` removes one),
   * signed as requested; valid by default.
   */
  issueToken(claims?: ClaimOverrides, options?: IssueOptions): Promise<string>
  /** Replaces the keys and kids; earlier JWTs become invalid unless `keepOld` is set. */
  rotateKeys(options?: { keepOld?: boolean }): Promise<void>
  /** Makes every token issued so far inactive. */
  revokeTokens(): void
}

/** Three servers on loopback around one world. */
export interface Sandbox {
  world: World
  waldur: SandboxWaldur
  hpcUserApi: SandboxHpcUserApi
  issuer: SandboxIssuer
  faults: Faults
  calls: CallLog
  /** Closes the ports and all connections, including those that hang. */
  close(): Promise<void>
}

const AUDIENCE = { clientId: "storage-proxy", clientSecret: "storage-proxy-secret" }
const INTEGRATOR = { clientId: "integrator", clientSecret: "integrator-secret" }
const HPC_USER_CLIENT = { clientId: "hpc-user-client", clientSecret: "hpc-user-secret" }

/** Starts the three servers; resolves once all of them listen. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { ports = {} } = options
  const world = options.world ?? buildWorld(options)
  const calls = callRecorder(options.logCalls ?? true)
  const faults = faultBook()
  const control: WaldurControl = {
    dialect: options.dialect ?? "8.x",
    arrange: undefined,
    worker: waldurWorker(),
    trimsNested: false,
    worldChangesByHand: options.worldChangesByHand ?? true,
  }
  let issuerUrl = ""
  const settings: IssuerSettings = {
    clients: new Map([AUDIENCE, INTEGRATOR, HPC_USER_CLIENT].map((client) => [client.clientId, client.clientSecret])),
    expiresIn: 300,
    tokenFormat: "jwt",
    publicClients: new Map(),
    users: new Map([["operator", {}]]),
  }
  const now = options.now ?? Date.now
  const issuer = createIssuer(() => issuerUrl, settings, now)
  const waldurApp = createWaldurApp(world, control)
  const hpcUserApp = createHpcUserApiApp(world, issuer.accepts)

  const listen = (upstream: keyof typeof ports, app: Pick<typeof hpcUserApp, "fetch">, clock: () => number) =>
    startListener({
      upstream,
      port: ports[upstream] ?? 0,
      handle: (request, exchange) => app.fetch(request, exchange),
      calls,
      faults,
      now: clock,
    })
  const started = await Promise.allSettled([
    // The world's clock dates its changes, and so its responses.
    listen("waldur", waldurApp, () => Date.parse(world.now)),
    listen("hpcUserApi", hpcUserApp, now),
    listen("issuer", issuer.app, now),
  ])
  const listeners = started.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []))
  const close = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.close()))
  }
  const [waldurListener, hpcUserListener, issuerListener] = listeners
  if (!waldurListener || !hpcUserListener || !issuerListener) {
    await close()
    throw started.find((result) => result.status === "rejected")?.reason
  }
  issuerUrl = `${issuerListener.origin}/realms/cscs`
  const endpoint = (name: string): string => `${issuerUrl}/protocol/openid-connect/${name}`

  return {
    world,
    // The same object, so that a test's changes reach the app.
    waldur: Object.assign(control, {
      url: `${waldurListener.origin}/api/`,
      token: TOKENS.reader,
      actingToken: TOKENS.manager,
      tokens: TOKENS,
    }),
    hpcUserApi: {
      url: `${hpcUserListener.origin}/`,
      ...HPC_USER_CLIENT,
      tokenUrl: endpoint("token"),
      scope: "openid",
      revokeTokens: issuer.revokeTokens,
    },
    issuer: {
      url: issuerUrl,
      baseUrl: `${issuerListener.origin}/`,
      realm: "cscs",
      discoveryUrl: `${issuerUrl}/.well-known/openid-configuration`,
      tokenUrl: endpoint("token"),
      introspectionUrl: endpoint("token/introspect"),
      jwksUrl: endpoint("certs"),
      audience: AUDIENCE,
      integrator: INTEGRATOR,
      settings,
      issueToken: issuer.issueToken,
      rotateKeys: issuer.rotateKeys,
      revokeTokens: issuer.revokeTokens,
    },
    faults,
    calls,
    close,
  }
}
