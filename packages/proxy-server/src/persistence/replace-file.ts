/** Atomic replacement of a file. */
import { type FileHandle, open, rename, rm } from "node:fs/promises"
import { dirname } from "node:path"

/**
 * Replaces a file atomically: the new one is written beside it and takes its place once it is complete and on disk. A
 * crash or a power cut leaves one of the two at `path`, and perhaps `unfinished`. Rejects with the first error; the old
 * file then stays, and the new one is removed.
 *
 * @param unfinished the path of the new file while it is written, in the same directory, for one writer at a time; what a
 *   crash left there is removed
 * @param mode the permissions of the new file, less the umask
 */
export const replaceFile = async (
  path: string,
  unfinished: string,
  mode: number,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> => {
  await rm(unfinished, { force: true })
  const file = await open(unfinished, "wx", mode)
  try {
    try {
      await write(file)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(unfinished, path)
  } catch (cause) {
    await rm(unfinished, { force: true }).catch(() => undefined)
    throw cause
  }
  await syncDirectory(dirname(path)).catch(() => undefined)
}

/** Makes a rename survive a power cut, if we may read the directory and the file system supports it. */
const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path)
  await directory.sync().finally(() => directory.close())
}
