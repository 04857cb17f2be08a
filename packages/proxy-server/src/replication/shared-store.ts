/** Snapshots in the Valkey or Redis that replicas share. */
import { gunzipSync, gzipSync } from "node:zlib"
import { cooperatively } from "@cscs/http-transport"
import type { ModelSettings } from "@cscs/storage-model"
import { Duration, Effect, Result } from "effect"
import { logEvent } from "../observability/log-events.ts"
import {
  chunkText,
  headerText,
  isDigest,
  longestChunk,
  longestHeader,
  maxBytes,
  maxChunks,
  snapshotFrom,
  storedDigest,
  storedReader,
} from "../persistence/stored-snapshot.ts"
import type { Chunk } from "../snapshot/entry-table.ts"
import type { TimedSnapshot } from "../snapshot/snapshot.ts"
import { steadyMillis } from "../snapshot/steady-clock.ts"
import { type RedisConnection, SharedCacheUnavailable } from "./redis-connection.ts"

/** Stored data expires by itself; data in use is stored again in time. A walk through pages takes less (`walkTime`). */
const storedFor: Duration.Input = "20 minutes"
const storeAgainAfter = Duration.toMillis("10 minutes")
/** Values per call. */
const atOnce = 128
/** Limit of the bytes that one call returns: 128 chunks are compressed to about 300 kB. */
const maxAtOnce = 64 * 1024 * 1024
/** For storing or loading a whole snapshot, in any number of calls: 100,000 entries take a few seconds. */
const within: Duration.Input = "30 seconds"

/** See `makeSharedStore`. */
export type SharedStore = ReturnType<typeof makeSharedStore>

/**
 * Stores snapshots in a Valkey or Redis. Everything is stored under its own digest and verified by it when loaded. So
 * unchanged parts are neither sent nor fetched again, concurrent writers do no harm, and lost or corrupted data is
 * detected, removed and stored anew by the leader.
 *
 * @param key gives the full name of a key, with our prefix
 * @param model stored data is checked under these settings, like data from Waldur
 */
export const makeSharedStore = (redis: RedisConnection, key: (name: string) => string, model: ModelSettings) => {
  const reader = storedReader(model)
  let refusal: string | undefined
  const keyOfHeader = (digest: string) => key(`snapshot:${digest}`)
  /** Holds the digest of the last snapshot with these entries. */
  const keyOfEntries = (id: string) => key(`entries:${id}`)
  const keyOfChunk = (digest: string) => key(`chunk:${digest}`)
  let last: { readonly digest: string; readonly at: number } | undefined

  const chunkStore = makeChunkStore(redis, keyOfChunk, reader)

  /**
   * Removes the header of an incomplete snapshot, and some chunks, and fails with `incomplete`: the leader notices and stores it
   * again.
   */
  const removed = (digest: string, chunks: ReadonlyArray<string> = []) =>
    Effect.andThen(redis.removeAll([keyOfHeader(digest), ...chunks.map(keyOfChunk)]), Effect.fail(incomplete))

  /** Does the same for data that exists but is not trustworthy, and reports it. */
  const refused = (problem: string, digest: string, chunks?: ReadonlyArray<string>) => {
    const isFirst = refusal === undefined
    refusal = problem
    const logged = isFirst
      ? Effect.logWarning("Data in the shared cache is refused").pipe(
          logEvent("shared-cache-refused"),
          Effect.annotateLogs({ error: problem }),
        )
      : Effect.void
    return Effect.andThen(logged, removed(digest, chunks))
  }

  const load = Effect.fnUntraced(function* (digest: string, near: TimedSnapshot | undefined) {
    if (!isDigest(digest)) return yield* incomplete
    const [packed] = yield* redis.getAll([keyOfHeader(digest)], { each: longestHeader, inAll: longestHeader })
    if (packed === undefined) return yield* removed(digest)
    const header = Result.flatMap(unpacked(packed, longestHeader), reader.header)
    if (Result.isFailure(header)) return yield* refused(header.failure, digest)
    const names = header.success.chunks
    const known = new Map(near?.snapshot.entries.chunks.map((chunk) => [chunk.digest, chunk]))
    const { chunks, unusable, problem } = yield* chunkStore.load(names, known)
    if (problem !== undefined) return yield* refused(problem, digest, unusable.slice(0, maxRemoved))
    if (unusable.length > 0) return yield* removed(digest, unusable.slice(0, maxRemoved))
    const taken = snapshotFrom(
      header.success,
      chunks.filter((chunk) => chunk !== undefined),
    )
    if (storedDigest(taken) !== digest) return yield* refused("a header is not the one that was stored", digest)
    refusal = undefined
    return taken
  })

  return {
    /** Why stored data was rejected, in words; `undefined` once a snapshot was stored or loaded successfully. */
    refusal: () => refusal,
    /** Stores a snapshot; returns its `storedDigest`. */
    save: Effect.fnUntraced(function* (taken: TimedSnapshot) {
      const now = yield* steadyMillis
      const digest = storedDigest(taken)
      const { entries } = taken.snapshot
      const names = [keyOfHeader(digest), keyOfEntries(entries.id)]
      const isRecent = last?.digest === digest && now - last.at < storeAgainAfter
      if (isRecent && (yield* redis.areThere(names))) return digest
      const header = headerText(taken)
      const bytes = entries.chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0)
      if (header.length > longestHeader || entries.chunks.length > maxChunks || bytes > maxBytes) return yield* tooLarge
      yield* chunkStore.save(entries.chunks)
      // The header after the chunks, and its name last: a name appears only after a complete snapshot.
      yield* redis.setAll([[keyOfHeader(digest), gzipSync(header, { level: 1 })]], storedFor)
      yield* redis.setAll([[keyOfEntries(entries.id), Buffer.from(digest)]], storedFor)
      last = { digest, at: now }
      refusal = undefined
      return digest
    }, inTime),
    /** The snapshot with this `storedDigest`; `near` shares most of its chunks. */
    load: (digest: string, near: TimedSnapshot | undefined) =>
      Effect.map(inTime(load(digest, near)), ({ snapshot }) => snapshot),
    /** A snapshot with this id of its entries, with its stored times. */
    byId: (id: string, near: TimedSnapshot | undefined) =>
      Effect.gen(function* () {
        const [digest] = yield* redis.getAll([keyOfEntries(id)], { each: longestName, inAll: longestName })
        if (digest === undefined) return yield* incomplete
        const taken = yield* load(digest.toString(), near)
        return taken.snapshot.entries.id === id ? taken : yield* incomplete
      }).pipe(
        Effect.tapError((error) => (error === incomplete ? redis.removeAll([keyOfEntries(id)]) : Effect.void)),
        inTime,
      ),
  }
}

/** The chunks of snapshots, a number of them per call. */
const makeChunkStore = (
  redis: RedisConnection,
  keyOfChunk: (digest: string) => string,
  reader: ReturnType<typeof storedReader>,
) => ({
  save: Effect.fnUntraced(function* (chunks: ReadonlyArray<Chunk>) {
    for (let start = 0; start < chunks.length; start += atOnce) {
      const some = chunks.slice(start, start + atOnce)
      const areThere = yield* redis.touchAll(
        some.map(({ digest }) => keyOfChunk(digest)),
        storedFor,
      )
      const packed: Array<readonly [string, Buffer]> = []
      let isTooLarge = false
      yield* cooperatively(some.entries(), ([index, chunk]) => {
        if (areThere[index] || isTooLarge) return
        const text = chunkText(chunk)
        if (text.length > longestChunk) isTooLarge = true
        else packed.push([keyOfChunk(chunk.digest), gzipSync(text, { level: 1 })])
      })
      if (isTooLarge) return yield* tooLarge
      yield* redis.setAll(packed, storedFor)
    }
  }),

  /**
   * The chunks that could be loaded; the digests of those that are absent or invalid, as far as they were requested; and the
   * first fault of those that exist.
   */
  load: Effect.fnUntraced(function* (digests: ReadonlyArray<string>, known: ReadonlyMap<string, Chunk>) {
    const found = new Map<string, Chunk>()
    const unusable: Array<string> = []
    let problem: string | undefined
    let bytes = digests.reduce((sum, digest) => sum + (known.get(digest)?.bytes.length ?? 0), 0)
    const missing = digests.filter((digest) => !known.has(digest))
    for (let start = 0; start < missing.length; start += atOnce) {
      const some = missing.slice(start, start + atOnce)
      const packed = yield* redis.getAll(some.map(keyOfChunk), { each: longestChunk, inAll: maxAtOnce })
      yield* cooperatively(some.entries(), ([index, digest]) => {
        const value = packed[index]
        if (value === undefined) return void unusable.push(digest)
        const chunk = Result.flatMap(unpacked(value, longestChunk), (text) => reader.chunk(text, digest))
        if (Result.isFailure(chunk)) {
          unusable.push(digest)
          problem ??= chunk.failure
        } else {
          found.set(digest, chunk.success)
          bytes += chunk.success.bytes.length
        }
      })
      if (bytes > maxBytes) problem = "it is larger than any that we store"
      if (problem !== undefined) break
    }
    return { chunks: digests.map((digest) => known.get(digest) ?? found.get(digest)), unusable, problem }
  }),
})

/** Keys that are removed for one snapshot, in one call; the others expire. */
const maxRemoved = 1000
/** Bytes of a digest as text. */
const longestName = 64

/** It was flushed, has expired, or is not ours. */
const incomplete = new SharedCacheUnavailable({ detail: "a snapshot is missing or incomplete" })
const tooLarge = new SharedCacheUnavailable({ detail: "the snapshot is larger than any that can be read back" })
const tooSlow = new SharedCacheUnavailable({ detail: "a snapshot is not stored or loaded in time" })

const inTime = <A>(effect: Effect.Effect<A, SharedCacheUnavailable>) =>
  Effect.timeoutOrElse(effect, { duration: within, orElse: () => Effect.fail(tooSlow) })

/** Fails for data that we did not compress, or that decompresses to more than this number of characters can take. */
const unpacked = (packed: Buffer, atMost: number): Result.Result<string, string> => {
  try {
    return Result.succeed(gunzipSync(packed, { maxOutputLength: 3 * atMost }).toString())
  } catch {
    return Result.fail("a value is not packed as ours are")
  }
}
