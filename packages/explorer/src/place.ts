/** The place in the page as a URL: view, filters and entry, so a copied address shows the same. Pure. */
import { type StorageEntry, waldurStates } from "@cscs/storage-model"
import type { TreeNode } from "./tree.ts"

export const views = ["tree", "waiting", "problems", "changes", "health"] as const
export type View = (typeof views)[number]

/**
 * The filters, named like the API's parameters; `q` is the search. An empty string does not restrict. `storage_system` is the
 * key in the entries: an offering's slug in lowercase.
 */
export const filterNames = ["storage_system", "data_type", "status", "state", "q"] as const
export type Filters = Readonly<Record<(typeof filterNames)[number], string>>

export interface Place {
  readonly view: View
  readonly filters: Filters
  /** The key or UUID of the open entry; empty if none is open. */
  readonly entry: string
}

/** Parses a URL's query. */
export const placeOf = (search: string): Place => {
  const query = new URLSearchParams(search)
  const view = views.find((name) => name === query.get("view")) ?? "tree"
  const filters = Object.fromEntries(filterNames.map((name) => [name, query.get(name) ?? ""])) as Filters
  // The proxy refuses any other state.
  const state = waldurStates.find((name) => name === filters.state) ?? ""
  return { view, filters: { ...filters, state }, entry: query.get("entry") ?? "" }
}

/** The URL query of a place, with its question mark; empty for the whole tree. */
export const queryOf = ({ view, filters, entry }: Place): string => {
  const query = new URLSearchParams()
  if (view !== "tree") query.set("view", view)
  for (const name of filterNames) if (filters[name] !== "") query.set(name, filters[name])
  if (entry !== "") query.set("entry", entry)
  return query.size === 0 ? "" : `?${query}`
}

/**
 * A predicate for the entries that match the filters and contain each word of the search. It ignores `state`: an entry does
 * not contain Waldur's state, so the API filters by it.
 */
export const matcherOf = ({ storage_system, data_type, status, q }: Filters) => {
  const words = q
    .toLowerCase()
    .split(/\s/)
    .filter((word) => word !== "")
  return ({ text }: TreeNode, entry: StorageEntry): boolean =>
    (storage_system === "" || entry.storageSystem.key === storage_system) &&
    (data_type === "" || entry.storageDataType.key === data_type) &&
    (status === "" || entry.status === status) &&
    words.every((word) => text.includes(word))
}
