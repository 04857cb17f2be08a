import { environmentProxies } from "@cscs/http-transport"
import { version } from "../version.ts"
import type { ConfigurationProblem } from "./configuration-invalid.ts"
import type { SettingKey, settingKeys } from "./setting-keys.ts"
import type { HpcUserApiSettings, ProxySettings, WayOut } from "./settings.ts"

/** Each setting's value: decoded, or its default; `undefined` where it was not given, or not as it must be. */
export type SettingValues = {
  readonly [Name in keyof typeof settingKeys]: (typeof settingKeys)[Name] extends SettingKey<infer A> ? A : never
}

/** What the rules that span several settings need to know of the sources. */
export interface SourceFacts {
  readonly has: (path: string) => boolean
  readonly hasHpcUserSection: boolean
  readonly sourceOf: (path: string) => string
  /** `backend_settings` of the YAML file, as it stands. */
  readonly backendSettings: unknown
  /** The environment's variables, for the proxies that they name. */
  readonly variables: Readonly<Record<string, string | undefined>>
  /** The content of the configured CA files, in PEM. */
  readonly certificates: {
    readonly waldur: string | undefined
    readonly hpcUserApi: string | undefined
    readonly auth: string | undefined
  }
}

/** Puts the settings together and checks what no single key can: requirements, and settings that must fit each other. */
export const assembleSettings = (
  values: SettingValues,
  facts: SourceFacts,
): {
  readonly settings: Omit<ProxySettings, "effective"> | undefined
  readonly problems: ReadonlyArray<ConfigurationProblem>
} => {
  const problems: Array<ConfigurationProblem> = []
  const wrong = (path: string, found: string, allowed: string) => {
    problems.push({ path, source: facts.sourceOf(path), found, allowed })
  }
  const missing = (path: string, allowed: string) => {
    if (!facts.has(path)) wrong(path, "nothing", allowed)
  }

  if (values.waldurApiUrl === undefined) missing("waldur_api_url", "an http:// or https:// URL")
  if (values.waldurApiToken === undefined) missing("waldur_api_token", "the token of a Waldur user")
  const storageSystems = storageSystemsOf(values.storageSystems, wrong, missing)
  checkComponents(values.backendComponents, wrong)
  if (values.inodeHardCoefficient < values.inodeSoftCoefficient) {
    wrong(
      "backend_settings.inode_hard_coefficient",
      String(values.inodeHardCoefficient),
      `at least inode_soft_coefficient, which is ${values.inodeSoftCoefficient}`,
    )
  }
  for (const root of values.mountRoots ?? []) {
    if (!root.startsWith("/")) wrong("backend_settings.mount_roots", JSON.stringify(root), "absolute paths")
  }
  const fromEnvironment = environmentProxies(facts.variables)
  const wayOut = (verify: boolean, ca: string | undefined, proxy: string | undefined): WayOut => ({
    tls: { verify, ...(ca === undefined ? {} : { ca }) },
    proxy: proxy ?? fromEnvironment,
  })
  const { certificates } = facts
  const hpcUserApi = hpcUserApiOf(
    values,
    facts,
    wayOut(values.hpcUserVerifySsl, certificates.hpcUserApi, values.hpcUserSocksProxy),
    wrong,
  )
  const audience = values.audience ?? (values.keycloakClientId === undefined ? [] : [values.keycloakClientId])
  if (!values.disableAuth && audience.length === 0) {
    missing("auth.keycloak_client_id", "the client id, or auth.audience, while authentication is on")
  }
  const introspection = introspectionOf(values, missing)
  for (const origin of values.corsAllowedOrigins ?? []) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      wrong("cors.allowed_origins", JSON.stringify(origin), "origins: a scheme and a host, such as https://example.org")
    }
  }
  if (problems.length > 0 || values.waldurApiUrl === undefined || values.waldurApiToken === undefined) {
    return { settings: undefined, problems }
  }
  const realmUrl = `${values.keycloakUrl.replace(/\/+$/, "")}/realms/${encodeURIComponent(values.keycloakRealm)}`

  const mockGids =
    values.gidFallback === "mock" || values.developmentMode || values.hpcUserDevelopmentMode || hpcUserApi === undefined
  const model = {
    storageSystems,
    storageFileSystem: values.storageFileSystem,
    inodeSoftCoefficient: values.inodeSoftCoefficient,
    inodeHardCoefficient: values.inodeHardCoefficient,
    inodeBaseMultiplier: values.inodeBaseMultiplier,
    useMockTargetItems: values.useMockTargetItems,
    mountRoots: values.mountRoots,
    minGid: values.minGid,
    maxGid: values.maxGid,
    waldurApiUrl: values.waldurApiUrl,
    callbackOrigins: values.callbackOrigins,
  }
  return {
    problems,
    settings: {
      logLevel: values.logLevel ?? (values.debug ? "debug" : "info"),
      userAgent: values.agentHeader ?? `cscs-storage-proxy/${version}`,
      waldur: {
        apiUrl: values.waldurApiUrl,
        token: values.waldurApiToken,
        attemptTimeout: values.waldurTimeout,
        ...wayOut(values.waldurVerifySsl, certificates.waldur, values.waldurSocksProxy),
      },
      model,
      hpcUserApi,
      mockGids,
      auth: {
        disabled: values.disableAuth,
        realmUrl,
        issuer: values.issuer ?? realmUrl,
        audience,
        requiredRoles: values.requiredRoles,
        introspection,
        ...wayOut(values.authVerifySsl, certificates.auth, values.authSocksProxy),
      },
      cors: { allowedOrigins: values.corsAllowedOrigins },
      cache: {
        freshFor: values.freshFor,
        keepWarmFor: values.keepWarmFor,
        fullRefreshEvery: values.fullRefreshEvery,
        emptyGuard: values.emptyGuard,
        staleIfError: values.staleIfError,
        path: values.cachePath,
        url: values.cacheUrl,
      },
      telemetry: {
        variables: Object.fromEntries(
          Object.entries(facts.variables).flatMap(([name, value]) =>
            name.startsWith("OTEL_") && value !== undefined ? [[name, value]] : [],
          ),
        ),
        proxy: fromEnvironment,
        sentry:
          values.sentryDsn === undefined
            ? undefined
            : {
                dsn: values.sentryDsn,
                environment: values.sentryEnvironment,
                tracesSampleRate: values.sentryTracesSampleRate,
              },
      },
      backend: {
        settings: {
          ...(typeof facts.backendSettings === "object" ? facts.backendSettings : {}),
          storage_file_system: model.storageFileSystem,
          inode_soft_coefficient: model.inodeSoftCoefficient,
          inode_hard_coefficient: model.inodeHardCoefficient,
          inode_base_multiplier: model.inodeBaseMultiplier,
          use_mock_target_items: model.useMockTargetItems,
          mount_roots: model.mountRoots,
        },
        components: values.backendComponents ?? {},
      },
      warnings: [
        ...(values.disableAuth ? ["authentication is disabled: everybody may read the list"] : []),
        ...(hpcUserApi === undefined ? ["no HPC User API is configured: all GIDs are made up"] : []),
        ...(mockGids && hpcUserApi !== undefined ? ["GIDs that the HPC User API does not give are made up"] : []),
        ...(mockGids && (values.cachePath !== undefined || values.cacheUrl !== undefined)
          ? ["cache.path and cache.url have no effect: where GIDs are made up, nothing is kept or shared"]
          : []),
      ],
    },
  }
}

type Wrong = (path: string, found: string, allowed: string) => void

const storageSystemsOf = (
  given: Readonly<Record<string, unknown>> | undefined,
  wrong: Wrong,
  missing: (path: string, allowed: string) => void,
) => {
  const allowed = "a mapping of at least one name to the slug of its offering, such as capstor: capstor"
  if (given === undefined) {
    missing("storage_systems", allowed)
    return []
  }
  if (Object.keys(given).length === 0) wrong("storage_systems", "an empty mapping", allowed)
  const seen = new Map<string, string>()
  return Object.entries(given).flatMap(([name, slug]) => {
    const path = `storage_systems.${name}`
    if (name.trim() === "" || name.includes(",")) wrong(path, JSON.stringify(name), "a name without comma, not empty")
    if (typeof slug !== "string" || slug.trim() === "" || slug.includes(",")) {
      wrong(path, JSON.stringify(slug) ?? "nothing", "an offering's slug: a text without comma, not empty")
      return []
    }
    const other = seen.get(slug)
    if (other !== undefined) wrong(path, JSON.stringify(slug), `a slug of its own: ${other} has the same`)
    seen.set(slug, name)
    return [{ name, offeringSlug: slug }]
  })
}

/** Only terabytes are served: another unit or factor would be a silent error by powers of ten. */
const checkComponents = (components: Readonly<Record<string, unknown>> | undefined, wrong: Wrong) => {
  if (components === undefined) return
  const storage = components.storage
  if (typeof storage !== "object" || storage === null) {
    wrong("backend_components.storage", JSON.stringify(storage) ?? "nothing", "the component storage")
    return
  }
  const unit: unknown = Reflect.get(storage, "measured_unit")
  const factor: unknown = Reflect.get(storage, "unit_factor")
  if (unit !== undefined && unit !== "TB") {
    wrong("backend_components.storage.measured_unit", JSON.stringify(unit), "TB: limits and quotas are in TB")
  }
  if (factor !== undefined && factor !== 1) {
    wrong("backend_components.storage.unit_factor", JSON.stringify(factor), "1: limits are in TB, and so are quotas")
  }
}

const introspectionOf = (values: SettingValues, missing: (path: string, allowed: string) => void) => {
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
  wayOut: WayOut,
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
      ...wayOut,
    }
  }
  const connection = [...Object.keys(needed), "hpc_user_api.oidc_scope", "hpc_user_api.socks_proxy"]
  const begun = connection.some(facts.has)
  const wantsMocks = values.gidFallback === "mock" || values.hpcUserDevelopmentMode
  // A forgotten secret must not turn into made-up GIDs.
  if (begun || (facts.hasHpcUserSection && !wantsMocks)) {
    for (const [path, value] of Object.entries(needed)) {
      if (value === undefined && !facts.has(path)) {
        wrong(path, "nothing", "a value: the HPC User API is configured in part; give all of it, or nothing")
      }
    }
  }
  return undefined
}
