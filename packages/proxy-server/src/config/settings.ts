/** The validated configuration, as the rest of the proxy uses it. */
import type { EnvironmentProxies, Secret, TlsProfile } from "@cscs/http-transport"
import type { ModelSettings } from "@cscs/storage-model"
import { Context, type Duration, type Redacted } from "effect"

/** The route to one upstream. */
export interface Egress {
  readonly tls: TlsProfile
  /** The proxy; if none is configured, what the environment's variables specify for each host. */
  readonly proxy: string | EnvironmentProxies
}

/** The connection to Waldur. */
export interface WaldurSettings extends Egress {
  readonly apiUrl: string
  readonly token: Secret
  /** The timeout of one attempt at a call. */
  readonly attemptTimeout: Duration.Duration
}

/** The connection to the HPC User API. */
export interface HpcUserApiSettings extends Egress {
  readonly apiUrl: string
  readonly clientId: string
  readonly clientSecret: Secret
  readonly tokenUrl: string
  readonly scope: string
  /** The timeout of one attempt at a call. */
  readonly attemptTimeout: Duration.Duration
}

/** Which callers are accepted. */
export interface AuthSettings extends Egress {
  readonly disabled: boolean
  /** The realm's URL: `https://auth.example.org/realms/cscs`. */
  readonly realmUrl: string
  /** The issuer that tokens name. */
  readonly issuer: string
  /** A token must name one of these in its `aud`, or its `azp` or else `client_id`. */
  readonly audience: ReadonlyArray<string>
  /** A token must have all of these: `role` is a realm role, `client:role` a client role. */
  readonly requiredRoles: ReadonlyArray<string>
  /** What debug mode, skipped records and explanations require besides, in the same form. */
  readonly debugRoles: ReadonlyArray<string>
  /** The client for introspection; `undefined` if tokens are verified with the issuer's keys. */
  readonly introspection: { readonly clientId: string; readonly clientSecret: Secret } | undefined
}

/** The explorer. */
export interface ExplorerSettings {
  readonly enabled: boolean
  /** The public client for signing in; `undefined` if people paste a token. */
  readonly clientId: string | undefined
}

/** Telemetry besides logs and `/metrics`. */
export interface TelemetrySettings {
  /** The variables `OTEL_*` as given: OpenTelemetry names and defines them. They can contain secrets. */
  readonly variables: Readonly<Record<string, string>>
  /** The environment's proxies, which lead to the collector and to Sentry. */
  readonly proxy: EnvironmentProxies
  /** `undefined` if no DSN is given. */
  readonly sentry:
    | {
        readonly dsn: Redacted.Redacted
        readonly environment: string | undefined
        /** From 0 to 1. */
        readonly tracesSampleRate: number
      }
    | undefined
}

/** The whole validated configuration. */
export interface ProxySettings {
  /** The lowest level that is logged. */
  readonly logLevel: "debug" | "info" | "warning" | "error"
  /** The User-Agent of requests to the upstreams. */
  readonly userAgent: string
  readonly waldur: WaldurSettings
  readonly model: ModelSettings
  /** `undefined` if none is configured: GIDs are then mocks, and a warning reports it. */
  readonly hpcUserApi: HpcUserApiSettings | undefined
  /** Whether a mock replaces a GID that the HPC User API does not have. */
  readonly mockGids: boolean
  /** Whether `hpc_user_api.fallback: mock` asks for mock GIDs by name, and so certainly on purpose. */
  readonly mockGidsByName: boolean
  readonly auth: AuthSettings
  readonly explorer: ExplorerSettings
  readonly cors: { readonly allowedOrigins: ReadonlyArray<string> }
  /** `setting-keys.ts` describes the durations. */
  readonly cache: {
    readonly freshFor: Duration.Duration
    readonly keepWarmFor: Duration.Duration
    readonly fullRefreshEvery: Duration.Duration
    readonly emptyGuard: Duration.Duration
    readonly staleIfError: Duration.Duration
    /** The file that keeps the last good tree across restarts. */
    readonly path: string | undefined
    /** The Valkey or Redis that replicas share. */
    readonly url: Secret | undefined
  }
  readonly telemetry: TelemetrySettings
  /** As shown in debug mode. */
  readonly backend: {
    readonly settings: Readonly<Record<string, unknown>>
    readonly components: Readonly<Record<string, unknown>>
  }
  /** The files from which secrets were read: named by `<name>_FILE`, `.env`, or the YAML file. */
  readonly secretFiles: ReadonlyArray<string>
  /** Unknown keys of the file, which have no effect. The first of them have a warning too. */
  readonly ignoredKeys: ReadonlyArray<string>
  /** Warnings about the configuration for the operator. */
  readonly warnings: ReadonlyArray<string>
  /** Each setting in effect with its source, for the log; secrets are masked. */
  readonly effective: ReadonlyArray<{
    readonly path: string
    readonly value: string
    /** Of the whole, unmasked value; a secret has none. */
    readonly digest?: string
    readonly source: string
    /** Whether the value is the key's default, given or not. */
    readonly isDefault: boolean
  }>
}

/** The configuration of the process. */
export class Settings extends Context.Service<Settings, ProxySettings>()("@cscs/proxy-server/Settings") {}
