/**
 * The proxy as in production: the folder of the image, built by the script that the Dockerfile runs. It does not refer
 * back to the workspace, so a concurrent build there does not affect measurements.
 */
import { join } from "node:path"
import { run } from "./run.ts"

const script = join(import.meta.dirname, "../../../deploy/make-app-folder.ts")

/** Builds the process and installs it in `folder`, which must not exist yet; returns the script for Node. */
export const buildProxy = async (folder: string): Promise<string> => {
  // A cold build of all packages on a busy machine.
  await run(process.execPath, [script, folder], { timeout: 900_000 })
  return join(folder, "dist", "main.js")
}
