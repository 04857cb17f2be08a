/** Generates the reference documentation and the JSON Schemas of the settings. */
import { Duration } from "effect"
import { olderHpcUserPaths, type SettingKey, settingKeys } from "./setting-keys.ts"

const keys: ReadonlyArray<SettingKey<unknown>> = Object.values(settingKeys)

const inCode = (text: string) => `\`${text.replaceAll("|", "\\|")}\``

const shownDefault = (value: unknown): string => {
  if (value === undefined) return ""
  if (Duration.isDuration(value)) return inCode(`${Duration.toSeconds(value)}s`)
  return inCode(Array.isArray(value) ? JSON.stringify(value) : String(value))
}

/** The reference of all settings, in Markdown: docs/configuration.md. */
export const configurationReference = (): string => {
  const rows = keys.map(({ path, variable, type, fallback, isSecret, description }) =>
    [
      inCode(path),
      isSecret ? `${inCode(variable)}, ${inCode(`${variable}_FILE`)}` : inCode(variable),
      type.allowed.replaceAll("|", "\\|"),
      shownDefault(fallback),
      description,
    ].join(" | "),
  )
  const older = Object.entries(olderHpcUserPaths).map(([path, old]) => `- ${inCode(old)} for ${inCode(path)}`)
  return `# Configuration

Generated from the settings by \`node tools/docs/src/write-configuration-reference.ts\`; do not edit.

A setting is taken from the first of these sources that has it:

1. an environment variable (an empty one counts as unset),
2. the same variable in a file \`.env\` in the working directory,
3. the YAML file: \`--config FILE\`, else the file that \`WALDUR_CSCS_STORAGE_PROXY_CONFIG_PATH\` names,
4. its default.

The environment alone is enough, and so is the file alone. All problems are reported at once, each with its path, its
source, what was found and what is allowed; the exit code is then 2. An unknown key of the file is an error if it is
within two edits of a known one, and a warning otherwise. \`storage-proxy check\` tests the configuration for real.

In the environment a mapping is a JSON object (\`STORAGE_SYSTEMS='{"capstor": "capstor"}'\`) and a list is one text with
commas. A secret can also be in a file, as containers mount them: \`WALDUR_API_TOKEN_FILE=/run/secrets/waldur\`.

White space around a value, a final line break and a pair of quotes around the whole value are stripped, from every
source; for a secret this is reported. \`""\` in the file is an error if a default would replace it, and "not given"
otherwise. \`.env\` is parsed as by python-dotenv, and refused if another user owns it or may write it. In YAML, merge
keys (\`<<\`) are supported. Files are regular files: the YAML file of at most 256 KiB, others of at most 1 MiB.

\`serve\` reads the configuration again at SIGHUP, and within some seconds of a change of a file that a secret was read from
(a \`*_FILE\`, \`.env\` or the YAML file). The Waldur token, the two client secrets, the password in \`cache.url\` and
\`log_level\` take effect at once; other changed settings are named in the log and take effect at the next start. An
invalid configuration is refused as a whole: the log and readiness name the keys, and the previous settings stay in effect.

[configuration.schema.json](configuration.schema.json) is the same for editors: begin the YAML file with
\`# yaml-language-server: $schema=<its path or address>\`.

| in the file | in the environment | allowed | default | |
|---|---|---|---|---|
${rows.map((row) => `| ${row} |`).join("\n")}

\`storage_systems\` takes a slug, or a slug with the offering's UUID, dashed or not:

\`\`\`yaml
storage_systems:
  capstor: capstor
  vast: { slug: vast-prod, uuid: 0f2c4f0a-3f54-4c0e-8a43-6f1f3d1c2b5e }
\`\`\`

Without a proxy setting, \`HTTPS_PROXY\`, \`HTTP_PROXY\`, \`ALL_PROXY\` and \`NO_PROXY\` apply to each upstream, and
\`SSL_CERT_FILE\` and \`SSL_CERT_DIR\` add to the system's authorities: see [operations.md](operations.md#connections-to-upstreams).
\`CSCS_KEYCLOAK_REDIRECT_URL\` and \`DEVELOPMENT_MODE\` are accepted and have no effect.

If the file has no section \`hpc_user_api\`, its settings are also read from their places in 0.7.7:

${older.join("\n")}
`
}

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
