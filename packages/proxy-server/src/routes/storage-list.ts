/** Selects, pages and encodes the entries for a query. */
import { type EntryFilter, StorageEntry } from "@cscs/storage-model"
import { Schema } from "effect"
import type { ProxySettings } from "../config/settings.ts"
import { version } from "../config/version.ts"
import { contentDigest } from "../snapshot/content-digest.ts"
import type { EntryTable } from "../snapshot/entry-table.ts"
import type { Snapshot } from "../snapshot/snapshot.ts"
import { Pagination, paginate } from "./pagination.ts"
import { defaultPage, defaultPageSize, type StorageQuery } from "./storage-query.ts"

const given = Schema.NullOr(Schema.String).annotate({ description: "As requested; null if absent." })

/** The response of `GET /api/storage-resources/`. */
export const StorageList = Schema.Struct({
  version: Schema.String.annotate({ description: "The proxy's version." }),
  status: Schema.Literal("success"),
  resources: Schema.Array(StorageEntry),
  pagination: Pagination,
  filters_applied: Schema.Struct({
    storage_system: given,
    data_type: given,
    status: given,
    state: given,
    offering_slugs: Schema.Array(Schema.String).annotate({ description: "The Waldur offerings covered by the query." }),
  }).annotate({ identifier: "FiltersApplied" }),
}).annotate({ identifier: "StorageResources" })

/** A page of the response, encoded. */
export interface StoragePage {
  /** JSON in UTF-8. */
  readonly body: Uint8Array<ArrayBuffer>
  /** Equal for equal bodies, on all replicas. */
  readonly digest: string
  /** Links to the other pages (RFC 8288); `undefined` if the query is too long for a header. */
  readonly link: string | undefined
  /** Number of entries on all pages. */
  readonly total: number
  /** Whether it has entries. */
  readonly hasEntries: boolean
  /** The offerings whose entries it may contain. */
  readonly slugs: ReadonlyArray<string>
}

/** The offering slugs that a query covers: that of one system, none if it is not configured, or all. */
export const offeringSlugsOf = (settings: ProxySettings, system: string | undefined): ReadonlyArray<string> =>
  settings.model.storageSystems
    .filter(({ name }) => system === undefined || name === system)
    .map(({ offeringSlug }) => offeringSlug)

/** Selects and pages the entries, and concatenates their encoded forms. */
export const storagePage = ({ entries }: Snapshot, query: StorageQuery, settings: ProxySettings): StoragePage => {
  const slugs = offeringSlugsOf(settings, query.storage_system)
  const positions = selected(entries, query, slugs)
  const pagination = paginate(positions.length, query.page ?? defaultPage, query.page_size ?? defaultPageSize)
  const { offset, limit } = pagination
  const filtersApplied: (typeof StorageList.Type)["filters_applied"] = {
    storage_system: query.storage_system ?? null,
    data_type: query.data_type || null,
    status: query.status || null,
    state: query.state ?? null,
    offering_slugs: slugs,
  }
  const parts: Array<Uint8Array> = []
  for (const position of positions.subarray(offset, offset + limit)) {
    parts.push(parts.length === 0 ? head : comma, entries.jsonAt(position))
  }
  if (parts.length === 0) parts.push(head)
  const tail = `],"pagination":${JSON.stringify(pagination)},"filters_applied":${JSON.stringify(filtersApplied)}}`
  const body = Buffer.concat([...parts, Buffer.from(tail)])
  const link = linkHeader(query, entries.id, pagination)
  return {
    body,
    digest: contentDigest(body),
    link: link.length > longestLink ? undefined : link,
    total: positions.length,
    hasEntries: offset < positions.length,
    slugs,
  }
}

/**
 * Maximum length of a `Link` header: clients reject headers of more than 16 kB in total. No query that selects entries
 * comes near.
 */
const longestLink = 8192

/** All entries that a query selects, ignoring its page, one per line. */
export interface StorageLines {
  /** Equal for equal lines, on all replicas. */
  readonly digest: string
  /** Number of lines. */
  readonly total: number
  /** The offerings whose entries they may contain. */
  readonly slugs: ReadonlyArray<string>
  /** Blocks of whole lines, about 16 kB each, JSON in UTF-8. */
  readonly blocks: () => Iterable<Uint8Array>
}

/** Selects without paging: `application/x-ndjson`. */
export const storageLines = ({ entries }: Snapshot, query: StorageQuery, settings: ProxySettings): StorageLines => {
  const slugs = offeringSlugsOf(settings, query.storage_system)
  const isOfNone = query.storage_system !== undefined && slugs.length === 0
  const { data_type, status, state } = query
  return {
    digest: contentDigest(JSON.stringify([entries.id, slugs, data_type, status, state])),
    total: selected(entries, query, slugs).length,
    slugs,
    blocks: function* () {
      let lines: Array<Uint8Array> = []
      let bytes = 0
      // One at a time: a list of positions would stay in memory for as long as the caller does not read.
      for (const json of isOfNone ? [] : entries.jsonOf(filterOf(query, slugs))) {
        lines.push(json, newline)
        bytes += json.length + 1
        if (bytes < blockSize) continue
        yield Buffer.concat(lines)
        lines = []
        bytes = 0
      }
      if (bytes > 0) yield Buffer.concat(lines)
    },
  }
}

const head = Buffer.from(`{"version":${JSON.stringify(version)},"status":"success","resources":[`)
const comma = Buffer.from(",")
const newline = Buffer.from("\n")
/** Bytes that are buffered for each caller that does not read. */
const blockSize = 16 * 1024

/**
 * Positions of the entries that a query selects, ignoring its page.
 *
 * @param slugs the query's `offeringSlugsOf`
 */
export const selected = (entries: EntryTable, query: StorageQuery, slugs: ReadonlyArray<string>): Uint32Array =>
  query.storage_system !== undefined && slugs.length === 0 ? new Uint32Array() : entries.select(filterOf(query, slugs))

const filterOf = (query: StorageQuery, slugs: ReadonlyArray<string>): EntryFilter => {
  const [offeringSlug] = slugs
  return {
    ...(query.storage_system !== undefined && offeringSlug !== undefined && { offeringSlug }),
    // An empty value is not a filter for these two.
    ...(query.data_type && { dataType: query.data_type }),
    ...(query.status && { status: query.status }),
    ...(query.state !== undefined && { state: query.state }),
  }
}

/**
 * Links through the pages (RFC 8288), as queries only, so that they hold behind any proxy and path prefix. All but the
 * first page name the same snapshot; the first starts a new walk.
 */
const linkHeader = (query: StorageQuery, snapshot: string, { current, pages }: Pagination): string => {
  const last = Math.max(pages, 1)
  const link = (relation: string, page: number, id?: string) => `<${queryOf(query, page, id)}>; rel="${relation}"`
  return [
    link("first", 1),
    ...(current > 1 ? [link("prev", Math.min(current - 1, last), snapshot)] : []),
    ...(current < pages ? [link("next", current + 1, snapshot)] : []),
    link("last", last, snapshot),
  ].join(", ")
}

/** The first page of this query in the newest snapshot; `undefined` if it is too long for a `Link` header. */
export const firstPageOf = (query: StorageQuery): string | undefined => {
  const reference = queryOf(query, 1)
  return reference.length > longestLink ? undefined : reference
}

/** A page of this query, of the given or of the newest snapshot, as a reference relative to the list's URL. */
const queryOf = (query: StorageQuery, page: number, snapshot?: string): string => {
  const parameters = new URLSearchParams()
  for (const name of ["storage_system", "data_type", "status", "state", "page_size"] as const) {
    const value = query[name]
    if (value !== undefined) parameters.set(name, String(value))
  }
  parameters.set("page", String(page))
  if (snapshot !== undefined) parameters.set("snapshot", snapshot)
  return `?${parameters}`
}
