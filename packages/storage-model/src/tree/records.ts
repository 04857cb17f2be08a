/** Which of several records of one uuid counts. */
import { type Problem, problem } from "../report/finding.ts"
import { isRemoval, mayBeLive, providerView } from "../rules/lifecycle.ts"
import { jsonText, property } from "../waldur/json-object.ts"
import type { WaldurResource } from "../waldur/resource.ts"
import { dashedUuid } from "../waldur/uuid.ts"
import { compare } from "./order.ts"
import { recordMayBeLive } from "./whereabouts.ts"

interface Candidate {
  readonly resource: WaldurResource
  /** Made when it is needed, and once: one large record may have any number of small ones beside it. */
  content: string | undefined
}

/**
 * Keeps one record for each uuid: of those that differ the live one, so that no order of rows makes a removal of it. Else
 * the choice depends on their content alone.
 *
 * @param onDuplicate takes each record that does not count
 */
export const distinctRecords = (onDuplicate: (resource: WaldurResource, problem: Problem) => void) => {
  const malformed = new Set<string>()
  const contested = new Set<string>()
  const kept = new Map<string, Candidate>()
  return {
    /** Takes a record that could not be decoded: it competes with none, but may be live. */
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
      const reason = "Waldur sent this resource more than once; a live record goes before"
      onDuplicate(worse.resource, problem("uuid", uuid, reason))
    },
    /** Goes through those that count, once all are known. */
    kept: { [Symbol.iterator]: () => kept.values() } as Iterable<{ readonly resource: WaldurResource }>,
    /** Compares a record that counts with the malformed ones of its uuid. */
    compareWithMalformed: (resource: WaldurResource): void => {
      if (malformed.has(resource.uuid) && livelinessOf(resource) > 0) contested.add(resource.uuid)
    },
    /** UUIDs of which there are several records, a live one among them: the paths of all of them protect. */
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

/** The more certain it is that a record's data stays, the higher. */
const livelinessOf = ({ state, order_in_progress: order }: WaldurResource): number => {
  const view = providerView(state, order)
  if (!view.visible) return 1
  return isRemoval(view.state) ? (mayBeLive(view.state, order) ? 2 : 0) : 3
}

// Field by field: one that is no JSON leaves the others to choose by.
const contentOf = (resource: WaldurResource): string =>
  Object.entries(resource)
    .toSorted(([a], [b]) => compare(a, b))
    .map(([field, value]) => `${field}: ${jsonText(value)}`)
    .join("\n")
