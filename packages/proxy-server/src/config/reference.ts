/** Generates the reference documentation and the JSON Schemas of the settings. */
import { Duration } from "effect"
import type { SettingKey } from "./setting-key.ts"
import { olderHpcUserPaths, settingKeys } from "./setting-keys.ts"

const keys: ReadonlyArray<SettingKey<unknown>> = Object.values(settingKeys)

const inCode = (text: string) => `\`${text.replaceAll("|", "\\|")}\``

const shownDefault = (value: unknown): string => {
  if (value === undefined) return ""
  if (Duration.isDuration(value)) return inCode(`${Duration.toSeconds(value)}s`)
  return inCode(Array.isArray(value) ? JSON.stringify(value) : String(value))
}

/** A table of settings in Markdown: where each is read from, what is allowed, its default. */
export const settingsTable = (keys: ReadonlyArray<SettingKey<unknown>>): string => {
  const rows = keys.map(({ path, variable, type, fallback, isSecret, description }) => {
    const variables = isSecret ? `${inCode(variable)}, ${inCode(`${variable}_FILE`)}` : inCode(variable)
    const allowed = type.allowed.replaceAll("|", "\\|")
    return `| ${inCode(path)} | ${variables} | ${allowed} | ${shownDefault(fallback)} | ${description} |`
  })
  return ["| in the file | in the environment | allowed | default | |", "|---|---|---|---|---|", ...rows].join("\n")
}

/** The generated part of docs/configuration.md: a table of all settings, and the older places of some. */
export const configurationReference = (): string =>
  [
    settingsTable(keys),
    "",
    "If the file has no section `hpc_user_api`, its settings are also read from their places in 0.7.7:",
    "",
    ...Object.entries(olderHpcUserPaths).map(([path, old]) => `- ${inCode(old)} for ${inCode(path)}`),
  ].join("\n")

/** JSON Schema (draft 2020-12) of the YAML file, for editors: docs/configuration.schema.json. */
export const configurationSchema = (): Readonly<Record<string, unknown>> => {
  const properties: Record<string, Record<string, unknown>> = {}
  const olderKeys = Object.values(olderHpcUserPaths).map((path) => ({
    path,
    json: { type: "string", deprecated: true },
  }))
  const all = [
    ...keys.map(({ path, type, fallback, description }) => ({
      path,
      json: {
        ...type.jsonSchema,
        description,
        ...(fallback === undefined
          ? {}
          : { default: Duration.isDuration(fallback) ? Duration.toSeconds(fallback) : fallback }),
      },
    })),
    ...olderKeys,
  ]
  for (const { path, json } of all) {
    const [section = path, name] = path.split(".")
    if (name === undefined) {
      properties[section] = json
      continue
    }
    const within = properties[section] ?? { type: ["object", "null"], properties: {} }
    properties[section] = { ...within, properties: { ...(within.properties as object), [name]: json } }
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "CSCS storage proxy",
    type: "object",
    properties,
  }
}

/**
 * JSON Schema of the chart's value `config`: the YAML file without its secrets and `storage_systems`, for which the
 * chart has other values. An unknown key is an error here and only a warning in the file, because this is never an old
 * file.
 */
export const chartConfigSchema = (): Readonly<Record<string, unknown>> => {
  const schema = configurationSchema() as { readonly properties: Readonly<Record<string, SchemaOfSection>> }
  const elsewhere = new Map<string, object>(
    keys
      .filter(({ isSecret }) => isSecret)
      .flatMap(({ path }) => [path, olderHpcUserPaths[path] ?? path])
      .map((path) => [path, { not: {}, description: "A secret: put its name under `secrets` instead." }]),
  )
  elsewhere.set("storage_systems", {
    not: {},
    description: "Use storageSystems instead: Helm would sort this mapping.",
  })
  elsewhere.set("cache.url", {
    type: "string",
    pattern: "^rediss?://[^@]*$",
    description: "Without a password; a URL with one is a secret: use secrets.cacheUrl.",
  })
  const closed = (properties: Readonly<Record<string, object>>, prefix: string) =>
    Object.fromEntries(
      Object.entries(properties).map(([name, inner]) => [name, elsewhere.get(`${prefix}${name}`) ?? inner]),
    )
  return {
    description: "Generated from the settings by tools/docs/src/write-chart-files.ts; do not edit.",
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries(
      Object.entries(closed(schema.properties, "")).map(([name, inner]) => {
        const { properties } = inner as SchemaOfSection
        const isSection = keys.some(({ path }) => path.startsWith(`${name}.`))
        return [
          name,
          isSection && properties !== undefined
            ? { ...inner, additionalProperties: false, properties: closed(properties, `${name}.`) }
            : inner,
        ]
      }),
    ),
  }
}

interface SchemaOfSection {
  readonly properties?: Readonly<Record<string, object>>
}
