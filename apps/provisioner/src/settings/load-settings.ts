/** Loads the provisioner's settings. */
import { resolve } from "node:path"
import { environmentProxies } from "@cscs/http-transport"
import { settingsLibrary } from "@cscs/proxy-server"
import type { StorageClientOptions } from "@cscs/storage-client"
import type { WaldurClientOptions } from "@cscs/waldur-client"
import { Duration, Effect, Redacted, Result } from "effect"
import type { DriverSettings } from "../drivers/open-driver.ts"
import type { Policy } from "../plan/plan.ts"
import { policyOf } from "../plan/policy.ts"
import { settingKeys } from "./setting-keys.ts"

/** Everything that a command needs. */
export interface ProvisionerSettings {
  readonly proxy: StorageClientOptions
  readonly waldur: WaldurClientOptions
  readonly statePath: string
  /** The directory below which mount points are; empty in production: they are where they are listed. */
  readonly prefix: string
  readonly systems: ReadonlyMap<string, DriverSettings>
  /** In milliseconds, like the next two. */
  readonly pollEvery: number
  readonly checkEvery: number
  readonly retryAfter: number
  readonly maxRemovals: number
  /** Failures of one order, after which it is reported as erred. */
  readonly erredAfter: number
  readonly reportsBackendId: boolean
  readonly retentionDays: number
  readonly policy: Policy
  readonly warnings: ReadonlyArray<string>
  /** Masks the secrets in a string. */
  readonly withoutSecrets: (text: string) => string
}

/** Reads the settings: environment, `.env`, the YAML file, defaults. Fails with all problems at once. */
export const loadSettings = Effect.fn("loadSettings")(function* (
  configPath: string | undefined,
): Effect.fn.Return<ProvisionerSettings, InstanceType<typeof settingsLibrary.ConfigurationInvalid>> {
  const sources = yield* settingsLibrary.readSources({
    ...(configPath === undefined ? {} : { configPath }),
    configVariable: "STORAGE_PROVISIONER_CONFIG_PATH",
    environment: process.env,
    workingDirectory: process.cwd(),
  })
  const read = yield* settingsLibrary.readSettings({ keys: settingKeys }, sources)
  const { values, sourceOf } = read
  const problems = [...read.problems]
  const wrong = (path: string, found: string, allowed: string) => {
    problems.push({ path, source: sourceOf(path), found, allowed })
  }
  const required = <A>(path: string, value: A | undefined, allowed: string): A | undefined => {
    if (value === undefined && !read.has(path)) wrong(path, "nothing", allowed)
    return value
  }
  const authorities = yield* Effect.all(
    {
      proxy: settingsLibrary.readCertificates("proxy.ca_file", values.proxyCaFile, sourceOf),
      waldur: settingsLibrary.readCertificates("waldur_ca_file", values.waldurCaFile, sourceOf),
    },
    { mode: "result" },
  )
  for (const one of Object.values(authorities)) if (Result.isFailure(one)) problems.push(one.failure)
  const tls = (verify: boolean, ca: Result.Result<string | undefined, unknown>) => {
    const pem = Result.getOrUndefined(ca)
    return { tls: { verify, ...(pem === undefined ? {} : { ca: pem }) } }
  }
  const egress = { proxy: values.socksProxy ?? environmentProxies(sources.variables) }

  const proxyUrl = required("proxy.url", values.proxyUrl, "the storage proxy's http:// or https:// URL")
  const apiUrl = required("waldur_api_url", values.waldurApiUrl, "an http:// or https:// URL")
  const token = required("waldur_api_token", values.waldurApiToken, "the API token of a Waldur user")
  const { proxyIssuer: issuer, proxyClientId: clientId, proxyClientSecret: clientSecret } = values
  if (!values.proxyDisableAuth) {
    required("proxy.issuer", issuer, "the issuer's URL, or proxy.disable_auth")
    required("proxy.client_id", clientId, "the client's ID")
    required("proxy.client_secret", clientSecret, "the client's secret")
  }
  // After a problem, a value is missing whatever its type.
  const statePath = resolve(values.statePath ?? "")
  const systems = yield* systemsOf(values, statePath, wrong, read.has)
  const { minGid, maxGid } = values
  if (minGid !== undefined && maxGid !== undefined && minGid > maxGid)
    wrong("policy.min_gid", String(minGid), `at most max_gid, which is ${maxGid}`)
  if (problems.length > 0 || proxyUrl === undefined || apiUrl === undefined || token === undefined) {
    return yield* new settingsLibrary.ConfigurationInvalid({
      problems: problems.map((problem) => ({ ...problem, found: read.withoutSecrets(problem.found) })),
    })
  }
  // A missing credential is reported above: the comparisons are for the types.
  const isWithoutAuth =
    values.proxyDisableAuth || issuer === undefined || clientId === undefined || clientSecret === undefined
  return {
    proxy: {
      baseUrl: proxyUrl,
      auth: isWithoutAuth ? "none" : { issuer, clientId, clientSecret, scope: values.proxyScope },
      attemptTimeout: values.proxyTimeout,
      userAgent: "cscs-storage-provisioner",
      ...egress,
      ...tls(values.proxyVerifySsl, authorities.proxy),
    },
    waldur: {
      apiUrl,
      token,
      attemptTimeout: values.waldurTimeout,
      userAgent: "cscs-storage-provisioner",
      ...egress,
      ...tls(values.waldurVerifySsl, authorities.waldur),
    },
    statePath,
    prefix: resolve(values.prefix).replace(/^\/$/, ""),
    systems,
    pollEvery: Duration.toMillis(values.pollEvery),
    checkEvery: Duration.toMillis(values.checkEvery),
    retryAfter: Duration.toMillis(values.retryAfter),
    maxRemovals: values.maxRemovals,
    erredAfter: values.erredAfter,
    reportsBackendId: values.reportBackendId,
    retentionDays: values.retentionDays,
    policy: policyOf(values),
    warnings: read.warnings,
    withoutSecrets: read.withoutSecrets,
  }
})

type Values = { readonly [Name in keyof typeof settingKeys]: (typeof settingKeys)[Name]["fallback"] }

const { flag, httpUrl, mapping, text, wholeNumber } = settingsLibrary.types

const maxProjectId = 2 ** 32 - 2
/** That `first` is not above `last` is checked when the driver opens. */
const projectIds: settingsLibrary.types.SettingType<unknown> = {
  allowed: `{first, last}, whole numbers from 1 to ${maxProjectId}`,
  jsonSchema: {},
  decode: (value) => {
    const range = mapping.decode(value)
    const isKnown = range !== undefined && Object.keys(range).every((name) => name === "first" || name === "last")
    const id = wholeNumber(1, maxProjectId)
    const ids = Object.entries(range ?? {}).map(([name, one]) => [name, id.decode(one)] as const)
    return isKnown && ids.every(([, one]) => one !== undefined) ? Object.fromEntries(ids) : undefined
  },
}
const ofProjectQuotas = { mount: text, project_ids: projectIds }

/** The settings of each driver besides `driver` and `root`. docs/drivers.md describes them. */
export const ownSettings: Readonly<
  Record<DriverSettings["type"], Readonly<Record<string, settingsLibrary.types.SettingType<unknown>>>>
> = {
  directory: {},
  btrfs: {},
  lustre: ofProjectQuotas,
  ext4: ofProjectQuotas,
  xfs: ofProjectQuotas,
  vast: {
    api_url: httpUrl,
    api_version: text,
    exported_as: text,
    tenant_id: wholeNumber(0, Number.MAX_SAFE_INTEGER),
    verify_ssl: flag,
    ca_file: text,
  },
}
const isDriver = (name: unknown): name is DriverSettings["type"] =>
  typeof name === "string" && Object.hasOwn(ownSettings, name)

/** The driver's settings of each system. A driver checks its root when it opens. */
const systemsOf = Effect.fnUntraced(function* (
  values: Values,
  statePath: string,
  wrong: (path: string, found: string, allowed: string) => void,
  has: (path: string) => boolean,
): Effect.fn.Return<ReadonlyMap<string, DriverSettings>> {
  const systems = new Map<string, DriverSettings>()
  /** The system of each root. */
  const roots = new Map<string, string>()
  const given = Object.entries(values.storageSystems ?? {})
  if (given.length === 0) wrong("storage_systems", "nothing", "at least one system with its driver and root")
  for (const [name, about] of given) {
    const path = `storage_systems.${name}`
    if (typeof about !== "object" || about === null) {
      wrong(path, "not a mapping", "a mapping with driver and root")
      continue
    }
    const { driver, root, ...rest } = about as Readonly<Record<string, unknown>>
    const type = isDriver(driver) ? driver : undefined
    if (type === undefined)
      wrong(`${path}.driver`, JSON.stringify(driver) ?? "nothing", Object.keys(ownSettings).join(", "))
    const at = typeof root === "string" && root.startsWith("/") ? resolve(root) : ""
    const other = roots.get(at)
    if (at === "") wrong(`${path}.root`, JSON.stringify(root) ?? "nothing", "an absolute path")
    else if (other === undefined) roots.set(at, name)
    else wrong(`${path}.root`, at, `a root of its own: ${other} has the same`)
    // An entry's key is lowercase: another name would select nothing, and look as if there were nothing to do.
    if (!/^[a-z\d_-]{1,100}$/.test(name)) wrong(path, "the name", "1 to 100 lowercase letters, digits, _ and -")
    if (type === undefined) continue
    const known = ownSettings[type]
    const own: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(rest)) {
      const setting = Object.hasOwn(known, key) ? known[key] : undefined
      const decoded = setting?.decode(value)
      // The value of an unknown setting may be a secret.
      if (setting === undefined)
        wrong(`${path}.${key}`, "an unknown setting", Object.keys(known).join(", ") || "none besides driver and root")
      else if (decoded === undefined)
        wrong(`${path}.${key}`, setting.fault?.(value) ?? JSON.stringify(value) ?? "nothing", setting.allowed)
      // Keys are in snake case in the file, and in camel case in `DriverSettings`.
      else own[key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())] = decoded
    }
    const common = { root: at, registry: resolve(statePath, `${name}.registry.json`) }
    if (type !== "vast") {
      systems.set(name, { ...common, type, ...own } as DriverSettings)
      continue
    }
    if (rest.api_url === undefined) wrong(`${path}.api_url`, "nothing", httpUrl.allowed)
    const { verifySsl: verify = true, caFile, ...others } = own
    const ca = yield* Effect.result(settingsLibrary.readCertificates(`${path}.ca_file`, caFile, () => path))
    if (Result.isFailure(ca)) wrong(`${path}.ca_file`, ca.failure.found, ca.failure.allowed)
    const pem = Result.getOrUndefined(ca)
    const tls = { verify, ...(pem === undefined ? {} : { ca: pem }) }
    const hasLogin =
      values.vastToken !== undefined || (values.vastUser !== undefined && values.vastPassword !== undefined)
    // A login that was given and refused is reported already.
    if (!hasLogin && !has("vast.token") && !(has("vast.user") && has("vast.password")))
      wrong("vast.token", "nothing", "VAST's API token, or vast.user and vast.password")
    const login =
      values.vastToken !== undefined
        ? { token: values.vastToken }
        : { user: values.vastUser ?? "", password: values.vastPassword ?? Redacted.make("") }
    systems.set(name, { ...common, type, ...others, login, tls } as DriverSettings)
  }
  return systems
})
