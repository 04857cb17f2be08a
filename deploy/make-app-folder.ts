/**
 * Builds the folder that the image and the systemd unit run: the built process with what it needs, and nothing
 * else. `dist/main.js` in it starts the proxy; the folder can be moved and needs no install.
 *
 *   node deploy/make-app-folder.ts FOLDER      (in an installed workspace; FOLDER must be absent or empty)
 */
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { readdir, readFile, readlink, realpath, rename, rm, writeFile } from "node:fs/promises"
import { dirname, join, resolve, sep } from "node:path"
import { fileURLToPath } from "node:url"

const workspace = fileURLToPath(new URL("..", import.meta.url))
const [given] = process.argv.slice(2)
if (given === undefined) throw new Error("Say which folder: node deploy/make-app-folder.ts FOLDER")
const folder = resolve(given)
if (existsSync(folder) && (await readdir(folder)).length > 0) throw new Error(`${folder} is not empty`)

// The pnpm that installed the workspace: npx asks the registry only if it is not here.
const pnpm = (...args: ReadonlyArray<string>) =>
  execFileSync("npx", ["--prefer-offline", "-y", "pnpm@12", ...args], {
    cwd: workspace,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, CI: "true", TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" },
  })

pnpm("exec", "turbo", "run", "build", "--filter=@cscs/storage-proxy")
pnpm("--filter", "@cscs/storage-proxy", "deploy", "--prod", folder)

/** Everything below the folder except directories; links are not followed. */
const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
  .filter((entry) => !entry.isDirectory())
  .map((entry) => ({ path: join(entry.parentPath, entry.name), isLink: entry.isSymbolicLink() }))

// The workspace's own packages would not work there: `pnpm deploy` keeps their manifests, which point at sources. The
// build bundles them into one file.
// safe-regex: a path of this machine, at most 4,096 characters
const strays = files.filter(({ path }) => /\/node_modules\/(.*\/)?@cscs\//.test(path))
if (strays.length > 0) throw new Error(`${strays[0]?.path}: our own packages must be devDependencies, and bundled`)

// The image is built once for all platforms.
const native = files.find(({ path }) => path.endsWith(".node"))
if (native !== undefined) throw new Error(`${native.path} is for one platform only`)

// Node runs no TypeScript below node_modules, and nothing reads source maps; pnpm's state files describe this machine.
const unused = /\.(ts|mts|cts|map)$|\/node_modules\/\.(modules\.yaml|pnpm-workspace-state[^/]*|pnpm\/lock\.yaml)$/
for (const { path } of files.filter(({ path }) => unused.test(path))) await rm(path)
for (const name of ["src", "pnpm-lock.yaml", "pnpm-workspace.yaml"]) {
  await rm(join(folder, name), { recursive: true, force: true })
}
// The manifest contains `type: module` and the version. Its `bin` points at the source; `publishConfig` replaces it, as
// in publishing. Not written in place: the copy can be a hard link to the workspace's file.
const manifest = join(folder, "package.json")
const { publishConfig, ...kept } = JSON.parse(await readFile(manifest, "utf8"))
await writeFile(`${manifest}.new`, `${JSON.stringify({ ...kept, ...publishConfig }, null, 2)}\n`)
await rename(`${manifest}.new`, manifest)

// A link that leads out of the folder would only work on this machine.
const inside = (await realpath(folder)) + sep
for (const { path } of files.filter(({ isLink }) => isLink)) {
  const target = resolve(dirname(path), await readlink(path))
  if (!(await realpath(target)).startsWith(inside)) throw new Error(`${path} leads out of the folder, to ${target}`)
}
process.stdout.write(`${folder} is ready: ${join(folder, "dist/main.js")} --help\n`)
