import type { WaldurRecord, WaldurToken, World } from "../world/world.ts"
import { consumerVisibility, visibility } from "./access.ts"
import type { WaldurControl } from "./control.ts"
import { resourceFilter, resourceOrdering } from "./resource-filters.ts"

/** Parameters that choose what is shown of a list, not what is in it. */
const PRESENTATION = ["page", "page_size", "field"]

/** Which of the two lists: each shows a user other resources. */
export type View = "consumer" | "provider"

/** Gives a function from a query to the whole list that it means, or to the 400 for a bad filter. */
export function resourceListing(
  world: World,
  control: WaldurControl,
): (query: URLSearchParams, token: WaldurToken, as: View) => WaldurRecord[] | Response {
  let remembered = new Map<string, WaldurRecord[]>()
  let rememberedOf = ""
  return (query, token, as) => {
    if (control.worldChangesByHand) return computeListing(world, control, query, token, as)
    // Every change that a POST makes moves the world's time on.
    const state = `${world.now} ${world.resources.length}`
    if (state !== rememberedOf) {
      remembered = new Map()
      rememberedOf = state
    }
    const kept = new URLSearchParams(query)
    for (const name of PRESENTATION) kept.delete(name)
    const key = `${control.dialect} ${as} ${token.username} ${token.sees} ${kept}`
    const known = remembered.get(key)
    if (known !== undefined) return known
    const rows = computeListing(world, control, query, token, as)
    if (!(rows instanceof Response)) remembered.set(key, rows)
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
  const visible = as === "consumer" ? consumerVisibility(token) : visibility(world, token)
  const rows = world.resources.filter((row) => passes(row) && visible(row))
  return isSorted(rows, compare) ? rows : rows.sort(compare)
}

/** Rows mostly come as a world was built, and looking costs a fraction of sorting. */
function isSorted(rows: readonly WaldurRecord[], compare: (a: WaldurRecord, b: WaldurRecord) => number): boolean {
  return rows.every((row, index) => index === 0 || compare(rows[index - 1] as WaldurRecord, row) <= 0)
}
