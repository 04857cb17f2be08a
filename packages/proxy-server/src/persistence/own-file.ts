/**
 * Files that only this process's user could have written. What lies at the path of a file of ours can be anything: a FIFO
 * that blocks whoever opens it, a device, a link to somewhere else, or what another user wrote.
 */
import { constants, type Stats } from "node:fs"
import { type FileHandle, open, stat } from "node:fs/promises"
import { dirname } from "node:path"

/** Something is there that we may neither read nor replace. The message says what, and what to do. */
export class NotOurFile extends Error {
  override readonly name = "NotOurFile"
}

/** Whoever may write a file may have written what is in it. */
const writableByOthers = 0o022
const sticky = 0o1000

// Neither exists on Windows, where there are no such files either.
const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

const remove = "remove it, or set cache.path to another file"

/**
 * Opens a file for reading without waiting for anybody and without following a link at its end.
 *
 * @returns `undefined` if there is none
 * @throws NotOurFile if it is no regular file, belongs to another user, or others may write it
 */
export const openOwnFile = async (path: string): Promise<FileHandle | undefined> => {
  let file: FileHandle
  try {
    file = await open(path, flags)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === "ENOENT") return undefined
    // FreeBSD says EMLINK.
    if (code === "ELOOP" || code === "EMLINK") throw new NotOurFile(`${path} is a symbolic link; ${remove}`)
    if (code === "ENXIO" || code === "EOPNOTSUPP") throw new NotOurFile(`${path} is a socket or device; ${remove}`)
    throw cause
  }
  try {
    // Of what was opened, not of what lies at the path by now.
    const problem = notOurs(path, await file.stat())
    if (problem !== undefined) throw new NotOurFile(problem)
    return file
  } catch (cause) {
    await file.close()
    throw cause
  }
}

const notOurs = (path: string, stats: Stats): string | undefined => {
  if (!stats.isFile()) return `${path} is no regular file but ${kindOf(stats)}; ${remove}`
  const ours = process.geteuid?.()
  if (ours !== undefined && stats.uid !== ours) {
    return `${path} belongs to user ${stats.uid}, and this process is user ${ours}; ${remove}`
  }
  if ((stats.mode & writableByOthers) === 0 || ours === undefined) return undefined
  return `others may write ${path} (mode ${octal(stats)}); remove it, or if nobody else wrote it: chmod 600 ${path}`
}

const kindOf = (stats: Stats): string => {
  if (stats.isDirectory()) return "a directory"
  if (stats.isFIFO()) return "a FIFO"
  if (stats.isSocket()) return "a socket"
  return "a device"
}

const octal = ({ mode }: Stats) => (mode & 0o7777).toString(8)

/** Throws if something at `path` is not ours to replace; nothing being there is fine. */
export const mustBeReplaceable = async (path: string): Promise<void> => {
  await (await openOwnFile(path))?.close()
}

/**
 * What is unsafe about the directory of a file, in words, with the remedy; `undefined` if nothing is or it cannot be told.
 * Others who may write there can take our file away or put back an older one of ours, but can forge none.
 */
export const directoryProblem = async (path: string): Promise<string | undefined> => {
  const directory = dirname(path)
  const stats = await stat(directory).catch(() => undefined)
  if (stats === undefined || process.geteuid === undefined) return undefined
  if ((stats.mode & writableByOthers) === 0 || (stats.mode & sticky) !== 0) return undefined
  return `others may remove files in ${directory} (mode ${octal(stats)}); chmod go-w ${directory}`
}
