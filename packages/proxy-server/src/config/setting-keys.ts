/** The table of all settings: path, environment variable, type, default and description. */
import { Duration } from "effect"
import { key, keyWithDefault, type SettingsTable } from "./setting-key.ts"
import {
  flag,
  gid,
  headerValue,
  httpUrl,
  logLevel,
  mapping,
  oneOf,
  originList,
  positiveNumber,
  proxyUrl,
  ratio,
  realm,
  redisUrl,
  secret,
  sentryDsn,
  systemMapping,
  text,
  textList,
  timeout,
  timeSpan,
  waldurToken,
} from "./setting-types.ts"

/** All settings. Any other key is unknown. */
export const settingKeys = {
  debug: keyWithDefault("debug", flag, false, { description: "The same as `log_level: debug`." }),
  logLevel: key("log_level", logLevel, {
    description: "The lowest level that is logged; default `info`, or `debug` if `debug` is set.",
  }),
  agentHeader: key("agent_header", headerValue, {
    description: "The User-Agent of requests to the upstreams; default `cscs-storage-proxy/<version>`.",
  }),

  waldurApiUrl: key("waldur_api_url", httpUrl, { description: "Waldur's address, with or without `/api`. Required." }),
  waldurApiToken: key("waldur_api_token", waldurToken, {
    description:
      "The API token of a Waldur user; a reader of the provider (CUSTOMER.READER in its organization) suffices. Required.",
  }),
  waldurVerifySsl: keyWithDefault("waldur_verify_ssl", flag, true, { description: "Check Waldur's certificate." }),
  waldurCaFile: key("waldur_ca_file", text, {
    description: "A PEM file with the authorities for Waldur's certificate, instead of the system's.",
  }),
  waldurSocksProxy: key("waldur_socks_proxy", proxyUrl, {
    description: "The proxy for Waldur; default HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.",
  }),
  waldurTimeout: keyWithDefault("waldur_timeout", timeout, Duration.seconds(60), {
    description: "The timeout of one attempt at a call; a full page of a real Waldur can take 15 seconds.",
  }),

  callbackOrigins: keyWithDefault<ReadonlyArray<string>>("callback_origins", originList, [], {
    description:
      "Additional origins, besides that of `waldur_api_url`, that an order's callback URLs may have, such as `https://waldur.example.org`.",
  }),

  storageSystems: key("storage_systems", systemMapping, {
    description:
      "Storage systems by name, each with the slug of its offering in Waldur (`capstor: capstor`) or with slug and UUID (`capstor: {slug: capstor, uuid: …}`), in list order. With a UUID, only resources of that offering are served. Required.",
  }),
  backendComponents: key("backend_components", mapping, {
    description: "If given, it must contain `storage`, in TB with `unit_factor` 1, like Waldur's offerings.",
  }),
  storageFileSystem: keyWithDefault("backend_settings.storage_file_system", text, "lustre", {
    variable: "STORAGE_FILE_SYSTEM",
    description: "The file system's name in each entry.",
  }),
  inodeSoftCoefficient: keyWithDefault("backend_settings.inode_soft_coefficient", positiveNumber(1_000_000), 1.33, {
    variable: "INODE_SOFT_COEFFICIENT",
    description: "The soft inode quota, as a multiple of the inodes that belong to the space.",
  }),
  inodeHardCoefficient: keyWithDefault("backend_settings.inode_hard_coefficient", positiveNumber(1_000_000), 2.0, {
    variable: "INODE_HARD_COEFFICIENT",
    description: "The hard inode quota, likewise; at least the soft one.",
  }),
  inodeBaseMultiplier: keyWithDefault("backend_settings.inode_base_multiplier", positiveNumber(1e12), 1_000_000, {
    variable: "INODE_BASE_MULTIPLIER",
    description: "Inodes per TB.",
  }),
  useMockTargetItems: keyWithDefault("backend_settings.use_mock_target_items", flag, false, {
    variable: "USE_MOCK_TARGET_ITEMS",
    description: "Make target items even if Waldur's `backend_metadata` contains them.",
  }),
  developmentMode: keyWithDefault("backend_settings.development_mode", flag, false, {
    description: "Use mock GIDs if the HPC User API has none. Never in production.",
  }),
  mountRoots: keyWithDefault<ReadonlyArray<string>>("backend_settings.mount_roots", textList, [], {
    description:
      "Directories that must contain every mount point, such as `/capstor`; not `/` or a system directory. Without it, only paths below system directories such as `/etc` are refused, and `check` warns.",
  }),

  hpcUserApiUrl: key("hpc_user_api.api_url", httpUrl, {
    variable: "HPC_USER_API_URL",
    description: "The HPC User API's address. If this whole section is absent, all GIDs are mocks.",
  }),
  hpcUserClientId: key("hpc_user_api.client_id", text, {
    variable: "HPC_USER_CLIENT_ID",
    description: "The proxy's OAuth 2.0 client ID there.",
  }),
  hpcUserClientSecret: key("hpc_user_api.client_secret", secret, {
    variable: "HPC_USER_CLIENT_SECRET",
    description: "The client's secret.",
  }),
  hpcUserTokenUrl: key("hpc_user_api.oidc_token_url", httpUrl, {
    variable: "HPC_USER_OIDC_TOKEN_URL",
    description: "The token endpoint.",
  }),
  hpcUserScope: keyWithDefault("hpc_user_api.oidc_scope", text, "openid", {
    variable: "HPC_USER_OIDC_SCOPE",
    description: "The requested scope.",
  }),
  hpcUserVerifySsl: keyWithDefault("hpc_user_api.verify_ssl", flag, true, {
    description: "Check the certificates of the HPC User API and its token endpoint.",
  }),
  hpcUserCaFile: key("hpc_user_api.ca_file", text, {
    description: "A PEM file with the authorities for their certificates, instead of the system's.",
  }),
  hpcUserSocksProxy: key("hpc_user_api.socks_proxy", proxyUrl, {
    variable: "HPC_USER_SOCKS_PROXY",
    description: "The proxy for the HPC User API and its token endpoint; default as for Waldur.",
  }),
  hpcUserTimeout: keyWithDefault("hpc_user_api.timeout", timeout, Duration.seconds(60), {
    description: "The timeout of one attempt at a call.",
  }),
  hpcUserDevelopmentMode: keyWithDefault("hpc_user_api.development_mode", flag, false, {
    variable: "HPC_USER_DEVELOPMENT_MODE",
    description: "The same as `backend_settings.development_mode`.",
  }),
  gidFallback: keyWithDefault("hpc_user_api.fallback", oneOf("none", "mock"), "none", {
    description: "`mock`: use mock GIDs if the HPC User API has none. Never in production.",
  }),
  minGid: keyWithDefault("hpc_user_api.min_gid", gid, 1000, {
    description: "The smallest GID that is served.",
  }),
  maxGid: keyWithDefault("hpc_user_api.max_gid", gid, 2_147_483_647, {
    description: "The largest GID that is served; at least `min_gid`.",
  }),

  disableAuth: keyWithDefault("auth.disable_auth", flag, false, {
    variable: "DISABLE_AUTH",
    description: "Serve requests without authentication. Never in production.",
  }),
  authMode: keyWithDefault("auth.mode", oneOf("jwt", "introspection"), "jwt", {
    description:
      "`jwt`: verify tokens with the issuer's keys. `introspection`: ask the issuer about each token (RFC 7662).",
  }),
  keycloakUrl: keyWithDefault("auth.keycloak_url", httpUrl, "https://auth-tds.cscs.ch/auth/", {
    variable: "CSCS_KEYCLOAK_URL",
    description: "Keycloak's address; the realm is below `realms/`.",
  }),
  keycloakRealm: keyWithDefault("auth.keycloak_realm", realm, "cscs", {
    variable: "CSCS_KEYCLOAK_REALM",
    description: "The realm whose tokens are accepted.",
  }),
  keycloakClientId: key("auth.keycloak_client_id", text, {
    variable: "CSCS_KEYCLOAK_CLIENT_ID",
    description:
      "The proxy's client ID there. Required while authentication is on, unless `auth.mode` is `jwt` and `auth.audience` is given.",
  }),
  keycloakClientSecret: key("auth.keycloak_client_secret", secret, {
    variable: "CSCS_KEYCLOAK_CLIENT_SECRET",
    description: "The client's secret; needed for introspection only.",
  }),
  issuer: key("auth.issuer", httpUrl, {
    description: "The `iss` of tokens, if it differs from the realm's address: the public name of an internal host.",
  }),
  audience: key("auth.audience", textList, {
    description:
      "The accepted audiences: a token must name one of these in its `aud` or `azp`; default the client ID. Keycloak's introspection accepts only tokens with the proxy's client in `aud`.",
  }),
  requiredRoles: keyWithDefault<ReadonlyArray<string>>("auth.required_roles", textList, [], {
    description: "Roles that a token must have, all of them: `name` for a realm role, `client:name` for a client role.",
  }),
  debugRoles: keyWithDefault<ReadonlyArray<string>>("auth.debug_roles", textList, [], {
    description:
      "Further roles that a token must have for debug mode, which lists skipped records, and for explanations, in the same form; default none.",
  }),
  authVerifySsl: keyWithDefault("auth.verify_ssl", flag, true, { description: "Check the issuer's certificate." }),
  authCaFile: key("auth.ca_file", text, {
    description: "A PEM file with the authorities for the issuer's certificate, instead of the system's.",
  }),
  authSocksProxy: key("auth.socks_proxy", proxyUrl, {
    description: "The proxy for the issuer; default as for Waldur.",
  }),

  explorerEnabled: keyWithDefault("explorer.enabled", flag, true, {
    description: "Serve the explorer, the web UI, at `/explorer/`.",
  }),
  explorerClientId: key("explorer.client_id", text, {
    description:
      "A public client of the realm with which people sign in to the explorer (authorization code with PKCE); without it they paste a token.",
  }),

  corsAllowedOrigins: keyWithDefault<ReadonlyArray<string>>("cors.allowed_origins", originList, [], {
    description: "Origins of web pages that may read responses, such as `https://portal.example.org`.",
  }),

  freshFor: keyWithDefault("cache.fresh_for", timeSpan, Duration.seconds(10), {
    description: "How long the tree is served without asking Waldur for changes; with 0 every request asks.",
  }),
  keepWarmFor: keyWithDefault("cache.keep_warm_for", timeSpan, Duration.minutes(5), {
    description:
      "How long after a request the tree is still refreshed in the background, so that the next request does not wait; with 0 it is refreshed only on request.",
  }),
  fullRefreshEvery: keyWithDefault("cache.full_refresh_every", timeSpan, Duration.minutes(10), {
    description:
      "How often all of Waldur is read, and not only changes: a renamed project or customer can keep its old name for this long. 0 reads everything each time.",
  }),
  emptyGuard: keyWithDefault("cache.empty_guard", timeSpan, Duration.hours(1), {
    description:
      "The loss guard: how long the last good entries of a storage system stay if a refresh would lose its last live one, or leave fewer than half of at least ten live. `0s` disables the guard.",
  }),
  staleIfError: keyWithDefault("cache.stale_if_error", timeSpan, Duration.minutes(5), {
    description: "How long the last good tree is served while an upstream fails.",
  }),
  cachePath: key("cache.path", text, {
    description:
      "A file that keeps the last good tree and its GIDs across restarts: a regular file that only the proxy's user may write, in a directory that it may write.",
  }),
  cacheUrl: key("cache.url", redisUrl, {
    description:
      "A Valkey or Redis through which replicas share what one of them reads: `redis://` or `rediss://`, with user and password if it requires them.",
  }),

  sentryDsn: key("sentry.dsn", sentryDsn, {
    description: "The DSN of a Sentry project that receives faults and outages; without it nothing is sent.",
  }),
  sentryEnvironment: key("sentry.environment", text, {
    description: "The environment name in Sentry; default `production`.",
  }),
  sentryTracesSampleRate: keyWithDefault("sentry.traces_sample_rate", ratio, 0, {
    description:
      "The share of traces that are sent to Sentry, from 0 to 1; with an OpenTelemetry endpoint for traces, all are sent there.",
  }),
} as const

/** The older place of the HPC User API's settings (0.7.7), read if there is no `hpc_user_api` section. */
export const olderHpcUserPaths: Readonly<Record<string, string>> = {
  "hpc_user_api.api_url": "backend_settings.hpc_user_api_url",
  "hpc_user_api.client_id": "backend_settings.hpc_user_client_id",
  "hpc_user_api.client_secret": "backend_settings.hpc_user_client_secret",
  "hpc_user_api.oidc_token_url": "backend_settings.hpc_user_oidc_token_url",
  "hpc_user_api.oidc_scope": "backend_settings.hpc_user_oidc_scope",
  "hpc_user_api.socks_proxy": "backend_settings.hpc_user_socks_proxy",
}

// Two levels down, so not a setting of its own; but a misspelt unit_factor would be ignored silently.
const componentPaths = ["measured_unit", "accounting_type", "label", "unit_factor"].map(
  (name) => `backend_components.storage.${name}`,
)

/** The proxy's settings. */
export const proxySettingsTable: SettingsTable<typeof settingKeys> = {
  keys: settingKeys,
  olderPaths: olderHpcUserPaths,
  furtherPaths: componentPaths,
}
