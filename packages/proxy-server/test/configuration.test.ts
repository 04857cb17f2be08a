import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Secret, secretNow } from "@cscs/http-transport"
import { Duration, Effect, Exit } from "effect"
import { describe, expect, test } from "vitest"
import { type ConfigurationInvalid, loadSettings, type ProxySettings } from "../src/index.ts"
import { type Any, aDirectory } from "./a-proxy.ts"

interface Given {
  /** YAML text, or a value that is written as JSON. */
  readonly yaml?: string | object
  readonly dotenv?: string
  readonly environment?: Readonly<Record<string, string>>
  /** Whether `--config` names the file; otherwise the environment does. */
  readonly flag?: boolean
}

const token = "a".repeat(40)
const least = {
  waldur_api_url: "https://waldur.example.org/api/",
  waldur_api_token: token,
  storage_systems: { capstor: "capstor" },
  auth: { keycloak_client_id: "storage-proxy" },
}
const hpcUser = {
  api_url: "https://hpc.example.org",
  client_id: "hpc-client",
  client_secret: "hunter2",
  oidc_token_url: "https://auth.example.org/token",
}

const loaded = async ({ yaml, dotenv, environment = {}, flag = true }: Given) => {
  const directory = await aDirectory()
  const file = join(directory, "config.yaml")
  if (yaml !== undefined) await writeFile(file, typeof yaml === "string" ? yaml : JSON.stringify(yaml))
  if (dotenv !== undefined) await writeFile(join(directory, ".env"), dotenv)
  const byFlag = yaml !== undefined && flag
  const exit = await Effect.runPromiseExit(
    loadSettings({
      ...(byFlag ? { configPath: file } : {}),
      environment:
        yaml === undefined || byFlag ? environment : { WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH: file, ...environment },
      workingDirectory: directory,
    }),
  )
  return { file, exit }
}

const settingsOf = async (given: Given): Promise<ProxySettings> => {
  const { exit } = await loaded(given)
  if (Exit.isFailure(exit)) throw new Error(String(exit.cause))
  return exit.value
}
const over = (more: object) => ({ yaml: { ...least, ...more } })

const refusalOf = async (given: Given): Promise<ConfigurationInvalid & { readonly file: string }> => {
  const { exit, file } = await loaded(given)
  if (Exit.isSuccess(exit)) throw new Error("it was accepted")
  const error = Exit.findErrorOption(exit)
  if (error._tag === "None") throw new Error(`a defect: ${exit.cause}`)
  return Object.assign(error.value, { file })
}
const problemsOf = async (given: Given) => (await refusalOf(given)).problems
const pathsOf = async (given: Given) => (await problemsOf(given)).map(({ path }) => path)

describe("the configuration's defaults", () => {
  test("are the documented ones", async () => {
    const settings = await settingsOf({ yaml: least })
    expect(settings.model).toMatchObject({
      storageSystems: [{ name: "capstor", offeringSlug: "capstor" }],
      storageFileSystem: "lustre",
      inodeSoftCoefficient: 1.33,
      inodeHardCoefficient: 2,
      inodeBaseMultiplier: 1_000_000,
      useMockTargetItems: false,
      minGid: 1000,
    })
    expect(settings.auth).toMatchObject({
      disabled: false,
      realmUrl: "https://auth-tds.cscs.ch/auth/realms/cscs",
      issuer: "https://auth-tds.cscs.ch/auth/realms/cscs",
      audience: ["storage-proxy"],
      requiredRoles: [],
      debugRoles: [],
      introspection: undefined,
    })
    expect(settings.waldur).toMatchObject({ tls: { verify: true }, proxy: {} })
    expect(Duration.toSeconds(settings.waldur.attemptTimeout)).toBe(60)
    expect(secretNow(settings.waldur.token)).toBe(token)
    expect(settings.logLevel).toBe("info")
    expect(settings.hpcUserApi).toBeUndefined()
    expect(settings.mockGids).toBe(true)
    expect((await settingsOf(over({ hpc_user_api: hpcUser }))).hpcUserApi?.scope).toBe("openid")
    expect((await settingsOf(over({ hpc_user_api: hpcUser }))).mockGids).toBe(false)
  })
})

describe("the configuration file", () => {
  test("may be the example of the documentation of version 0.7.7, verbatim", async () => {
    const settings = await settingsOf({
      yaml: `
waldur_api_url: https://waldur.example.org
waldur_api_token: ${token}
waldur_verify_ssl: false
waldur_socks_proxy: "socks5://localhost:12345"
auth:
  disable_auth: true
  keycloak_url: "https://auth.example.org/auth/"
  keycloak_realm: "other"
  keycloak_client_id: "id"
  keycloak_client_secret: "secret"
backend_settings:
  storage_file_system: "vastfs"               # Storage file system type
  inode_soft_coefficient: 1.5
  inode_hard_coefficient: 3.0
  use_mock_target_items: true
backend_components:
  storage:
    measured_unit: "TB"
    accounting_type: "limit"
    label: "Storage"
    unit_factor: 1
storage_systems:
  capstor: "capstor"
  vast: "vast"
  iopsstor: "iopsstor"
hpc_user_api:
  api_url: "https://hpc-user-api.example.com"
  client_id: "YOUR_HPC_CLIENT_ID"
  client_secret: "YOUR_HPC_CLIENT_SECRET"
  oidc_token_url: "https://auth.example.com/token"
  oidc_scope: "openid profile"
  socks_proxy: "socks5://localhost:12345"
`,
    })
    expect(settings.warnings).toEqual(["authentication is disabled: anyone can read the list"])
    expect(settings.waldur).toMatchObject({ tls: { verify: false }, proxy: "socks5://localhost:12345" })
    expect(settings.model.storageSystems.map(({ name }) => name)).toEqual(["capstor", "vast", "iopsstor"])
    expect(settings.model).toMatchObject({
      inodeSoftCoefficient: 1.5,
      inodeHardCoefficient: 3,
      useMockTargetItems: true,
    })
    expect(settings.hpcUserApi).toMatchObject({ scope: "openid profile", proxy: "socks5://localhost:12345" })
    expect(settings.auth).toMatchObject({
      disabled: true,
      issuer: "https://auth.example.org/auth/realms/other",
      audience: ["id"],
    })
  })

  test("lacks the same settings if it is empty as if there is none", async () => {
    const missing = ["waldur_api_url", "waldur_api_token", "storage_systems", "auth.keycloak_client_id"]
    expect(await pathsOf({ yaml: "" })).toEqual(missing)
    expect(await pathsOf({})).toEqual(missing)
  })
})

/** A setting: its variable and path, a value for each source, where the value shows, and what it is from each source. */
type Row = readonly [
  variable: string,
  path: string,
  inEnvironment: string,
  inDotenv: string,
  inYaml: unknown,
  seen: (settings: ProxySettings) => unknown,
  wanted: readonly [unknown, unknown, unknown],
]
const secretOf = (secret: Secret | undefined) => secret && secretNow(secret)
const row = (
  name: string,
  path: string,
  values: readonly [string, string, unknown],
  seen: Row[5],
  wanted: Row[6] = values,
): Row => [name, path, ...values, seen, wanted]
const flags = (name: string, path: string, seen: Row[5]) =>
  row(name, path, ["YES", "0", true], seen, [true, false, true])
const numbers = (name: string, path: string, seen: Row[5], values: readonly [number, number, number]) =>
  row(name, path, [String(values[0]), String(values[1]), values[2]], seen, values)

const rows: ReadonlyArray<Row> = [
  flags("DEBUG", "debug", (s) => s.logLevel === "debug"),
  row("LOG_LEVEL", "log_level", ["WARNING", "error", "Debug"], (s) => s.logLevel, ["warning", "error", "debug"]),
  flags("DISABLE_AUTH", "auth.disable_auth", (s) => s.auth.disabled),
  row("WALDUR_API_URL", "waldur_api_url", ["https://a/", "http://b", "https://c/api"], (s) => s.waldur.apiUrl),
  row("WALDUR_API_TOKEN", "waldur_api_token", ["1".repeat(40), "2".repeat(40), "3".repeat(40)], (s) =>
    secretOf(s.waldur.token),
  ),
  row("WALDUR_VERIFY_SSL", "waldur_verify_ssl", ["off", "On", false], (s) => s.waldur.tls.verify, [false, true, false]),
  row(
    "WALDUR_SOCKS_PROXY",
    "waldur_socks_proxy",
    ["socks5://a:1", "socks4://b:2", "socks5h://c:3"],
    (s) => s.waldur.proxy,
  ),
  row("AGENT_HEADER", "agent_header", ["one/1", "two/2", "three/3"], (s) => s.userAgent),
  row(
    "STORAGE_SYSTEMS",
    "storage_systems",
    ['{"b":"slug-b","a":"slug-a"}', '{"c":"slug-c"}', { d: "slug-d" }],
    (s) => Object.fromEntries(s.model.storageSystems.map(({ name, offeringSlug }) => [name, offeringSlug])),
    [{ b: "slug-b", a: "slug-a" }, { c: "slug-c" }, { d: "slug-d" }],
  ),
  row("STORAGE_FILE_SYSTEM", "backend_settings.storage_file_system", ["x", "y", "z"], (s) => s.model.storageFileSystem),
  flags("USE_MOCK_TARGET_ITEMS", "backend_settings.use_mock_target_items", (s) => s.model.useMockTargetItems),
  numbers(
    "INODE_SOFT_COEFFICIENT",
    "backend_settings.inode_soft_coefficient",
    (s) => s.model.inodeSoftCoefficient,
    [1.1, 1.2, 1.4],
  ),
  numbers(
    "INODE_HARD_COEFFICIENT",
    "backend_settings.inode_hard_coefficient",
    (s) => s.model.inodeHardCoefficient,
    [2.1, 2.2, 2.4],
  ),
  numbers(
    "INODE_BASE_MULTIPLIER",
    "backend_settings.inode_base_multiplier",
    (s) => s.model.inodeBaseMultiplier,
    [1, 2, 3],
  ),
  row("HPC_USER_API_URL", "hpc_user_api.api_url", ["https://a", "https://b", "https://c"], (s) => s.hpcUserApi?.apiUrl),
  row("HPC_USER_CLIENT_ID", "hpc_user_api.client_id", ["a", "b", "c"], (s) => s.hpcUserApi?.clientId),
  row("HPC_USER_CLIENT_SECRET", "hpc_user_api.client_secret", ["a", "b", "c"], (s) =>
    secretOf(s.hpcUserApi?.clientSecret),
  ),
  row(
    "HPC_USER_OIDC_TOKEN_URL",
    "hpc_user_api.oidc_token_url",
    ["https://a/t", "https://b/t", "https://c/t"],
    (s) => s.hpcUserApi?.tokenUrl,
  ),
  row("HPC_USER_OIDC_SCOPE", "hpc_user_api.oidc_scope", ["a", "b c", "d"], (s) => s.hpcUserApi?.scope),
  row(
    "HPC_USER_SOCKS_PROXY",
    "hpc_user_api.socks_proxy",
    ["socks5://a:1", "socks4a://b:2", "socks5h://c:3"],
    (s) => s.hpcUserApi?.proxy,
  ),
  flags("HPC_USER_DEVELOPMENT_MODE", "hpc_user_api.development_mode", (s) => s.mockGids),
  row(
    "CSCS_KEYCLOAK_URL",
    "auth.keycloak_url",
    ["https://a/", "https://b/auth", "https://c/auth/"],
    (s) => s.auth.realmUrl,
    ["https://a/realms/cscs", "https://b/auth/realms/cscs", "https://c/auth/realms/cscs"],
  ),
  row("CSCS_KEYCLOAK_REALM", "auth.keycloak_realm", ["a", "b c", "c"], (s) => s.auth.issuer, [
    "https://auth-tds.cscs.ch/auth/realms/a",
    "https://auth-tds.cscs.ch/auth/realms/b%20c",
    "https://auth-tds.cscs.ch/auth/realms/c",
  ]),
  row("AUTH_ISSUER", "auth.issuer", ["https://a/x", "https://b/", "https://c"], (s) => s.auth.issuer),
  row("CSCS_KEYCLOAK_CLIENT_ID", "auth.keycloak_client_id", ["a", "b", "c"], (s) => s.auth.audience, [
    ["a"],
    ["b"],
    ["c"],
  ]),
  row("AUTH_REQUIRED_ROLES", "auth.required_roles", ["a,c:d", "b", ["c"]], (s) => s.auth.requiredRoles, [
    ["a", "c:d"],
    ["b"],
    ["c"],
  ]),
  row("AUTH_DEBUG_ROLES", "auth.debug_roles", ["a,c:d", "b", ["c"]], (s) => s.auth.debugRoles, [
    ["a", "c:d"],
    ["b"],
    ["c"],
  ]),
  flags("EXPLORER_ENABLED", "explorer.enabled", (s) => s.explorer.enabled),
  row("EXPLORER_CLIENT_ID", "explorer.client_id", ["a", "b", "c"], (s) => s.explorer.clientId),
  flags("AUTH_VERIFY_SSL", "auth.verify_ssl", (s) => s.auth.tls.verify),
  row("AUTH_SOCKS_PROXY", "auth.socks_proxy", ["socks5://a:1", "http://b:2", "https://c:3"], (s) => s.auth.proxy),
  flags("HPC_USER_API_VERIFY_SSL", "hpc_user_api.verify_ssl", (s) => s.hpcUserApi?.tls.verify),
  row(
    "WALDUR_TIMEOUT",
    "waldur_timeout",
    ["90s", "2m", 15],
    (s) => Duration.toSeconds(s.waldur.attemptTimeout),
    [90, 120, 15],
  ),
  row(
    "HPC_USER_API_TIMEOUT",
    "hpc_user_api.timeout",
    ["90s", "2m", 15],
    (s) => s.hpcUserApi && Duration.toSeconds(s.hpcUserApi.attemptTimeout),
    [90, 120, 15],
  ),
  row(
    "CORS_ALLOWED_ORIGINS",
    "cors.allowed_origins",
    ["https://a,https://b", "http://c:1", ["https://d"]],
    (s) => s.cors.allowedOrigins,
    [["https://a", "https://b"], ["http://c:1"], ["https://d"]],
  ),
  row("AUTH_AUDIENCE", "auth.audience", ["a, b", "c", ["d", "e"]], (s) => s.auth.audience, [
    ["a", "b"],
    ["c"],
    ["d", "e"],
  ]),
  row(
    "CACHE_FRESH_FOR",
    "cache.fresh_for",
    ["500ms", "1h", 20],
    (s) => Duration.toMillis(s.cache.freshFor),
    [500, 3_600_000, 20_000],
  ),
  row(
    "CACHE_STALE_IF_ERROR",
    "cache.stale_if_error",
    ["0", "2m", "30s"],
    (s) => Duration.toMillis(s.cache.staleIfError),
    [0, 120_000, 30_000],
  ),
  row("HPC_USER_API_FALLBACK", "hpc_user_api.fallback", ["mock", "none", "mock"], (s) => s.mockGids, [
    true,
    false,
    true,
  ]),
  numbers("HPC_USER_API_MIN_GID", "hpc_user_api.min_gid", (s) => s.model.minGid, [1, 2000, 3000]),
  flags("BACKEND_SETTINGS_DEVELOPMENT_MODE", "backend_settings.development_mode", (s) => s.mockGids),
  row(
    "BACKEND_SETTINGS_MOUNT_ROOTS",
    "backend_settings.mount_roots",
    ["/a,/b", "/c", ["/d"]],
    (s) => s.model.mountRoots,
    [["/a", "/b"], ["/c"], ["/d"]],
  ),
]

const placed = (path: string, value: unknown): object => {
  const document: Any = { ...least, hpc_user_api: hpcUser }
  const [section = "", key] = path.split(".")
  if (key === undefined) return { ...document, [section]: value }
  return { ...document, [section]: { ...document[section], [key]: value } }
}

describe("the source of a setting", () => {
  for (const [variable, path, inEnvironment, inDotenv, inYaml, seen, [fromVariable, fromDotenv, fromYaml]] of rows) {
    test(`${variable} overrides .env, which overrides ${path} in the file`, async () => {
      const whole = { yaml: placed(path, inYaml) }
      expect(seen(await settingsOf(whole))).toEqual(fromYaml)
      expect(seen(await settingsOf({ ...whole, dotenv: `${variable}='${inDotenv}'\n` }))).toEqual(fromDotenv)
      const both = { ...whole, dotenv: `${variable}='${inDotenv}'\n`, environment: { [variable]: inEnvironment } }
      expect(seen(await settingsOf(both))).toEqual(fromVariable)
      const empty = { [variable]: "" }
      expect(seen(await settingsOf({ ...both, environment: empty }))).toEqual(fromDotenv)
      expect(seen(await settingsOf({ ...whole, dotenv: `${variable}=\n`, environment: empty }))).toEqual(fromYaml)
    })
  }

  const variables = {
    WALDUR_API_URL: "https://waldur.example.org",
    WALDUR_API_TOKEN: token,
    STORAGE_SYSTEMS: '{"capstor":"capstor"}',
    CSCS_KEYCLOAK_CLIENT_ID: "storage-proxy",
  }

  test("the environment alone is enough, as is .env, as is the file", async () => {
    const seen = ({ waldur, model, auth }: ProxySettings) => [waldur.apiUrl, model.storageSystems, auth.audience]
    const wanted = ["https://waldur.example.org", [{ name: "capstor", offeringSlug: "capstor" }], ["storage-proxy"]]
    expect(seen(await settingsOf({ environment: variables }))).toEqual(wanted)
    const dotenv = Object.entries(variables).map(([name, value]) => `${name}='${value}'`)
    expect(seen(await settingsOf({ dotenv: dotenv.join("\n") }))).toEqual(wanted)
    expect(seen(await settingsOf({ yaml: { ...least, waldur_api_url: "https://waldur.example.org" } }))).toEqual(wanted)
  })

  test("WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH names the file, unless --config does", async () => {
    expect((await settingsOf({ yaml: least, flag: false })).waldur.apiUrl).toBe(least.waldur_api_url)
    const elsewhere = { WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH: "/no/such/file.yaml" }
    expect((await settingsOf({ yaml: least, environment: elsewhere })).waldur.apiUrl).toBe(least.waldur_api_url)
    expect(await pathsOf({ environment: elsewhere })).toEqual(["/no/such/file.yaml"])
    const unset = { ...variables, WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH: "" }
    expect((await settingsOf({ environment: unset })).waldur.apiUrl).toBe("https://waldur.example.org")
  })

  test("a variable overrides a bad value of the file", async () => {
    const yaml = { ...least, backend_settings: { inode_soft_coefficient: "lots" } }
    expect(
      (await settingsOf({ yaml, environment: { INODE_SOFT_COEFFICIENT: "1.2" } })).model.inodeSoftCoefficient,
    ).toBe(1.2)
  })

  test("a log level overrides debug, and an invalid one is reported", async () => {
    expect((await settingsOf({ yaml: { ...least, debug: true, log_level: "error" } })).logLevel).toBe("error")
    for (const level of ["verbose", "trace", 1, true]) {
      expect(await pathsOf({ yaml: { ...least, log_level: level } })).toEqual(["log_level"])
    }
  })

  test("booleans are words in any case, as in the query parameter debug", async () => {
    for (const word of ["true", "TRUE", "1", "yes", "On"]) {
      expect((await settingsOf({ yaml: least, environment: { DEBUG: word } })).logLevel).toBe("debug")
    }
    for (const word of ["false", "0", "NO", "off"]) {
      expect((await settingsOf({ yaml: { ...least, debug: true }, environment: { DEBUG: word } })).logLevel).toBe(
        "info",
      )
    }
    for (const word of ["enabled", "2", "t"]) {
      expect(await pathsOf({ yaml: least, environment: { DEBUG: word } })).toEqual(["debug"])
    }
  })

  test("CSCS_KEYCLOAK_REDIRECT_URL and DEVELOPMENT_MODE are accepted and have no effect", async () => {
    const environment = { CSCS_KEYCLOAK_REDIRECT_URL: "not an address", DEVELOPMENT_MODE: "perhaps" }
    const settings = await settingsOf({ ...over({ hpc_user_api: hpcUser }), environment })
    const without = await settingsOf(over({ hpc_user_api: hpcUser }))
    const values = ({ effective, secretFiles: _, ...rest }: ProxySettings) =>
      JSON.stringify([rest, effective.map(({ path, value }) => [path, value])])
    expect(values(settings)).toBe(values(without))
    expect(settings.mockGids).toBe(false)
  })
})

describe("the HPC User API", () => {
  const older = {
    hpc_user_api_url: "https://older.example.org",
    hpc_user_client_id: "older-id",
    hpc_user_client_secret: "older-secret",
    hpc_user_oidc_token_url: "https://older.example.org/token",
    hpc_user_oidc_scope: "older",
    hpc_user_socks_proxy: "socks5://older:1",
  }

  test("is read at its older path if there is no section", async () => {
    const { hpcUserApi, mockGids, warnings } = await settingsOf(over({ backend_settings: older }))
    expect(hpcUserApi).toMatchObject({
      apiUrl: "https://older.example.org",
      clientId: "older-id",
      tokenUrl: "https://older.example.org/token",
      scope: "older",
      proxy: "socks5://older:1",
    })
    expect(secretOf(hpcUserApi?.clientSecret)).toBe("older-secret")
    expect([mockGids, warnings]).toEqual([false, []])
  })

  test("is not read at its older path if there is a section", async () => {
    const settings = await settingsOf(over({ backend_settings: older, hpc_user_api: hpcUser }))
    expect(settings.hpcUserApi).toMatchObject({ apiUrl: "https://hpc.example.org", scope: "openid" })
    expect(settings.hpcUserApi?.proxy).toEqual({})
    const { client_secret: _, ...without } = hpcUser
    expect(await pathsOf(over({ backend_settings: older, hpc_user_api: without }))).toEqual([
      "hpc_user_api.client_secret",
    ])
  })

  test("is read from variables before the older path", async () => {
    const { hpcUserApi } = await settingsOf({
      ...over({ backend_settings: older }),
      environment: { HPC_USER_API_URL: "https://newer.example.org" },
    })
    expect([hpcUserApi?.apiUrl, hpcUserApi?.clientId]).toEqual(["https://newer.example.org", "older-id"])
  })

  test("is an error that names what is missing if configured in part, and is never mocked then", async () => {
    for (const missing of ["api_url", "client_id", "client_secret", "oidc_token_url"]) {
      for (const nothing of [undefined, null, ""]) {
        expect(await pathsOf(over({ hpc_user_api: { ...hpcUser, [missing]: nothing } }))).toEqual([
          `hpc_user_api.${missing}`,
        ])
      }
    }
    expect(await pathsOf({ yaml: least, environment: { HPC_USER_CLIENT_ID: "x" } })).toEqual([
      "hpc_user_api.api_url",
      "hpc_user_api.client_secret",
      "hpc_user_api.oidc_token_url",
    ])
    expect((await pathsOf(over({ backend_settings: { hpc_user_oidc_scope: "openid" } }))).length).toBe(4)
    expect((await pathsOf({ yaml: least, environment: { HPC_USER_SOCKS_PROXY: "socks5://a:1" } })).length).toBe(4)
    for (const section of [null, {}, "https://hpc.example.org", []]) {
      expect((await pathsOf(over({ hpc_user_api: section }))).length).toBeGreaterThan(0)
    }
    // Requesting mocks as well does not complete a partial configuration.
    const { client_secret: _, ...half } = hpcUser
    expect(await pathsOf(over({ hpc_user_api: { ...half, fallback: "mock" } }))).toEqual(["hpc_user_api.client_secret"])
  })

  test("is mocked if it is not configured at all, and that is reported", async () => {
    for (const more of [{}, { hpc_user_api: { fallback: "mock" } }]) {
      const { hpcUserApi, mockGids, warnings } = await settingsOf(over(more))
      expect([hpcUserApi, mockGids]).toEqual([undefined, true])
      expect(warnings.join(" ")).toMatch(/mocks/)
    }
  })

  test("has none or mock as its fallback", async () => {
    for (const fallback of ["mocks", true, "MOCK", 1]) {
      expect(await pathsOf(over({ hpc_user_api: { ...hpcUser, fallback } }))).toEqual(["hpc_user_api.fallback"])
    }
  })
})

describe("validation of the configuration:", () => {
  const refused = async (more: object, path: string, found: RegExp, allowed: RegExp) => {
    const problems = await problemsOf(over(more))
    expect(problems.map((one) => one.path)).toEqual([path])
    expect(problems[0]?.found).toMatch(found)
    expect(problems[0]?.allowed).toMatch(allowed)
  }

  test("coefficients and multiplier are numbers above 0", async () => {
    for (const key of ["inode_soft_coefficient", "inode_hard_coefficient", "inode_base_multiplier"]) {
      for (const value of [0, -1, "x", true, [], "1e999"]) {
        await refused({ backend_settings: { [key]: value } }, `backend_settings.${key}`, /./, /a number above 0/)
      }
    }
    for (const yaml of [".inf", ".nan", "-.inf"]) {
      const text = `${JSON.stringify(least).slice(0, -1)}, "backend_settings": {"inode_base_multiplier": ${yaml}}}`
      expect(await pathsOf({ yaml: text })).toEqual(["backend_settings.inode_base_multiplier"])
    }
  })

  test("the hard coefficient is not below the soft one, even if one is a default", async () => {
    const path = "backend_settings.inode_hard_coefficient"
    await refused(
      { backend_settings: { inode_soft_coefficient: 1.5, inode_hard_coefficient: 1.4 } },
      path,
      /1\.4/,
      /1\.5/,
    )
    await refused({ backend_settings: { inode_soft_coefficient: 2.5 } }, path, /2/, /2\.5/)
    await refused({ backend_settings: { inode_hard_coefficient: 1.3 } }, path, /1\.3/, /1\.33/)
    const same = { inode_soft_coefficient: 1.5, inode_hard_coefficient: 1.5 }
    expect((await settingsOf(over({ backend_settings: same }))).model.inodeHardCoefficient).toBe(1.5)
  })

  test("storage_file_system is a non-empty string", async () => {
    for (const value of ["", '""', " ", 5, ["lustre"]]) {
      await refused(
        { backend_settings: { storage_file_system: value } },
        "backend_settings.storage_file_system",
        /./,
        /non-empty string/,
      )
    }
  })

  test("there is at least one storage system", async () => {
    await refused({ storage_systems: {} }, "storage_systems", /empty/, /at least one/)
    for (const value of [[], "capstor", 5]) await refused({ storage_systems: value }, "storage_systems", /./, /mapping/)
    for (const value of [undefined, null])
      await refused({ storage_systems: value }, "storage_systems", /nothing/, /at least one/)
    for (const text of ["capstor", "[]", "{", '"x"', "null"]) {
      expect(await pathsOf({ yaml: least, environment: { STORAGE_SYSTEMS: text } })).toEqual(["storage_systems"])
    }
  })

  test("names and slugs are not empty and have no comma, and no slug comes twice", async () => {
    await refused({ storage_systems: { "a,b": "c" } }, "storage_systems.a,b", /a,b/, /comma/)
    await refused({ storage_systems: { " ": "c" } }, "storage_systems. ", /" "/, /not empty/)
    await refused({ storage_systems: { "": "c" } }, "storage_systems.", /""/, /not empty/)
    for (const slug of ["a,b", "", " ", 5, null, ["x"]]) {
      await refused({ storage_systems: { x: slug } }, "storage_systems.x", /./, /without comma/)
    }
    await refused({ storage_systems: { one: "same", two: "same" } }, "storage_systems.two", /same/, /one has the same/)
  })

  test("backend_components may be missing; if given it contains storage, in TB with unit_factor 1", async () => {
    const storage = (more: object) => ({
      backend_components: { storage: { measured_unit: "TB", unit_factor: 1, ...more } },
    })
    for (const value of [undefined, null])
      expect((await settingsOf(over({ backend_components: value }))).backend.components).toEqual({})
    expect((await settingsOf(over(storage({ label: "Storage" })))).backend.components).toEqual(
      storage({ label: "Storage" }).backend_components,
    )
    const float = JSON.stringify(over(storage({})).yaml).replace('"unit_factor":1', '"unit_factor":1.0')
    expect((await settingsOf({ yaml: float })).backend.components).toEqual(storage({}).backend_components)
    await refused({ backend_components: {} }, "backend_components.storage", /nothing/, /storage/)
    await refused({ backend_components: { cpu: {} } }, "backend_components.storage", /nothing/, /storage/)
    await refused({ backend_components: { storage: null } }, "backend_components.storage", /null/, /storage/)
    await refused({ backend_components: { storage: 1 } }, "backend_components.storage", /1/, /storage/)
    for (const measured_unit of ["GB", "tb", "TiB", 1, null]) {
      await refused(storage({ measured_unit }), "backend_components.storage.measured_unit", /./, /TB/)
    }
    for (const unit_factor of [1000, 1024, 0, "1", true, null]) {
      await refused(storage({ unit_factor }), "backend_components.storage.unit_factor", /./, /1/)
    }
  })

  test("an empty audience is refused, even beside a client id", async () => {
    const { problems } = await refusalOf(over({ auth: { keycloak_client_id: "storage-proxy", audience: [] } }))
    expect(problems.map(({ path }) => path)).toEqual(["auth.audience"])
  })

  test("authentication requires keycloak_client_id or auth.audience", async () => {
    for (const auth of [undefined, null, {}, { disable_auth: false }, { keycloak_client_id: "" }]) {
      const [problem] = await problemsOf(over({ auth }))
      expect(problem).toMatchObject({ path: "auth.keycloak_client_id", found: "nothing" })
      expect(problem?.allowed).toMatch(/auth\.audience/)
    }
    expect((await settingsOf(over({ auth: { audience: ["a"] } }))).auth.audience).toEqual(["a"])
    expect((await settingsOf(over({ auth: { disable_auth: true } }))).auth.disabled).toBe(true)
    expect((await settingsOf({ ...over({ auth: {} }), environment: { DISABLE_AUTH: "true" } })).auth.disabled).toBe(
      true,
    )
  })

  test("a proxy's URL has a scheme", async () => {
    for (const proxy of ["localhost:12345", "proxy.example.org", "10.0.0.1:1080", "//a:1", "ftp://a:1", "socks5:"]) {
      await refused({ waldur_socks_proxy: proxy }, "waldur_socks_proxy", /./, /scheme.*socks5/)
      await refused(
        { hpc_user_api: { ...hpcUser, socks_proxy: proxy } },
        "hpc_user_api.socks_proxy",
        /./,
        /scheme.*socks5/,
      )
    }
  })

  test("user and password of a proxy and of a shared cache are percent-encoded", async () => {
    for (const login of ["u:50%", "u:%FF", "u%:41"]) {
      const proxy = { waldur_socks_proxy: `socks5h://${login}@h:1` }
      await refused(proxy, "waldur_socks_proxy", /^a URL whose user or password is not percent-encoded$/, /scheme/)
      await refused({ cache: { url: `redis://${login}@h:1` } }, "cache.url", /secret/, /rediss/)
    }
    const encoded = { waldur_socks_proxy: "socks5h://u:50%25@h:1", cache: { url: "redis://u:%C3%BF@h:1" } }
    expect((await settingsOf(over(encoded))).waldur.proxy).toBe(encoded.waldur_socks_proxy)
  })

  test("a flag is a boolean or one of its spellings, numbers included, and nothing else", async () => {
    for (const [value, verify] of [
      [1, true],
      [0, false],
      ["on", true],
      ["No", false],
    ]) {
      expect((await settingsOf(over({ waldur_verify_ssl: value }))).waldur.tls.verify).toBe(verify)
    }
    for (const value of [2, 0.5, "maybe", [true], { true: 1 }]) {
      await refused({ waldur_verify_ssl: value }, "waldur_verify_ssl", /./, /true or false/)
    }
  })

  test("addresses are http or https, Waldur's with or without /api", async () => {
    for (const url of ["waldur.example.org", "ftp://waldur", "/api"]) {
      await refused({ waldur_api_url: url }, "waldur_api_url", /./, /http/)
    }
    for (const url of ["https://w", "https://w/", "https://w/api", "https://w/api/"]) {
      expect((await settingsOf(over({ waldur_api_url: url }))).waldur.apiUrl).toBe(url)
    }
  })

  test("time spans are seconds or have a unit", async () => {
    for (const value of [-1, "-1s", "1d", "soon", true, "10 s s", "Infinity"]) {
      await refused({ cache: { fresh_for: value } }, "cache.fresh_for", /./, /10s/)
    }
  })

  test("mount roots are absolute", async () => {
    await refused({ backend_settings: { mount_roots: ["/a", "b"] } }, "backend_settings.mount_roots", /"b"/, /absolute/)
  })

  test("a section is a mapping", async () => {
    for (const section of ["auth", "backend_settings", "cache"]) {
      for (const value of ["yes", 5, true, ["x"]]) {
        const problems = await problemsOf(over({ auth: { disable_auth: true }, [section]: value }))
        expect(problems.map(({ path }) => path)).toContain(section)
      }
    }
  })
})

describe("unknown keys", () => {
  const near: ReadonlyArray<readonly [object, string, string]> = [
    [{ waldur_api_ulr: "https://x" }, "waldur_api_ulr", "waldur_api_url"],
    [{ storage_system: { a: "b" } }, "storage_system", "storage_systems"],
    [{ backend_setting: {} }, "backend_setting", "backend_settings"],
    [{ Debug: true }, "Debug", "debug"],
    [{ auth: { disable_auht: true, keycloak_client_id: "x" } }, "auth.disable_auht", "auth.disable_auth"],
    [{ cache: { freshfor: 1 } }, "cache.freshfor", "cache.fresh_for"],
    [
      { backend_settings: { inode_hard_coeficent: 3 } },
      "backend_settings.inode_hard_coeficent",
      "backend_settings.inode_hard_coefficient",
    ],
    [
      { backend_settings: { hpc_user_api_ur: "x" } },
      "backend_settings.hpc_user_api_ur",
      "backend_settings.hpc_user_api_url",
    ],
    [
      { backend_components: { storage: { measured_unit: "TB", unit_facter: 1000 } } },
      "backend_components.storage.unit_facter",
      "backend_components.storage.unit_factor",
    ],
    [
      { hpc_user_api: { ...hpcUser, socks_prox: "socks5://a:1" } },
      "hpc_user_api.socks_prox",
      "hpc_user_api.socks_proxy",
    ],
  ]
  for (const [more, path, nearest] of near) {
    test(`${path} is an error that names ${nearest}`, async () => {
      const problems = await problemsOf(over(more))
      const problem = problems.find((one) => one.path === path)
      expect(problem?.found).toMatch(/unknown/)
      expect(problem?.allowed).toContain(nearest)
    })
  }

  test("that resemble no setting are warnings that name them, so an old file still starts", async () => {
    const { warnings, ignoredKeys } = await settingsOf(
      over({
        offerings: [{ name: "x" }],
        timezone: "CET",
        cache: { frash_fur_x: 1 },
        backend_settings: { anything: true },
      }),
    )
    const paths = ["offerings", "timezone", "cache.frash_fur_x", "backend_settings.anything"]
    for (const path of paths) expect(warnings.filter((one) => one.includes(` ${path} `)).length).toBe(1)
    expect(ignoredKeys.toSorted()).toEqual(paths.toSorted())
  })

  test("are named without a login that they contain", async () => {
    const { warnings, ignoredKeys } = await settingsOf(over({ "https://someone:swordfish@proxy.example.org": true }))
    expect(ignoredKeys).toEqual(["https://***@proxy.example.org"])
    expect(warnings.join()).not.toMatch(/someone|swordfish/)
  })

  test("do not include the names of storage systems", async () => {
    expect((await settingsOf(over({ storage_systems: { auth: "a", debugg: "b" } }))).warnings.join()).not.toMatch(
      /debugg/,
    )
  })
})

describe("a configuration error", () => {
  test("is reported with all others at once, each with path, found, allowed and source", async () => {
    const error = await refusalOf({
      yaml: {
        waldur_api_url: "waldur",
        storage_systems: { a: "x", b: "x" },
        backend_settings: { inode_base_multiplier: -1 },
        backend_components: { storage: { measured_unit: "GB", unit_factor: 1000 } },
        hpc_user_api: { api_url: "https://h" },
        chache: { fresh_for: 1 },
        cache: { fresh_for: "soon" },
      },
      environment: { DEBUG: "maybe" },
      dotenv: "WALDUR_SOCKS_PROXY=localhost:1",
    })
    const wanted = new Map([
      ["chache", error.file],
      ["debug", "environment variable DEBUG"],
      ["waldur_api_url", error.file],
      ["waldur_api_token", "not given"],
      ["waldur_socks_proxy", expect.stringContaining(".env")],
      ["storage_systems.b", error.file],
      ["backend_settings.inode_base_multiplier", error.file],
      ["backend_components.storage.measured_unit", error.file],
      ["backend_components.storage.unit_factor", error.file],
      ["hpc_user_api.client_id", "not given"],
      ["hpc_user_api.client_secret", "not given"],
      ["hpc_user_api.oidc_token_url", "not given"],
      ["cache.fresh_for", error.file],
      ["auth.keycloak_client_id", "not given"],
    ])
    expect(new Map(error.problems.map(({ path, source }) => [path, source]))).toEqual(wanted)
    expect(error.problems.length).toBe(wanted.size)
    for (const { path, source, found, allowed } of error.problems) {
      expect([found, allowed]).not.toContain("")
      expect(error.message).toContain(`${path} (${source}): found ${found}; expected ${allowed}`)
    }
    expect(error.message).toMatch(/14 problems/)
  })

  test("names the older path if the value is there", async () => {
    const backend_settings = {
      hpc_user_api_url: "hpc",
      hpc_user_client_id: "a",
      hpc_user_client_secret: "b",
      hpc_user_oidc_token_url: "https://c",
    }
    expect(await pathsOf(over({ backend_settings }))).toEqual(["backend_settings.hpc_user_api_url"])
  })

  test("contains no secret", async () => {
    const secret = "hunter2"
    const attempts: ReadonlyArray<Given> = [
      over({ waldur_api_token: [secret] }),
      over({ waldur_api_token: { [secret]: secret } }),
      over({ hpc_user_api: { ...hpcUser, client_secret: { nested: secret } } }),
      over({ auth: { keycloak_client_secret: [secret] } }),
      over({ waldur_socks_proxy: `ftp://user:${secret}@proxy:1` }),
      over({ waldur_socks_proxy: `user:${secret}@proxy:1080` }),
      over({ waldur_socks_proxy: `socks5://user:a/${secret}@proxy:1080` }),
      over({ waldur_socks_proxy: `socks5://user:a@${secret}@proxy:x` }),
      over({ waldur_socks_proxy: [`socks5://user:${secret}@proxy:1080`, { a: `b:${secret}@proxy` }] }),
      over({ waldur_api_url: `ftp://user:${secret}@waldur` }),
      over({ waldur_api_url: `user:${secret}@waldur` }),
      over({ hpc_user_api: { ...hpcUser, oidc_token_url: `//user:${secret}@auth` } }),
      { yaml: `waldur_api_token: ${secret}\n  bad: [` },
      { yaml: `waldur_api_token: *${secret}\n` },
      { yaml: `waldur_api_token: "${secret}\nother: 1` },
      { yaml: `- ${secret}` },
      { yaml: secret },
      { yaml: { ...least, debug: 7 }, environment: { WALDUR_API_TOKEN: secret, HPC_USER_CLIENT_SECRET: secret } },
    ]
    for (const given of attempts) {
      const error = await refusalOf(given)
      expect(`${error.message}\n${JSON.stringify(error.problems)}`, JSON.stringify(given)).not.toContain(secret)
    }
  })

  test("a file that is not a YAML mapping is one problem, which names the file", async () => {
    for (const yaml of ["a: [", "- a", "5", "a: 1\na: 2", "a: *nowhere", "\t- x", "a: &x [*x]", "--- a\n--- b"]) {
      const { exit, file } = await loaded({ yaml })
      const error = Exit.findErrorOption(exit)
      if (error._tag === "None") throw new Error(`${JSON.stringify(yaml)}: no typed error`)
      expect([yaml, (error.value as ConfigurationInvalid).problems.map(({ path }) => path)]).toEqual([yaml, [file]])
    }
  })
})
