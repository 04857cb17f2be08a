import { randomBytes } from "node:crypto"
import { open, readdir, realpath, rename, rm, stat } from "node:fs/promises"
import { hostname } from "node:os"
import { basename, dirname, join } from "node:path"
import { Data, Effect } from "effect"

/** The file cannot be written; the old one stands as it was. */
export class CannotWrite extends Data.TaggedError("CannotWrite")<{ readonly path: string; readonly detail: string }> {
  override get message() {
    return `Cannot write ${this.path}: ${this.detail}`
  }
}

/**
 * Writes texts to a file, whole or not at all: into a file beside it, which takes its place when all is on the disk. Who
 * reads the path, also after a power cut, finds the old content or the new. A link is followed; the old file's mode stays.
 */
export const saveWhole = (path: string, texts: Iterable<string>): Effect.Effect<void, CannotWrite> =>
  Effect.tryPromise({
    try: () => save(path, texts),
    catch: (cause) => new CannotWrite({ path, detail: cause instanceof Error ? cause.message : String(cause) }),
    // A signal that comes while it is written lets it finish: that takes a moment.
  }).pipe(Effect.uninterruptible)

const save = async (path: string, texts: Iterable<string>) => {
  const target = await realpath(path).catch(() => path)
  const old = await stat(target).catch(() => undefined)
  if (old !== undefined && !old.isFile()) throw new Error("it is there, and is no file")
  const directory = dirname(target)
  const unfinished = join(directory, unfinishedName(basename(target)))
  await removeLeftovers(directory, basename(target))
  try {
    const file = await open(unfinished, "wx", old === undefined ? 0o666 : old.mode & 0o777)
    try {
      let block = ""
      for (const text of texts) {
        block += text
        if (block.length < blockLength) continue
        await file.writeFile(block)
        block = ""
      }
      await file.writeFile(block)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(unfinished, target)
  } catch (cause) {
    await rm(unfinished, { force: true })
    throw cause
  }
  // The new name itself is on the disk only when its directory is. Some file systems cannot do that, and need not.
  const parent = await open(directory)
  await parent.sync().catch(() => {})
  await parent.close()
}

const blockLength = 256 * 1024

/** Says who writes it, so that others know when he is gone. */
const unfinishedName = (name: string) => `.${name}.${hostname()}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`

const day = 24 * 60 * 60 * 1000

/** Takes away what writers left that were killed: of this host those that no longer run, of others what is a day old. */
const removeLeftovers = async (directory: string, name: string) => {
  for (const other of await readdir(directory)) {
    if (!other.startsWith(`.${name}.`)) continue
    const [, host, pid] = /^(.+)\.(\d+)\.[0-9a-f]{8}\.tmp$/.exec(other.slice(name.length + 2)) ?? []
    if (host === undefined) continue
    const left = join(directory, other)
    const isOld = async () => Date.now() - ((await stat(left).catch(() => undefined))?.mtimeMs ?? 0) > day
    if (host === hostname() ? !isRunning(Number(pid)) : await isOld()) await rm(left, { force: true })
  }
}

/** Whether another process of this host has the number. What has our own number was written before we were started. */
const isRunning = (pid: number): boolean => {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It runs, and is not ours to signal.
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}
