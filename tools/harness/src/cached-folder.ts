import { existsSync } from "node:fs"
import { mkdir, rename, rm } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"

/** Nothing of it is in the repository, and a second run fetches nothing. */
const cache = join(homedir(), ".cache", "cscs-storage-proxy")

/**
 * A folder of this user's cache, made once: whole or not at all.
 *
 * @param name with the version of what is in it, since it is never made again
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
    // Another run can have been quicker.
    if (!existsSync(folder)) throw error
  }
  return folder
}
