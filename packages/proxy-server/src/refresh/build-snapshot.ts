/** Builds a snapshot from Waldur's rows and the lookups: decodes, applies the loss guard and encodes. */
import { cooperatively } from "@cscs/http-transport"
import {
  type DecodedResources,
  dashedUuid,
  decodeResources,
  type Finding,
  type HierarchyEnd,
  type HierarchyInput,
  hierarchyPasses,
  type ModelSettings,
  projectsWithoutItem,
  type Skipped,
  type WaldurResource,
} from "@cscs/storage-model"
import { Effect } from "effect"
import { type Chunk, chunkEncoder, entryTable } from "../snapshot/entry-table.ts"
import { emptyOffering, type GuardedSystem, type Snapshot } from "../snapshot/snapshot.ts"
import { gidsInSnapshot } from "./gid-source.ts"
import { type Lookups, type Needed, readLists } from "./lookups.ts"
import {
  chunksOf,
  invisiblePathsOf,
  type Judged,
  judgeLosses,
  keptChunks,
  livePathsIn,
  protectedBy,
} from "./loss-guard.ts"

/** Waldur's rows, decoded, and what else their tree needs. */
export interface DecodedRows {
  readonly decoded: DecodedResources
  readonly needed: Needed
  /** Number of resources per offering slug. */
  readonly counts: ReadonlyMap<string, number>
}

/** The dashed UUIDs of the offerings that the token's user provides, by slug. */
export type OwnOfferings = ReadonlyMap<string, ReadonlySet<string>>

/**
 * Decodes Waldur's rows and yields to other work. A bad row never affects another row.
 *
 * @param offerings lookups are needed only for rows of these offerings; `undefined`: for all rows
 */
export const decodeRows = Effect.fnUntraced(function* (
  rows: ReadonlyArray<unknown>,
  model: ModelSettings,
  offerings?: OwnOfferings,
): Effect.fn.Return<DecodedRows> {
  const resources: Array<WaldurResource> = []
  const skipped: Array<Skipped> = []
  const malformed: Array<unknown> = []
  const needed = { offerings: new Set<string>(), projects: new Set<string>() }
  const counts = new Map<string, number>()
  yield* cooperatively(rows, (row) => {
    const one = decodedRow(row, model)
    skipped.push(...one.skipped)
    malformed.push(...one.malformed)
    for (const resource of one.resources) {
      resources.push(resource)
      const { offering_slug, offering_uuid } = resource
      if (offerings !== undefined && !offerings.get(offering_slug)?.has(offering_uuid)) continue
      needed.offerings.add(offering_uuid)
      counts.set(offering_slug, (counts.get(offering_slug) ?? 0) + 1)
      for (const project of one.projects) needed.projects.add(project)
    }
  })
  return { decoded: { resources, skipped, malformed }, needed, counts }
})

/** The model throws for no known row; if it did, the other rows must survive. */
const decodedRow = (row: unknown, model: ModelSettings): DecodedResources & { readonly projects: Iterable<string> } => {
  try {
    const decoded = decodeResources([row])
    return { ...decoded, projects: projectsWithoutItem(decoded, model) }
  } catch {
    const { uuid, slug, offering_slug } = (row ?? {}) as Readonly<Record<string, unknown>>
    const textOrNull = (value: unknown) => (typeof value === "string" ? value : null)
    const skipped: Skipped = {
      code: "bad-data",
      uuid: dashedUuid(uuid) ?? null,
      slug: textOrNull(slug),
      offering_slug: textOrNull(offering_slug),
      field: "",
      found: null,
      reason: "the record cannot be judged: it is too deep or too large",
    }
    return { resources: [], skipped: [skipped], malformed: [row], projects: [] }
  }
}

/** The input of a snapshot. */
export interface SnapshotInput extends Judged {
  readonly rows: DecodedRows
  readonly lookups: Lookups
  readonly offerings: OwnOfferings
  readonly invisibleOfferings: ReadonlyArray<string>
  readonly offeringWarnings: ReadonlyArray<string>
}

/**
 * Builds and encodes the tree, and yields to other work. Reuses the bytes of the last good one if they are unchanged.
 * If a guard keeps entries of the last good one, the tree is built again, so that they protect their paths from
 * removals by other entries.
 */
export const buildSnapshot = Effect.fnUntraced(function* (input: SnapshotInput): Effect.fn.Return<Snapshot> {
  const { rows, lookups, model, offerings, invisibleOfferings, offeringWarnings, previous } = input
  const hierarchy = {
    decoded: rows.decoded,
    customers: readLists(lookups),
    gids: lookups.gids,
    settings: model,
    offerings,
  }
  const invisiblePaths = yield* invisiblePathsOf(previous, invisibleOfferings)
  const protectedPaths = invisiblePaths.map(({ offeringSlug, path }) => protectedBy(offeringSlug, path))
  const kept = new Map<string, KeptSystem>()
  for (;;) {
    const tree = yield* builtTree({ ...hierarchy, protectedPaths }, previous)
    const { guarded, losses } = yield* judgeLosses({ ...tree, counts: rows.counts }, input)
    const more = guarded.filter(({ offeringSlug }) => !kept.has(offeringSlug))
    if (previous === undefined || more.length === 0) {
      const counts = new Map([
        ...rows.counts,
        ...[...kept.keys()].map((slug) => [slug, countIn(previous, slug)] as const),
      ])
      return {
        ...withKept(tree, kept, model),
        counts,
        guarded: Array.from(kept.values(), ({ system }) => system),
        losses,
        invisibleOfferings,
        invisiblePaths,
        offeringWarnings: [
          ...offeringWarnings,
          ...emptyOfferings(offerings, counts, tree.skipped)
            .map(emptyOffering)
            // If it showed entries before, the loss guard reports it.
            .filter((words) => previous?.offeringWarnings.includes(words) ?? true),
        ],
        ...gidsInSnapshot(lookups.gids),
      }
    }
    for (const system of more) {
      const { offeringSlug } = system
      const chunks = yield* keptChunks(previous, offeringSlug, tree.chunks, tree.protects)
      kept.set(offeringSlug, { system, chunks, found: tree })
      for (const path of yield* livePathsIn(chunks)) protectedPaths.push(protectedBy(offeringSlug, path))
    }
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

const builtTree = Effect.fnUntraced(function* (input: HierarchyInput, previous: Snapshot | undefined) {
  const chunks: Array<Chunk> = []
  const unencodable: Array<Skipped> = []
  const encode = chunkEncoder(previous?.entries, ({ entry, offeringSlug }) => {
    unencodable.push({
      code: "bad-data",
      uuid: entry.itemId,
      slug: null,
      offering_slug: offeringSlug,
      field: "",
      found: null,
      reason: "the entry cannot be encoded as JSON: it is too deep or too large",
    })
  })
  const { passes, end } = hierarchyPasses(input, ({ entries }) => chunks.push(...encode(entries)))
  for (const pass of passes) yield* pass(cooperatively)
  const { skipped, warnings, protects } = end()
  return { warnings, protects, chunks, skipped: [...skipped, ...unencodable] } satisfies Tree
})
