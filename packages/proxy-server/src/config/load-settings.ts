import { X509Certificate } from "node:crypto"
import { readFile } from "node:fs/promises"
import { Effect, Exit } from "effect"
import { assembleSettings, type SettingValues } from "./assemble-settings.ts"
import { ConfigurationInvalid, type ConfigurationProblem } from "./configuration-invalid.ts"
import { olderHpcUserPaths, type SettingKey, settingKeys } from "./setting-keys.ts"
import type { ProxySettings } from "./settings.ts"
import { shownValue } from "./shown-value.ts"
import { type ConfigurationSources, type ReadSources, readSources, type Sourced } from "./sources.ts"
import { unknownKeys } from "./unknown-keys.ts"

/**
 * Reads the configuration: the environment, then `.env`, then the YAML file, then defaults, key by key. Fails with all
 * problems at once.
 */
export const loadSettings = Effect.fn("loadSettings")(function* (
  from: ConfigurationSources,
): Effect.fn.Return<ProxySettings, ConfigurationInvalid> {
  const sources = yield* readSources(from)
  const { file, document } = sources
  const unknown = file === undefined ? { misspelt: [], ignored: [] } : unknownKeys(document, file)
  const problems: Array<ConfigurationProblem> = [...unknown.misspelt]
  const given = new Map<string, Given>()
  const values: Record<string, unknown> = {}
  for (const [name, key] of Object.entries<SettingKey<unknown>>(settingKeys)) {
    const raw = yield* Effect.exit(givenValue(key, sources))
    if (Exit.isFailure(raw)) {
      const error = Exit.findErrorOption(raw)
      if (error._tag === "Some") problems.push(error.value)
      given.set(key.path, { value: undefined, source: key.variable, path: key.path })
    } else if (raw.value === undefined) {
      values[name] = key.fallback
    } else {
      const { value, source, path } = raw.value
      given.set(key.path, raw.value)
      values[name] = key.type.decode(value)
      if (values[name] === undefined) {
        problems.push({ path, source, found: shownValue(value, key), allowed: key.type.allowed })
      }
    }
  }
  const sourceOf = (path: string) => {
    const [, found] = [...given].find(([prefix]) => path === prefix || path.startsWith(`${prefix}.`)) ?? []
    return found?.source ?? "not given"
  }
  const certificates = yield* Effect.all(
    {
      waldur: readCertificates("waldur_ca_file", values.waldurCaFile, sourceOf, problems),
      hpcUserApi: readCertificates("hpc_user_api.ca_file", values.hpcUserCaFile, sourceOf, problems),
      auth: readCertificates("auth.ca_file", values.authCaFile, sourceOf, problems),
    },
    { concurrency: 1 },
  )
  // Each value is of its key's type, by decode or by default.
  const assembled = assembleSettings(values as unknown as SettingValues, {
    // A key that is there but wrong has been said; that it is "missing" would be said twice.
    has: (path) => given.has(path),
    sourceOf,
    hasHpcUserSection: Object.hasOwn(document, "hpc_user_api"),
    backendSettings: document.backend_settings,
    variables: sources.variables,
    certificates,
  })
  problems.push(...assembled.problems)
  if (assembled.settings === undefined || problems.length > 0) return yield* new ConfigurationInvalid({ problems })
  const ignored = unknown.ignored.map((path) => `${file}: the key ${path} is unknown and has no effect`)
  return {
    ...assembled.settings,
    warnings: [...ignored, ...assembled.settings.warnings],
    effective: Object.entries<SettingKey<unknown>>(settingKeys).map(([name, key]) => ({
      path: key.path,
      value: shownValue(values[name], key),
      source: given.has(key.path) ? sourceOf(key.path) : "default",
    })),
  }
})

interface Given extends Sourced<unknown> {
  /** The path where the value stood: an older one where it did. */
  readonly path: string
}

/** A setting's value as it was given, from the first source that has it. */
const givenValue = Effect.fnUntraced(function* (
  key: SettingKey<unknown>,
  { variable, file, document }: ReadSources,
): Effect.fn.Return<Given | undefined, ConfigurationProblem> {
  const plain = variable(key.variable)
  const named = key.isSecret ? variable(`${key.variable}_FILE`) : undefined
  if (plain !== undefined && named !== undefined) {
    return yield* Effect.fail({
      path: key.path,
      source: `${plain.source} and ${named.source}`,
      found: "two values",
      allowed: "the secret, or the file that holds it",
    })
  }
  if (plain !== undefined) return { ...plain, path: key.path }
  if (named !== undefined) {
    const content = yield* readText(named.value, { path: key.path, source: named.source })
    return { value: content.replace(/\r?\n$/, ""), source: `${named.source}, ${named.value}`, path: key.path }
  }
  const older = olderHpcUserPaths[key.path]
  const path = older !== undefined && !Object.hasOwn(document, "hpc_user_api") ? older : key.path
  const value = valueAt(document, path)
  return value === undefined || value === null || value === "" ? undefined : { value, source: file ?? "", path }
})

const readText = (path: string, about: { readonly path: string; readonly source: string }) =>
  Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (cause): ConfigurationProblem => ({
      ...about,
      found: cause instanceof Error ? cause.message : String(cause),
      allowed: "a file that can be read",
    }),
  })

/** The certificates in a PEM file; what is wrong with it joins the other problems. */
const readCertificates = Effect.fnUntraced(function* (
  path: string,
  file: unknown,
  sourceOf: (path: string) => string,
  problems: Array<ConfigurationProblem>,
): Effect.fn.Return<string | undefined> {
  if (typeof file !== "string") return undefined
  const source = sourceOf(path)
  const read = yield* Effect.exit(readText(file, { path, source }))
  if (Exit.isFailure(read)) {
    const error = Exit.findErrorOption(read)
    if (error._tag === "Some") problems.push(error.value)
    return undefined
  }
  if (isCertificate(read.value)) return read.value
  problems.push({ path, source, found: `${file}, which holds no certificate`, allowed: "a file of PEM certificates" })
  return undefined
})

const isCertificate = (pem: string): boolean => {
  try {
    return new X509Certificate(pem).subject !== undefined
  } catch {
    return false
  }
}

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
