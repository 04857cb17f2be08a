import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { expect, onTestFinished, test } from "vitest"
import { loadSettings } from "../src/settings/load-settings.ts"

/** Loads settings in which `proxy.storage_system` is `capstor`. */
const load = (systems: ReadonlyArray<string>) => {
  const folder = mkdtempSync(join(tmpdir(), "provisioner-settings-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, "config.yaml")
  const config = {
    proxy: { url: "http://localhost:1", disable_auth: true, storage_system: "capstor" },
    waldur_api_url: "http://localhost:1/api/",
    waldur_api_token: "0".repeat(40),
    storage_systems: Object.fromEntries(systems.map((name) => [name, { driver: "directory", root: `/${name}` }])),
  }
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 })
  return Effect.runPromise(loadSettings(path))
}

test("proxy.storage_system asks the proxy for the entries of that system, and is refused beside a second system", async () => {
  expect((await load(["capstor"])).proxy.query).toEqual({ storage_system: "capstor" })
  await expect(load(["capstor", "vast"])).rejects.toThrow(/proxy\.storage_system/)
})
