import { type EntryFilter, Pagination, paginate, StorageEntry } from "@cscs/storage-model"
import { Schema } from "effect"
import type { ProxySettings } from "../config/settings.ts"
import { version } from "../config/version.ts"
import { contentDigest } from "../snapshot/content-digest.ts"
import type { EntryTable } from "../snapshot/entry-table.ts"
import type { Snapshot } from "../snapshot/snapshot.ts"
import { defaultPage, defaultPageSize, type StorageQuery } from "./storage-query.ts"

const given = Schema.NullOr(Schema.String).annotate({ description: "As it was asked for; null where it was not." })

/** The answer of `GET /api/storage-resources/`. */
export const StorageAnswer = Schema.Struct({
  version: Schema.String.annotate({ description: "The proxy's version." }),
  status: Schema.Literal("success"),
  resources: Schema.Array(StorageEntry),
  pagination: Pagination,
  filters_applied: Schema.Struct({
    storage_system: given,
    data_type: given,
    status: given,
    state: given,
    offering_slugs: Schema.Array(Schema.String).annotate({ description: "The Waldur offerings that were looked at." }),
  }),
}).annotate({ identifier: "StorageResources" })

/** A page of the answer, encoded. */
export interface StoragePage {
  /** JSON in UTF-8. */
  readonly body: Uint8Array<ArrayBuffer>
  /** The same for the same body, on every replica. */
  readonly digest: string
  /** The ways to the other pages (RFC 8288); `undefined` if the query is too long for a header. */
  readonly link: string | undefined
  /** Whether it has any entry. */
  readonly hasEntries: boolean
}

/** The offering slugs that a query looks at: one system's, none where it is not configured, or all. */
export const offeringSlugsOf = (settings: ProxySettings, system: string | undefined): ReadonlyArray<string> =>
  settings.model.storageSystems
    .filter(({ name }) => system === undefined || name === system)
    .map(({ offeringSlug }) => offeringSlug)

/** Selects, pages and puts the encoded entries together. */
export const storagePage = ({ entries }: Snapshot, query: StorageQuery, settings: ProxySettings): StoragePage => {
  const slugs = offeringSlugsOf(settings, query.storage_system)
  const positions = selected(entries, query, slugs)
  const pagination = paginate(positions.length, query.page ?? defaultPage, query.page_size ?? defaultPageSize)
  const { offset, limit } = pagination
  const filtersApplied: (typeof StorageAnswer.Type)["filters_applied"] = {
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
    hasEntries: offset < positions.length,
  }
}

/** Characters of a `Link` header: clients refuse headers of 16 kB together. No query that selects anything comes near. */
const longestLink = 8192

/** All entries that a query selects, whatever its page: one to a line. */
export interface StorageLines {
  /** The same for the same lines, on every replica. */
  readonly digest: string
  /** Blocks of whole lines, some 16 kB each, JSON in UTF-8. */
  readonly blocks: () => Iterable<Uint8Array>
}

/** Selects without pages: `application/x-ndjson`. */
export const storageLines = ({ entries }: Snapshot, query: StorageQuery, settings: ProxySettings): StorageLines => {
  const slugs = offeringSlugsOf(settings, query.storage_system)
  const isOfNone = query.storage_system !== undefined && slugs.length === 0
  const { data_type, status, state } = query
  return {
    digest: contentDigest(JSON.stringify([entries.id, slugs, data_type, status, state])),
    blocks: function* () {
      let lines: Array<Uint8Array> = []
      let bytes = 0
      // One after the other: a list of their positions would wait for as long as the caller does not read.
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
/** Bytes: so much waits for each caller who does not read. */
const blockSize = 16 * 1024

/**
 * Positions of the entries that a query asks for, page or no page.
 *
 * @param slugs `offeringSlugsOf` its storage system
 */
export const selected = (entries: EntryTable, query: StorageQuery, slugs: ReadonlyArray<string>): Uint32Array =>
  query.storage_system !== undefined && slugs.length === 0 ? new Uint32Array() : entries.select(filterOf(query, slugs))

const filterOf = (query: StorageQuery, slugs: ReadonlyArray<string>): EntryFilter => {
  const [offeringSlug] = slugs
  return {
    ...(query.storage_system !== undefined && offeringSlug !== undefined && { offeringSlug }),
    // Empty is no filter for these two.
    ...(query.data_type && { dataType: query.data_type }),
    ...(query.status && { status: query.status }),
    ...(query.state !== undefined && { state: query.state }),
  }
}

/**
 * The way through the pages (RFC 8288), as queries only, so that it holds behind any proxy and path prefix. All but the
 * first page are those of the same snapshot; the first is where a walk begins anew.
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

/** The first page of this query, of the newest snapshot; `undefined` if that is too long for a `Link` header. */
export const firstPageOf = (query: StorageQuery): string | undefined => {
  const reference = queryOf(query, 1)
  return reference.length > longestLink ? undefined : reference
}

/** A page of this query, of the given snapshot or of the newest: a reference relative to the list's own URL. */
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
