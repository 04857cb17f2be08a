import { settingsLibrary } from "@cscs/proxy-server"
import { expect, test } from "vitest"
import { settingKeys } from "../src/settings/setting-keys.ts"

test("docs/provisioner-settings.md lists each setting of the provisioner, as `vitest run --update` writes it", async () => {
  const page = `# The provisioner's settings

In the YAML file that \`--config\` or \`STORAGE_PROVISIONER_CONFIG_PATH\` names, in the environment, or in \`.env\`; the environment has
precedence. \`…_FILE\` names a file with the secret. All problems are reported at once. How they are used: [provisioning.md](provisioning.md).

${settingsLibrary.settingsTable(Object.values(settingKeys))}
`
  await expect(page).toMatchFileSnapshot("../../../docs/provisioner-settings.md")
})
