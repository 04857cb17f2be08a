import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { expect, onTestFinished, test, vi } from "vitest"
import { loadSettings } from "../src/settings/load-settings.ts"

const load = (
  storage_systems: object,
  proxy: object = {},
  vast: object = { token: "a-vast-token" },
  policy: object = {},
) => {
  const folder = mkdtempSync(join(tmpdir(), "provisioner-settings-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, "config.yaml")
  const config = {
    proxy: { url: "http://localhost:1", disable_auth: true, ...proxy },
    waldur_api_url: "http://localhost:1/api/",
    waldur_api_token: "0".repeat(40),
    storage_systems,
    vast,
    policy,
  }
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 })
  return Effect.runPromise(loadSettings(path))
}

const problemsOf = (...about: Parameters<typeof load>) =>
  load(...about).then(
    () => "",
    ({ message }: Error) => message,
  )

test("each driver has its own settings; a misspelt one, one of another driver, and a wrong value are problems", async () => {
  const vast = { driver: "vast", root: "/vast", api_url: "https://vms.example.org" }
  const lustre = { driver: "lustre", root: "/capstor", mount: "/capstor", project_ids: { first: 5, last: 9 } }
  const { systems } = await load({
    vast: { ...vast, api_version: "v7", exported_as: "/store", tenant_id: 7, verify_ssl: false },
    capstor: lustre,
  })
  const read = { apiUrl: vast.api_url, apiVersion: "v7", exportedAs: "/store", tenantId: 7, tls: { verify: false } }
  expect(systems.get("vast")).toMatchObject(read)
  expect(systems.get("capstor")).toMatchObject({ mount: "/capstor", projectIds: { first: 5, last: 9 } })
  for (const [problem, system] of [
    ["x.exportedas", { ...vast, exportedas: "/store" }],
    ["x.api_url", { driver: "vast", root: "/vast" }],
    ["x.api_url", { ...vast, api_url: "vms.example.org" }],
    ["x.tenant_id", { ...vast, tenant_id: "seven" }],
    ["x.ca_file", { ...vast, ca_file: "/nonexistent.pem" }],
    ["x.project_ids", { ...vast, project_ids: { first: 5 } }],
    ["x.project_ids", { ...lustre, project_ids: { frist: 5 } }],
    ["x.project_ids", { ...lustre, project_ids: { first: 0 } }],
    ["x.mount", { driver: "directory", root: "/d", mount: "/d" }],
    ["x.constructor", { ...vast, constructor: "/d" }],
    ["x.driver", { driver: "toString", root: "/d" }],
  ] as const)
    expect([problem, await problemsOf({ x: system })]).toEqual([
      problem,
      expect.stringContaining(`storage_systems.${problem}`),
    ])
  for (const system of [
    { ...vast, token: "a-secret" },
    { ...vast, api_url: "https://u:a-secret@vms.example.org" },
  ])
    expect(await problemsOf({ x: system })).not.toContain("a-secret")
})

test("`withoutSecrets` masks each secret, from the YAML file as from a file that a variable names", async () => {
  const folder = mkdtempSync(join(tmpdir(), "provisioner-secrets-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  onTestFinished(() => void vi.unstubAllEnvs())
  const secrets = { PROXY_CLIENT_SECRET: "a-secret-of-the-proxy", VAST_TOKEN: "another-secret-of-vast" }
  for (const [name, secret] of Object.entries(secrets)) {
    writeFileSync(join(folder, name), `${secret}\n`, { mode: 0o600 })
    vi.stubEnv(`${name}_FILE`, join(folder, name))
  }
  const vast = { driver: "vast", root: "/vast", api_url: "https://vms.example.org" }
  const { withoutSecrets } = await load({ vast }, {}, {})
  const text = [...Object.values(secrets), "0".repeat(40)].map((secret) => `refused ${secret} there`).join()
  expect(withoutSecrets(text)).toBe(Array(3).fill("refused *** there").join())
})

test("two systems with one root are a problem, however it is written", async () => {
  const system = { driver: "directory", root: "/disk/a" }
  expect(await problemsOf({ x: system, y: { ...system, root: "/disk/b" } })).toBe("")
  for (const root of ["/disk/a", "/disk/a/", "/disk/b/../a"])
    expect(await problemsOf({ x: system, y: { ...system, root } })).toContain("storage_systems.y.root")
})

test("a name that no entry can have, and a range without a GID, are problems", async () => {
  const system = { driver: "directory", root: "/d" }
  expect(await problemsOf({ CAPSTOR: system })).toContain("storage_systems.CAPSTOR")
  const policyOf = (min_gid: number) => problemsOf({ capstor: system }, {}, {}, { min_gid, max_gid: 2000 })
  expect(await policyOf(2001)).toContain("policy.min_gid")
  expect(await policyOf(2000)).toBe("")
})

test("a state path that is no path is reported with the other problems", async () => {
  onTestFinished(() => void vi.unstubAllEnvs())
  vi.stubEnv("STATE_PATH", "/state\u0007")
  const problems = await problemsOf({ CAPSTOR: { driver: "directory", root: "/d" } })
  for (const path of ["state_path", "storage_systems.CAPSTOR"]) expect(problems).toContain(path)
})

test("a root is used as resolved, and project IDs may be strings", async () => {
  const { systems } = await load({
    a: { driver: "directory", root: "/disk/b/../a/" },
    x: { driver: "xfs", root: "/x", project_ids: { first: "5", last: 9 } },
  })
  expect(systems.get("a")?.root).toBe("/disk/a")
  expect(systems.get("x")).toMatchObject({ projectIds: { first: 5, last: 9 } })
})

test("VAST needs a login, and all problems of a system are reported at once", async () => {
  const vast = { driver: "vast", root: "vast", api_url: "nowhere" }
  const problems = await problemsOf({ x: vast }, {}, {})
  for (const path of ["storage_systems.x.root", "storage_systems.x.api_url", "vast.token"])
    expect(problems).toContain(path)
  const withUser = await problemsOf({ x: { ...vast, root: "/vast", api_url: "https://vms" } }, {}, { user: "u" })
  expect(withUser).toContain("vast.password")
})
