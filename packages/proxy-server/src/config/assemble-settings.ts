/** Assembles the settings from decoded values, and checks the rules that span several of them. */
import { environmentProxies, environmentProxyWarnings } from "@cscs/http-transport"
import { dashedUuid, isJsonObject, type ModelSettings, type StorageSystem } from "@cscs/storage-model"
import { Struct } from "effect"
import type { ConfigurationProblem } from "../config-sources/configuration-invalid.ts"
import { unwrapped } from "../config-sources/unwrapped.ts"
import { mountRoot, systemRootWarnings } from "./mount-root.ts"
import type { ValuesOf } from "./read-settings.ts"
import type { settingKeys } from "./setting-keys.ts"
import type { AuthSettings, Egress, HpcUserApiSettings, ProxySettings } from "./settings.ts"
import { foundValue, shownName } from "./shown-value.ts"
import { version } from "./version.ts"

/** Each setting's value: decoded, or its default; `undefined` if it was refused, or not given and has no default. */
type SettingValues = ValuesOf<typeof settingKeys>

/** What the rules across several settings need to know about the sources. */
interface SourceFacts {
  /** Whether a value was refused, so that it may be `undefined` although its key has a default. */
  readonly isIncomplete: boolean
  readonly has: (path: string) => boolean
  readonly hasHpcUserSection: boolean
  readonly sourceOf: (path: string) => string
  /** `backend_settings` of the YAML file, unmodified. */
  readonly backendSettings: unknown
  /** The environment's variables: proxies, and `OTEL_*`. */
  readonly variables: Readonly<Record<string, string | undefined>>
  /** The content of the configured CA files, in PEM. */
  readonly certificates: {
    readonly waldur: string | undefined
    readonly hpcUserApi: string | undefined
    readonly auth: string | undefined
  }
}

/** Assembles the settings and checks what no single key can: requirements, and consistency between settings. */
export const assembleSettings = (
  values: SettingValues,
  facts: SourceFacts,
): {
  readonly settings: Omit<ProxySettings, "effective" | "ignoredKeys" | "secretFiles"> | undefined
  readonly problems: ReadonlyArray<ConfigurationProblem>
} => {
  const problems: Array<ConfigurationProblem> = []
  const wrong: Wrong = (path, found, allowed) => {
    problems.push({ path, source: facts.sourceOf(path), found, allowed })
  }
  const missing: Missing = (path, allowed) => {
    if (!facts.has(path)) wrong(path, "nothing", allowed)
  }
  const { waldurApiUrl, waldurApiToken, disableAuth, waldurTimeout: attemptTimeout } = values
  if (waldurApiUrl === undefined) missing("waldur_api_url", "an http:// or https:// URL")
  if (waldurApiToken === undefined) missing("waldur_api_token", "the API token of a Waldur user: 40 hexadecimal digits")
  const model = modelOf(values, wrong, missing)
  checkComponents(values.backendComponents, wrong)
  const environment = environmentProxies(facts.variables)
  const egress: EgressOf = (verify, ca, proxy) => ({
    tls: { verify, ...(ca === undefined ? {} : { ca }) },
    proxy: proxy ?? environment,
  })
  const hpcUserApi = hpcUserApiOf(values, facts, egress, wrong)
  const auth = authOf(values, facts, egress, missing)
  if (facts.isIncomplete || problems.length > 0 || waldurApiUrl === undefined || waldurApiToken === undefined) {
    return { settings: undefined, problems }
  }
  const mockGids =
    values.gidFallback === "mock" || values.developmentMode || values.hpcUserDevelopmentMode || hpcUserApi === undefined
  const isStored = values.cachePath !== undefined || values.cacheUrl !== undefined
  return {
    problems,
    settings: {
      logLevel: values.logLevel ?? (values.debug ? "debug" : "info"),
      userAgent: values.agentHeader ?? `cscs-storage-proxy/${version}`,
      waldur: {
        apiUrl: waldurApiUrl,
        token: waldurApiToken,
        attemptTimeout,
        ...egress(values.waldurVerifySsl, facts.certificates.waldur, values.waldurSocksProxy),
      },
      model,
      hpcUserApi,
      mockGids,
      mockGidsByName: values.gidFallback === "mock",
      auth,
      explorer: { enabled: values.explorerEnabled, clientId: values.explorerClientId },
      cors: { allowedOrigins: values.corsAllowedOrigins },
      cache: {
        ...Struct.pick(values, ["freshFor", "keepWarmFor", "fullRefreshEvery", "emptyGuard", "staleIfError"]),
        path: values.cachePath,
        url: values.cacheUrl,
      },
      telemetry: { variables: otelVariables(facts.variables), proxy: environment, sentry: sentryOf(values) },
      backend: { settings: backendSettingsOf(model, facts), components: values.backendComponents ?? {} },
      warnings: [
        ...(disableAuth ? ["authentication is disabled: anyone can read the list"] : []),
        ...(hpcUserApi === undefined ? ["no HPC User API is configured: all GIDs are mocks"] : []),
        ...(mockGids && hpcUserApi ? ["a mock replaces any GID that the HPC User API does not have"] : []),
        ...systemRootWarnings(model.mountRoots),
        ...environmentProxyWarnings(environment),
        ...(mockGids && isStored
          ? ["cache.path and cache.url have no effect: with mock GIDs nothing is stored or shared"]
          : []),
      ],
    },
  }
}

type Wrong = (path: string, found: string, allowed: string) => void
type Missing = (path: string, allowed: string) => void
type EgressOf = (verify: boolean, ca: string | undefined, proxy: string | undefined) => Egress

const modelOf = (values: SettingValues, wrong: Wrong, missing: Missing): ModelSettings => {
  const { inodeHardCoefficient, inodeSoftCoefficient, maxGid, minGid } = values
  const storageSystems = storageSystemsOf(values.storageSystems, wrong, missing)
  if (inodeHardCoefficient < inodeSoftCoefficient) {
    const allowed = `at least inode_soft_coefficient, which is ${inodeSoftCoefficient}`
    wrong("backend_settings.inode_hard_coefficient", String(inodeHardCoefficient), allowed)
  }
  const mountRoots = (values.mountRoots ?? []).flatMap((given) => {
    const root = mountRoot(given)
    if ("path" in root) return [root.path]
    wrong("backend_settings.mount_roots", foundValue(given), root.wanted)
    return []
  })
  if (maxGid < minGid) wrong("hpc_user_api.max_gid", String(maxGid), `at least min_gid, which is ${minGid}`)
  return {
    storageSystems,
    ...Struct.pick(values, [
      "storageFileSystem",
      "inodeSoftCoefficient",
      "inodeHardCoefficient",
      "inodeBaseMultiplier",
    ]),
    ...Struct.pick(values, ["useMockTargetItems", "minGid", "maxGid", "waldurApiUrl", "callbackOrigins"]),
    mountRoots,
  }
}

const authOf = (
  values: SettingValues,
  { certificates }: SourceFacts,
  egress: EgressOf,
  missing: Missing,
): AuthSettings => {
  const { disableAuth: disabled, keycloakClientId, requiredRoles, debugRoles } = values
  const audience = values.audience ?? (keycloakClientId === undefined ? [] : [keycloakClientId])
  if (!disabled && audience.length === 0) {
    missing("auth.keycloak_client_id", "the client id, or auth.audience, while authentication is on")
  }
  // `keycloakUrl` has a default: it is undefined only if it was refused, and then so are the settings.
  const realmUrl = `${values.keycloakUrl?.replace(/(?<!\/)\/+$/, "")}/realms/${encodeURIComponent(values.keycloakRealm)}`
  return {
    disabled,
    realmUrl,
    issuer: values.issuer ?? realmUrl,
    audience,
    requiredRoles,
    debugRoles,
    introspection: introspectionOf(values, missing),
    ...egress(values.authVerifySsl, certificates.auth, values.authSocksProxy),
  }
}

const otelVariables = (variables: SourceFacts["variables"]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) =>
      name.startsWith("OTEL_") && value !== undefined ? [[name, value]] : [],
    ),
  )

const sentryOf = ({ sentryDsn: dsn, sentryEnvironment: environment, sentryTracesSampleRate }: SettingValues) =>
  dsn === undefined ? undefined : { dsn, environment, tracesSampleRate: sentryTracesSampleRate }

const backendSettingsOf = (model: ModelSettings, { backendSettings }: SourceFacts) => ({
  ...(typeof backendSettings === "object" ? backendSettings : {}),
  storage_file_system: model.storageFileSystem,
  inode_soft_coefficient: model.inodeSoftCoefficient,
  inode_hard_coefficient: model.inodeHardCoefficient,
  inode_base_multiplier: model.inodeBaseMultiplier,
  use_mock_target_items: model.useMockTargetItems,
  mount_roots: model.mountRoots,
})

const storageSystemsOf = (given: Readonly<Record<string, unknown>> | undefined, wrong: Wrong, missing: Missing) => {
  const allowed = "a mapping of at least one name to the slug of its offering, such as capstor: capstor"
  if (given === undefined) {
    missing("storage_systems", allowed)
    return []
  }
  if (Object.keys(given).length === 0) wrong("storage_systems", "an empty mapping", allowed)
  if (Object.keys(given).length > maxSystems) {
    wrong("storage_systems", `${Object.keys(given).length} systems`, `at most ${maxSystems}`)
    return []
  }
  const claimed = new Map<string, string>()
  /** Records that a system has this value, or reports that another one has it. */
  const claim = (what: string, value: string, name: string, path: string) => {
    const other = claimed.get(`${what} ${value}`)
    if (other === undefined) claimed.set(`${what} ${value}`, name)
    else wrong(path, foundValue(value), `a ${what} of its own: ${other} has the same`)
  }
  return Object.entries(given).flatMap(([givenName, offering]): ReadonlyArray<StorageSystem> => {
    const name = unwrapped(givenName)
    const path = `storage_systems.${shownName(givenName)}`
    if (!isName(name)) wrong(path, foundValue(givenName), `a name: ${nameRule}`)
    const { slug: givenSlug, uuid, ...rest } = isJsonObject(offering) ? offering : { slug: offering }
    const slug = typeof givenSlug === "string" ? unwrapped(givenSlug) : givenSlug
    if (typeof slug !== "string" || !isName(slug)) {
      wrong(path, foundValue(slug), `an offering's slug: ${nameRule}; or {slug, uuid}`)
      return []
    }
    for (const key of Object.keys(rest)) wrong(`${path}.${shownName(key)}`, "an unknown key", "slug and uuid")
    claim("name", name, name, path)
    // Entries and paths contain it in lower case.
    claim("slug", slug.toLowerCase(), name, path)
    if (uuid === undefined || uuid === null) return [{ name, offeringSlug: slug }]
    const offeringUuid = dashedUuid(typeof uuid === "string" ? unwrapped(uuid) : uuid)
    if (offeringUuid === undefined) {
      wrong(`${path}.uuid`, foundValue(uuid), "the offering's UUID in Waldur, dashed or not")
      return []
    }
    claim("uuid", offeringUuid, name, `${path}.uuid`)
    return [{ name, offeringSlug: slug, offeringUuid }]
  })
}

/** Maximum number of systems: all slugs go into one URL, and each system has its own guard. */
const maxSystems = 100

/** Commas separate names in queries, and no name in Waldur is longer. */
const nameRule = "not empty, without comma or control characters, at most 255 characters"
const isName = (text: string) => text !== "" && text.length <= 255 && !/[,\p{Cc}\p{Cs}]/u.test(text)

/** Only terabytes are served: another unit or factor would be a silent error by powers of ten. */
const checkComponents = (components: Readonly<Record<string, unknown>> | undefined, wrong: Wrong) => {
  if (components === undefined) return
  const storage = components.storage
  if (typeof storage !== "object" || storage === null) {
    wrong("backend_components.storage", foundValue(storage), "a mapping: the component `storage`")
    return
  }
  const unit: unknown = Reflect.get(storage, "measured_unit")
  const factor: unknown = Reflect.get(storage, "unit_factor")
  if (unit !== undefined && unit !== "TB") {
    wrong("backend_components.storage.measured_unit", foundValue(unit), "TB: limits and quotas are in TB")
  }
  if (factor !== undefined && factor !== 1) {
    wrong("backend_components.storage.unit_factor", foundValue(factor), "1: limits are in TB, and so are quotas")
  }
}

const introspectionOf = (values: SettingValues, missing: Missing) => {
  if (values.disableAuth || values.authMode !== "introspection") return undefined
  const { keycloakClientId: clientId, keycloakClientSecret: clientSecret } = values
  if (clientId === undefined) missing("auth.keycloak_client_id", "the client that asks about tokens")
  if (clientSecret === undefined)
    missing("auth.keycloak_client_secret", "the secret of the client that asks about tokens")
  return clientId === undefined || clientSecret === undefined ? undefined : { clientId, clientSecret }
}

const hpcUserApiOf = (
  values: SettingValues,
  facts: SourceFacts,
  egress: EgressOf,
  wrong: Wrong,
): HpcUserApiSettings | undefined => {
  const needed = {
    "hpc_user_api.api_url": values.hpcUserApiUrl,
    "hpc_user_api.client_id": values.hpcUserClientId,
    "hpc_user_api.client_secret": values.hpcUserClientSecret,
    "hpc_user_api.oidc_token_url": values.hpcUserTokenUrl,
  }
  const { hpcUserApiUrl, hpcUserClientId, hpcUserClientSecret, hpcUserTokenUrl } = values
  if (
    hpcUserApiUrl !== undefined &&
    hpcUserClientId !== undefined &&
    hpcUserClientSecret !== undefined &&
    hpcUserTokenUrl !== undefined
  ) {
    return {
      apiUrl: hpcUserApiUrl,
      clientId: hpcUserClientId,
      clientSecret: hpcUserClientSecret,
      tokenUrl: hpcUserTokenUrl,
      scope: values.hpcUserScope,
      attemptTimeout: values.hpcUserTimeout,
      ...egress(values.hpcUserVerifySsl, facts.certificates.hpcUserApi, values.hpcUserSocksProxy),
    }
  }
  const connection = [...Object.keys(needed), "hpc_user_api.oidc_scope", "hpc_user_api.socks_proxy"]
  const begun = connection.some(facts.has)
  const wantsMocks = values.gidFallback === "mock" || values.hpcUserDevelopmentMode
  // A forgotten secret must not lead to mock GIDs.
  if (begun || (facts.hasHpcUserSection && !wantsMocks)) {
    for (const [path, value] of Object.entries(needed)) {
      if (value === undefined && !facts.has(path)) {
        wrong(path, "nothing", "a value: the HPC User API is configured in part; give all of these keys, or none")
      }
    }
  }
  return undefined
}
