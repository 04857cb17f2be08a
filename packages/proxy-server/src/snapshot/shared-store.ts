import { gunzipSync, gzipSync } from "node:zlib"
import { Duration, Effect } from "effect"
import type { Chunk } from "./entry-table.ts"
import { inSlices } from "./in-slices.ts"
import { type RedisConnection, SharedCacheUnavailable } from "./redis-connection.ts"
import type { Snapshot, TakenSnapshot } from "./snapshot.ts"
import { steadyMillis } from "./steady-clock.ts"
import { chunkFrom, chunkText, headerFrom, headerText, snapshotFrom, storedDigest } from "./stored-snapshot.ts"

/** What is stored vanishes by itself; what is still in use is stored again in time. A walk takes less. */
const storedFor: Duration.Input = "20 minutes"
const storeAgainAfter = Duration.toMillis("10 minutes")
/** Values in one call. */
const atOnce = 128

/**
 * Snapshots in a Valkey or Redis. All is stored under a digest of itself and judged by it when it comes back: what did not
 * change is neither sent nor fetched again, two who store at the same time do each other no harm, and what was lost or
 * spoilt is found out, removed, and stored anew by the leader.
 */
export interface SharedStore {
  /** Stores a snapshot; gives its `storedDigest`. */
  readonly save: (taken: TakenSnapshot) => Effect.Effect<string, SharedCacheUnavailable>
  /**
   * The snapshot with this `storedDigest`.
   *
   * @param near one that shares most of its chunks
   */
  readonly load: (digest: string, near: TakenSnapshot | undefined) => Effect.Effect<Snapshot, SharedCacheUnavailable>
  /** A snapshot with this id of its entries, and the times that it was stored with. */
  readonly byId: (id: string, near: TakenSnapshot | undefined) => Effect.Effect<TakenSnapshot, SharedCacheUnavailable>
}

/** @param key the whole of a key, with the prefix that all of ours have */
export const makeSharedStore = (redis: RedisConnection, key: (name: string) => string): SharedStore => {
  const keyOfHeader = (digest: string) => key(`snapshot:${digest}`)
  /** Holds the digest of the last snapshot with these entries. */
  const keyOfEntries = (id: string) => key(`entries:${id}`)
  const keyOfChunk = (digest: string) => key(`chunk:${digest}`)
  let last: { readonly digest: string; readonly at: number } | undefined

  const saveChunks = Effect.fnUntraced(function* (chunks: ReadonlyArray<Chunk>) {
    for (let start = 0; start < chunks.length; start += atOnce) {
      const some = chunks.slice(start, start + atOnce)
      const areThere = yield* redis.touchAll(
        some.map(({ digest }) => keyOfChunk(digest)),
        storedFor,
      )
      const packed = yield* inSlices(function* () {
        const values: Array<readonly [string, Buffer]> = []
        for (const [index, chunk] of some.entries()) {
          if (areThere[index]) continue
          values.push([keyOfChunk(chunk.digest), gzipSync(chunkText(chunk), { level: 1 })])
          yield
        }
        return values
      })
      yield* redis.setAll(packed, storedFor)
    }
  })

  const loadChunks = Effect.fnUntraced(function* (digests: ReadonlyArray<string>, known: ReadonlyMap<string, Chunk>) {
    const found = new Map<string, Chunk>()
    const missing = digests.filter((digest) => !known.has(digest))
    for (let start = 0; start < missing.length; start += atOnce) {
      const some = missing.slice(start, start + atOnce)
      const packed = yield* redis.getAll(some.map(keyOfChunk))
      yield* inSlices(function* () {
        for (const [index, digest] of some.entries()) {
          const text = unpacked(packed[index])
          const chunk = text === undefined ? undefined : chunkFrom(text, digest)
          if (chunk !== undefined) found.set(digest, chunk)
          yield
        }
      })
    }
    return digests.map((digest) => known.get(digest) ?? found.get(digest))
  })

  /** What is not whole is removed with the name that it is found by: the leader sees that and stores it again. */
  const removed = (digest: string, chunks: ReadonlyArray<string> = []) =>
    Effect.andThen(redis.removeAll([keyOfHeader(digest), ...chunks.map(keyOfChunk)]), Effect.fail(incomplete))

  const load = Effect.fnUntraced(function* (digest: string, near: TakenSnapshot | undefined) {
    const [packed] = yield* redis.getAll([keyOfHeader(digest)])
    const header = headerFrom(unpacked(packed) ?? "")
    if (header === undefined) return yield* removed(digest)
    const known = new Map(near?.snapshot.entries.chunks.map((chunk) => [chunk.digest, chunk]))
    const chunks = yield* loadChunks(header.chunks, known)
    const lost = header.chunks.filter((_, index) => chunks[index] === undefined)
    if (lost.length > 0) return yield* removed(digest, lost)
    const whole = chunks.filter((chunk) => chunk !== undefined)
    const { takenAt, heldSince, changedAt } = header
    const taken = { snapshot: snapshotFrom(header, whole), takenAt, heldSince, changedAt }
    return storedDigest(taken) === digest ? taken : yield* removed(digest)
  })

  return {
    save: Effect.fnUntraced(function* (taken) {
      const now = yield* steadyMillis
      const digest = storedDigest(taken)
      const { entries } = taken.snapshot
      const names = [keyOfHeader(digest), keyOfEntries(entries.id)]
      const isRecent = last?.digest === digest && now - last.at < storeAgainAfter
      if (isRecent && (yield* redis.areThere(names))) return digest
      yield* saveChunks(entries.chunks)
      // The header after the chunks, and its name last: whoever finds one finds all.
      yield* redis.setAll([[keyOfHeader(digest), gzipSync(headerText(taken), { level: 1 })]], storedFor)
      yield* redis.setAll([[keyOfEntries(entries.id), Buffer.from(digest)]], storedFor)
      last = { digest, at: now }
      return digest
    }),
    load: (digest, near) => Effect.map(load(digest, near), ({ snapshot }) => snapshot),
    byId: (id, near) =>
      Effect.gen(function* () {
        const [digest] = yield* redis.getAll([keyOfEntries(id)])
        if (digest === undefined) return yield* incomplete
        const taken = yield* load(digest.toString(), near)
        return taken.snapshot.entries.id === id ? taken : yield* incomplete
      }).pipe(Effect.tapError((error) => (error === incomplete ? redis.removeAll([keyOfEntries(id)]) : Effect.void))),
  }
}

/** It was flushed, is too old, or is not ours. */
const incomplete = new SharedCacheUnavailable({ detail: "a snapshot is not there, or not whole" })

/** `undefined` for what is not there or was not packed by us. */
const unpacked = (packed: Buffer | undefined): string | undefined => {
  if (packed === undefined) return undefined
  try {
    return gunzipSync(packed).toString()
  } catch {
    return undefined
  }
}
