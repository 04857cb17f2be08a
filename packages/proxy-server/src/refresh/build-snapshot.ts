/** Builds a snapshot from decoded rows and lookups: updates or builds the tree, encodes it and applies the loss guard. */
import { cooperatively } from "@cscs/http-transport"
import {
  type DecodedResources,
  type Finding,
  HierarchyBuilder,
  type HierarchyChange,
  type HierarchyEnd,
  type HierarchyFrame,
  type HierarchyLookups,
  type ModelSettings,
  noResources,
  type PlacedEntry,
  type ProtectedPath,
  type Skipped,
  type TreePart,
} from "@cscs/storage-model"
import { Effect } from "effect"
import { type Chunk, chunkEncoder, type EntryTable, entryTable } from "../snapshot/entry-table.ts"
import { emptyOffering, type GuardedSystem, type Snapshot } from "../snapshot/snapshot.ts"
import { type DecodedRows, type OwnOfferings, resourcesIn } from "./decoded-rows.ts"
import { gidsInSnapshot } from "./gid-source.ts"
import { type Lookups, listsOf } from "./lookups.ts"
import {
  chunksOf,
  invisiblePathsOf,
  type Judged,
  judgeLosses,
  keptChunks,
  livePathsIn,
  protectedBy,
} from "./loss-guard.ts"

/** The input of a snapshot. */
export interface SnapshotInput extends Judged {
  readonly rows: DecodedRows
  readonly lookups: Lookups
  readonly offerings: OwnOfferings
  readonly invisibleOfferings: ReadonlyArray<string>
  readonly offeringWarnings: ReadonlyArray<string>
  /** The tree of the previous snapshot, and what changed since; if `undefined`, the whole tree is built. */
  readonly change: TreeChange | undefined
}

/** A snapshot, and its tree for the next one; without a tree if a guard keeps entries. */
export interface SnapshotWithTree {
  readonly snapshot: Snapshot
  readonly tree: KeptTree | undefined
}

/**
 * Builds and encodes the tree, and yields to other work. Reuses the bytes of the last good one if they are unchanged.
 * If a guard keeps entries of the last good one, the tree is built again, so that they protect their paths from
 * removals by other entries.
 */
export const buildSnapshot = Effect.fnUntraced(function* (input: SnapshotInput): Effect.fn.Return<SnapshotWithTree> {
  const { rows, lookups, model, offerings, invisibleOfferings, previous, change } = input
  const hierarchy = { customers: listsOf(lookups), gids: lookups.gids, settings: model, offerings }
  const invisiblePaths = yield* invisiblePathsOf(previous, invisibleOfferings)
  const protectedPaths = invisiblePaths.map(protectedBy)
  const kept = new Map<string, KeptSystem>()
  const isUpdatable =
    change !== undefined && previous?.guarded.length === 0 && areSame(change.tree.protectedPaths, protectedPaths)
  let tree = isUpdatable
    ? yield* updatedTree(change, hierarchy)
    : yield* wholeTree({ ...hierarchy, protectedPaths }, rows, previous)
  for (;;) {
    const { guarded, losses } = yield* judgeLosses({ ...tree, counts: rows.counts }, input)
    const more = guarded.filter(({ offeringSlug }) => !kept.has(offeringSlug))
    if (previous === undefined || more.length === 0) {
      const snapshot = yield* snapshotOf(input, tree, kept, { losses, invisiblePaths })
      return { snapshot, tree: kept.size === 0 ? tree.kept : undefined }
    }
    for (const system of more) {
      const { offeringSlug } = system
      const chunks = yield* keptChunks(previous, offeringSlug, tree.chunks, tree.protects)
      kept.set(offeringSlug, { system, chunks, found: tree })
      for (const path of yield* livePathsIn(chunks)) protectedPaths.push(protectedBy({ offeringSlug, path }))
    }
    tree = yield* wholeTree({ ...hierarchy, protectedPaths }, rows, previous)
  }
})

const areSame = (before: ReadonlyArray<ProtectedPath>, now: ReadonlyArray<ProtectedPath>): boolean =>
  before.length === now.length && before.every(({ path, by }, at) => now[at]?.path === path && now[at]?.by === by)

const snapshotOf = Effect.fnUntraced(function* (
  { rows, lookups, model, offerings, invisibleOfferings, offeringWarnings, previous, change }: SnapshotInput,
  tree: Tree,
  kept: ReadonlyMap<string, KeptSystem>,
  found: Pick<Snapshot, "losses" | "invisiblePaths">,
): Effect.fn.Return<Snapshot> {
  const ofKept = [...kept.keys()].map((slug) => [slug, countIn(previous, slug)] as const)
  const counts = new Map([...rows.counts, ...ofKept])
  const empty = emptyOfferings(offerings, counts, tree.skipped).map(emptyOffering)
  return {
    ...withKept(tree, kept, model),
    ...found,
    counts,
    guarded: Array.from(kept.values(), ({ system }) => system),
    invisibleOfferings,
    offeringWarnings: [
      ...offeringWarnings,
      // If it showed entries before, the loss guard reports it.
      ...empty.filter((words) => previous?.offeringWarnings.includes(words) ?? true),
    ],
    ...(previous !== undefined && change?.lookups.gids === lookups.gids
      ? {
          mockedGids: previous.mockedGids,
          gidFailure: previous.gidFailure,
          gids: previous.gids,
          gidsReadAt: previous.gidsReadAt,
        }
      : yield* gidsInSnapshot(lookups.gids)),
  }
})

/** Slugs of visible offerings for which Waldur shows nothing at all, not even a malformed row. */
const emptyOfferings = (
  offerings: OwnOfferings,
  counts: ReadonlyMap<string, number>,
  skipped: ReadonlyArray<Skipped>,
): ReadonlyArray<string> => {
  const shown = new Set<string | null>(skipped.map(({ offering_slug }) => offering_slug))
  return [...offerings]
    .filter(([slug, uuids]) => uuids.size > 0 && (counts.get(slug) ?? 0) === 0 && !shown.has(slug))
    .map(([slug]) => slug)
}

const countIn = (snapshot: Snapshot | undefined, slug: string): number => snapshot?.counts.get(slug) ?? 0

interface Tree extends HierarchyEnd {
  readonly chunks: ReadonlyArray<Chunk>
  readonly kept: KeptTree
}

/**
 * A tree that can be updated. An update changes it, and the decoded rows with it, so after an update that did not end it is
 * unusable.
 */
export interface KeptTree {
  readonly builder: HierarchyBuilder
  readonly encoded: WeakMap<TreePart, EncodedPart>
  readonly protectedPaths: ReadonlyArray<ProtectedPath>
  readonly rows: DecodedRows
}

interface EncodedPart {
  readonly chunks: ReadonlyArray<Chunk>
  /** Entries that cannot be encoded. */
  readonly failed: ReadonlyArray<Skipped>
}

/** What changed since a tree was built. */
export interface TreeChange {
  readonly tree: KeptTree
  readonly removed: DecodedResources
  readonly added: DecodedResources
  /** Those of the previous snapshot. */
  readonly lookups: Lookups
}

/** A guarded system: what is kept of it, and the tree in which its loss was found, which shows the reason. */
interface KeptSystem {
  readonly system: GuardedSystem
  readonly chunks: ReadonlyArray<Chunk>
  readonly found: Tree
}

/** The tree with the kept entries of guarded systems instead of theirs, in list order. */
const withKept = (tree: Tree, kept: ReadonlyMap<string, KeptSystem>, { storageSystems }: ModelSettings) => {
  if (kept.size === 0) return { entries: entryTable(tree.chunks), skipped: tree.skipped, warnings: tree.warnings }
  const found = <A extends Finding<string>>(of: (tree: Tree) => ReadonlyArray<A>): ReadonlyArray<A> => [
    ...of(tree).filter(({ offering_slug }) => !kept.has(offering_slug ?? "")),
    ...[...kept].flatMap(([slug, system]) => of(system.found).filter(({ offering_slug }) => offering_slug === slug)),
  ]
  return {
    entries: entryTable(
      storageSystems.flatMap(
        ({ offeringSlug }) => kept.get(offeringSlug)?.chunks ?? chunksOf(tree.chunks, offeringSlug),
      ),
    ),
    skipped: found(({ skipped }) => skipped),
    warnings: found(({ warnings }) => warnings),
  }
}

const wholeTree = Effect.fnUntraced(function* (
  { customers, gids, ...frame }: HierarchyFrame & HierarchyLookups,
  rows: DecodedRows,
  previous: Snapshot | undefined,
): Effect.fn.Return<Tree> {
  const { protectedPaths = [] } = frame
  const tree: KeptTree = {
    builder: new HierarchyBuilder(frame),
    encoded: new WeakMap(),
    protectedPaths: [...protectedPaths],
    rows,
  }
  const change = { removed: noResources, added: yield* resourcesIn(rows.rows), customers, gids }
  return yield* applied(tree, change, previous?.entries)
})

const updatedTree = ({ tree, removed, added }: TreeChange, { customers, gids }: HierarchyLookups) =>
  applied(tree, { removed, added, customers, gids }, undefined)

/** @param before the table whose chunks are reused if they are equal */
const applied = Effect.fnUntraced(function* (
  tree: KeptTree,
  change: HierarchyChange,
  before: EntryTable | undefined,
): Effect.fn.Return<Tree> {
  const { builder, encoded } = tree
  let failed: ReadonlyArray<Skipped> = []
  const encode = chunkEncoder(before, (placed) => {
    failed = [...failed, unencodableEntry(placed)]
  })
  const { passes, end } = builder.update(change, ({ part, entries }) => {
    failed = []
    const chunks = encode(entries)
    encoded.set(part, { chunks, failed })
  })
  for (const pass of passes) yield* pass(cooperatively)
  const { skipped, warnings, protects } = end()
  const chunks: Array<Chunk> = []
  const alsoSkipped: Array<Skipped> = []
  yield* cooperatively(builder.parts(), (part) => {
    const made = encoded.get(part)
    for (const chunk of made?.chunks ?? []) chunks.push(chunk)
    for (const one of made?.failed ?? []) alsoSkipped.push(one)
  })
  const all = alsoSkipped.length === 0 ? skipped : [...skipped, ...alsoSkipped]
  return { chunks, skipped: all, warnings, protects, kept: tree }
})

const unencodableEntry = ({ entry, offeringSlug }: PlacedEntry): Skipped => ({
  code: "bad-data",
  uuid: entry.itemId,
  slug: null,
  offering_slug: offeringSlug,
  field: "",
  found: null,
  reason: "the entry cannot be encoded as JSON: it is too deep or too large",
})
