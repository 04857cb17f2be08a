import type { EnvironmentProxies, Secret, TlsProfile } from "@cscs/http-transport"
import type { ModelSettings } from "@cscs/storage-model"
import { Context, type Duration, type Redacted } from "effect"

/** The way out to one upstream. */
export interface Egress {
  readonly tls: TlsProfile
  /** The proxy on the way; where none is configured, what the environment's variables say of each host. */
  readonly proxy: string | EnvironmentProxies
}

/** How Waldur is reached. */
export interface WaldurSettings extends Egress {
  readonly apiUrl: string
  readonly token: Secret
  /** For one attempt at a call. */
  readonly attemptTimeout: Duration.Duration
}

/** How the HPC User API is reached. */
export interface HpcUserApiSettings extends Egress {
  readonly apiUrl: string
  readonly clientId: string
  readonly clientSecret: Secret
  readonly tokenUrl: string
  readonly scope: string
  /** For one attempt at a call. */
  readonly attemptTimeout: Duration.Duration
}

/** Who may ask. */
export interface AuthSettings extends Egress {
  readonly disabled: boolean
  /** Where the realm is asked: `https://auth.example.org/realms/cscs`. */
  readonly realmUrl: string
  /** What tokens say of who issued them. */
  readonly issuer: string
  /** A token names one of these in its `aud` or `azp`. */
  readonly audience: ReadonlyArray<string>
  /** A token has all of these: `role` of the realm, `client:role` of a client. */
  readonly requiredRoles: ReadonlyArray<string>
  /** The client that asks about tokens; `undefined` where they are verified by the issuer's keys. */
  readonly introspection: { readonly clientId: string; readonly clientSecret: Secret } | undefined
}

/** Where else it is told how we are doing. */
export interface TelemetrySettings {
  /** The variables `OTEL_*` as they were given: OpenTelemetry names and defines them. They can hold secrets. */
  readonly variables: Readonly<Record<string, string>>
  /** What the environment says of the way there. */
  readonly proxy: EnvironmentProxies
  /** `undefined` where no DSN is given. */
  readonly sentry:
    | {
        readonly dsn: Redacted.Redacted
        readonly environment: string | undefined
        /** From 0 to 1. */
        readonly tracesSampleRate: number
      }
    | undefined
}

/** The whole configuration, checked. */
export interface ProxySettings {
  /** The least that is logged. */
  readonly logLevel: "debug" | "info" | "warning" | "error"
  /** The User-Agent of requests to the upstreams. */
  readonly userAgent: string
  readonly waldur: WaldurSettings
  readonly model: ModelSettings
  /** `undefined` where none is configured: GIDs are then made up, and it is said. */
  readonly hpcUserApi: HpcUserApiSettings | undefined
  /** Whether GIDs are made up where the HPC User API gives none. */
  readonly mockGids: boolean
  readonly auth: AuthSettings
  readonly cors: { readonly allowedOrigins: ReadonlyArray<string> }
  readonly cache: {
    readonly freshFor: Duration.Duration
    readonly keepWarmFor: Duration.Duration
    readonly fullRefreshEvery: Duration.Duration
    readonly emptyGuard: Duration.Duration
    readonly staleIfError: Duration.Duration
    /** The file that keeps the last good tree over a restart. */
    readonly path: string | undefined
    /** Of the Valkey or Redis through which replicas share. */
    readonly url: Secret | undefined
  }
  readonly telemetry: TelemetrySettings
  /** As debug mode shows them. */
  readonly backend: {
    readonly settings: Readonly<Record<string, unknown>>
    readonly components: Readonly<Record<string, unknown>>
  }
  /** The files that a secret was read from: the one that `<name>_FILE` names, `.env`, or the YAML file. */
  readonly secretFiles: ReadonlyArray<string>
  /** What the operator should know of the configuration, in words. */
  readonly warnings: ReadonlyArray<string>
  /** Each setting as it counts and where it came from, for the log: secrets are masked. */
  readonly effective: ReadonlyArray<{ readonly path: string; readonly value: string; readonly source: string }>
}

/** The configuration that everything runs with. */
export class Settings extends Context.Service<Settings, ProxySettings>()("@cscs/proxy-server/Settings") {}
