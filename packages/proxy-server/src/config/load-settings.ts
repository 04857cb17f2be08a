/** Loads the configuration from its sources. */
import { X509Certificate } from "node:crypto"
import { Effect, Exit } from "effect"
import { readBoundedFile } from "../config-sources/bounded-file.ts"
import { ConfigurationInvalid, type ConfigurationProblem } from "../config-sources/configuration-invalid.ts"
import {
  type ConfigurationSources,
  type ReadSources,
  readSources,
  type Sourced,
  shortList,
} from "../config-sources/sources.ts"
import { unwrapped } from "../config-sources/unwrapped.ts"
import { masker } from "../observability/mask-secrets.ts"
import { assembleSettings, type SettingValues } from "./assemble-settings.ts"
import { olderHpcUserPaths, type SettingKey, settingKeys } from "./setting-keys.ts"
import type { ProxySettings } from "./settings.ts"
import { foundValue, shownName, shownValue } from "./shown-value.ts"
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
        const found = (key.isSecret ? undefined : key.type.fault?.(value)) ?? foundValue(value, key)
        problems.push({ path, source, found, allowed: key.type.allowed })
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
  // Each value has its key's type, by decoding or by default.
  const assembled = assembleSettings(values as unknown as SettingValues, {
    isIncomplete: problems.length > 0,
    // A value that is present but invalid has been reported already; reporting it as missing too would be a duplicate.
    has: (path) => given.has(path),
    sourceOf,
    hasHpcUserSection: Object.hasOwn(document, "hpc_user_api"),
    backendSettings: document.backend_settings,
    variables: sources.variables,
    certificates,
  })
  problems.push(...assembled.problems)
  const withoutSecrets = masker(secretsGiven(sources).map(unwrapped))
  if (assembled.settings === undefined || problems.length > 0) {
    return yield* new ConfigurationInvalid({
      problems: problems.map((problem) => ({ ...problem, found: withoutSecrets(problem.found) })),
    })
  }
  const ignoredKeys = unknown.ignored.map(shownName)
  const ignored = ignoredKeys.map((name) => `${file}: the key ${name} is unknown and has no effect`)
  const trimmed = [...given].flatMap(([path, { source, taken }]) =>
    taken === "more" ? [`${path} (${source}): white space or quotes around the secret were stripped`] : [],
  )
  const secretFiles = Object.values<SettingKey<unknown>>(settingKeys).flatMap(({ path, isSecret }) => {
    const secretFile = isSecret ? given.get(path)?.file : undefined
    return secretFile === undefined ? [] : [secretFile]
  })
  return {
    ...assembled.settings,
    secretFiles: [...new Set(secretFiles)],
    ignoredKeys,
    warnings: [...sources.warnings, ...shortList(ignored), ...trimmed, ...assembled.settings.warnings],
    effective: Object.entries<SettingKey<unknown>>(settingKeys).map(([name, key]) => {
      const note = given.get(key.path)?.taken === undefined ? "" : ", without the white space or quotes around it"
      return {
        path: key.path,
        value: withoutSecrets(shownValue(values[name], key)),
        source: given.has(key.path) ? `${sourceOf(key.path)}${note}` : "default",
      }
    }),
  }
})

interface Given extends Sourced<unknown> {
  /** The path at which the value was found: possibly an older one. */
  readonly path: string
  /** What was stripped around a secret: the line end of a file, or more. */
  readonly taken?: "line end" | "more"
  /** The file that contained it; `undefined` if it came from the environment, which does not change. */
  readonly file?: string
}

/** Every secret in any source, even if it is refused or overridden by another source. */
const secretsGiven = ({ variables, document }: ReadSources): ReadonlyArray<string> =>
  Object.values<SettingKey<unknown>>(settingKeys)
    .filter(({ isSecret }) => isSecret)
    .flatMap(({ path, variable }) => [
      variables[variable],
      valueAt(document, path),
      valueAt(document, olderHpcUserPaths[path] ?? path),
    ])
    .filter((value) => typeof value === "string")

/** A setting's value as given, from the first source that has it. */
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
  if (plain !== undefined) return withoutWrapping(key, plain, key.path)
  if (named !== undefined) {
    const path = unwrapped(named.value)
    const value = yield* readText(path, { path: key.path, source: named.source })
    return withoutWrapping(key, { value, source: `${named.source}, ${path}`, file: path }, key.path)
  }
  const older = olderHpcUserPaths[key.path]
  const path = older !== undefined && !Object.hasOwn(document, "hpc_user_api") ? older : key.path
  const value = valueAt(document, path)
  if (value === undefined || value === null) return undefined
  const read = withoutWrapping(key, { value, source: file ?? "", file }, path)
  // In a file made by a template "" means "not given". But a default must not silently replace an intended value.
  const hasDefault = key.fallback !== undefined && !(Array.isArray(key.fallback) && key.fallback.length === 0)
  return read.value === "" && !hasDefault ? undefined : read
})

/** Strips the white space and quotes around a text. */
const withoutWrapping = (key: SettingKey<unknown>, { value, source, file }: Sourced<unknown>, path: string): Given => {
  const given = { source, path, ...(file === undefined ? {} : { file }) }
  if (typeof value !== "string") return { value, ...given }
  const text = unwrapped(value)
  if (text === value || !key.isSecret) return { value: text, ...given }
  return { value: text, ...given, taken: text === value.replace(/\r?\n$/, "") ? "line end" : "more" }
}

const readText = (path: string, about: { readonly path: string; readonly source: string }) =>
  readBoundedFile(path).pipe(
    Effect.mapError(
      ({ code, reason }): ConfigurationProblem => ({
        ...about,
        // The secret itself may have been given instead of its file's name.
        found: `${code === "ENOENT" || code === "ENAMETOOLONG" ? foundValue(path) : path}: ${reason}`,
        allowed: "a file that can be read",
      }),
    ),
  )

/** The certificates in a PEM file; its faults are added to the other problems. */
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
