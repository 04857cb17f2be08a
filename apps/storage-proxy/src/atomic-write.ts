/** Writes files that are complete at any moment. */
import { randomBytes } from "node:crypto"
import { readdir, realpath, rm, stat } from "node:fs/promises"
import { hostname } from "node:os"
import { basename, dirname, join } from "node:path"
import { replaceFile } from "@cscs/proxy-server"
import { Data, Effect } from "effect"

/** The file cannot be written. The old one is unchanged. */
class CannotWrite extends Data.TaggedError("CannotWrite")<{ readonly path: string; readonly detail: string }> {
  override get message() {
    return `Cannot write ${this.path}: ${this.detail}`
  }
}

/**
 * Writes texts to a file atomically. A symbolic link is followed; the mode of an existing file is kept.
 */
export const writeAtomically = (path: string, texts: Iterable<string>): Effect.Effect<void, CannotWrite> =>
  Effect.tryPromise({
    try: () => save(path, texts),
    catch: (cause) => new CannotWrite({ path, detail: cause instanceof Error ? cause.message : String(cause) }),
    // A signal does not interrupt the write, which takes a moment.
  }).pipe(Effect.uninterruptible)

const save = async (path: string, texts: Iterable<string>) => {
  const target = await realpath(path).catch(() => path)
  const old = await stat(target).catch(() => undefined)
  if (old !== undefined && !old.isFile()) throw new Error("it exists and is not a regular file")
  const directory = dirname(target)
  const unfinished = join(directory, unfinishedName(basename(target)))
  await removeLeftovers(directory, basename(target))
  const mode = old === undefined ? 0o666 : old.mode & 0o777
  await replaceFile(target, unfinished, mode, async (file) => {
    if (old !== undefined && ((await file.stat()).mode & 0o777) !== mode) await file.chmod(mode)
    let block = ""
    for (const text of texts) {
      block += text
      if (block.length < blockLength) continue
      await file.writeFile(block)
      block = ""
    }
    await file.writeFile(block)
  })
}

const blockLength = 256 * 1024

/** Names the writing process, so that others can tell when it is gone. */
const unfinishedName = (name: string) => `.${name}.${hostname()}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`

const day = 24 * 60 * 60 * 1000

/**
 * Removes what killed writers left: on this host, the files of processes that no longer run; of other hosts, files
 * older than a day.
 */
const removeLeftovers = async (directory: string, name: string) => {
  for (const other of await readdir(directory)) {
    if (!other.startsWith(`.${name}.`)) continue
    const [, host, pid] = /^(.+)\.(\d+)\.[0-9a-f]{8}\.tmp$/.exec(other.slice(name.length + 2)) ?? []
    if (host === undefined) continue
    const left = join(directory, other)
    const isOld = async () => Date.now() - ((await stat(left).catch(() => undefined))?.mtimeMs ?? 0) > day
    if (host === hostname() ? !isRunning(Number(pid)) : await isOld()) {
      // It may be another user's. Only the new file matters.
      await rm(left, { force: true }).catch(() => undefined)
    }
  }
}

/**
 * Whether another process on this host has this PID. A file with our own PID was written before this process started.
 */
const isRunning = (pid: number): boolean => {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It runs, but belongs to another user.
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}
