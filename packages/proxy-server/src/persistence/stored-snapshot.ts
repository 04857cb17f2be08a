/** The stored form of a snapshot, in the file and in the shared cache: its text, its limits, and its validation. */
import { createHash } from "node:crypto"
import { HpcUserApiError } from "@cscs/hpc-user-client"
import { isGid, isProblem, type ModelSettings, Skipped, storedEntryChecker, Warning } from "@cscs/storage-model"
import { Option, Result, Schema } from "effect"
import type { ProxySettings } from "../config/settings.ts"
import { version } from "../config/version.ts"
import { contentDigest } from "../snapshot/content-digest.ts"
import { bytesOf, type Chunk, chunkOf, entriesInChunk, entryTable } from "../snapshot/entry-table.ts"
import {
  Count,
  GuardedSystem,
  InvisiblePath,
  Loss,
  Moment,
  type Snapshot,
  type TimedSnapshot,
} from "../snapshot/snapshot.ts"

/*
 * Limits of a stored snapshot. A larger one is not stored, because it could not be read back. If a larger one is found, it
 * is not ours, and must not exhaust the memory of the process.
 */
/** Characters of the header: 100,000 entries take about 5 MB, with a finding for each of them about 30 MB. */
export const longestHeader = 32 * 1024 * 1024
/** Characters of a chunk: its 16 entries at their longest, escaped. */
export const longestChunk = 8 * 1024 * 1024
/** Chunks: each customer begins a new one. */
export const maxChunks = 200_000
/** Bytes in total, unpacked: 100,000 entries are about 110 MB. */
export const maxBytes = 512 * 1024 * 1024
/** Characters of a finding's `found`, as JSON: the model cuts it at 200, and an escape such as `\u0001` takes six. */
const longestFound = 2000

/** A full SHA-256 in base64url. */
export const Digest = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{43}$/))
export const isDigest = Schema.is(Digest)

// Pairs, because a name can be a property that every object has.
const numbersByName = Schema.Array(Schema.Tuple([Schema.String, Count]))

const Header = Schema.fromJsonString(
  Schema.Struct({
    readStartedAt: Moment,
    readEndedAt: Moment,
    changedAt: Moment,
    /** Digests of the chunks, in their order. */
    chunks: Schema.Array(Digest).check(Schema.isMaxLength(maxChunks)),
    skipped: Schema.Array(Skipped),
    warnings: Schema.Array(Warning),
    counts: numbersByName,
    guarded: Schema.Array(GuardedSystem),
    losses: Schema.Array(Loss),
    invisibleOfferings: Schema.Array(Schema.String),
    invisiblePaths: Schema.Array(InvisiblePath),
    offeringWarnings: Schema.Array(Schema.String),
    gidFailure: Schema.NullOr(HpcUserApiError),
    gids: numbersByName,
    gidsReadAt: Schema.NullOr(Moment),
  }),
)

/** Everything that is stored of a snapshot except its chunks. */
export type StoredHeader = typeof Header.Type

/** Filters know Waldur's six states; this leaves room for others. */
const maxStates = 64

const StoredChunk = Schema.fromJsonString(
  Schema.Struct({
    /** The entries' JSON, one per line. */
    entries: Schema.String,
    facets: Schema.Array(
      Schema.Struct({
        offeringSlug: Schema.String,
        states: Schema.Array(Schema.String).check(Schema.isMaxLength(maxStates)),
        dataType: Schema.String,
        status: Schema.String,
      }),
    ).check(Schema.isMaxLength(entriesInChunk)),
    facetsAt: Schema.Array(Count).check(Schema.isMinLength(1), Schema.isMaxLength(entriesInChunk)),
    resources: Schema.Array(Schema.String).check(Schema.isMaxLength(entriesInChunk)),
  }),
)

/**
 * Identifies the settings and the version that a stored snapshot is valid for. With others it is treated as absent, so
 * that no old setting and no fixed bug is served.
 */
export const storageIdentity = ({ waldur, model, hpcUserApi }: ProxySettings): string =>
  contentDigest(JSON.stringify([version, waldur.apiUrl, model, hpcUserApi?.apiUrl ?? null]))

/** The header as text, on one line. A snapshot with mock GIDs is never stored. */
export const headerText = ({ snapshot, readStartedAt, readEndedAt, changedAt }: TimedSnapshot): string => {
  const { entries, skipped, warnings, counts, guarded, losses, gidFailure, gids, gidsReadAt } = snapshot
  const { invisibleOfferings, invisiblePaths, offeringWarnings } = snapshot
  return JSON.stringify({
    readStartedAt,
    readEndedAt,
    changedAt,
    chunks: entries.chunks.map(({ digest }) => digest),
    skipped,
    warnings,
    counts: [...counts],
    guarded,
    losses,
    invisibleOfferings,
    invisiblePaths,
    offeringWarnings,
    gidFailure: gidFailure ?? null,
    gids: [...gids],
    gidsReadAt: gidsReadAt ?? null,
  } satisfies StoredHeader)
}

/** A chunk as text, on one line. */
export const chunkText = ({ bytes, facets, facetsAt, resources }: Chunk): string =>
  JSON.stringify({
    entries: new TextDecoder().decode(bytes),
    facets: facets.map((one) => ({ ...one, states: [...one.states] })),
    facetsAt: [...facetsAt],
    resources,
  } satisfies typeof StoredChunk.Type)

const decodeHeader = Schema.decodeUnknownOption(Header)
const decodeChunk = Schema.decodeUnknownOption(StoredChunk)

/** Reads stored data and checks it like data from Waldur. A failure is a message. */
export interface StoredReader {
  readonly header: (text: string) => Result.Result<StoredHeader, string>
  /** @param digest of the chunk that the header names at this position */
  readonly chunk: (text: string, digest: string) => Result.Result<Chunk, string>
}

/** Creates the reader for these settings. It never throws. */
export const storedReader = (model: ModelSettings): StoredReader => {
  const check = storedEntryChecker(model)

  const header = (text: string): Result.Result<StoredHeader, string> => {
    const stored = text.length > longestHeader ? undefined : Option.getOrUndefined(decodeHeader(text))
    if (stored === undefined) return Result.fail("the header is not one of ours")
    if (!stored.skipped.every(isShort) || !stored.warnings.every(isShort)) {
      return Result.fail("a finding is not one of ours")
    }
    const wrong = stored.gids.find(([, gid]) => !isGid(gid, model))
    if (wrong !== undefined)
      return Result.fail(`the GID ${wrong[1]} of ${JSON.stringify(wrong[0])} is not one to serve`)
    return Result.succeed(stored)
  }

  const chunk = (text: string, digest: string): Result.Result<Chunk, string> => {
    const stored = text.length > longestChunk ? undefined : Option.getOrUndefined(decodeChunk(text))
    if (stored === undefined) return Result.fail("a chunk is not one of ours")
    const { entries, facets, facetsAt, resources } = stored
    const lines = entries.split("\n", facetsAt.length + 2)
    if (lines.length !== facetsAt.length + 1 || lines.pop() !== "") return Result.fail("a chunk has other entries")
    const found: Array<string> = []
    for (const [index, line] of lines.entries()) {
      const facet = facets[facetsAt[index] ?? -1]
      // A chunk belongs to one storage system: a guard keeps or drops it as a whole.
      if (facet === undefined || facet.offeringSlug !== facets[0]?.offeringSlug) {
        return Result.fail("a chunk's entries are not of one storage system")
      }
      const entry = check(line, facet.offeringSlug)
      if (isProblem(entry)) return Result.fail(`${entry.field} of an entry is ${shownAs(entry.found)}; ${entry.reason}`)
      if (entry.status !== facet.status || entry.dataType !== facet.dataType) {
        return Result.fail(`filters would misclassify the entry ${entry.itemId}`)
      }
      if (entry.isResource) found.push(entry.itemId)
    }
    if (JSON.stringify(found) !== JSON.stringify(resources)) return Result.fail("a chunk names other resources")
    const made = chunkOf({
      bytes: bytesOf(entries),
      facets: facets.map((one) => ({ ...one, states: new Set(one.states) })),
      facetsAt: Uint8Array.from(facetsAt),
      resources,
    })
    return made.digest === digest ? Result.succeed(made) : Result.fail("a chunk is not the one that was stored")
  }

  return { header, chunk }
}

const isShort = ({ found }: { readonly found: unknown }): boolean => {
  try {
    return JSON.stringify(found).length <= longestFound
  } catch {
    // It nests too deep to be encoded.
    return false
  }
}

const shownAs = (found: unknown): string => JSON.stringify(found)

/** Combines the header and its chunks, in the header's order. */
export const snapshotFrom = (header: StoredHeader, chunks: ReadonlyArray<Chunk>): TimedSnapshot => {
  const { readStartedAt, readEndedAt, changedAt, chunks: _, ...kept } = header
  const snapshot = {
    ...kept,
    entries: entryTable(chunks),
    counts: new Map(kept.counts),
    mockedGids: 0,
    gidFailure: kept.gidFailure ?? undefined,
    gids: new Map(kept.gids),
    gidsReadAt: kept.gidsReadAt ?? undefined,
  }
  return { snapshot, readStartedAt, readEndedAt, changedAt }
}

/** A digest of a whole snapshot, not only of its entries. The same in every process that has it. */
export const storedDigest = ({ snapshot }: Pick<TimedSnapshot, "snapshot">): string => {
  let digest = digests.get(snapshot)
  if (digest === undefined) {
    const text = headerText({ snapshot, readStartedAt: 0, readEndedAt: 0, changedAt: 0 })
    digest = createHash("sha256").update(text).digest("base64url")
    digests.set(snapshot, digest)
  }
  return digest
}

/** Cached: most refreshes change nothing, and the header of a large list is long. */
const digests = new WeakMap<Snapshot, string>()
