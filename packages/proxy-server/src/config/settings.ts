import type { ModelSettings } from "@cscs/storage-model"
import { Context, type Duration, type Redacted } from "effect"

/** How the HPC User API is reached. */
export interface HpcUserApiSettings {
  readonly apiUrl: string
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted
  readonly tokenUrl: string
  readonly scope: string
  readonly socksProxy?: string
}

/** The whole configuration, checked. */
export interface ProxySettings {
  readonly debug: boolean
  /** The User-Agent of requests to the upstreams. */
  readonly userAgent: string
  readonly waldur: {
    readonly apiUrl: string
    readonly token: Redacted.Redacted
    readonly verifyTls: boolean
    readonly socksProxy?: string
  }
  readonly model: ModelSettings
  /** `undefined` where none is configured: GIDs are then made up, and it is said. */
  readonly hpcUserApi: HpcUserApiSettings | undefined
  /** Whether GIDs are made up where the HPC User API gives none. */
  readonly mockGids: boolean
  readonly auth: {
    readonly disabled: boolean
    readonly keycloakUrl: string
    readonly realm: string
    readonly clientId: string | undefined
    readonly clientSecret: Redacted.Redacted | undefined
    readonly audience: ReadonlyArray<string>
  }
  readonly cache: { readonly freshFor: Duration.Duration; readonly staleIfError: Duration.Duration }
  /** As debug mode shows them. */
  readonly backend: {
    readonly settings: Readonly<Record<string, unknown>>
    readonly components: Readonly<Record<string, unknown>>
  }
  /** What the operator should know of the configuration, in words. */
  readonly warnings: ReadonlyArray<string>
}

export class Settings extends Context.Service<Settings, ProxySettings>()("@cscs/proxy-server/Settings") {}
