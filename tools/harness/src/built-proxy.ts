/**
 * The proxy as in production: the image's folder, built by the script that the Dockerfile runs. It contains no reference
 * to the workspace, so a concurrent build there does not affect measurements.
 */
import { join } from "node:path"
import { run } from "./run.ts"

const script = join(import.meta.dirname, "../../../deploy/make-app-folder.ts")

/** Builds the proxy into `folder`, which must not exist yet; returns the path of its entry point. */
export const buildProxy = async (folder: string): Promise<string> => {
  // Long enough for a cold build of all packages on a busy machine.
  await run(process.execPath, [script, folder], { timeout: 900_000 })
  return join(folder, "dist", "main.js")
}
