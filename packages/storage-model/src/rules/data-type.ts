import { Result } from "effect"
import { type Problem, problem } from "../report/finding.ts"
import type { Note } from "../report/note.ts"
import { isJsonObject, property } from "../waldur/json-object.ts"
import { invalidComponent } from "./mount-path.ts"
import { placesIn } from "./storage-folder.ts"

export type TargetType = "tenant" | "customer" | "project" | "user"

const targetByType: Readonly<Record<string, "project" | "user">> = {
  store: "project",
  archive: "project",
  users: "user",
  scratch: "user",
}

/** The data types that have a meaning of their own. */
export const knownDataTypes: ReadonlyArray<string> = Object.keys(targetByType)

/** A storage data type, and the field that names it. */
export interface DataType {
  /** Trimmed and in lower case, one component of a path. */
  readonly name: string
  readonly field: string
}

/** What a resource's `storage_data_type` says; `store` where it is missing, null or empty in every place that has one. */
export const dataTypeOf = (
  resource: { readonly attributes?: unknown; readonly options?: unknown },
  note?: Note,
): Result.Result<DataType, Problem> =>
  Result.flatMap(placesIn(resource), ({ options, further }) => {
    for (const { path, values } of [...options, ...further]) {
      const field = `${path}.storage_data_type`
      const found = property(values, "storage_data_type")
      if (found === undefined || found === null) continue
      if (typeof found !== "string") return Result.fail(problem(field, found, "expected a text"))
      const given = found.trim()
      if (given === "") continue
      // Judged before it is put in lower case: letters beyond ASCII become ASCII ones then, such as the Kelvin sign.
      const invalid = invalidComponent(field, given)
      if (invalid !== undefined) return Result.fail(invalid)
      const name = given.toLowerCase()
      note?.("data type", name, field, name === found ? "as Waldur has it" : "trimmed and in lower case")
      return Result.succeed({ name, field })
    }
    const field = "attributes.storage_data_type"
    note?.("data type", "store", field, "missing, null or empty: store")
    return Result.succeed({ name: "store", field })
  })

/**
 * All storage data types that a resource names, in whatever place, as its order does: its data may be under one of them
 * that no longer counts, or does not yet.
 */
export const dataTypesNamedBy = (resource: {
  readonly attributes?: unknown
  readonly options?: unknown
  readonly order_in_progress?: unknown
}): ReadonlySet<string> => {
  const ordered = property(resource.order_in_progress, "attributes")
  const names = new Set<string>()
  for (const values of [resource.options, resource.attributes].concat(
    ["old_options", "new_options"].map((key) => property(ordered, key)),
  )) {
    for (const place of isJsonObject(values) ? [values, ...Object.values(values)] : []) {
      const found = property(place, "storage_data_type")
      const given = typeof found === "string" ? found.trim() : ""
      if (invalidComponent("", given) === undefined) names.add(given.toLowerCase())
    }
  }
  return names
}

/** Whom a data type's directories belong to; `undefined` for a type without a meaning of its own. */
export const targetTypeOf = ({ name, field }: DataType, note?: Note): "project" | "user" | undefined => {
  const known = Object.hasOwn(targetByType, name) ? targetByType[name] : undefined
  note?.(
    "target",
    known ?? "project",
    field,
    known === undefined ? "a type that is not known is served as a project's" : `${name} belongs to a ${known}`,
  )
  return known
}
