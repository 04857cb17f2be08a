import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdir, rename, rm } from "node:fs/promises"
import { homedir } from "node:os"
import { dirname, join } from "node:path"

/** Outside of the repository, so that a second run downloads nothing. */
const cache = join(homedir(), ".cache", "cscs-storage-proxy")

/**
 * Returns a folder of this user's cache, created once and atomically; concurrent calls wait for it.
 *
 * @param name includes the version of the content, because the folder is never created again
 * @param make fills the empty folder
 */
export const cachedFolder = async (name: string, make: (folder: string) => Promise<unknown> | unknown) => {
  const folder = join(cache, name)
  if (existsSync(folder)) return folder
  await mkdir(dirname(folder), { recursive: true })
  // A Linux lock, which ends with this process; if `flock` is missing or fails, there is none.
  const holder = spawn("flock", [`${folder}.lock`, "sh", "-c", "echo; exec cat"], { stdio: ["pipe", "pipe", "ignore"] })
  await new Promise((resolve) => holder.once("error", resolve).once("exit", resolve).stdout.once("data", resolve))
  const unfinished = `${folder}.${process.pid}.tmp`
  try {
    if (existsSync(folder)) return folder
    console.log(`      fetching ${name}`)
    await mkdir(unfinished, { recursive: true })
    await make(unfinished)
    await rename(unfinished, folder)
  } catch (error) {
    // Without a lock, another run may have created it first.
    if (!existsSync(folder)) throw error
  } finally {
    await rm(unfinished, { recursive: true, force: true })
    holder.stdin.destroy()
  }
  return folder
}
