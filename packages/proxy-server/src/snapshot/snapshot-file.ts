import { open, readFile, rename, rm } from "node:fs/promises"
import { dirname } from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { promisify } from "node:util"
import { createGzip, gunzip } from "node:zlib"
import { Effect, Schema } from "effect"
import type { Chunk } from "./entry-table.ts"
import { inSlices } from "./in-slices.ts"
import type { TakenSnapshot } from "./snapshot.ts"
import { chunkFrom, chunkText, headerFrom, headerText, snapshotFrom } from "./stored-snapshot.ts"

/** The file cannot be read or written; what stood there stands. */
export class SnapshotFileError extends Schema.TaggedError<SnapshotFileError>()("SnapshotFileError", {
  path: Schema.String,
  detail: Schema.String,
}) {
  override get message() {
    return `cache.path ${this.path}: ${this.detail}`
  }
}

/** The file is not what we write: cut off, changed, or something else. */
export class SnapshotFileDamaged extends Schema.TaggedError<SnapshotFileDamaged>()("SnapshotFileDamaged", {
  path: Schema.String,
}) {
  override get message() {
    return `cache.path ${this.path} holds no whole snapshot`
  }
}

const format = "storage-proxy snapshot 1"
const newline = 0x0a

const failed = (path: string) => (cause: unknown) =>
  new SnapshotFileError({ path, detail: cause instanceof Error ? cause.message : String(cause) })

/**
 * Writes a snapshot: gzip of lines of JSON, the format and whose it is, the header, then each chunk. Only we may read it.
 * It takes the place of the old file when it is whole and on the disk, so that a crash leaves the one or the other.
 *
 * @param identity `storageIdentity` of the settings
 */
export const writeSnapshotFile = (
  path: string,
  identity: string,
  taken: TakenSnapshot,
): Effect.Effect<void, SnapshotFileError> =>
  Effect.tryPromise({
    try: async () => {
      const unfinished = `${path}.tmp`
      await rm(unfinished, { force: true })
      const file = await open(unfinished, "wx", 0o600)
      try {
        // A umask can take from the mode above what we need ourselves. (Where Node's permission model is on, it may not be set.)
        if (((await file.stat()).mode & 0o777) !== 0o600) await file.chmod(0o600)
        const lines = function* () {
          yield `${JSON.stringify([format, identity])}\n${headerText(taken)}\n`
          for (const chunk of taken.snapshot.entries.chunks) yield `${chunkText(chunk)}\n`
        }
        await pipeline(Readable.from(lines()), createGzip({ level: 1 }), (packed) => file.writeFile(packed))
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(unfinished, path)
      await syncDirectory(dirname(path)).catch(() => undefined)
    },
    catch: failed(path),
  })

/** Makes a renaming outlive a loss of power, where we may read the directory and the file system knows how. */
const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/**
 * Reads what `writeSnapshotFile` wrote, proving each chunk by its digest, and the rest by gzip's checksum.
 *
 * @returns `undefined` where there is no file, or one of another version or configuration
 */
export const readSnapshotFile = Effect.fnUntraced(function* (
  path: string,
  identity: string,
): Effect.fn.Return<TakenSnapshot | undefined, SnapshotFileError | SnapshotFileDamaged> {
  const packed = yield* Effect.tryPromise({
    try: () => readFile(path),
    catch: (cause) => cause as NodeJS.ErrnoException,
  }).pipe(
    Effect.catch((cause) => (cause.code === "ENOENT" ? Effect.succeed(undefined) : Effect.fail(failed(path)(cause)))),
  )
  if (packed === undefined) return undefined
  const damaged = new SnapshotFileDamaged({ path })
  const bytes = yield* Effect.tryPromise({ try: () => promisify(gunzip)(packed), catch: () => damaged })
  const read = yield* inSlices(() => parsed(bytes, identity))
  return read === "damaged" ? yield* damaged : read
})

function* parsed(bytes: Uint8Array, identity: string) {
  const lines = linesOf(bytes)
  const next = (): string => lines.next().value ?? ""
  const whose = next()
  if (whose !== JSON.stringify([format, identity])) {
    return whose.startsWith(`["storage-proxy snapshot `) ? undefined : "damaged"
  }
  const header = headerFrom(next())
  if (header === undefined) return "damaged"
  const chunks: Array<Chunk> = []
  for (const digest of header.chunks) {
    const chunk = chunkFrom(next(), digest)
    if (chunk === undefined) return "damaged"
    chunks.push(chunk)
    yield
  }
  const { takenAt, heldSince, changedAt } = header
  return { snapshot: snapshotFrom(header, chunks), takenAt, heldSince, changedAt } satisfies TakenSnapshot
}

function* linesOf(bytes: Uint8Array): Generator<string, undefined> {
  const utf8 = new TextDecoder()
  for (let start = 0; ; ) {
    const end = bytes.indexOf(newline, start)
    if (end < 0) return undefined
    yield utf8.decode(bytes.subarray(start, end))
    start = end + 1
  }
}

/** Moves a damaged file out of the way, for whoever wants to know what happened to it. */
export const setAside = (path: string): Effect.Effect<string, SnapshotFileError> => {
  const aside = `${path}.damaged`
  return Effect.as(Effect.tryPromise({ try: () => rename(path, aside), catch: failed(path) }), aside)
}
