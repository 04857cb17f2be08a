import { type EntryFilter, Pagination, pageOf, paginate, StorageEntry, selectEntries } from "@cscs/storage-model"
import { Schema } from "effect"
import type { ProxySettings } from "../config/settings.ts"
import type { Snapshot } from "../snapshot/snapshot.ts"
import { version } from "../version.ts"
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

/** The offering slugs that a query looks at: one system's, none where it is not configured, or all. */
export const offeringSlugsOf = (settings: ProxySettings, system: string | undefined): ReadonlyArray<string> =>
  settings.model.storageSystems
    .filter(({ name }) => system === undefined || name === system)
    .map(({ offeringSlug }) => offeringSlug)

/** Selects, pages and encodes: all that a request costs while the snapshot is fresh. */
export const storageAnswer = (
  snapshot: Snapshot,
  query: StorageQuery,
  settings: ProxySettings,
): { readonly answer: typeof StorageAnswer.Type; readonly link: string } => {
  const slugs = offeringSlugsOf(settings, query.storage_system)
  const selected =
    query.storage_system !== undefined && slugs.length === 0
      ? []
      : selectEntries(snapshot.hierarchy.entries, filterOf(query, slugs))
  const pagination = paginate(selected.length, query.page ?? defaultPage, query.page_size ?? defaultPageSize)
  return {
    answer: {
      version,
      status: "success",
      resources: pageOf(selected, pagination).map(({ entry }) => entry),
      pagination,
      filters_applied: {
        storage_system: query.storage_system ?? null,
        data_type: query.data_type || null,
        status: query.status || null,
        state: query.state ?? null,
        offering_slugs: slugs,
      },
    },
    link: linkHeader(query, pagination),
  }
}

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

/** The way through the pages (RFC 8288), relative to the host, so that it holds behind any proxy. */
const linkHeader = (query: StorageQuery, { current, pages }: Pagination): string => {
  const last = Math.max(pages, 1)
  const link = (relation: string, page: number) => {
    const parameters = new URLSearchParams()
    for (const name of ["storage_system", "data_type", "status", "state", "page_size"] as const) {
      const value = query[name]
      if (value !== undefined) parameters.set(name, String(value))
    }
    parameters.set("page", String(page))
    return `</api/storage-resources/?${parameters}>; rel="${relation}"`
  }
  return [
    link("first", 1),
    ...(current > 1 ? [link("prev", Math.min(current - 1, last))] : []),
    ...(current < pages ? [link("next", current + 1)] : []),
    link("last", last),
  ].join(", ")
}
