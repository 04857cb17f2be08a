import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { endAllChildren } from "./processes.ts"

/** Creates a tool's temporary folder. When the tool ends, normally or by a signal, the folder is removed and all children end. */
export const scratchFolder = (name: string): string => {
  const folder = mkdtempSync(join(tmpdir(), `storage-proxy-${name}-`))
  process.once("exit", () => {
    endAllChildren()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130))
  return folder
}
