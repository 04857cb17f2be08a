import type { PlacedEntry } from "./hierarchy.ts"

/** Which entries a caller wants; what is left out does not restrict. Values compare exactly. */
export interface EntryFilter {
  /** The Waldur slug of the storage system's offering. */
  readonly offeringSlug?: string
  /** A Waldur state: project entries of resources in it, and the tenants and customers above them. */
  readonly state?: string
  /** `storageDataType.key`. */
  readonly dataType?: string
  /** The entry's own status; tenants and customers are always `pending`. */
  readonly status?: string
}

/** The entries that pass every part of the filter, in their order. */
export const selectEntries = (
  entries: ReadonlyArray<PlacedEntry>,
  { offeringSlug, state, dataType, status }: EntryFilter,
): ReadonlyArray<PlacedEntry> =>
  entries.filter(
    (placed) =>
      (offeringSlug === undefined || placed.offeringSlug === offeringSlug) &&
      (state === undefined || placed.states.has(state)) &&
      (dataType === undefined || placed.entry.storageDataType.key === dataType) &&
      (status === undefined || placed.entry.status === status),
  )

/** A page's place in a list. */
export interface Pagination {
  /** The page's number, from 1. */
  readonly current: number
  /** Entries on a page at most. */
  readonly limit: number
  /** Entries before the page. */
  readonly offset: number
  /** Pages in all; 0 where there is no entry. */
  readonly pages: number
  /** Entries in all. */
  readonly total: number
  readonly has_next: boolean
}

/**
 * Where page `page` of `total` entries lies. Pages past the end exist, and are empty.
 *
 * @param page from 1
 * @param pageSize from 1
 */
export const paginate = (total: number, page: number, pageSize: number): Pagination => {
  const pages = Math.ceil(total / pageSize)
  return { current: page, limit: pageSize, offset: (page - 1) * pageSize, pages, total, has_next: page < pages }
}

/** The entries of one page. */
export const pageOf = <A>(entries: ReadonlyArray<A>, { offset, limit }: Pagination): ReadonlyArray<A> =>
  entries.slice(offset, offset + limit)
