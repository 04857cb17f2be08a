/**
 * The proxy as in production: the folder of the image, built by the script that the Dockerfile runs. It does not refer
 * back to the workspace, so a concurrent build there does not affect measurements.
 */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { run } from "./run.ts"

export interface BuiltProxy {
  /** The script for Node. */
  readonly main: string
  /** Library -> version, as bundled. */
  readonly versions: Readonly<Record<string, string>>
}

const script = fileURLToPath(new URL("../../../deploy/make-app-folder.ts", import.meta.url))

/**
 * Builds the process and installs it in `folder`, which must not exist yet.
 *
 * @param built the folder of an earlier build, which is used instead
 */
export const buildProxy = async (folder: string, built?: string): Promise<BuiltProxy> => {
  if (built !== undefined) return { main: join(built, "dist", "main.js"), versions: await versionsIn(built) }
  // A cold build of all packages on a busy machine.
  await run(process.execPath, [script, folder], { timeout: 900_000 })
  return { main: join(folder, "dist", "main.js"), versions: await versionsIn(folder) }
}

const shown = ["effect", "hono", "@hono/node-server", "undici", "ky"]

/** The licences beside the bundle list its content: `hono 4.13.19 (MIT)`. */
const versionsIn = async (folder: string): Promise<Readonly<Record<string, string>>> => {
  const bundled = await readFile(join(folder, "dist", "THIRD-PARTY-LICENSES.txt"), "utf8")
  return Object.fromEntries(
    [...bundled.matchAll(/^(\S+) (\d\S+) \(.*\)$/gm)].flatMap(([, name, version]) =>
      name !== undefined && version !== undefined && shown.includes(name) ? [[name, version]] : [],
    ),
  )
}
