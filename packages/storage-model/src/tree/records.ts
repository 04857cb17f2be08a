/** Selects one record when several have the same uuid. */
import { problem, type Skipped } from "../report/finding.ts"
import { isRemoval, mayBeLive, providerView } from "../rules/lifecycle.ts"
import { type Refusal, refuse } from "../rules/ruling.ts"
import { jsonText } from "../waldur/json-object.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import type { CustomerGroup } from "./group.ts"
import { compare } from "./order.ts"
import type { PlacedResource } from "./place.ts"
import type { RecordFacts } from "./record-facts.ts"

/** A record that could not be decoded. */
export interface MalformedRecord {
  readonly record: unknown
  readonly skipped: Skipped
}

/** A resource without a place in the tree. */
export interface RefusedResource {
  readonly resource: WaldurResource
  readonly refusal: Refusal
}

/** All records of one resource: usually one. A malformed record without a UUID is its own group. */
export interface ResourceRecords {
  readonly uuid: string | undefined
  readonly resources: Array<WaldurResource>
  readonly malformed: Array<MalformedRecord>
  /** The selected record. */
  best: Candidate | undefined
  /** Records that are not selected or have no place in the tree. */
  refused: Array<RefusedResource>
  /** Whether a malformed record may be live. */
  isMalformedLive: boolean
  /** The place of the selected record in the tree. */
  placed: PlacedResource | undefined
  customer: CustomerGroup | undefined
  /** What each record contributes. */
  facts: Array<RecordFacts>
  /** Depends on what else is live at the directory that is being removed. */
  removal: { readonly path: string; readonly removal: ResourceRecords } | undefined
}

/**
 * Made at once, so that V8 keeps all fields in the object itself.
 *
 * @param resources the first one, if any: the list is made with it, since an empty one gets room for 17 at its first `push`
 */
export const noRecords = (uuid: string | undefined, resources: Array<WaldurResource> = []): ResourceRecords => ({
  uuid,
  resources,
  malformed: [],
  best: undefined,
  refused: [],
  isMalformedLive: false,
  placed: undefined,
  customer: undefined,
  facts: [],
  removal: undefined,
})

/** Resets all results and keeps the records. */
export const clearResults = (records: ResourceRecords): void => {
  const { uuid, resources, malformed } = records
  Object.assign(records, noRecords(uuid, resources), { malformed })
}

/**
 * Selects between the records so far and one more: a live one if there is any, so that the order of rows never turns it into
 * a removal. Otherwise the choice depends on the content only.
 */
export const addRecord = (records: ResourceRecords, resource: WaldurResource): void => {
  const candidate: Candidate = { resource, content: undefined }
  const { best } = records
  if (best === undefined) {
    records.best = candidate
    return
  }
  const [better, worse] = preference(best, candidate) <= 0 ? [best, candidate] : [candidate, best]
  records.best = better
  const reason = "Waldur returned this resource more than once; a live record takes precedence"
  const refusal = refuse("duplicate", problem("uuid", resource.uuid, reason))
  records.refused.push({ resource: worse.resource, refusal })
}

/**
 * Whether the paths of all records with this UUID are protected: a malformed one may be live, or there are several and the
 * selected one is or may be live.
 */
export const isContested = ({ uuid, resources, malformed, best, isMalformedLive }: ResourceRecords): boolean => {
  if (uuid === undefined) return false
  const isBestLive = best !== undefined && livelinessOf(best.resource) > 0
  return isMalformedLive || (isBestLive && resources.length + malformed.length > 1)
}

interface Candidate {
  readonly resource: WaldurResource
  /** Computed on demand and once: a large record may have many small duplicates. */
  content: string | undefined
}

const preference = (a: Candidate, b: Candidate): number => {
  const byLiveliness = livelinessOf(b.resource) - livelinessOf(a.resource)
  if (byLiveliness !== 0) return byLiveliness
  a.content ??= contentOf(a.resource)
  b.content ??= contentOf(b.resource)
  return compare(a.content, b.content)
}

/** Higher if it is more certain that the record's data must stay. */
const livelinessOf = ({ state, order_in_progress: order }: WaldurResource): number => {
  const view = providerView(state, order)
  if (!view.visible) return 1
  return isRemoval(view.state) ? (mayBeLive(view.state, order) ? 2 : 0) : 3
}

// Field by field, so that a field that is not JSON leaves the others to compare.
const contentOf = (resource: WaldurResource): string =>
  Object.entries(resource)
    .toSorted(([a], [b]) => compare(a, b))
    .map(([field, value]) => `${field}: ${jsonText(value)}`)
    .join("\n")
