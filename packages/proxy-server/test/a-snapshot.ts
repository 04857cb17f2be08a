import {
  defaultModelSettings,
  deterministicId,
  type EntryFilter,
  type ModelSettings,
  type PlacedEntry,
} from "@cscs/storage-model"
import { storedDigest } from "../src/persistence/stored-snapshot.ts"
import { chunkEncoder, entryTable } from "../src/snapshot/entry-table.ts"
import type { Snapshot, TimedSnapshot } from "../src/snapshot/snapshot.ts"

/** Slugs of offerings, including odd ones. */
export const offeringSlugs = ["capstor", "vast", "__proto__", "constructor"] as const

/** Settings under which the entries made here are accepted. */
export const testModel: ModelSettings = {
  ...defaultModelSettings,
  storageSystems: offeringSlugs.map((slug) => ({ name: slug, offeringSlug: slug })),
}

/** What differs between the entries of a test. */
export interface Made {
  /** Any text: the entry's id is derived from it. */
  readonly itemId: string
  /** A path that is served. */
  readonly mountPoint: string
  readonly targetType: "tenant" | "customer" | "project" | "user"
  readonly offeringSlug: string
  readonly dataType: string
  readonly status: string
  readonly states: ReadonlyArray<string>
  /** The target's name: any text. */
  readonly name?: string
  /** Default 40001. */
  readonly gid?: number
}

const named = (scope: string, name: string) => ({
  itemId: deterministicId(scope, name),
  key: name.toLowerCase(),
  name: name.toUpperCase(),
  active: true,
})

const targetItem = (made: Made, itemId: string, status: string) => {
  const { name = made.itemId, gid = 40_001 } = made
  const active = status === "active"
  switch (made.targetType) {
    case "project":
      return { itemId: deterministicId("project", made.itemId), key: made.itemId, name, status, unixGid: gid, active }
    case "user":
      return {
        itemId: deterministicId("user", made.itemId),
        status,
        email: `${made.itemId}@example.com`,
        unixUid: 20_001,
        primaryProject: { name, unixGid: gid, active },
        active,
      }
    default:
      return { itemId, key: "cscs", name }
  }
}

const placed = (made: Made): PlacedEntry => {
  const { mountPoint, targetType, offeringSlug, dataType, states } = made
  const itemId = deterministicId("entry", made.itemId)
  const isResource = targetType === "project" || targetType === "user"
  const status = isResource ? made.status : "pending"
  return {
    offeringSlug,
    states: new Set(states),
    entry: {
      itemId,
      status,
      mountPoint: { default: mountPoint },
      permission: { permissionType: "octal", value: isResource ? "2770" : "775" },
      quotas: null,
      target: { targetType, targetItem: targetItem(made, itemId, status) },
      storageSystem: named("storage_system", offeringSlug),
      storageFileSystem: named("storage_file_system", "lustre"),
      storageDataType: { ...named("storage_data_type", dataType), path: dataType },
      parentItemId: targetType === "tenant" ? null : deterministicId("entry", "parent"),
    },
    // biome-ignore lint/suspicious/noExplicitAny: a status of a test is a text.
  } as any
}

/** A snapshot of these steps; `more` overrides parts of one without findings. */
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
  gidsReadAt: undefined,
  ...more,
})

/** Everything that a snapshot can return, as plain values that compare. */
export const answersOf = ({ snapshot, ...times }: TimedSnapshot, filters: ReadonlyArray<EntryFilter> = []) => {
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
    // As shown to callers: JSON does not distinguish -0 from 0.
    findings: JSON.stringify([skipped, warnings]),
    counts: [...counts],
    gids: [...gids],
    ...rest,
  }
}
