/** Waldur's list of resources: filtered, sorted, paged. */
import type { WaldurRecord, WaldurToken, World } from "../world/world.ts"
import { consumerVisibility, providerVisibility } from "./access.ts"
import type { WaldurControl } from "./control.ts"
import { resourceFilter, resourceOrdering } from "./resource-filters.ts"

/** Parameters that affect how a list is shown, not which rows it contains. */
const PRESENTATION = ["page", "page_size", "field"]

/** The two lists, which show a user different resources. */
export type View = "consumer" | "provider"

/** Returns a function that maps a query to the whole list, or to the 400 for an invalid filter or order. */
export function resourceListing(
  world: World,
  control: WaldurControl,
): (query: URLSearchParams, token: WaldurToken, as: View) => WaldurRecord[] | Response {
  let cached = new Map<string, WaldurRecord[]>()
  let cachedState = ""
  return (query, token, as) => {
    if (control.worldChangesByHand) return computeListing(world, control, query, token, as)
    // Every POST that changes the world advances its time.
    const state = `${world.now} ${world.resources.length}`
    if (state !== cachedState) {
      cached = new Map()
      cachedState = state
    }
    const filters = new URLSearchParams(query)
    for (const name of PRESENTATION) filters.delete(name)
    const key = `${control.dialect} ${as} ${token.username} ${token.role} ${token.organization} ${token.sees} ${filters}`
    const known = cached.get(key)
    if (known !== undefined) return known
    const rows = computeListing(world, control, query, token, as)
    if (!(rows instanceof Response)) cached.set(key, rows)
    return rows
  }
}

function computeListing(
  world: World,
  control: WaldurControl,
  query: URLSearchParams,
  token: WaldurToken,
  as: View,
): WaldurRecord[] | Response {
  const passes = resourceFilter(query, control.dialect)
  if (passes instanceof Response) return passes
  const compare = resourceOrdering(query, control.dialect)
  if (compare instanceof Response) return compare
  const visible = as === "consumer" ? consumerVisibility(world, token) : providerVisibility(world, token)
  return world.resources.filter((row) => passes(row) && visible(row)).sort(compare)
}
