import { readFileSync } from "node:fs"
import { settingsLibrary } from "@cscs/proxy-server"
import { expect, test } from "vitest"
import { ownSettings } from "../src/settings/load-settings.ts"
import { settingKeys } from "../src/settings/setting-keys.ts"

test("docs/provisioner-settings.md lists each setting of the provisioner, as `vitest run --update` writes it", async () => {
  const page = `# The provisioner's settings

Settings come from the YAML file that \`--config\` or \`STORAGE_PROVISIONER_CONFIG_PATH\` names, from the environment, or from \`.env\`.
The environment has precedence. A variable \`…_FILE\` names a file that contains the secret. All faults are reported at once.
[provisioning.md](provisioning.md) describes how the settings are used.

${settingsLibrary.settingsTable(Object.values(settingKeys))}
`
  await expect(page).toMatchFileSnapshot("../../../docs/provisioner-settings.md")
})

const chartSchema = new URL("../../../deploy/helm/storage-provisioner/values.schema.json", import.meta.url).pathname
/** The chart has other values for them. */
const notInConfig = { not: {}, description: "A secret, whose name is under `secrets`; or a path of the chart's own." }

/** No login in a URL: the ConfigMap and Helm's release record would contain it. */
const withoutLogin = (schema: Readonly<Record<string, unknown>>) =>
  schema.format === "uri" ? { ...schema, not: { pattern: "@" } } : schema

/** A driver's settings, none of which is a secret. */
const systemSchema = {
  type: "object",
  additionalProperties: false,
  required: ["driver", "root"],
  properties: {
    driver: { enum: Object.keys(ownSettings) },
    root: { type: "string", pattern: "^/" },
    ...Object.fromEntries(
      Object.values(ownSettings).flatMap((own) =>
        Object.entries(own).map(([name, { jsonSchema }]) => [name, withoutLogin(jsonSchema)]),
      ),
    ),
  },
}

test("the chart's value `config` takes each setting but secrets and `state_path`, as `vitest run --update` writes it", async () => {
  const sections = new Map<string, Record<string, object>>([["", {}]])
  for (const { path, type, isSecret, description } of Object.values(settingKeys)) {
    const [section, name] = path.includes(".") ? path.split(".") : ["", path]
    const properties = sections.get(section ?? "") ?? {}
    const schema = { ...withoutLogin(type.jsonSchema), description }
    properties[name ?? ""] =
      isSecret || path === "state_path"
        ? notInConfig
        : path === "storage_systems"
          ? { ...schema, additionalProperties: systemSchema }
          : schema
    sections.set(section ?? "", properties)
  }
  const closed = (properties: object) => ({ type: "object", additionalProperties: false, properties })
  const inner = [...sections].map(([section, properties]) => [section, closed(properties)] as const)
  const { "": top, ...rest } = Object.fromEntries(inner)
  const schema = JSON.parse(readFileSync(chartSchema, "utf8"))
  schema.properties.config = {
    ...closed({ ...top?.properties, ...rest }),
    required: ["proxy", "waldur_api_url", "storage_systems"],
  }
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(chartSchema)
})
