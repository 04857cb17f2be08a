import { Duration } from "effect"
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
  type SettingType,
  secret,
  sentryDsn,
  systemMapping,
  text,
  textList,
  timeout,
  timeSpan,
  waldurToken,
} from "./setting-types.ts"

/** One setting: its place in the YAML file and the environment, its type, and its default. */
export interface SettingKey<A> {
  /** In the YAML file: `cache.fresh_for`. */
  readonly path: string
  /** In the environment. A secret can also be given in a file, named by the variable `<name>_FILE`. */
  readonly variable: string
  readonly type: SettingType<unknown>
  readonly fallback: A
  readonly isSecret: boolean
  readonly description: string
}

interface About {
  /** If the other implementations use a different name from the path in capitals. */
  readonly variable?: string
  readonly description: string
}

const keyWithDefault = <A>(path: string, type: SettingType<A>, fallback: A, about: About): SettingKey<A> => ({
  path,
  variable: about.variable ?? path.replaceAll(".", "_").toUpperCase(),
  type,
  fallback,
  isSecret: type.isSecret === true,
  description: about.description,
})

const key = <A>(path: string, type: SettingType<A>, about: About): SettingKey<A | undefined> =>
  keyWithDefault<A | undefined>(path, type, undefined, about)

/** All settings. Any other key is unknown. */
export const settingKeys = {
  debug: keyWithDefault("debug", flag, false, { description: "The same as `log_level: debug`." }),
  logLevel: key("log_level", logLevel, {
    description: "The least that is logged; default `info`, or `debug` where `debug` is set.",
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
    description: "A PEM file with the certificates that Waldur's is checked against, in place of the system's.",
  }),
  waldurSocksProxy: key("waldur_socks_proxy", proxyUrl, {
    description: "The proxy on the way to Waldur; default what HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say.",
  }),
  waldurTimeout: keyWithDefault("waldur_timeout", timeout, Duration.seconds(60), {
    description: "How long one attempt at a call may take; a full page of a real Waldur can take 15 seconds.",
  }),

  callbackOrigins: keyWithDefault<ReadonlyArray<string>>("callback_origins", originList, [], {
    description:
      "Origins beside that of `waldur_api_url` on which an order's callback URLs are served, such as `https://waldur.example.org`.",
  }),

  storageSystems: key("storage_systems", systemMapping, {
    description:
      "Storage systems by name, each with the slug of its offering in Waldur (`capstor: capstor`) or with slug and UUID (`capstor: {slug: capstor, uuid: …}`), in the order of the list. With a UUID only the resources of that offering are served. Required.",
  }),
  backendComponents: key("backend_components", mapping, {
    description: "Where given, it holds `storage`, in TB with `unit_factor` 1, as Waldur's offerings count it.",
  }),
  storageFileSystem: keyWithDefault("backend_settings.storage_file_system", text, "lustre", {
    variable: "STORAGE_FILE_SYSTEM",
    description: "The file system's name in each entry.",
  }),
  inodeSoftCoefficient: keyWithDefault("backend_settings.inode_soft_coefficient", positiveNumber(1_000_000), 1.33, {
    variable: "INODE_SOFT_COEFFICIENT",
    description: "The soft inode quota, as a multiple of the inodes that the space brings.",
  }),
  inodeHardCoefficient: keyWithDefault("backend_settings.inode_hard_coefficient", positiveNumber(1_000_000), 2.0, {
    variable: "INODE_HARD_COEFFICIENT",
    description: "The hard inode quota, likewise; not below the soft one.",
  }),
  inodeBaseMultiplier: keyWithDefault("backend_settings.inode_base_multiplier", positiveNumber(1e12), 1_000_000, {
    variable: "INODE_BASE_MULTIPLIER",
    description: "The inodes that one TB brings.",
  }),
  useMockTargetItems: keyWithDefault("backend_settings.use_mock_target_items", flag, false, {
    variable: "USE_MOCK_TARGET_ITEMS",
    description: "Make target items also where Waldur's `backend_metadata` holds them.",
  }),
  developmentMode: keyWithDefault("backend_settings.development_mode", flag, false, {
    description: "Made-up GIDs wherever the HPC User API gives none. Never in production.",
  }),
  mountRoots: keyWithDefault<ReadonlyArray<string>>("backend_settings.mount_roots", textList, [], {
    description:
      "Directories below one of which every mount point must lie, such as `/capstor`; not `/` or a directory of the system. Without it, paths below `/etc` and its like are refused only, and `check` warns.",
  }),

  hpcUserApiUrl: key("hpc_user_api.api_url", httpUrl, {
    variable: "HPC_USER_API_URL",
    description: "The HPC User API's address. Without any of this section, GIDs are made up.",
  }),
  hpcUserClientId: key("hpc_user_api.client_id", text, {
    variable: "HPC_USER_CLIENT_ID",
    description: "Our OAuth 2.0 client there.",
  }),
  hpcUserClientSecret: key("hpc_user_api.client_secret", secret, {
    variable: "HPC_USER_CLIENT_SECRET",
    description: "Its secret.",
  }),
  hpcUserTokenUrl: key("hpc_user_api.oidc_token_url", httpUrl, {
    variable: "HPC_USER_OIDC_TOKEN_URL",
    description: "The token endpoint.",
  }),
  hpcUserScope: keyWithDefault("hpc_user_api.oidc_scope", text, "openid", {
    variable: "HPC_USER_OIDC_SCOPE",
    description: "The scope asked for.",
  }),
  hpcUserVerifySsl: keyWithDefault("hpc_user_api.verify_ssl", flag, true, {
    description: "Check the certificates of the HPC User API and its token endpoint.",
  }),
  hpcUserCaFile: key("hpc_user_api.ca_file", text, {
    description: "A PEM file with the certificates that theirs are checked against, in place of the system's.",
  }),
  hpcUserSocksProxy: key("hpc_user_api.socks_proxy", proxyUrl, {
    variable: "HPC_USER_SOCKS_PROXY",
    description: "The proxy on the way to the HPC User API and its token endpoint; default as for Waldur.",
  }),
  hpcUserTimeout: keyWithDefault("hpc_user_api.timeout", timeout, Duration.seconds(60), {
    description: "How long one attempt at a call may take.",
  }),
  hpcUserDevelopmentMode: keyWithDefault("hpc_user_api.development_mode", flag, false, {
    variable: "HPC_USER_DEVELOPMENT_MODE",
    description: "The same as `backend_settings.development_mode`.",
  }),
  gidFallback: keyWithDefault("hpc_user_api.fallback", oneOf("none", "mock"), "none", {
    description: "`mock`: made-up GIDs wherever the HPC User API gives none. Never in production.",
  }),
  minGid: keyWithDefault("hpc_user_api.min_gid", gid, 1000, {
    description: "The smallest GID that is served.",
  }),
  maxGid: keyWithDefault("hpc_user_api.max_gid", gid, 2_147_483_647, {
    description: "The largest GID that is served; not below `min_gid`.",
  }),

  disableAuth: keyWithDefault("auth.disable_auth", flag, false, {
    variable: "DISABLE_AUTH",
    description: "Answer everybody. Never in production.",
  }),
  authMode: keyWithDefault("auth.mode", oneOf("jwt", "introspection"), "jwt", {
    description: "`jwt`: verify tokens by the issuer's keys. `introspection`: ask the issuer about each (RFC 7662).",
  }),
  keycloakUrl: keyWithDefault("auth.keycloak_url", httpUrl, "https://auth-tds.cscs.ch/auth/", {
    variable: "CSCS_KEYCLOAK_URL",
    description: "Keycloak's address; its realm is asked for below `realms/`.",
  }),
  keycloakRealm: keyWithDefault("auth.keycloak_realm", realm, "cscs", {
    variable: "CSCS_KEYCLOAK_REALM",
    description: "The realm whose tokens open the list.",
  }),
  keycloakClientId: key("auth.keycloak_client_id", text, {
    variable: "CSCS_KEYCLOAK_CLIENT_ID",
    description: "Our client there. Required while authentication is on, unless `auth.audience` is given.",
  }),
  keycloakClientSecret: key("auth.keycloak_client_secret", secret, {
    variable: "CSCS_KEYCLOAK_CLIENT_SECRET",
    description: "Its secret; needed for introspection only.",
  }),
  issuer: key("auth.issuer", httpUrl, {
    description: "The `iss` of tokens, where it differs from the realm's address: the public name of an internal host.",
  }),
  audience: key("auth.audience", textList, {
    description:
      "Whom a token must be for: one of these in its `aud` or `azp`; default the client id. Keycloak answers introspection only for tokens with our client in `aud`.",
  }),
  requiredRoles: keyWithDefault<ReadonlyArray<string>>("auth.required_roles", textList, [], {
    description: "Roles that a token must all have: `name` for a realm role, `client:name` for one of a client.",
  }),
  authVerifySsl: keyWithDefault("auth.verify_ssl", flag, true, { description: "Check the issuer's certificate." }),
  authCaFile: key("auth.ca_file", text, {
    description: "A PEM file with the certificates that the issuer's is checked against, in place of the system's.",
  }),
  authSocksProxy: key("auth.socks_proxy", proxyUrl, {
    description: "The proxy on the way to the issuer; default as for Waldur.",
  }),

  corsAllowedOrigins: keyWithDefault<ReadonlyArray<string>>("cors.allowed_origins", originList, [], {
    description: "Origins of web pages that may read the answers, such as `https://portal.example.org`.",
  }),

  freshFor: keyWithDefault("cache.fresh_for", timeSpan, Duration.seconds(10), {
    description: "How long the tree is given without asking Waldur what changed; 0 asks for every request.",
  }),
  keepWarmFor: keyWithDefault("cache.keep_warm_for", timeSpan, Duration.minutes(5), {
    description:
      "How long after a request the tree is renewed in the background as it ages, so that the next request does not wait; 0 renews it only when asked.",
  }),
  fullRefreshEvery: keyWithDefault("cache.full_refresh_every", timeSpan, Duration.minutes(10), {
    description:
      "How often all of Waldur is read, and not only what changed: how long a renamed project or customer can keep its old name. 0 reads all each time.",
  }),
  emptyGuard: keyWithDefault("cache.empty_guard", timeSpan, Duration.hours(1), {
    description:
      "The loss guard: how long the last good entries of a storage system stay if a refresh would lose its last live one, or leave fewer than half of at least ten live. `0s` turns the guard off.",
  }),
  staleIfError: keyWithDefault("cache.stale_if_error", timeSpan, Duration.minutes(5), {
    description: "How long the last good tree is given while an upstream fails.",
  }),
  cachePath: key("cache.path", text, {
    description:
      "A file that keeps the last good tree and its GIDs over a restart: a regular file that only we may write, in a directory that is ours to write.",
  }),
  cacheUrl: key("cache.url", redisUrl, {
    description:
      "A Valkey or Redis through which replicas share what one of them reads: `redis://` or `rediss://`, with user and password where it wants them.",
  }),

  sentryDsn: key("sentry.dsn", sentryDsn, {
    description: "The DSN of a project in Sentry, which is told of faults and outages; without it nothing is sent.",
  }),
  sentryEnvironment: key("sentry.environment", text, {
    description: "The environment that Sentry shows; its default is `production`.",
  }),
  sentryTracesSampleRate: keyWithDefault("sentry.traces_sample_rate", ratio, 0, {
    description:
      "The share of traces that go to Sentry, from 0 to 1; with an OpenTelemetry endpoint for traces they all go there.",
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
