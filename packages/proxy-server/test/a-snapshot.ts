import type { EntryFilter, PlacedEntry } from "@cscs/storage-model"
import { chunkEncoder, entryTable } from "../src/snapshot/entry-table.ts"
import type { Snapshot, TakenSnapshot } from "../src/snapshot/snapshot.ts"
import { storedDigest } from "../src/snapshot/stored-snapshot.ts"

/** An entry as far as a snapshot looks at it. */
export interface Made {
  readonly itemId: string
  readonly mountPoint: string
  readonly targetType: string
  readonly offeringSlug: string
  readonly dataType: string
  readonly status: string
  readonly states: ReadonlyArray<string>
}

const placed = ({ itemId, mountPoint, targetType, offeringSlug, dataType, status, states }: Made): PlacedEntry =>
  ({
    offeringSlug,
    states: new Set(states),
    entry: {
      itemId,
      status,
      target: { targetType },
      storageDataType: { key: dataType },
      mountPoint: { default: mountPoint },
    },
    // biome-ignore lint/suspicious/noExplicitAny: the rest of an entry is only bytes here.
  }) as any

/** A snapshot of these steps; `more` is laid over one in which nothing was odd. */
export const aSnapshot = (steps: ReadonlyArray<ReadonlyArray<Made>>, more: Partial<Snapshot> = {}): Snapshot => ({
  entries: entryTable(steps.map((step) => step.map(placed)).flatMap(chunkEncoder(undefined))),
  skipped: [],
  warnings: [],
  counts: new Map(),
  guarded: [],
  losses: [],
  mockedGids: 0,
  invisibleOfferings: [],
  invisiblePaths: [],
  offeringWarnings: [],
  gidFailure: undefined,
  gids: new Map(),
  ...more,
})

/** All that a snapshot can answer, as plain values that compare. */
export const answersOf = ({ snapshot, ...times }: TakenSnapshot, filters: ReadonlyArray<EntryFilter> = []) => {
  const { entries, skipped, warnings, counts, gids, ...rest } = snapshot
  const positions = Array.from({ length: entries.size }, (_, position) => position)
  return {
    times,
    id: entries.id,
    digest: storedDigest({ snapshot, ...times }),
    json: positions.map((position) => Buffer.from(entries.jsonAt(position)).toString("base64")),
    selected: [{}, ...filters].map((filter) => [...entries.select(filter)]),
    resources: [...entries.resources()],
    chunks: entries.chunks.map(({ digest, bytes, ends, facetsAt }) => [
      digest,
      Buffer.from(bytes).toString("base64"),
      [...ends],
      [...facetsAt],
    ]),
    // As they are shown: JSON tells no -0 from 0.
    findings: JSON.stringify([skipped, warnings]),
    counts: [...counts],
    gids: [...gids],
    ...rest,
  }
}
