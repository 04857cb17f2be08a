import { existsSync } from "node:fs"
import { mkdir, rename, rm } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"

/** Nothing of it is in the repository, and a second run downloads nothing. */
const cache = join(homedir(), ".cache", "cscs-storage-proxy")

/**
 * A folder of this user's cache, created once and atomically.
 *
 * @param name with the version of its content, since it is never created again
 * @param make fills an empty folder
 */
export const cachedFolder = async (name: string, make: (folder: string) => Promise<unknown> | unknown) => {
  const folder = join(cache, name)
  if (existsSync(folder)) return folder
  const unfinished = `${folder}.${process.pid}.tmp`
  console.log(`      fetching ${name}`)
  try {
    await mkdir(unfinished, { recursive: true })
    await make(unfinished)
    await rename(unfinished, folder)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    // Another run may have been faster.
    if (!existsSync(folder)) throw error
  }
  return folder
}
