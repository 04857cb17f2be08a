/**
 * Keeps a snapshot in a file across restarts. The file is written atomically and not trusted on reading: it must be a
 * regular file of ours that no one else may write, no larger than one that we write, and each entry is checked anew.
 */
import { type FileHandle, rename } from "node:fs/promises"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGunzip, createGzip } from "node:zlib"
import { turnIfDue } from "@cscs/http-transport"
import type { ModelSettings } from "@cscs/storage-model"
import { Effect, Result, Schema } from "effect"
import type { Chunk } from "../snapshot/entry-table.ts"
import type { TimedSnapshot } from "../snapshot/snapshot.ts"
import { mustBeReplaceable, openOwnFile } from "./own-file.ts"
import { replaceFile } from "./replace-file.ts"
import {
  chunkText,
  headerText,
  longestChunk,
  longestHeader,
  maxBytes,
  maxChunks,
  type StoredHeader,
  type StoredReader,
  snapshotFrom,
  storedReader,
} from "./stored-snapshot.ts"

/** The file cannot be read or written; its old content is intact. */
export class SnapshotFileError extends Schema.TaggedError<SnapshotFileError>()("SnapshotFileError", {
  path: Schema.String,
  detail: Schema.String,
}) {
  override get message() {
    return `cache.path ${this.path}: ${this.detail}`
  }
}

/** The file is not one that we wrote: truncated, modified, or of another kind. */
export class SnapshotFileDamaged extends Schema.TaggedError<SnapshotFileDamaged>()("SnapshotFileDamaged", {
  path: Schema.String,
  detail: Schema.String,
}) {
  override get message() {
    return `cache.path ${this.path} holds no whole snapshot: ${this.detail}`
  }
}

const format = "storage-proxy snapshot 1"
const newline = 0x0a
/** Characters of the first line: the format and a digest. */
const longestFirstLine = 1024
/** Bytes of the file. The largest list compresses to a fifth of this, unless its texts are noise. */
const largestFile = 256 * 1024 * 1024

const failed = (path: string) => (cause: unknown) =>
  new SnapshotFileError({ path, detail: cause instanceof Error ? cause.message : String(cause) })

/**
 * Writes a snapshot as gzipped lines of JSON: the format and its identity, the header, then each chunk. Only our user
 * may read it. It replaces the old file once it is complete and on disk, so that a crash leaves one of the two. It
 * replaces only files of ours, and writes nothing that would be too large to read back.
 *
 * @param identity `storageIdentity` of the settings
 */
export const writeSnapshotFile = (
  path: string,
  identity: string,
  taken: TimedSnapshot,
): Effect.Effect<void, SnapshotFileError> =>
  Effect.tryPromise({
    try: async () => {
      const unfinished = `${path}.tmp`
      await mustBeReplaceable(path)
      await mustBeReplaceable(unfinished)
      await replaceFile(path, unfinished, 0o600, (file) => write(file, identity, taken))
    },
    catch: failed(path),
  })

const write = async (file: FileHandle, identity: string, taken: TimedSnapshot): Promise<void> => {
  // A umask can remove permissions that we need. (Under Node's permission model the mode cannot be set.)
  if (((await file.stat()).mode & 0o777) !== 0o600) await file.chmod(0o600)
  await pipeline(Readable.from(linesToWrite(identity, taken)), createGzip({ level: 1 }), (packed) =>
    file.writeFile(packed),
  )
  const { size } = await file.stat()
  if (size > largestFile) throw new Error(tooLarge("packed", size, largestFile))
}

function* linesToWrite(identity: string, taken: TimedSnapshot): Generator<string, void> {
  const { chunks } = taken.snapshot.entries
  if (chunks.length > maxChunks) throw new Error(tooLarge("chunks", chunks.length, maxChunks))
  let bytes = 0
  const line = (text: string, longest: number): string => {
    bytes += Buffer.byteLength(text) + 1
    if (text.length > longest) throw new Error(tooLarge("a line", text.length, longest))
    if (bytes > maxBytes) throw new Error(tooLarge("unpacked", bytes, maxBytes))
    return `${text}\n`
  }
  yield line(JSON.stringify([format, identity]), longestFirstLine)
  yield line(headerText(taken), longestHeader)
  for (const chunk of chunks) yield line(chunkText(chunk), longestChunk)
}

const tooLarge = (what: string, size: number, limit: number) =>
  `the snapshot is too large to be read back (${what}: ${size}, at most ${limit})`

/**
 * Reads what `writeSnapshotFile` wrote. Each chunk is verified by its digest and the rest by gzip's checksum; each
 * entry and GID is checked by the rules for upstream data. Holds no more than one line and the rest of its block in
 * memory.
 *
 * @param identity `storageIdentity` of the settings
 * @returns `undefined` if there is no file, or one of another version or configuration
 */
export const readSnapshotFile = (
  path: string,
  identity: string,
  model: ModelSettings,
): Effect.Effect<TimedSnapshot | undefined, SnapshotFileError | SnapshotFileDamaged> =>
  Effect.tryPromise({
    try: async (signal) => {
      const file = await openOwnFile(path)
      if (file === undefined) return undefined
      try {
        return await readFrom(file, identity, storedReader(model), signal)
      } finally {
        await file.close()
      }
    },
    catch: (cause) =>
      cause instanceof Damage ? new SnapshotFileDamaged({ path, detail: cause.message }) : failed(path)(cause),
  })

/** The content is not one that we write. */
class Damage extends Error {}

const readFrom = async (
  file: FileHandle,
  identity: string,
  reader: StoredReader,
  signal: AbortSignal,
): Promise<TimedSnapshot | undefined> => {
  const { size } = await file.stat()
  if (size > largestFile) throw new Damage(`it has ${size} bytes, more than any that we write`)
  let outcome: { readonly taken: TimedSnapshot | undefined } | undefined
  try {
    await pipeline(
      file.createReadStream({ autoClose: false, start: 0, end: largestFile }),
      createGunzip(),
      async (unpacked: AsyncIterable<Buffer>) => {
        outcome = { taken: await parsed(linesOf(unpacked), identity, reader, signal) }
      },
      { signal },
    )
  } catch (cause) {
    // A file of another identity is not read to its end, which makes the pipeline fail.
    if (outcome !== undefined && outcome.taken === undefined) return undefined
    if (cause instanceof Damage) throw cause
    const { code } = cause as NodeJS.ErrnoException
    if (code?.startsWith("Z_") || code === "ERR_ENCODING_INVALID_ENCODED_DATA") throw new Damage(String(cause))
    throw cause
  }
  return outcome?.taken
}

const parsed = async (
  lines: AsyncGenerator<string, void>,
  identity: string,
  reader: StoredReader,
  signal: AbortSignal,
): Promise<TimedSnapshot | undefined> => {
  const next = async (): Promise<string> => {
    await turnIfDue()
    signal.throwIfAborted()
    const { value } = await lines.next()
    if (value === undefined) throw new Damage("it ends too early")
    return value
  }
  const whose = await next()
  if (whose !== JSON.stringify([format, identity])) {
    await lines.return()
    if (whose.startsWith(`["storage-proxy snapshot `)) return undefined
    throw new Damage("it does not begin like a snapshot file")
  }
  const header: StoredHeader = orDamage(reader.header(await next()))
  const chunks: Array<Chunk> = []
  for (const digest of header.chunks) chunks.push(orDamage(reader.chunk(await next(), digest)))
  // The checksum comes last.
  if (!(await lines.next()).done) throw new Damage("it has data after its end")
  return snapshotFrom(header, chunks)
}

const orDamage = <A>(result: Result.Result<A, string>): A => {
  if (Result.isFailure(result)) throw new Damage(result.failure)
  return result.success
}

/** The unpacked lines; a rest without a newline is not a line. Fails for content that no file of ours can have. */
async function* linesOf(unpacked: AsyncIterable<Buffer>): AsyncGenerator<string, void> {
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  const longest = [longestFirstLine, longestHeader]
  let read = 0
  let lineNumber = 0
  let pieces: Array<Buffer> = []
  let length = 0
  const add = (piece: Buffer) => {
    pieces.push(piece)
    length += piece.length
    // A character has up to three bytes.
    if (length > 3 * (longest[lineNumber] ?? longestChunk)) throw new Damage("a line is longer than any that we write")
  }
  for await (const block of unpacked) {
    read += block.length
    if (read > maxBytes) throw new Damage("it unpacks to more than any that we write")
    let start = 0
    for (let end = block.indexOf(newline); end >= 0; end = block.indexOf(newline, start)) {
      add(block.subarray(start, end))
      yield utf8.decode(Buffer.concat(pieces))
      pieces = []
      length = 0
      lineNumber += 1
      start = end + 1
    }
    add(block.subarray(start))
  }
}

/** Moves a damaged file aside, for later inspection. */
export const setAside = (path: string): Effect.Effect<string, SnapshotFileError> => {
  const aside = `${path}.damaged`
  return Effect.as(
    Effect.tryPromise({
      try: async () => {
        await mustBeReplaceable(path)
        await mustBeReplaceable(aside)
        await rename(path, aside)
      },
      catch: failed(path),
    }),
    aside,
  )
}
