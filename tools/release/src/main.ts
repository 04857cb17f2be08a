/**
 * `pnpm rehearse`: a complete release against an npm registry on loopback. In a copy of the repository it versions, builds
 * and publishes the packages, and checks each tarball. Empty projects on the oldest supported Node and on the workspace's
 * install the packages by name, type-check and run the READMEs' examples, and start the proxy and the provisioner by npx.
 * Then it bumps one package, and checks that only this package and its dependents change.
 *
 * Rehearses the working tree; `--quick` omits one version step. Exit code 1 on the first error.
 */
import assert from "node:assert/strict"
import { globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { parseArgs } from "node:util"
import {
  cleanEnvironment,
  reportedStep,
  run,
  sandboxEnvironment,
  scratchFolder,
  startProxy,
  withPath,
} from "@cscs/harness"
import { startSandbox } from "@cscs/sandbox"
import { nodeOf } from "./cached-tools.ts"
import * as emptyProject from "./empty-project.ts"
import { startRegistry } from "./registry.ts"
import { addChangeset, addToNpmrc, copyRepository, publish, type Versions, version } from "./releases.ts"
import { checkTarball } from "./tarball.ts"

const OLDEST_NODE = "22.19.0"
const APP = "@cscs/storage-proxy"
const PROVISIONER = "@cscs/storage-provisioner"

const { values: options } = parseArgs({ options: { quick: { type: "boolean", default: false } } })
const workspace = join(import.meta.dirname, "../../..")

/** Runs one step and reports its result. A failure ends the rehearsal, because later steps depend on it. */
const step = async <A>(name: string, act: () => Promise<A>, words: (result: A) => string = () => "done") => {
  const result = await reportedStep(name, act, words)
  return process.exitCode === 1 ? process.exit() : (result as A)
}

const indented = (lines: ReadonlyArray<string>) => lines.map((line) => `\n      ${line}`).join("")

await rehearse()
// The sandbox, the proxy and the registry are still listening; they end with this process.
process.exit()

async function rehearse(): Promise<void> {
  const scratch = scratchFolder("release")
  const copy = join(scratch, "repository")

  const thirdParty = (await run("npm", ["config", "get", "registry"], { cwd: workspace, env: process.env })).trim()
  const whichPnpm = ["-y", "-p", "pnpm@12", "-c", "command -v pnpm"]
  const pnpm = (await run("npx", whichPnpm, { cwd: scratch, env: cleanEnvironment })).trim().split("\n").at(-1) ?? ""
  const ownNode = join(workspace, "node_modules/node/bin/node")
  const env = withPath(cleanEnvironment, join(copy, "node_modules/.bin"), dirname(pnpm), dirname(ownNode))

  const registry = await step(
    "Verdaccio",
    () => startRegistry(join(scratch, "registry")),
    ({ url }) => `${url}; all packages except @cscs come from ${thirdParty}`,
  )
  const npmrc = `registry=${thirdParty}\n${registry.npmrc}`

  await step("the repository, in a copy", async () => {
    await copyRepository(workspace, copy, env)
    await addToNpmrc(copy, npmrc)
    await run("pnpm", ["install", "--frozen-lockfile", "--prefer-offline"], { cwd: copy, env })
  })
  const folders = publishable(copy)
  const names = folders.map(({ name }) => name)
  const libraries = folders.filter(({ name }) => name !== APP && name !== PROVISIONER)

  if (globSync(join(copy, ".changeset/*.md")).length > 0) await step("changeset version", () => version(copy, env))
  const words = (versions: Versions) => indented([...versions].map((one) => one.join(" ")))
  const first = await step("build, changeset pack and publish", () => publish(copy, registry, names, env), words)
  const early = [...first].filter(([, version]) => version.startsWith("0."))
  if (early.length > 0) {
    throw new Error(`The first release of a package is 1.0.0: a changeset must name it with \`major\`: ${early}`)
  }
  const chart = readFileSync(join(copy, "deploy/helm/storage-proxy/Chart.yaml"), "utf8")
  const inChart = Array.from(chart.matchAll(/^(?:version|appVersion): (.*)$/gm), ([, version]) => version)
  assert.deepEqual(inChart, [first.get(APP), first.get(APP)])

  const checkTarballs = async () => {
    const check = async (name: string) =>
      checkTarball(name, await registry.newest(name), join(scratch, "tarballs", name), env)
    const checked = await Promise.all(names.map(check))
    const faults = checked.flatMap(({ faults }) => faults)
    if (faults.length > 0) throw new Error(indented(faults))
    return checked.map(({ seen }) => seen)
  }
  await step("the tarballs", checkTarballs, indented)

  const sandbox = await startSandbox({ worldChangesByHand: false })
  const configuration = sandboxEnvironment(sandbox)
  // For the storage client's example.
  const proxy = await startProxy({ environment: configuration, isReady: true })
  const typesOfNode = manifestIn(join(copy, "node_modules/@types/node")).version
  const nodes = { [OLDEST_NODE]: await nodeOf(OLDEST_NODE), [process.versions.node]: ownNode }
  for (const [version, node] of Object.entries(nodes)) {
    const here = withPath(cleanEnvironment, dirname(node))
    const project = join(scratch, `project-${version}`)
    const install = () => emptyProject.makeProject(project, libraries, npmrc, typesOfNode, here)
    await step(`Node ${version}: npm install by name`, install, (seen) => `${libraries.length} packages, ${seen}`)
    if (node === ownNode) {
      const tsc = join(copy, "node_modules/typescript/bin/tsc")
      await step("types of the examples", () => emptyProject.typecheck(project, tsc, here))
    }
    const configured = { ...here, ...configuration, STORAGE_PROXY_URL: proxy.url }
    const examples = () =>
      Promise.all(libraries.map((library) => emptyProject.runExample(project, library, configured)))
    await step(`Node ${version}: the READMEs' examples`, examples, ({ length }) => `${length} ran`)
    const imports = () => Promise.all(libraries.map(({ name }) => emptyProject.importOnly(project, name, here)))
    await step(`Node ${version}: an import alone`, imports, () => "changes nothing")
    const byNpx = () => emptyProject.proxyByNpx(join(scratch, `npx-${version}`), npmrc, configured)
    await step(`Node ${version}: npx ${APP} serve`, byNpx, String)
    const itsVersion = () =>
      emptyProject.versionByNpx(join(scratch, `npx-provisioner-${version}`), npmrc, PROVISIONER, here)
    await step(`Node ${version}: npx ${PROVISIONER} --version`, itsVersion, String)
  }

  // Dependents whose `^` range still matches get the new version automatically; the executables bundle it, and need a
  // bump.
  const second = await bump("a patch of", "patch", first, ["@cscs/waldur-client", APP, PROVISIONER])
  if (!options.quick) {
    const moved = ["@cscs/waldur-client", "@cscs/proxy-server", APP, PROVISIONER]
    await bump("a major step of", "major", second, moved)
  }

  async function bump(what: string, kind: "patch" | "major", before: Versions, wanted: ReadonlyArray<string>) {
    const moved = (after: Versions) => names.filter((name) => before.get(name) !== after.get(name))
    return step(
      `${what} @cscs/waldur-client`,
      async () => {
        await addChangeset(copy, "@cscs/waldur-client", kind)
        await version(copy, env)
        const after = await publish(copy, registry, names, env)
        assert.deepEqual(moved(after), wanted.toSorted())
        const { dependencies } = await registry.newest("@cscs/proxy-server")
        const inRange = kind === "patch" ? first : after
        assert.equal(dependencies?.["@cscs/waldur-client"], `^${inRange.get("@cscs/waldur-client")}`)
        return after
      },
      (after) => {
        const lines = moved(after).map((name) => `${name}: ${before.get(name)} -> ${after.get(name)}`)
        return indented([...lines, `and the other ${names.length - wanted.length} stayed`])
      },
    )
  }
  console.log("The release can be made.")
}

/** The packages that the repository publishes: all that are not private. */
function publishable(copy: string): ReadonlyArray<emptyProject.LibraryFolder> {
  return globSync(join(copy, "{packages,apps}/*"))
    .map((folder) => ({ folder, ...manifestIn(folder) }))
    .filter((one) => one.private !== true)
    .sort((one, other) => (one.name < other.name ? -1 : 1))
}

function manifestIn(folder: string) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
}
