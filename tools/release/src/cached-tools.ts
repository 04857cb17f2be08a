/** Installs the rehearsal's tools from npm, once per machine. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { cachedFolder, cleanEnvironment, run } from "@cscs/harness"

/** Returns a folder with these npm packages installed. */
const installed = (name: string, manifest: object, ...flags: ReadonlyArray<string>): Promise<string> =>
  cachedFolder(`release-rehearsal/${name}`, async (folder) => {
    await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, ...manifest }))
    await run("npm", ["install", "--no-audit", "--no-fund", ...flags], { cwd: folder, env: cleanEnvironment })
  })

/** The URL of Verdaccio's module. It has 320 dependencies: too many for the workspace itself. */
export const verdaccio = async (): Promise<string> => {
  const version = "6.10.4"
  const folder = await installed(
    `verdaccio-${version}`,
    // One of its dependencies requires `node-fetch@cjs`, a tag that not every npm mirror has.
    { dependencies: { verdaccio: version }, overrides: { "node-fetch": "2.7.0" } },
    "--ignore-scripts",
  )
  return pathToFileURL(join(folder, "node_modules/verdaccio/build/index.mjs")).href
}

/** The executable of a Node version, from the npm package `node`. */
export const nodeOf = async (version: string): Promise<string> => {
  // The package's script installs the executable for this platform.
  const folder = await installed(`node-${version}`, { dependencies: { node: version }, allowScripts: { node: true } })
  return join(folder, "node_modules/node/bin/node")
}
