import {
  type DecodedResources,
  decodeResources,
  hierarchySteps,
  type ModelSettings,
  projectsWithoutItem,
} from "@cscs/storage-model"
import type { Effect } from "effect"
import { type Chunk, chunkEncoder, entryTable } from "./entry-table.ts"
import { inSlices } from "./in-slices.ts"
import type { Lookups, Needed } from "./lookups.ts"
import type { Snapshot } from "./snapshot.ts"

/** Resources between two places where other work may have its turn. */
const stepSize = 256

/** Waldur's rows decoded, and what their tree needs besides. */
export interface DecodedRows {
  readonly decoded: DecodedResources
  readonly needed: Needed
  /** Slugs of the offerings that have a resource. */
  readonly filledOfferings: ReadonlySet<string>
}

/** Decodes Waldur's rows, without holding up other work. */
export const decodeRows = (rows: ReadonlyArray<unknown>, model: ModelSettings): Effect.Effect<DecodedRows> =>
  inSlices(function* () {
    const resources = []
    const skipped = []
    const malformed = []
    const offerings = new Set<string>()
    const filledOfferings = new Set<string>()
    const projects = new Set<string>()
    for (let start = 0; start < rows.length; start += stepSize) {
      const step = decodeResources(rows.slice(start, start + stepSize))
      for (const resource of step.resources) {
        resources.push(resource)
        offerings.add(resource.offering_uuid)
        filledOfferings.add(resource.offering_slug)
      }
      for (const project of projectsWithoutItem(step, model)) projects.add(project)
      skipped.push(...step.skipped)
      malformed.push(...step.malformed)
      yield
    }
    return { decoded: { resources, skipped, malformed }, needed: { offerings, projects }, filledOfferings }
  })

/**
 * Builds the tree and encodes it, without holding up other work.
 *
 * @param previous its bytes are used again where they are the same
 */
export const buildSnapshot = (
  { decoded }: DecodedRows,
  { customers, gids }: Lookups,
  settings: ModelSettings,
  invisibleOfferings: ReadonlyArray<string>,
  previous: Snapshot | undefined,
): Effect.Effect<Snapshot> =>
  inSlices(function* () {
    const readLists = new Map<string, NonNullable<ReturnType<typeof customers.get>>>()
    for (const [offering, list] of customers) if (list !== undefined) readLists.set(offering, list)
    const encode = chunkEncoder(previous?.entries)
    const chunks: Array<Chunk> = []
    const steps = hierarchySteps({ decoded, customers: readLists, gids: gids.answers, settings })
    for (;;) {
      const { done, value } = steps.next()
      if (done) {
        return {
          entries: entryTable(chunks),
          skipped: value.skipped,
          warnings: value.warnings,
          mockedGids: gids.mocked.size,
          invisibleOfferings,
          gidFailure: gids.failure,
        }
      }
      chunks.push(...encode(value))
      yield
    }
  })
