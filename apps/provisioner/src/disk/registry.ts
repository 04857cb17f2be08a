/**
 * Remembers each item in one file of JSON lines outside the root: its project ID, which no other item ever gets, the identity of
 * its directory, and where that is. Lines are appended and synced; the last line of an item counts. The first
 * write of a process replaces the file by one without superseded lines, and a process that only reads never writes.
 */
import { constants } from "node:fs"
import { type FileHandle, open, readFile, rename } from "node:fs/promises"
import { dirname } from "node:path"
import { Effect, Schema, Semaphore } from "effect"
import { type DriverError, type Quotas, Refused } from "../drivers/driver.ts"
import { errorOf } from "./directory.ts"

const Remembered = Schema.Struct({
  itemId: Schema.String,
  projectId: Schema.optionalKey(Schema.Int),
  /** Inode and time of birth of the directory, once it exists. */
  identity: Schema.optionalKey(Schema.String),
  /** Where it is; absent in the trash. */
  path: Schema.optionalKey(Schema.String),
  /** With the driver `directory`, its quotas; if quotas are tied to paths, those that a rename has removed, until they are set again. */
  quotas: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
})
export type Remembered = typeof Remembered.Type

/** The quotas of a record, empty without any. */
export const quotasIn = (record: Remembered | undefined): Quotas =>
  Object.fromEntries(Object.entries(record?.quotas ?? {}).map(([kind, amount]) => [kind, BigInt(amount)]))

/** Quotas as a record has them: JSON has no exact number for large ones. */
export const recordedQuotas = (quotas: Quotas): NonNullable<Remembered["quotas"]> =>
  Object.fromEntries(Object.entries(quotas).map(([kind, amount]) => [kind, String(amount)]))

const Header = Schema.Struct({ registry: Schema.Literal(1), root: Schema.String })

export interface Registry {
  readonly isEmpty: () => boolean
  readonly get: (itemId: string) => Remembered | undefined
  readonly byIdentity: (identity: string) => Remembered | undefined
  /** The item that has this project ID. */
  readonly byProjectId: (projectId: number) => Remembered | undefined
  readonly highestProjectId: () => number
  readonly all: () => Iterable<Remembered>
  /** Sets fields of an item's record, on disk when it returns; `null` removes a field. */
  readonly put: (
    itemId: string,
    fields: { readonly [K in keyof Omit<Remembered, "itemId">]: Remembered[K] | null },
  ) => Effect.Effect<void, DriverError>
}

/** Opens the registry of a root. Refused: the registry of another root, or one with an unknown line. */
export const openRegistry = Effect.fnUntraced(function* (path: string, root: string) {
  const step = `registry ${path}`
  const lines = yield* Effect.tryPromise({
    try: async () => {
      const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return ""
        throw error
      })
      // What follows the last newline is a line whose write was cut off, and which was never relied on.
      return text.split("\n").slice(0, -1)
    },
    catch: (cause) => errorOf(step, cause),
  })
  const refused = (detail: string) => new Refused({ step, detail })
  const [header, ...records] = lines
  if (header !== undefined) {
    const known = yield* Effect.mapError(Schema.decodeUnknownEffect(Schema.fromJsonString(Header))(header), () =>
      refused("not a registry: its first line is not the header. Restore it from a backup"),
    )
    if (known.root !== root) return yield* refused(`it belongs to ${known.root}, not to ${root}`)
  }
  const items = new Map<string, Remembered>()
  const identities = new Map<string, string>()
  const projects = new Map<number, string>()
  let highest = 0
  const keep = (record: Remembered) => {
    const old = items.get(record.itemId)
    if (old?.identity !== undefined) identities.delete(old.identity)
    items.set(record.itemId, record)
    if (record.identity !== undefined) {
      // Where a file system keeps no time of birth, a new directory with a reused inode has the identity of a deleted one.
      const earlier = items.get(identities.get(record.identity) ?? "")
      if (earlier !== undefined) {
        const { identity: _, ...others } = earlier
        items.set(earlier.itemId, others)
      }
      identities.set(record.identity, record.itemId)
    }
    if (record.projectId === undefined) return
    projects.set(record.projectId, record.itemId)
    highest = Math.max(highest, record.projectId)
  }
  for (const [index, line] of records.entries()) {
    const record = yield* Effect.mapError(Schema.decodeUnknownEffect(Schema.fromJsonString(Remembered))(line), () =>
      refused(`line ${index + 2} is not a record. Restore it from a backup`),
    )
    const other = record.projectId === undefined ? undefined : projects.get(record.projectId)
    if (other !== undefined && other !== record.itemId)
      return yield* refused(`project ID ${record.projectId} belongs to ${other} and to ${record.itemId}`)
    keep(record)
  }

  let file: FileHandle | undefined
  yield* Effect.addFinalizer(() => Effect.promise(async () => file?.close()))
  const textOf = (value: object) => `${JSON.stringify(value)}\n`
  const rewritten = async () => {
    const unfinished = `${path}.tmp`
    const next = await open(
      unfinished,
      constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_APPEND,
      0o600,
    )
    try {
      const texts = [textOf({ registry: 1, root }), ...[...items.values()].map(textOf)]
      await next.writeFile(texts.join(""))
      await next.sync()
      await rename(unfinished, path)
      const directory = await open(dirname(path))
      await directory.sync().finally(() => directory.close())
      return next
    } catch (error) {
      await next.close()
      throw error
    }
  }
  const mutex = yield* Semaphore.make(1)
  return {
    isEmpty: () => items.size === 0,
    get: (itemId) => items.get(itemId),
    byIdentity: (identity) => items.get(identities.get(identity) ?? ""),
    byProjectId: (projectId) => items.get(projects.get(projectId) ?? ""),
    highestProjectId: () => highest,
    all: () => items.values(),
    put: (itemId, fields) =>
      mutex.withPermit(
        Effect.tryPromise({
          try: async () => {
            const merged = Object.entries({ ...items.get(itemId), itemId, ...fields })
            const record = Object.fromEntries(merged.filter(([, value]) => value !== null)) as Remembered
            if (JSON.stringify(record) === JSON.stringify(items.get(itemId))) return
            file ??= await rewritten()
            try {
              await file.appendFile(textOf(record))
              await file.datasync()
            } catch (error) {
              // Half a line may have been written: the next write starts a new file.
              await file.close()
              file = undefined
              throw error
            }
            keep(record)
          },
          catch: (cause) => errorOf(step, cause),
        }).pipe(Effect.uninterruptible),
      ),
  } satisfies Registry
})
