/** Filters of a list of entries. */
import { dataTypeOf } from "../rules/data-type.ts"
import { providerView, statusOf } from "../rules/lifecycle.ts"
import { isRefusal, ofOneRecord } from "../rules/ruling.ts"
import type { PlacedEntry } from "../tree/customer-tree.ts"
import { decodeResources, type WaldurResource } from "../waldur/resource.ts"

/** A caller's filter; a missing field does not restrict. Values compare exactly. */
export interface EntryFilter {
  /** The Waldur slug of the storage system's offering. */
  readonly offeringSlug?: string
  /** A Waldur state: entries of resources in that state, and the tenants and customers above them. */
  readonly state?: string
  /** `storageDataType.key`. */
  readonly dataType?: string
  /** The entry's own status; tenants and customers are always `pending`. */
  readonly status?: string
}

/** The filterable values of an entry. Few of them differ, however many entries there are. */
export interface EntryFacets {
  readonly offeringSlug: string
  readonly states: ReadonlySet<string>
  readonly dataType: string
  readonly status: string
}

/** The filterable values of an entry. */
export const facetsOf = ({ entry, offeringSlug, states }: PlacedEntry): EntryFacets => ({
  offeringSlug,
  states,
  dataType: entry.storageDataType.key,
  status: entry.status,
})

/** Whether an entry with these facets passes every part of the filter. */
export const passesFilter = (facets: EntryFacets, { offeringSlug, state, dataType, status }: EntryFilter): boolean =>
  (offeringSlug === undefined || facets.offeringSlug === offeringSlug) &&
  (state === undefined || facets.states.has(state)) &&
  (dataType === undefined || facets.dataType === dataType) &&
  (status === undefined || facets.status === status)

/** The entries that pass every part of the filter, in their order. */
export const selectEntries = (entries: ReadonlyArray<PlacedEntry>, filter: EntryFilter): ReadonlyArray<PlacedEntry> =>
  entries.filter((placed) => passesFilter(facetsOf(placed), filter))

/**
 * Waldur's own rows that would pass the filter as entries, for troubleshooting. A row that cannot be decoded passes.
 */
export const selectRows = (
  rows: ReadonlyArray<unknown>,
  { dataType, status }: Pick<EntryFilter, "dataType" | "status">,
): ReadonlyArray<unknown> =>
  rows.filter((row) => {
    const [resource] = decodeResources([row]).resources
    if (resource === undefined) return true
    return ofOneRecord(() => rowPasses(resource, dataType, status)) !== false
  })

const rowPasses = (resource: WaldurResource, dataType: string | undefined, status: string | undefined): boolean => {
  const view = providerView(resource.state, resource.order_in_progress)
  const type = dataTypeOf(resource)
  return (
    (dataType === undefined || isRefusal(type) || type.value === dataType) &&
    (status === undefined || !view.visible || statusOf(view.state) === status)
  )
}
