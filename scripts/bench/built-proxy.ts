/**
 * The proxy as production runs it. In the workspace a package's `exports` lead to its sources, so the built files there
 * would run the sources of the other packages. `pnpm deploy --prod` copies the app with what it needs, and then each
 * manifest gets its `publishConfig`, as it would when published: from there on nothing leads back to the workspace, and
 * whoever builds there meanwhile does not change what is measured.
 */
import { spawn } from "node:child_process"
import { readdir, readFile, realpath, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { watch } from "./processes.ts"

export interface BuiltProxy {
  /** What Node is to run. */
  readonly main: string
  /** Library -> version, as deployed. */
  readonly versions: Readonly<Record<string, string>>
}

const workspace = fileURLToPath(new URL("../../", import.meta.url))

/** Builds all packages and lays the app out in `folder`, which must not be there yet. */
export const buildProxy = async (folder: string): Promise<BuiltProxy> => {
  await pnpm("run", "build")
  await pnpm("--filter", "@cscs/storage-proxy", "deploy", "--prod", folder)
  const store = join(folder, "node_modules", ".pnpm")
  const ours = (await readdir(store)).filter((name) => name.startsWith("@cscs+"))
  await publish(folder)
  for (const name of ours) {
    const packages = join(store, name, "node_modules", "@cscs")
    for (const one of await readdir(packages)) await publish(await realpath(join(packages, one)))
  }
  return { main: join(folder, "dist", "main.js"), versions: await versionsIn(store) }
}

const pnpm = (...parameters: ReadonlyArray<string>): Promise<void> =>
  new Promise((resolve, reject) => {
    const command = ["-y", "pnpm@12", ...parameters]
    const child = watch(
      spawn("npx", command, {
        cwd: workspace,
        stdio: ["ignore", "ignore", "inherit"],
        detached: true,
        env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", NO_UPDATE_NOTIFIER: "1" },
      }),
      "group",
    )
    child.once("error", reject)
    child.once("exit", (code) =>
      code === 0 ? resolve() : reject(new Error(`npx ${command.join(" ")}: exit code ${code}`)),
    )
  })

interface Manifest {
  readonly publishConfig?: { readonly exports?: unknown; readonly bin?: unknown }
}

/** As `pnpm publish` would write the manifest. A new file, for the old one may be a hard link to the workspace's. */
const publish = async (folder: string): Promise<void> => {
  const file = join(folder, "package.json")
  const { publishConfig, ...manifest } = JSON.parse(await readFile(file, "utf8")) as Manifest
  if (publishConfig === undefined) return
  const { exports, bin } = publishConfig
  const published = { ...manifest, ...(exports ? { exports } : {}), ...(bin ? { bin } : {}) }
  await writeFile(`${file}.new`, JSON.stringify(published, null, 2))
  await rename(`${file}.new`, file)
}

const shown = ["effect", "hono", "@hono/node-server", "undici", "ky"]

/** pnpm names its folders `@hono+node-server@2.1.8_hono@4.13.19`. */
const versionsIn = async (store: string): Promise<Readonly<Record<string, string>>> => {
  const folders = await readdir(store)
  return Object.fromEntries(
    shown.flatMap((library) => {
      const prefix = `${library.replace("/", "+")}@`
      const folder = folders.find((name) => name.startsWith(prefix))
      return folder === undefined ? [] : [[library, folder.slice(prefix.length).replace(/[_(].*/, "")]]
    }),
  )
}
