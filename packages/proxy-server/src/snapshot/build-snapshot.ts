import {
  type DecodedResources,
  decodeResources,
  hierarchySteps,
  type ModelSettings,
  projectsWithoutItem,
} from "@cscs/storage-model"
import type { Effect } from "effect"
import { guardedTree } from "./empty-guard.ts"
import { type Chunk, chunkEncoder, entryTable } from "./entry-table.ts"
import { inSlices } from "./in-slices.ts"
import { type Lookups, type Needed, readLists } from "./lookups.ts"
import { gidFailureInWords } from "./project-gids.ts"
import type { Snapshot } from "./snapshot.ts"

/** Resources between two places where other work may have its turn. */
const stepSize = 256

/** Waldur's rows decoded, and what their tree needs besides. */
export interface DecodedRows {
  readonly decoded: DecodedResources
  readonly needed: Needed
  /** How many resources each offering has, by its slug. */
  readonly counts: ReadonlyMap<string, number>
}

/** Decodes Waldur's rows, without holding up other work. */
export const decodeRows = (rows: ReadonlyArray<unknown>, model: ModelSettings): Effect.Effect<DecodedRows> =>
  inSlices(function* () {
    const resources = []
    const skipped = []
    const malformed = []
    const offerings = new Set<string>()
    const counts = new Map<string, number>()
    const projects = new Set<string>()
    for (let start = 0; start < rows.length; start += stepSize) {
      const step = decodeResources(rows.slice(start, start + stepSize))
      for (const resource of step.resources) {
        resources.push(resource)
        offerings.add(resource.offering_uuid)
        counts.set(resource.offering_slug, (counts.get(resource.offering_slug) ?? 0) + 1)
      }
      for (const project of projectsWithoutItem(step, model)) projects.add(project)
      skipped.push(...step.skipped)
      malformed.push(...step.malformed)
      yield
    }
    return { decoded: { resources, skipped, malformed }, needed: { offerings, projects }, counts }
  })

const realGids = ({ answers, mocked }: Lookups["gids"]): ReadonlyMap<string, number> => {
  const real = new Map<string, number>()
  for (const [project, answer] of answers) {
    if (answer.status === "known" && !mocked.has(project)) real.set(project, answer.gid)
  }
  return real
}

/** What a snapshot is built from. */
export interface SnapshotInput {
  readonly rows: DecodedRows
  readonly lookups: Lookups
  readonly model: ModelSettings
  readonly invisibleOfferings: ReadonlyArray<string>
  /** The last good one: its bytes are used again where they are the same, and its entries stay where Waldur lost them. */
  readonly previous: Snapshot | undefined
  /** Milliseconds since 1970. */
  readonly takenAt: number
  /** How long entries stay that Waldur suddenly does not show, in milliseconds. */
  readonly emptyGuard: number
}

/** Builds the tree and encodes it, without holding up other work. */
export const buildSnapshot = (input: SnapshotInput): Effect.Effect<Snapshot> =>
  inSlices(function* () {
    const { rows, lookups, model, invisibleOfferings, previous } = input
    const { gids } = lookups
    const customers = readLists(lookups)
    const encode = chunkEncoder(previous?.entries)
    const chunks: Array<Chunk> = []
    const steps = hierarchySteps({ decoded: rows.decoded, customers, gids: gids.answers, settings: model })
    for (;;) {
      const { done, value } = steps.next()
      if (done) {
        const tree = guardedTree({ chunks, ...value, counts: rows.counts }, input)
        return {
          entries: entryTable(tree.chunks),
          skipped: tree.skipped,
          warnings: tree.warnings,
          counts: tree.counts,
          guarded: tree.guarded,
          mockedGids: gids.mocked.size,
          invisibleOfferings,
          gidFailure: gidFailureInWords(gids),
          gids: realGids(gids),
          gidsReadAt: gids.rememberedReadAt,
        }
      }
      chunks.push(...encode(value))
      yield
    }
  })
