import { Duration, type Schema } from "effect"
import {
  Flag,
  HttpUrl,
  Mapping,
  oneOf,
  PositiveInteger,
  PositiveNumber,
  Secret,
  SocksProxy,
  Text,
  TextList,
  TimeSpan,
} from "./setting-types.ts"

/** One setting: where it stands in the YAML file and the environment, what it may be, and what it is if not given. */
export interface SettingKey<A> {
  /** In the YAML file: `cache.fresh_for`. */
  readonly path: string
  /** In the environment. */
  readonly variable: string
  readonly schema: Schema.Decoder<unknown>
  readonly fallback: A
  readonly secret: boolean
  readonly description: string
}

interface About {
  /** Where the peers have named it otherwise than by its path in capitals. */
  readonly variable?: string
  readonly description: string
}

const key = <A>(path: string, schema: Schema.Decoder<A>, about: About): SettingKey<A | undefined> =>
  keyWithDefault<A | undefined>(path, schema, undefined, about)

const keyWithDefault = <A>(path: string, schema: Schema.Decoder<A>, fallback: A, about: About): SettingKey<A> => ({
  path,
  variable: about.variable ?? path.replaceAll(".", "_").toUpperCase(),
  schema,
  fallback,
  secret: (schema as unknown) === Secret,
  description: about.description,
})

/** All settings there are. What is not here is unknown. */
export const settingKeys = {
  debug: keyWithDefault("debug", Flag, false, { description: "Log what helps to find a fault." }),
  agentHeader: key("agent_header", Text, { description: "The User-Agent of requests to the upstreams." }),

  waldurApiUrl: key("waldur_api_url", HttpUrl, { description: "Waldur's address, with or without /api." }),
  waldurApiToken: key("waldur_api_token", Secret, { description: "The token of a user with a role in the offerings." }),
  waldurVerifySsl: keyWithDefault("waldur_verify_ssl", Flag, true, { description: "Check Waldur's certificate." }),
  waldurSocksProxy: key("waldur_socks_proxy", SocksProxy, { description: "The SOCKS proxy on the way to Waldur." }),

  storageSystems: key("storage_systems", Mapping, {
    description: "Storage systems by name, each with the slug of its offering in Waldur, in the order of the list.",
  }),
  backendComponents: key("backend_components", Mapping, {
    description: "Where given: storage, in TB with unit_factor 1, as Waldur's offerings count it.",
  }),
  storageFileSystem: keyWithDefault("backend_settings.storage_file_system", Text, "lustre", {
    variable: "STORAGE_FILE_SYSTEM",
    description: "The file system's name in each entry.",
  }),
  inodeSoftCoefficient: keyWithDefault("backend_settings.inode_soft_coefficient", PositiveNumber, 1.33, {
    variable: "INODE_SOFT_COEFFICIENT",
    description: "Soft inode quota, as a multiple of the inodes that the space brings.",
  }),
  inodeHardCoefficient: keyWithDefault("backend_settings.inode_hard_coefficient", PositiveNumber, 2.0, {
    variable: "INODE_HARD_COEFFICIENT",
    description: "Hard inode quota, likewise; not below the soft one.",
  }),
  inodeBaseMultiplier: keyWithDefault("backend_settings.inode_base_multiplier", PositiveNumber, 1_000_000, {
    variable: "INODE_BASE_MULTIPLIER",
    description: "Inodes that one TB brings.",
  }),
  useMockTargetItems: keyWithDefault("backend_settings.use_mock_target_items", Flag, false, {
    variable: "USE_MOCK_TARGET_ITEMS",
    description: "Make target items also where Waldur's backend_metadata holds them.",
  }),
  developmentMode: keyWithDefault("backend_settings.development_mode", Flag, false, {
    description: "Made-up GIDs wherever the HPC User API gives none.",
  }),
  mountRoots: keyWithDefault<ReadonlyArray<string>>("backend_settings.mount_roots", TextList, [], {
    description: "Directories below one of which an absolute backend_id must lie.",
  }),

  hpcUserApiUrl: key("hpc_user_api.api_url", HttpUrl, {
    variable: "HPC_USER_API_URL",
    description: "The HPC User API's address.",
  }),
  hpcUserClientId: key("hpc_user_api.client_id", Text, {
    variable: "HPC_USER_CLIENT_ID",
    description: "Our OAuth 2.0 client there.",
  }),
  hpcUserClientSecret: key("hpc_user_api.client_secret", Secret, {
    variable: "HPC_USER_CLIENT_SECRET",
    description: "Its secret.",
  }),
  hpcUserTokenUrl: key("hpc_user_api.oidc_token_url", HttpUrl, {
    variable: "HPC_USER_OIDC_TOKEN_URL",
    description: "The token endpoint.",
  }),
  hpcUserScope: keyWithDefault("hpc_user_api.oidc_scope", Text, "openid", {
    variable: "HPC_USER_OIDC_SCOPE",
    description: "The scope asked for.",
  }),
  hpcUserSocksProxy: key("hpc_user_api.socks_proxy", SocksProxy, {
    variable: "HPC_USER_SOCKS_PROXY",
    description: "The SOCKS proxy on the way to the HPC User API and its token endpoint.",
  }),
  hpcUserDevelopmentMode: keyWithDefault("hpc_user_api.development_mode", Flag, false, {
    variable: "HPC_USER_DEVELOPMENT_MODE",
    description: "The same as backend_settings.development_mode.",
  }),
  gidFallback: keyWithDefault("hpc_user_api.fallback", oneOf(["none", "mock"]), "none", {
    description: "mock: made-up GIDs wherever the HPC User API gives none. Never in production.",
  }),
  minGid: keyWithDefault("hpc_user_api.min_gid", PositiveInteger, 1000, {
    description: "The smallest GID that is served.",
  }),

  disableAuth: keyWithDefault("auth.disable_auth", Flag, false, {
    variable: "DISABLE_AUTH",
    description: "Answer everybody. Never in production.",
  }),
  keycloakUrl: keyWithDefault("auth.keycloak_url", HttpUrl, "https://auth-tds.cscs.ch/auth/", {
    variable: "CSCS_KEYCLOAK_URL",
    description: "Keycloak's address.",
  }),
  keycloakRealm: keyWithDefault("auth.keycloak_realm", Text, "cscs", {
    variable: "CSCS_KEYCLOAK_REALM",
    description: "The realm whose tokens open the list.",
  }),
  keycloakClientId: key("auth.keycloak_client_id", Text, {
    variable: "CSCS_KEYCLOAK_CLIENT_ID",
    description: "Our client there.",
  }),
  keycloakClientSecret: key("auth.keycloak_client_secret", Secret, {
    variable: "CSCS_KEYCLOAK_CLIENT_SECRET",
    description: "Its secret.",
  }),
  audience: key("auth.audience", TextList, {
    description: "Audiences that a token may be for; default the client id.",
  }),

  freshFor: keyWithDefault("cache.fresh_for", TimeSpan, Duration.seconds(10), {
    description: "How long an answer of Waldur's is given without asking again.",
  }),
  staleIfError: keyWithDefault("cache.stale_if_error", TimeSpan, Duration.minutes(5), {
    description: "How long the last good one is given while an upstream fails.",
  }),
} as const

/** The older place of the HPC User API's settings (0.7.7), read where there is no `hpc_user_api` section. */
export const olderHpcUserPaths: Readonly<Record<string, string>> = {
  "hpc_user_api.api_url": "backend_settings.hpc_user_api_url",
  "hpc_user_api.client_id": "backend_settings.hpc_user_client_id",
  "hpc_user_api.client_secret": "backend_settings.hpc_user_client_secret",
  "hpc_user_api.oidc_token_url": "backend_settings.hpc_user_oidc_token_url",
  "hpc_user_api.oidc_scope": "backend_settings.hpc_user_oidc_scope",
  "hpc_user_api.socks_proxy": "backend_settings.hpc_user_socks_proxy",
}
