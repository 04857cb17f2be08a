import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cleanEnvironment, run, withPath } from "@cscs/harness"
import { describe, expect, onTestFinished, test } from "vitest"

const script = join(import.meta.dirname, "../src/changeset-for-the-bundle.ts")

/** Creates a repository with both executables, bundled packages, and one that is not bundled; runs the script in it. */
const runInRepository = async (changeset: string) => {
  const folder = await mkdtemp(join(tmpdir(), "release-"))
  onTestFinished(() => rm(folder, { recursive: true }))
  const manifests = {
    "apps/storage-proxy": { name: "@cscs/storage-proxy", devDependencies: { "@cscs/proxy-server": "workspace:*" } },
    "apps/provisioner": {
      name: "@cscs/storage-provisioner",
      devDependencies: { "@cscs/waldur-client": "workspace:*" },
    },
    "packages/waldur-client": { name: "@cscs/waldur-client" },
    "packages/proxy-server": { name: "@cscs/proxy-server", dependencies: { "@cscs/storage-model": "workspace:^" } },
    "packages/storage-model": { name: "@cscs/storage-model" },
    "packages/other": { name: "@cscs/other" },
  }
  for (const [path, manifest] of Object.entries(manifests)) {
    await mkdir(join(folder, path), { recursive: true })
    await writeFile(join(folder, path, "package.json"), JSON.stringify(manifest))
  }
  await mkdir(join(folder, ".changeset"))
  await writeFile(join(folder, ".changeset/one.md"), changeset)
  await run(process.execPath, [script], { cwd: folder })
  return readFile(join(folder, ".changeset/bundled-in-storage-proxy.md"), "utf8").catch(() => undefined)
}
const changeset = (...names: ReadonlyArray<string>) =>
  `---\n${names.map((name) => `"${name}": minor\n`).join("")}---\n\nWords.\n`

describe("the changeset for the bundle", () => {
  test("bumps the executable by a patch if a bundled package changes, at any depth", async () => {
    expect(await runInRepository(changeset("@cscs/storage-model"))).toContain('"@cscs/storage-proxy": patch')
  })

  test.each([
    ["only a package outside of the bundle changes", ["@cscs/other"]],
    ["another changeset names the executable already", ["@cscs/storage-model", "@cscs/storage-proxy"]],
  ])("is not written if %s", async (_, names) => {
    expect(await runInRepository(changeset(...names))).toBeUndefined()
  })
})

test("the rehearsal's environment contains no variables of this workspace and no tokens", () => {
  const names = Object.keys(cleanEnvironment).map((name) => name.toLowerCase())
  expect(names.filter((name) => /^npm_|^pnpm_|_token$/.test(name))).toEqual([])
  expect(cleanEnvironment.PATH).not.toContain("node_modules")
  expect(withPath({ PATH: "/b" }, "/a").PATH).toBe("/a:/b")
})
