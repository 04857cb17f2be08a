import { createHash } from "node:crypto"
import type { SkipCode, WarningCode } from "@cscs/storage-model"
import { Option, Schema } from "effect"
import type { ProxySettings } from "../config/settings.ts"
import { version } from "../version.ts"
import { contentDigest } from "./content-digest.ts"
import { type Chunk, chunkOf, entryTable } from "./entry-table.ts"
import { findingFields } from "./finding-fields.ts"
import type { Snapshot, TakenSnapshot } from "./snapshot.ts"

const skipCodes: Record<SkipCode, true> = {
  "removal-without-order": true,
  "bad-data": true,
  "gid-unknown": true,
  "gid-unavailable": true,
  "removal-of-live-path": true,
  "order-not-approved": true,
  "foreign-offering": true,
  duplicate: true,
}
const warningCodes: Record<WarningCode, true> = {
  "nested-mount-point": true,
  "shared-gid": true,
  "shared-project-slug": true,
  "unknown-data-type": true,
  "ignored-value": true,
  "soft-above-hard": true,
  "customer-fallback": true,
  "shared-mount-point": true,
}
const keysOf = <K extends string>(codes: Record<K, true>) =>
  Schema.Literals(Object.keys(codes) as unknown as ReadonlyArray<K>)

const findings = <S extends Schema.Top>(code: S) => Schema.Array(Schema.Struct({ code, ...findingFields }))

// Pairs: a name can be one that an object has already.
const numbersByName = Schema.Array(Schema.Tuple([Schema.String, Schema.Int]))

const Header = Schema.fromJsonString(
  Schema.Struct({
    takenAt: Schema.Int,
    heldSince: Schema.Int,
    changedAt: Schema.Int,
    /** Digests of the chunks, in their order. */
    chunks: Schema.Array(Schema.String),
    skipped: findings(keysOf(skipCodes)),
    warnings: findings(keysOf(warningCodes)),
    counts: numbersByName,
    guarded: Schema.Array(
      Schema.Struct({
        offeringSlug: Schema.String,
        since: Schema.Int,
        readAt: Schema.Int,
        before: Schema.Int,
        now: Schema.Int,
        why: Schema.String,
      }),
    ),
    losses: Schema.Array(
      Schema.Struct({
        offeringSlug: Schema.String,
        itemId: Schema.String,
        mountPoint: Schema.String,
        at: Schema.Int,
        isRemoval: Schema.Boolean,
      }),
    ),
    invisibleOfferings: Schema.Array(Schema.String),
    invisiblePaths: Schema.Array(Schema.Struct({ offeringSlug: Schema.String, path: Schema.String })),
    offeringWarnings: Schema.Array(Schema.String),
    gidFailure: Schema.NullOr(Schema.String),
    gids: numbersByName,
  }),
)

/** All that is stored of a snapshot but its chunks. */
export type StoredHeader = typeof Header.Type

const StoredChunk = Schema.fromJsonString(
  Schema.Struct({
    /** The entries' JSON, one to a line. */
    entries: Schema.String,
    facets: Schema.Array(
      Schema.Struct({
        offeringSlug: Schema.String,
        states: Schema.Array(Schema.String),
        dataType: Schema.String,
        status: Schema.String,
      }),
    ),
    facetsAt: Schema.Array(Schema.Int),
    resources: Schema.Array(Schema.String),
  }),
)

/**
 * What a stored snapshot is good for: these settings and this version. Another one reads what is stored as if nothing
 * were, so that neither a setting nor a mended fault is served from before.
 */
export const storageIdentity = ({ waldur, model, hpcUserApi }: ProxySettings): string =>
  contentDigest(JSON.stringify([version, waldur.apiUrl, model, hpcUserApi?.apiUrl ?? null]))

/** The header as text, on one line. A snapshot with made-up GIDs is never stored. */
export const headerText = ({ snapshot, takenAt, heldSince, changedAt }: TakenSnapshot): string => {
  const { entries, skipped, warnings, counts, guarded, losses, gidFailure, gids } = snapshot
  const { invisibleOfferings, invisiblePaths, offeringWarnings } = snapshot
  return JSON.stringify({
    takenAt,
    heldSince,
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

/** `undefined` where the text is no header of ours. */
export const headerFrom = (text: string): StoredHeader | undefined => Option.getOrUndefined(decodeHeader(text))

/** `undefined` where the text is no chunk of ours, or not the one of this digest. */
export const chunkFrom = (text: string, digest: string | undefined): Chunk | undefined => {
  const stored = Option.getOrUndefined(decodeChunk(text))
  if (stored === undefined) return undefined
  const { entries, facets, facetsAt, resources } = stored
  const chunk = chunkOf({
    bytes: Buffer.from(entries),
    facets: facets.map((one) => ({ ...one, states: new Set(one.states) })),
    facetsAt: Uint8Array.from(facetsAt),
    resources,
  })
  return chunk.digest === digest ? chunk : undefined
}

/** Puts together what was stored apart; the chunks are those that the header names, in their order. */
export const snapshotFrom = (header: StoredHeader, chunks: ReadonlyArray<Chunk>): Snapshot => ({
  entries: entryTable(chunks),
  skipped: header.skipped,
  warnings: header.warnings,
  counts: new Map(header.counts),
  guarded: header.guarded,
  losses: header.losses,
  mockedGids: 0,
  invisibleOfferings: header.invisibleOfferings,
  invisiblePaths: header.invisiblePaths,
  offeringWarnings: header.offeringWarnings,
  gidFailure: header.gidFailure ?? undefined,
  gids: new Map(header.gids),
})

/** A digest of all that a snapshot says, not only of its entries. The same in every process that has it. */
export const storedDigest = ({ snapshot }: Pick<TakenSnapshot, "snapshot">): string => {
  let digest = digests.get(snapshot)
  if (digest === undefined) {
    const text = headerText({ snapshot, takenAt: 0, heldSince: 0, changedAt: 0 })
    digest = createHash("sha256").update(text).digest("base64url")
    digests.set(snapshot, digest)
  }
  return digest
}

/** Most refreshes change nothing, and the header of a large list is long. */
const digests = new WeakMap<Snapshot, string>()
