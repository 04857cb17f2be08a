/** Decodes Waldur's rows one by one, and counts what they need. */
import { cooperatively } from "@cscs/http-transport"
import {
  type DecodedResources,
  dashedUuid,
  decodeResources,
  type ModelSettings,
  projectsWithoutItem,
  type Skipped,
  type WaldurResource,
} from "@cscs/storage-model"
import { Effect } from "effect"
import { everyCustomerIn, type Lookups, type Needed } from "./lookups.ts"

/** The dashed UUIDs of the offerings that the token's user provides, by slug. */
export type OwnOfferings = ReadonlyMap<string, ReadonlySet<string>>

/** A row, decoded: a resource or a malformed record. A refresh keeps one for each row, so it is as small as possible. */
export interface DecodedRow {
  readonly resource: WaldurResource | undefined
  readonly malformed: { readonly record: unknown; readonly skipped: Skipped } | undefined
  /** The resource whose offering's lookups are needed. */
  readonly own: WaldurResource | undefined
  /** The project whose GID is needed. */
  readonly project: string | undefined
}

/** Waldur's rows, decoded, and what else their tree needs. `updateRows` changes it. */
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
    const [skipped] = found.skipped
    if (resource === undefined) return malformedRow(row, skipped ?? undecodable(row))
    const isOwn = offerings === undefined || offerings.get(resource.offering_slug)?.has(resource.offering_uuid) === true
    if (!isOwn) return { resource, malformed: undefined, own: undefined, project: undefined }
    const [project] = projectsWithoutItem(found, model)
    return { resource, malformed: undefined, own: resource, project }
  } catch {
    return malformedRow(row, undecodable(row))
  }
}

const malformedRow = (record: unknown, skipped: Skipped): DecodedRow => ({
  resource: undefined,
  malformed: { record, skipped },
  own: undefined,
  project: undefined,
})

/** The model throws for no known row; if it did, the other rows must survive. */
const undecodable = (row: unknown): Skipped => {
  const { uuid, slug, offering_slug } = (row ?? {}) as Readonly<Record<string, unknown>>
  const textOrNull = (value: unknown) => (typeof value === "string" ? value : null)
  return {
    code: "bad-data",
    uuid: dashedUuid(uuid) ?? null,
    slug: textOrNull(slug),
    offering_slug: textOrNull(offering_slug),
    field: "",
    found: null,
    reason: "the record cannot be judged: it is too deep or too large",
  }
}

/**
 * Decodes Waldur's rows and yields to other work.
 *
 * @param done rows that were decoded ahead with the same offerings. Each is taken from it, and used once: `null`, or one
 *   object, can be several rows, each of which has findings of its own
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
    done.delete(row)
    all.rows.push(one)
    count(all, one, 1)
  })
  return all
})

/** Decodes the rows of a page ahead of `decodeRows`, and returns what they need. */
export const decodeAhead = Effect.fnUntraced(function* (
  page: ReadonlyArray<unknown>,
  model: ModelSettings,
  offerings: OwnOfferings,
  done: Map<unknown, DecodedRow>,
): Effect.fn.Return<Needed> {
  const all = yield* decodeRows(page, model, offerings, done)
  for (const [position, row] of all.rows.entries()) done.set(page[position], row)
  return yield* neededBy(all)
})

/**
 * Turns the decoded rows of one read into those of a later one, and returns what differs. A row without a change is the
 * same object in both reads, so only the others are decoded.
 *
 * @returns `undefined` if one object is several of the rows that differ, since it cannot be told which of them is gone;
 *   `all` is unchanged then
 */
export const updateRows = Effect.fnUntraced(function* (
  all: DecodedRows,
  before: ReadonlyArray<unknown>,
  now: ReadonlyArray<unknown>,
  decode: (row: unknown) => DecodedRow,
) {
  const { start, shift, gone, fresh } = differingPositions(before, now)
  const left = new Map<unknown, DecodedRow>()
  yield* cooperatively(gone, (position) => left.set(before[position], all.rows[position] as DecodedRow))
  if (left.size < gone.length) return undefined
  const added: Array<DecodedRow> = []
  const there: Array<DecodedRow> = []
  yield* cooperatively(fresh, (position) => {
    const row = now[position]
    const known = left.get(row)
    left.delete(row)
    const one = known ?? decode(row)
    if (known === undefined) added.push(one)
    there.push(one)
  })
  const removed = [...left.values()]
  for (const row of removed) count(all, row, -1)
  for (const row of added) count(all, row, 1)
  let next = 0
  const rows = now.map((_, position) => {
    if (position === fresh[next]) return there[next++] as DecodedRow
    return all.rows[position < start ? position : position - shift] as DecodedRow
  })
  return {
    rows: { ...all, rows },
    removed: yield* resourcesIn(removed),
    added: yield* resourcesIn(added),
    fresh: added,
  }
})

/**
 * The positions whose rows differ between two reads: `gone` in the first, `fresh` in the second. From `start` on, each other
 * row has moved by `shift`. Either rows changed where they are, or rows were inserted or removed in one place, whichever
 * is less.
 */
const differingPositions = (before: ReadonlyArray<unknown>, now: ReadonlyArray<unknown>) => {
  const least = Math.min(before.length, now.length)
  let start = 0
  while (start < least && before[start] === now[start]) start += 1
  let same = 0
  while (same < least - start && before[before.length - 1 - same] === now[now.length - 1 - same]) same += 1
  const gone: Array<number> = []
  const fresh: Array<number> = []
  for (let at = start; at < Math.max(before.length, now.length); at += 1) {
    if (before[at] === now[at]) continue
    if (at < before.length) gone.push(at)
    if (at < now.length) fresh.push(at)
  }
  const ends = [before.length - same, now.length - same] as const
  if (gone.length + fresh.length <= ends[0] + ends[1] - 2 * start) return { start, shift: 0, gone, fresh }
  return { start, shift: now.length - before.length, gone: range(start, ends[0]), fresh: range(start, ends[1]) }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

/** The resources and malformed rows. */
export const resourcesIn = Effect.fnUntraced(function* (
  rows: ReadonlyArray<DecodedRow>,
): Effect.fn.Return<DecodedResources> {
  const resources: Array<WaldurResource> = []
  const skipped: Array<Skipped> = []
  const records: Array<unknown> = []
  yield* cooperatively(rows, ({ resource, malformed }) => {
    if (resource !== undefined) resources.push(resource)
    if (malformed === undefined) return
    skipped.push(malformed.skipped)
    records.push(malformed.record)
  })
  return { resources, skipped, malformed: records }
})

/** What the tree of some rows needs, after rows were added and others removed; `before` itself if it is the same. */
export const neededAfter = (
  before: Needed,
  rows: DecodedRows,
  added: ReadonlyArray<DecodedRow>,
): Effect.Effect<Needed> => {
  const { projects, offerings } = before
  const isSame =
    rows.needs.projects.size === projects.size &&
    rows.needs.offerings.size === offerings.size &&
    added.every(
      ({ own, project }) =>
        (own === undefined || offerings.has(own.offering_uuid)) && (project === undefined || projects.has(project)),
    )
  return isSame ? Effect.succeed(before) : neededBy(rows)
}

/** What the tree of some rows needs. */
export const neededBy = Effect.fnUntraced(function* ({ needs }: DecodedRows): Effect.fn.Return<Needed> {
  const projects = new Set<string>()
  yield* cooperatively(needs.projects.keys(), (project) => projects.add(project))
  return { offerings: new Set(needs.offerings.keys()), projects }
})

/** Whether lookups are exactly those that the rows need, after some were added and others removed. */
export const areLookupsSufficient = (
  { customers, gids }: Lookups,
  { needs }: DecodedRows,
  added: ReadonlyArray<DecodedRow>,
): boolean => {
  if (needs.projects.size !== gids.size || needs.offerings.size !== customers.size) return false
  if (added.some(({ project }) => project !== undefined && !gids.has(project))) return false
  const resources = added.flatMap(({ own }) => own ?? [])
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
