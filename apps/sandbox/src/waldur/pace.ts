/**
 * Milliseconds per row on a real Waldur, measured on pages of 300: 14.9 s with all fields, 4.5 s with fifteen fields
 * including the nested order, 0.9 s without it.
 */
export const MS_PER_ROW = { allFields: 50, withOrder: 15, trimmed: 3 } as const

/** Milliseconds for a list of resources. `fields` are the requested fields; undefined means whole objects. */
export function paceOfResources(rows: number, fields: ReadonlySet<string> | undefined): number {
  if (fields === undefined) return rows * MS_PER_ROW.allFields
  return rows * (fields.has("order_in_progress") ? MS_PER_ROW.withOrder : MS_PER_ROW.trimmed)
}
