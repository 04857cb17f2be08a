/** The differences between the Waldur versions that the sandbox imitates. */
import { asObject } from "../json.ts"
import type { WaldurRecord } from "../world/world.ts"

/** The Waldur version to imitate: one that supports the storage proxy, or one that is too old. */
export type Dialect = "8.x" | "7.0.7"

export const VERSIONS: Record<Dialect, string> = { "8.x": "8.1.3", "7.0.7": "7.0.7" }

/** Filters of the resource list that 7.0.7 does not know and silently ignores. */
export const FILTERS_OF_8 = [
  "offering_slug",
  "order_state",
  "visible_to_providers",
  "modified_before",
  "created_before",
]

const RESOURCE_FIELDS_OF_8 = ["offering_slug", "provider_slug", "customer_slug", "project_slug", "order_in_progress"]

/** Converts a resource to this dialect. */
export function shapeResource(dialect: Dialect, row: WaldurRecord): WaldurRecord {
  if (dialect === "8.x") return row
  const shaped = without(row, RESOURCE_FIELDS_OF_8)
  const order = asObject(row.creation_order)
  if (order !== undefined) shaped.creation_order = shapeOrder(dialect, order)
  return shaped
}

/** Converts an order to this dialect. */
export function shapeOrder(dialect: Dialect, order: WaldurRecord): WaldurRecord {
  return dialect === "8.x" ? order : without(order, ["url"])
}

function without(row: WaldurRecord, fields: readonly string[]): WaldurRecord {
  const copy = { ...row }
  for (const field of fields) delete copy[field]
  return copy
}
