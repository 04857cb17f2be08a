/** Keeps compiled code between starts, in a folder that only its user can write. */
import { mkdirSync, statSync } from "node:fs"
import { enableCompileCache } from "node:module"
import { homedir } from "node:os"
import { join } from "node:path"

/** Write permission of group or others: they may have planted code. */
const writableByOthers = 0o022

const isOurs = (folder: string): boolean => {
  const { uid, mode } = statSync(folder)
  const ours = process.geteuid?.()
  // Windows has no owners here; a home directory is private there.
  return ours === undefined || (uid === ours && (mode & writableByOthers) === 0)
}

/**
 * Lets Node keep its compiled code in the user's home directory for the next start, which then takes half the time. Not
 * in Node's default place, the temporary directory, where any local user could plant code. Without a home directory of
 * our own, as in the image, nothing is kept. `NODE_DISABLE_COMPILE_CACHE=1` disables it.
 */
export const keepCompiledCode = (): void => {
  try {
    let folder = homedir()
    if (!isOurs(folder)) return
    for (const name of [".cache", "cscs-storage-proxy"]) {
      folder = join(folder, name)
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      if (!isOurs(folder)) return
    }
    enableCompileCache(folder)
  } catch {
    // No home, or one that is not writable: only the start is slower.
  }
}
