/** Reads files that settings name, with limits. */
import { constants } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"
import { Data, Effect } from "effect"

/** The largest file that is read for a setting, in bytes: the certificates of all public authorities take a quarter. */
const largestFile = 1024 * 1024

/** A file for a setting cannot be read. */
export class UnreadableFile extends Data.TaggedError("UnreadableFile")<{
  /** `ENOENT` and the like; `undefined` if the file itself is unsuitable. */
  readonly code: string | undefined
  /** The reason, without the file's path, which could be a secret in the wrong place. */
  readonly reason: string
}> {}

/** A file's owner, and its mode including the type bits. */
export interface FileFacts {
  readonly uid: number
  readonly mode: number
}

/**
 * Reads a text file that an operator names. It never blocks and never reads without limit: only a regular file of
 * bounded size in UTF-8 is read. Symbolic links are followed, because Kubernetes mounts secrets as such.
 *
 * @param options.most bytes; default 1 MiB
 * @param options.refusal a reason to refuse the open file, in words
 * @param options.flags of open(2), in addition to reading
 */
export const readBoundedFile = (
  path: string,
  options: {
    readonly most?: number
    readonly refusal?: (facts: FileFacts) => string | undefined
    readonly flags?: number
  } = {},
): Effect.Effect<string, UnreadableFile> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { most = largestFile, refusal = () => undefined, flags = 0 } = options
      const file = yield* Effect.acquireRelease(
        // Without O_NONBLOCK, opening a FIFO blocks until there is a writer.
        trying(() => open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | flags)),
        (opened) => Effect.promise(() => opened.close()),
      )
      const facts = yield* trying(() => file.stat())
      const reason = facts.isFile() ? refusal(facts) : "it is not a regular file"
      if (reason !== undefined) return yield* new UnreadableFile({ code: undefined, reason })
      const bytes = yield* trying(() => readUpTo(file, most + 1))
      if (bytes.length > most) {
        return yield* new UnreadableFile({ code: undefined, reason: `it is larger than ${most} bytes` })
      }
      return yield* Effect.try({
        try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
        catch: () => new UnreadableFile({ code: undefined, reason: "it is not UTF-8 text" }),
      })
    }),
  )

const trying = <A>(operation: () => Promise<A>) =>
  Effect.tryPromise({
    try: operation,
    catch: (cause) => {
      const code = (cause as NodeJS.ErrnoException).code
      return new UnreadableFile({ code, reason: reasons[code ?? ""] ?? code ?? "it cannot be read" })
    },
  })

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file (ENOENT)",
  EACCES: "permission denied (EACCES)",
  EISDIR: "it is a directory (EISDIR)",
}

// A file's size is not reliable below /proc, and may grow during the read.
const readUpTo = async (file: FileHandle, most: number): Promise<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let left = most; left > 0; ) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(Math.min(left, 64 * 1024)), 0)
    if (bytesRead === 0) break
    chunks.push(buffer.subarray(0, bytesRead))
    left -= bytesRead
  }
  return Buffer.concat(chunks)
}
