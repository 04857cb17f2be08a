/** Selects one record when several have the same uuid. */
import { type Problem, problem } from "../report/finding.ts"
import { isRemoval, mayBeLive, providerView } from "../rules/lifecycle.ts"
import { jsonText, property } from "../waldur/json-object.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import { compare } from "./order.ts"
import { recordMayBeLive } from "./whereabouts.ts"

interface Candidate {
  readonly resource: WaldurResource
  /** Computed on demand and once: a large record may have many small duplicates. */
  content: string | undefined
}

/**
 * Keeps one record for each uuid: a live one if there is any, so that the order of rows never turns it into a removal.
 * Otherwise the choice depends on the content only.
 *
 * @param onDuplicate receives each discarded record
 */
export const distinctRecords = (onDuplicate: (resource: WaldurResource, problem: Problem) => void) => {
  const malformed = new Set<string>()
  const contested = new Set<string>()
  const kept = new Map<string, Candidate>()
  return {
    /** Adds a record that could not be decoded: it is never selected, but may be live. */
    addMalformed: (record: unknown): void => {
      const uuid = dashedUuid(property(record, "uuid"))
      if (uuid === undefined) return
      malformed.add(uuid)
      if (recordMayBeLive(record)) contested.add(uuid)
    },
    add: (resource: WaldurResource): void => {
      const { uuid } = resource
      const candidate: Candidate = { resource, content: undefined }
      const other = kept.get(uuid)
      if (other === undefined) {
        kept.set(uuid, candidate)
        return
      }
      const [better, worse] = preference(other, candidate) <= 0 ? [other, candidate] : [candidate, other]
      kept.set(uuid, better)
      if (livelinessOf(better.resource) > 0) contested.add(uuid)
      const reason = "Waldur returned this resource more than once; a live record takes precedence"
      onDuplicate(worse.resource, problem("uuid", uuid, reason))
    },
    /** The selected records; iterate only after all are added. */
    kept: { [Symbol.iterator]: () => kept.values() } as Iterable<{ readonly resource: WaldurResource }>,
    /** Compares a selected record with the malformed ones of its uuid. */
    compareWithMalformed: (resource: WaldurResource): void => {
      if (malformed.has(resource.uuid) && livelinessOf(resource) > 0) contested.add(resource.uuid)
    },
    /** UUIDs with several records, at least one of them live: the paths of all these records are protected. */
    contested: contested as ReadonlySet<string>,
  }
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
