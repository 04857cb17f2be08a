/** Reads the settings of a table from their sources, key by key; each program has a table of its own. */
import { hash, X509Certificate } from "node:crypto"
import { property } from "@cscs/storage-model"
import { Effect, Equal, Result } from "effect"
import { readBoundedFile } from "../config-sources/bounded-file.ts"
import type { ConfigurationProblem } from "../config-sources/configuration-invalid.ts"
import { type ReadSources, type Sourced, shortList } from "../config-sources/sources.ts"
import { unwrapped } from "../config-sources/unwrapped.ts"
import { masker } from "../observability/mask-secrets.ts"
import type { SettingKey, SettingsTable } from "./setting-key.ts"
import type { ProxySettings } from "./settings.ts"
import { foundValue, shownName, shownValue } from "./shown-value.ts"
import { unknownKeys } from "./unknown-keys.ts"

/** The values of a table, by the names of its keys. */
export type ValuesOf<Keys extends Readonly<Record<string, SettingKey<unknown>>>> = {
  readonly [Name in keyof Keys]: Keys[Name]["fallback"]
}

/** The settings as read. Valid only if there is no problem: the value of a refused key is `undefined`. */
export interface ReadSettings<Values> {
  readonly values: Values
  readonly problems: ReadonlyArray<ConfigurationProblem>
  /** Whether the key of this path was given. */
  readonly has: (path: string) => boolean
  readonly sourceOf: (path: string) => string
  /** Masks the secrets in variables, in the files that they name, and in the YAML file. */
  readonly withoutSecrets: (text: string) => string
  readonly secretFiles: ReadonlyArray<string>
  readonly ignoredKeys: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<string>
  /** Each setting's value in effect, without secrets, and its source. */
  readonly effective: ProxySettings["effective"]
}

/** Reads each key of a table from the first source that has it: environment, `.env`, YAML file, default. */
export const readSettings = Effect.fnUntraced(function* <
  const Keys extends Readonly<Record<string, SettingKey<unknown>>>,
>(table: SettingsTable<Keys>, sources: ReadSources): Effect.fn.Return<ReadSettings<ValuesOf<Keys>>> {
  const { file, document } = sources
  const unknown = file === undefined ? { misspelt: [], ignored: [] } : unknownKeys(table, document, file)
  const read = yield* Effect.forEach(Object.entries<SettingKey<unknown>>(table.keys), ([name, key]) =>
    Effect.map(Effect.result(givenValue(key, sources, table.olderPaths?.[key.path])), (raw) => ({
      name,
      key,
      ...decoded(key, raw),
    })),
  )
  const given = new Map(read.flatMap(({ key, given }) => (given === undefined ? [] : [[key.path, given] as const])))
  const secretsRead = read.flatMap(({ key, given }) =>
    key.isSecret && typeof given?.value === "string" ? [given.value] : [],
  )
  const withoutSecrets = masker([...secretsGiven(table, sources).map(unwrapped), ...secretsRead])
  const ignoredKeys = unknown.ignored.map(shownName)
  const ignored = ignoredKeys.map((name) => `${file}: the key ${name} is unknown and has no effect`)
  const trimmed = [...given].flatMap(([path, { source, stripped }]) =>
    stripped === "more" ? [`${path} (${source}): white space or quotes around the secret were stripped`] : [],
  )
  const secretFiles = read.flatMap(({ key, given }) => (key.isSecret && given?.file !== undefined ? [given.file] : []))
  return {
    // Each value has its key's type, by decoding or by default.
    values: Object.fromEntries(read.map(({ name, value }) => [name, value])) as ValuesOf<Keys>,
    problems: [...unknown.misspelt, ...read.flatMap(({ problem }) => problem ?? [])],
    has: (path) => given.has(path),
    sourceOf: (path) => {
      const [, found] = [...given].find(([prefix]) => path === prefix || path.startsWith(`${prefix}.`)) ?? []
      return found?.source ?? "not given"
    },
    withoutSecrets,
    secretFiles: [...new Set(secretFiles)],
    ignoredKeys,
    warnings: [...sources.warnings, ...shortList(ignored), ...trimmed],
    effective: read.map(({ key, given, value }) => {
      const note = given?.stripped === undefined ? "" : ", without the white space or quotes around it"
      return {
        path: key.path,
        value: withoutSecrets(shownValue(value, key)),
        ...(key.isSecret ? {} : { digest: hash("sha256", JSON.stringify([value])) }),
        source: given === undefined ? "default" : `${given.source}${note}`,
        isDefault: Equal.equals(value, key.fallback),
      }
    }),
  }
})

/** A setting's value, decoded or its default; `undefined` with a problem if it was refused. */
const decoded = (
  key: SettingKey<unknown>,
  raw: Result.Result<Given | undefined, ConfigurationProblem>,
): { readonly given?: Given; readonly value?: unknown; readonly problem?: ConfigurationProblem } => {
  // It counts as given: reporting it as missing too would be a duplicate.
  if (Result.isFailure(raw)) {
    return { given: { value: undefined, source: key.variable, path: key.path }, problem: raw.failure }
  }
  if (raw.success === undefined) return { value: key.fallback }
  const { value, source, path } = raw.success
  const accepted = key.type.decode(value)
  if (accepted !== undefined) return { given: raw.success, value: accepted }
  const found = (key.isSecret ? undefined : key.type.fault?.(value)) ?? foundValue(value, key)
  return { given: raw.success, problem: { path, source, found, allowed: key.type.allowed } }
}

interface Given extends Sourced<unknown> {
  /** The path at which the value was found: possibly an older one. */
  readonly path: string
  /** What was stripped around a secret: the line end of a file, or more. */
  readonly stripped?: "line end" | "more"
  /** The file that contained it; `undefined` if it came from the environment, which does not change. */
  readonly file?: string
}

/** Every secret in a variable and in the YAML file, even if it is refused or the file's is overridden. */
const secretsGiven = (table: SettingsTable, { variables, document }: ReadSources): ReadonlyArray<string> =>
  Object.values(table.keys)
    .filter(({ isSecret }) => isSecret)
    .flatMap(({ path, variable }) => [
      variables[variable],
      valueAt(document, path),
      valueAt(document, table.olderPaths?.[path] ?? path),
    ])
    .filter((value) => typeof value === "string")

/** A setting's value as given, from the first source that has it. */
const givenValue = Effect.fnUntraced(function* (
  key: SettingKey<unknown>,
  { variable, file, document }: ReadSources,
  olderPath: string | undefined,
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
  const [section = ""] = key.path.split(".")
  const path = olderPath !== undefined && !Object.hasOwn(document, section) ? olderPath : key.path
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
  return { value: text, ...given, stripped: text === value.replace(/\r?\n$/, "") ? "line end" : "more" }
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

/** The certificates in a PEM file. */
export const readCertificates = Effect.fnUntraced(function* (
  path: string,
  file: unknown,
  sourceOf: (path: string) => string,
): Effect.fn.Return<string | undefined, ConfigurationProblem> {
  if (typeof file !== "string") return undefined
  const source = sourceOf(path)
  const pem = yield* readText(file, { path, source })
  if (isCertificate(pem)) return pem
  return yield* Effect.fail({
    path,
    source,
    found: `${file}, which holds no certificate`,
    allowed: "a file of PEM certificates",
  })
})

const isCertificate = (pem: string): boolean => {
  try {
    return new X509Certificate(pem).subject !== undefined
  } catch {
    return false
  }
}

const valueAt = (document: unknown, path: string): unknown => path.split(".").reduce<unknown>(property, document)
