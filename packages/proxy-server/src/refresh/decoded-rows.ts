/** Decodes Waldur's rows one by one, and counts what they need. */
import { cooperatively } from "@cscs/http-transport"
import {
  type DecodedResources,
  dashedUuid,
  decodeResources,
  type ModelSettings,
  noResources,
  projectsWithoutItem,
  type Skipped,
  type WaldurResource,
} from "@cscs/storage-model"
import { Effect } from "effect"
import { everyCustomerIn, type Lookups, type Needed } from "./lookups.ts"

/** The dashed UUIDs of the offerings that the token's user provides, by slug. */
export type OwnOfferings = ReadonlyMap<string, ReadonlySet<string>>

/** A row, decoded. */
export interface DecodedRow {
  readonly decoded: DecodedResources
  /** The resource whose offering's lookups are needed. */
  readonly own: WaldurResource | undefined
  /** The project whose GID is needed. */
  readonly project: string | undefined
}

/** Waldur's rows, decoded, and what else their tree needs. `replaceRows` changes it. */
export interface DecodedRows {
  /** By their position in the read. */
  readonly rows: Array<DecodedRow>
  /** How many rows need the lookups of each offering and project. */
  readonly needs: { readonly offerings: Map<string, number>; readonly projects: Map<string, number> }
  /** Number of resources per offering slug. */
  readonly counts: Map<string, number>
}

/**
 * Decodes a row. A bad row never affects another row.
 *
 * @param offerings lookups are needed only for rows of these offerings; `undefined`: for all rows
 */
export const decodeRow = (row: unknown, model: ModelSettings, offerings: OwnOfferings | undefined): DecodedRow => {
  try {
    const found = decodeResources([row])
    const [resource] = found.resources
    if (resource === undefined) return { decoded: found, own: undefined, project: undefined }
    // As small as possible, since a refresh keeps all of them.
    const decoded = { ...noResources, resources: [resource] }
    const isOwn = offerings === undefined || offerings.get(resource.offering_slug)?.has(resource.offering_uuid) === true
    if (!isOwn) return { decoded, own: undefined, project: undefined }
    const [project] = projectsWithoutItem(decoded, model)
    return { decoded, own: resource, project }
  } catch {
    return { decoded: undecodable(row), own: undefined, project: undefined }
  }
}

/** The model throws for no known row; if it did, the other rows must survive. */
const undecodable = (row: unknown): DecodedResources => {
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
  return { resources: [], skipped: [skipped], malformed: [row] }
}

/**
 * Decodes Waldur's rows and yields to other work.
 *
 * @param done what has been decoded with the same settings and offerings, which is not decoded again; it is extended
 */
export const decodeRows = Effect.fnUntraced(function* (
  rows: ReadonlyArray<unknown>,
  model: ModelSettings,
  offerings?: OwnOfferings,
  done = new Map<unknown, DecodedRow>(),
): Effect.fn.Return<DecodedRows> {
  const all: DecodedRows = { rows: [], needs: { offerings: new Map(), projects: new Map() }, counts: new Map() }
  yield* cooperatively(rows, (row) => {
    const one = done.get(row) ?? decodeRow(row, model, offerings)
    done.set(row, one)
    all.rows.push(one)
    count(all, one, 1)
  })
  return all
})

/** Adds to `done` what the rows of an earlier read were decoded to. */
export const addDecoded = (done: Map<unknown, DecodedRow>, rows: ReadonlyArray<unknown>, decoded: DecodedRows) =>
  cooperatively(decoded.rows.entries(), ([position, row]) => done.set(rows[position], row))

/**
 * What differs between the rows of two reads, in any order; `undefined` if there is a row that occurs more than once
 * before, since it cannot be told which occurrence is gone.
 */
export const differenceOf = Effect.fnUntraced(function* (before: DecodedRows, after: DecodedRows) {
  const removed = new Set<DecodedRow>()
  yield* cooperatively(before.rows, (row) => removed.add(row))
  if (removed.size < before.rows.length) return undefined
  const added: Array<DecodedRow> = []
  yield* cooperatively(after.rows, (row) => void (removed.delete(row) || added.push(row)))
  return { removed: yield* resourcesIn([...removed]), added: yield* resourcesIn(added) }
})

/** Replaces rows at their positions, or appends them, and returns what was there. */
export const replaceRows = Effect.fnUntraced(function* (all: DecodedRows, changed: ReadonlyMap<number, DecodedRow>) {
  const before: Array<DecodedRow> = []
  for (const [position, row] of changed) {
    const known = all.rows[position]
    if (known !== undefined) {
      before.push(known)
      count(all, known, -1)
    }
    all.rows[position] = row
    count(all, row, 1)
  }
  return { removed: yield* resourcesIn(before), added: yield* resourcesIn([...changed.values()]) }
})

/** The resources and malformed rows. */
export const resourcesIn = Effect.fnUntraced(function* (
  rows: ReadonlyArray<DecodedRow>,
): Effect.fn.Return<DecodedResources> {
  const resources: Array<WaldurResource> = []
  const skipped: Array<Skipped> = []
  const malformed: Array<unknown> = []
  // A row has one resource or one malformed record.
  yield* cooperatively(rows, ({ decoded }) => {
    resources.push(...decoded.resources)
    skipped.push(...decoded.skipped)
    malformed.push(...decoded.malformed)
  })
  return { resources, skipped, malformed }
})

/** What the tree of some rows needs. */
export const neededBy = Effect.fnUntraced(function* ({ needs }: DecodedRows): Effect.fn.Return<Needed> {
  const projects = new Set<string>()
  yield* cooperatively(needs.projects.keys(), (project) => projects.add(project))
  return { offerings: new Set(needs.offerings.keys()), projects }
})

/** Whether lookups are exactly those that the rows need, after some of them changed. */
export const areLookupsSufficient = (
  { customers, gids }: Lookups,
  { needs }: DecodedRows,
  changed: ReadonlyMap<number, DecodedRow>,
): boolean => {
  if (needs.projects.size !== gids.size || needs.offerings.size !== customers.size) return false
  const rows = [...changed.values()]
  if (rows.some(({ project }) => project !== undefined && !gids.has(project))) return false
  const resources = rows.flatMap(({ own }) => own ?? [])
  const byOffering = Map.groupBy(resources, ({ offering_uuid }) => offering_uuid)
  for (const [offering, resources] of byOffering) {
    const list = customers.get(offering)
    if (!customers.has(offering) || (list !== undefined && !everyCustomerIn(list, resources))) return false
  }
  return true
}

const count = ({ needs, counts }: DecodedRows, { own, project }: DecodedRow, by: 1 | -1): void => {
  if (own !== undefined) {
    add(needs.offerings, own.offering_uuid, by)
    add(counts, own.offering_slug, by)
  }
  if (project !== undefined) add(needs.projects, project, by)
}

const add = (counts: Map<string, number>, key: string, by: number): void => {
  const sum = (counts.get(key) ?? 0) + by
  if (sum === 0) counts.delete(key)
  else counts.set(key, sum)
}
