/**
 * Opens only files that no other user could have written, except root. Anything can be at such a path: a FIFO that blocks on
 * open, a device, a link to another place, or a file of another user.
 */
import { constants, type Stats } from "node:fs"
import { type FileHandle, open, stat } from "node:fs/promises"
import { dirname } from "node:path"

/** The path holds something that we may neither read nor replace. The message has the reason and the remedy. */
class NotOurFile extends Error {
  override readonly name = "NotOurFile"
}

/** Write permission of others: they may have forged the content. */
const writableByOthers = 0o022
const sticky = 0o1000

// Windows has neither flag, nor such files.
const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

const remove = "remove it, or set cache.path to another file"

/**
 * Opens a file for reading without blocking and without following a final symbolic link.
 *
 * @returns `undefined` if there is none
 * @throws NotOurFile if it is not a regular file, belongs to another user, or others may write it
 */
export const openOwnFile = async (path: string): Promise<FileHandle | undefined> => {
  let file: FileHandle
  try {
    file = await open(path, flags)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === "ENOENT") return undefined
    // FreeBSD returns EMLINK.
    if (code === "ELOOP" || code === "EMLINK") throw new NotOurFile(`${path} is a symbolic link; ${remove}`)
    if (code === "ENXIO" || code === "EOPNOTSUPP") throw new NotOurFile(`${path} is a socket or device; ${remove}`)
    throw cause
  }
  try {
    // Checks the opened file, not what is at the path by now.
    const problem = notOurs(path, await file.stat())
    if (problem !== undefined) throw new NotOurFile(problem)
    return file
  } catch (cause) {
    await file.close()
    throw cause
  }
}

const notOurs = (path: string, stats: Stats): string | undefined => {
  if (!stats.isFile()) return `${path} is not a regular file but ${kindOf(stats)}; ${remove}`
  const ours = process.geteuid?.()
  if (ours !== undefined && stats.uid !== ours) {
    return `${path} belongs to user ${stats.uid}, and this process is user ${ours}; ${remove}`
  }
  if ((stats.mode & writableByOthers) === 0 || ours === undefined) return undefined
  return `others may write ${path} (mode ${octal(stats)}); remove it, or if no one else wrote it: chmod 600 ${path}`
}

const kindOf = (stats: Stats): string => {
  if (stats.isDirectory()) return "a directory"
  if (stats.isFIFO()) return "a FIFO"
  if (stats.isSocket()) return "a socket"
  return "a device"
}

const octal = ({ mode }: Stats) => (mode & 0o7777).toString(8)

/** Throws if `path` exists and is not ours to replace. */
export const mustBeReplaceable = async (path: string): Promise<void> => {
  await (await openOwnFile(path))?.close()
}

/**
 * What is unsafe about a file's directory by its mode, with the remedy; `undefined` if nothing is, or it is unknown. Others with
 * write permission there can remove our file or restore an older one of ours, but cannot forge one.
 */
export const directoryProblem = async (path: string): Promise<string | undefined> => {
  const directory = dirname(path)
  const stats = await stat(directory).catch(() => undefined)
  if (stats === undefined || process.geteuid === undefined) return undefined
  if ((stats.mode & writableByOthers) === 0 || (stats.mode & sticky) !== 0) return undefined
  return `others may remove files in ${directory} (mode ${octal(stats)}); chmod go-w ${directory}`
}
