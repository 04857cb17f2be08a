import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { parseEnv } from "node:util"
import { Effect, Exit, Schema } from "effect"
import { parseDocument } from "yaml"
import { assembleSettings, type SettingValues } from "./assemble-settings.ts"
import { ConfigurationInvalid, type ConfigurationProblem } from "./configuration-invalid.ts"
import { olderHpcUserPaths, type SettingKey, settingKeys } from "./setting-keys.ts"
import type { ProxySettings } from "./settings.ts"
import { unknownKeys } from "./unknown-keys.ts"

/** Where the configuration comes from. */
export interface ConfigurationSources {
  /** The YAML file; else the environment's `WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH`; else none. */
  readonly configPath?: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Where a `.env` file may be. */
  readonly workingDirectory: string
}

/**
 * Reads the configuration: the environment, then `.env`, then the YAML file, then defaults, key by key. Fails with all
 * problems at once.
 */
export const loadSettings = Effect.fn("loadSettings")(function* (
  sources: ConfigurationSources,
): Effect.fn.Return<ProxySettings, ConfigurationInvalid> {
  const dotenv = yield* readDotenv(join(sources.workingDirectory, ".env"))
  const variable = (name: string) => {
    const own = given(sources.environment[name])
    if (own !== undefined) return { value: own, source: `environment variable ${name}` }
    const text = given(dotenv[name])
    return text === undefined ? undefined : { value: text, source: `${name} in .env` }
  }
  const file = sources.configPath ?? variable("WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH")?.value
  const document = file === undefined ? {} : yield* readYaml(file)
  const unknown = file === undefined ? { misspelt: [], ignored: [] } : unknownKeys(document, file)

  const problems: Array<ConfigurationProblem> = [...unknown.misspelt]
  const found = (key: SettingKey<unknown>): Found | undefined => {
    const fromVariable = variable(key.variable)
    if (fromVariable !== undefined) return { ...fromVariable, path: key.path }
    const older = olderHpcUserPaths[key.path]
    const path = older !== undefined && !Object.hasOwn(document, "hpc_user_api") ? older : key.path
    const value = valueAt(document, path)
    return value === undefined || value === null || value === "" ? undefined : { value, source: file ?? "", path }
  }
  const sourcesByPath = new Map<string, Found>()
  const decode = (key: SettingKey<unknown>): unknown => {
    const raw = found(key)
    if (raw === undefined) return key.fallback
    sourcesByPath.set(key.path, raw)
    const decoded = Schema.decodeUnknownExit(key.schema)(raw.value)
    if (Exit.isSuccess(decoded)) return decoded.value
    problems.push({ path: raw.path, source: raw.source, found: display(raw.value, key), allowed: expectedBy(decoded) })
    return undefined
  }
  const values = Object.fromEntries(
    Object.entries(settingKeys).map(([name, key]) => [name, decode(key)]),
  ) as unknown as SettingValues
  const assembled = assembleSettings(values, {
    // A key that is there but wrong has been said; that it is "missing" would be said twice.
    has: (path) => sourcesByPath.has(path),
    hasHpcUserSection: Object.hasOwn(document, "hpc_user_api"),
    sourceOf: (path) => {
      const [, source] = [...sourcesByPath].find(([given]) => path === given || path.startsWith(`${given}.`)) ?? []
      return source?.source ?? "not given"
    },
    backendSettings: valueAt(document, "backend_settings"),
  })
  problems.push(...assembled.problems)
  if (assembled.settings === undefined || problems.length > 0) return yield* new ConfigurationInvalid({ problems })
  const ignored = unknown.ignored.map((path) => `${file}: the key ${path} is unknown and has no effect`)
  return { ...assembled.settings, warnings: [...ignored, ...assembled.settings.warnings] }
})

interface Found {
  readonly value: unknown
  readonly source: string
  readonly path: string
}

/** An empty variable is unset: that is how container platforms write "not given". */
const given = (text: string | undefined) => (text === "" ? undefined : text)

const valueAt = (document: unknown, path: string): unknown =>
  path
    .split(".")
    .reduce<unknown>(
      (value, name) =>
        typeof value === "object" && value !== null && Object.hasOwn(value, name)
          ? (value as Record<string, unknown>)[name]
          : undefined,
      document,
    )

const display = (value: unknown, key: SettingKey<unknown>): string => {
  if (key.secret) return "*** (a secret)"
  // A URL may hold a password, also one that lacks its scheme or is broken otherwise.
  const shown =
    typeof value === "string" ? value.replace(/^([a-z][a-z\d+.-]*:(?=\/\/))?(\/\/)?.*@/is, "$1$2***@") : value
  const text = JSON.stringify(shown) ?? String(shown)
  const safe = typeof value === "string" ? text : text.replace(/"[^"]*@/g, '"***@')
  return safe.length > 200 ? `${safe.slice(0, 200)}…` : safe
}

const expectedBy = (exit: Exit.Failure<unknown, Schema.SchemaError>): string =>
  String(Exit.findErrorOption(exit).pipe((error) => (error._tag === "Some" ? error.value.message : "another value")))
    .replace(/^Expected /, "")
    .split("\n")[0] ?? ""

const readDotenv = (path: string) =>
  Effect.tryPromise(() => readFile(path, "utf8")).pipe(
    Effect.map((text): Readonly<Record<string, string | undefined>> => parseEnv(text)),
    // Most installations have none.
    Effect.orElseSucceed((): Readonly<Record<string, string | undefined>> => ({})),
  )

const readYaml = Effect.fnUntraced(function* (
  path: string,
): Effect.fn.Return<Readonly<Record<string, unknown>>, ConfigurationInvalid> {
  const unreadable = (found: string) =>
    new ConfigurationInvalid({ problems: [{ path, source: "the file", found, allowed: "a readable YAML mapping" }] })
  const text = yield* Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (cause) => unreadable(cause instanceof Error ? cause.message : String(cause)),
  })
  const document = parseDocument(text)
  const [error] = document.errors
  if (error !== undefined) return yield* unreadable(error.message.split("\n")[0] ?? "")
  const value = yield* Effect.try({
    try: (): unknown => {
      const made: unknown = document.toJS()
      // Fails where an alias leads a value back into itself.
      JSON.stringify(made)
      return made
    },
    // The fault's own words would show the alias: `*` before a secret that nobody quoted makes it one.
    catch: () => unreadable("an alias (*name) that leads nowhere, or back to itself"),
  })
  if (value === null) return {}
  if (typeof value !== "object" || Array.isArray(value)) return yield* unreadable("no mapping")
  return value as Readonly<Record<string, unknown>>
})
