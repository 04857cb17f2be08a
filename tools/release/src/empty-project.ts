/** An empty project that installs the released packages, like a user's. */
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Environment, run, startProxy } from "@cscs/harness"
import { readmeExample } from "../../../readme-example.ts"
import { addToNpmrc } from "./releases.ts"

/** A package of the repository. */
export interface LibraryFolder {
  readonly name: string
  readonly folder: string
}

const fileOf = ({ name }: LibraryFolder) => `${name.replace(/^.*\//, "")}.ts`

/** The packages in a README's `npm install` line. */
const installed = async ({ folder }: LibraryFolder): Promise<ReadonlyArray<string>> => {
  const readme = await readFile(join(folder, "README.md"), "utf8")
  const [, words = ""] = /^npm install (.*)$/m.exec(readme) ?? []
  if (words === "") throw new Error(`${folder}/README.md has no npm install line`)
  return words.split(" ")
}

/**
 * Installs the libraries in an empty project as their READMEs describe, and writes the READMEs' examples into it. Returns
 * the one version of effect that they share.
 */
export const makeProject = async (
  project: string,
  libraries: ReadonlyArray<LibraryFolder>,
  npmrc: string,
  typesOfNode: string,
  env: Environment,
): Promise<string> => {
  await mkdir(project)
  await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }))
  await addToNpmrc(project, npmrc)
  const wanted = new Set((await Promise.all(libraries.map(installed))).flat())
  const flags = ["--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts"]
  await run("npm", ["install", ...flags, ...wanted, `@types/node@${typesOfNode}`], { cwd: project, env })
  for (const library of libraries) {
    const { source } = await readmeExample(library.folder)
    await writeFile(join(project, fileOf(library)), source)
  }
  const { packages } = JSON.parse(await readFile(join(project, "package-lock.json"), "utf8"))
  // Nested dependencies of others do not count: hono-openapi has its own Effect 3, for a converter that we do not use.
  const seen = Object.keys(packages).filter((place) =>
    /^(node_modules\/@cscs\/[^/]+\/)?node_modules\/effect$/.test(place),
  )
  const effects = seen.map((place) => `effect ${packages[place].version}`)
  if (effects.length !== 1) throw new Error(`There is more than one effect: ${effects.join(", ")}`)
  return effects.join()
}

/** Type-checks the examples, and the types of everything that they import. */
export const typecheck = async (project: string, tsc: string, env: Environment): Promise<void> => {
  // The target includes the DOM library, which effect's types need.
  const compilerOptions = { target: "es2023", module: "nodenext", types: ["node"], strict: true, noEmit: true }
  await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }))
  await run("node", [tsc, "--project", "tsconfig.json"], { cwd: project, env })
}

/** Runs a README's example. Fails if it prints nothing, or something other than the README shows. */
export const runExample = async (project: string, library: LibraryFolder, env: Environment): Promise<void> => {
  const { prints } = await readmeExample(library.folder)
  const printed = await run("node", [fileOf(library)], { cwd: project, env })
  if (prints === undefined ? printed.trim() === "" : printed !== prints) {
    throw new Error(`The example of ${library.name} printed:\n${printed}\ninstead of:\n${prints ?? "anything"}`)
  }
}

/** Imports a package, and fails if the import has a visible side effect or keeps the process alive. */
export const importOnly = async (project: string, name: string, env: Environment): Promise<void> => {
  const script = join(project, "import-only.mjs")
  await copyFile(new URL("import-only.mjs", import.meta.url), script)
  const printed = await run("node", [script, name], { cwd: project, env })
  if (printed !== "") throw new Error(`importing ${name} printed ${printed}`)
}

/** Creates an empty folder for npx, with its own cache, so that it does not use an earlier rehearsal's package. */
const folderForNpx = async (folder: string, npmrc: string) => {
  await mkdir(folder)
  // Otherwise npm uses any project above the temporary directory.
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true }))
  await addToNpmrc(folder, npmrc)
  return { npm_config_cache: join(folder, "npm-cache"), npm_config_update_notifier: "false" }
}

/** Returns the output of `npx <executable> --version` in an empty folder. */
export const versionByNpx = async (folder: string, npmrc: string, executable: string, env: Environment) => {
  const npm = await folderForNpx(folder, npmrc)
  const printed = await run("npx", ["--yes", executable, "--version"], { cwd: folder, env: { ...env, ...npm } })
  if (!/v\d/.test(printed)) throw new Error(`It printed ${printed}`)
  return printed.trim()
}

/**
 * Runs `npx @cscs/storage-proxy serve` in an empty folder, like a new user: waits until the proxy is ready, requests its
 * list, and ends it like Ctrl+C.
 *
 * @param environment includes the proxy's configuration
 * @returns a summary
 */
export const proxyByNpx = async (folder: string, npmrc: string, environment: Environment): Promise<string> => {
  const npm = await folderForNpx(folder, npmrc)
  const running = await startProxy({
    command: ["npx", "--yes", "@cscs/storage-proxy"],
    directory: folder,
    environment: { ...environment, ...npm },
    // A terminal's Ctrl+C reaches npx and its children.
    hasGroup: true,
    isReady: true,
  })
  try {
    const list = await fetch(`${running.url}/api/storage-resources/`)
    const text = await list.text()
    const total = list.status === 200 ? JSON.parse(text).pagination.total : 0
    if (total === 0) throw new Error(`the list is ${list.status}, ${text}\n${running.stderr().slice(-3000)}`)
    const ended = await running.stop("SIGINT")
    if (ended === "SIGKILL") throw new Error("it still runs after SIGINT")
    return `ready, ${total} entries, gone after SIGINT`
  } finally {
    running.signal("SIGKILL")
  }
}
