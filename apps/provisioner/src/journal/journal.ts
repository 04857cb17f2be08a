/**
 * The journal: which directory belongs to which item, and what the provisioner is about to do. A file of JSON lines, of which the
 * last one of an item counts. A line is written and synced before the act that it announces.
 */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import { Data, Effect, Result, Schema, type Scope } from "effect"

/** What was done for an item, and what has begun. The driver's marks show where its directory is. */
export const ItemRecord = Schema.Struct({
  /** The storage system's key. */
  system: Schema.String,
  /** The mount point of its directory; the last one, if that is in the trash. Absent if none was ever made. */
  path: Schema.optionalKey(Schema.String),
  /** The order that moved it to the trash, and the day. */
  trash: Schema.optionalKey(Schema.Struct({ order: Schema.String, since: Schema.String })),
  /** The act that has begun and is not known to have ended. */
  intent: Schema.optionalKey(Schema.String),
  /** A report was sent: after a start, the item waits for a list that was read since. */
  reported: Schema.optionalKey(Schema.Literal(true)),
  /** UUID of the order whose approval was the last report: a list that shows it executing was read after it. */
  approved: Schema.optionalKey(Schema.String),
  /** Consecutive failures of the provisioner's own acts on an order; `order` is empty without one. */
  failures: Schema.optionalKey(Schema.Struct({ order: Schema.String, count: Schema.Int })),
})
export type ItemRecord = typeof ItemRecord.Type

/** The journal cannot be used. Nothing may be done without it. */
export class JournalUnusable extends Data.TaggedError("JournalUnusable")<{
  readonly path: string
  readonly reason: string
}> {
  override get message() {
    return `The journal ${this.path} cannot be used: ${this.reason}`
  }
}

/** The newest record of each item. */
export type JournalState = ReadonlyMap<string, ItemRecord>

export interface Journal {
  readonly items: JournalState
  /** Replaces an item's record, on disk when it returns. */
  readonly put: (itemId: string, record: ItemRecord) => Effect.Effect<void, JournalUnusable>
  /** Whether the file is as this process left it. Costs one system call. */
  readonly isUntouched: Effect.Effect<boolean>
}

const Line = Schema.Struct({ item: Schema.String, record: ItemRecord })
const decodeLine = Schema.decodeUnknownResult(Schema.fromJsonString(Line))
const header = '{"storage-provisioner-journal":1}\n'

/** A journal is compacted at the start if it has more lines than this, and more than four per item. */
const minLines = 1000

/**
 * Opens or creates the journal in a directory. A torn last line, left by a crash, was never acted on and is dropped. Fails on
 * any other line that is not understood.
 */
export const openJournal = Effect.fn("openJournal")(function* (
  directory: string,
): Effect.fn.Return<Journal, JournalUnusable, Scope.Scope> {
  const path = join(directory, "journal.jsonl")
  const opened = yield* Effect.acquireRelease(
    attempt(path, () => open(directory, path)),
    ({ fd }) => Effect.sync(() => closeSync(fd)),
  )
  const { fd, items } = opened
  let { size } = opened
  let isBroken = false
  const append = (text: string) => {
    if (isBroken) throw new JournalUnusable({ path, reason: "an earlier write failed" })
    const bytes = Buffer.from(text)
    try {
      writeAll(fd, bytes, size)
      fsyncSync(fd)
      size += bytes.length
    } catch (error) {
      // Part of the line must not precede the next one.
      isBroken = true
      ftruncateSync(fd, size)
      isBroken = false
      throw error
    }
  }
  return {
    items,
    put: (item, record) =>
      attempt(path, () => {
        append(`${JSON.stringify({ item, record })}\n`)
        items.set(item, record)
      }),
    isUntouched: Effect.sync(() => statSync(path, { throwIfNoEntry: false })?.size === size),
  }
})

/** Reads a journal without opening it for writing, for commands that only read. Empty if there is none. */
export const readJournal = (directory: string): Effect.Effect<JournalState, JournalUnusable> => {
  const path = join(directory, "journal.jsonl")
  return attempt(path, () => (statSync(path, { throwIfNoEntry: false }) === undefined ? new Map() : parsed(path).items))
}

const attempt = <A>(path: string, operation: () => A): Effect.Effect<A, JournalUnusable> =>
  Effect.try({
    try: operation,
    catch: (cause) =>
      cause instanceof JournalUnusable ? cause : new JournalUnusable({ path, reason: (cause as Error).message }),
  })

const open = (directory: string, path: string) => {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const isNew = statSync(path, { throwIfNoEntry: false }) === undefined
  const { items, lines, size } = isNew ? { items: new Map<string, ItemRecord>(), lines: 0, size: 0 } : parsed(path)
  if (isNew || size === 0 || lines > Math.max(minLines, 4 * items.size)) return written(directory, path, items)
  const fd = openSync(path, "r+")
  ftruncateSync(fd, size)
  return { fd, items, size }
}

const parsed = (path: string) => {
  const bytes = readFileSync(path)
  const size = bytes.lastIndexOf(10) + 1
  const [first, ...lines] = bytes.subarray(0, size).toString("utf8").split("\n").slice(0, -1)
  if (first !== undefined && `${first}\n` !== header) {
    throw new JournalUnusable({ path, reason: "its first line is not the header of this version" })
  }
  const items = new Map<string, ItemRecord>()
  for (const [index, line] of lines.entries()) {
    const decoded = decodeLine(line)
    if (Result.isFailure(decoded)) throw new JournalUnusable({ path, reason: `line ${index + 2} is not understood` })
    items.set(decoded.success.item, decoded.success.record)
  }
  return { items, lines: lines.length, size }
}

/** Writes the newest records to a new file that replaces the journal. */
const written = (directory: string, path: string, items: Map<string, ItemRecord>) => {
  const next = `${path}.new`
  const text = header + [...items].map(([item, record]) => `${JSON.stringify({ item, record })}\n`).join("")
  const fd = openSync(next, "w+", 0o600)
  const bytes = Buffer.from(text)
  writeAll(fd, bytes, 0)
  fsyncSync(fd)
  renameSync(next, path)
  const folder = openSync(directory, "r")
  fsyncSync(folder)
  closeSync(folder)
  return { fd, items, size: bytes.length }
}

const writeAll = (fd: number, bytes: Buffer, position: number) => {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, position + done)
}
