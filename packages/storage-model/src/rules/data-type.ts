/** Storage data types: which one a resource has, and the type of owner that follows from it. */
import { Result } from "effect"
import { problem, remark } from "../report/finding.ts"
import { isJsonObject, property } from "../waldur/json-object.ts"
import { invalidComponent } from "./mount-path.ts"
import { badData, type Refusal, type Ruling, ruling } from "./ruling.ts"
import { originsIn, ownPlaces } from "./storage-folder.ts"

/** The type of owner of a resource's directory. */
export type TargetType = "project" | "user"

const targetByType: Readonly<Record<string, TargetType>> = {
  store: "project",
  archive: "project",
  users: "user",
  scratch: "user",
}

/** The data types that the model knows. */
export const knownDataTypes: ReadonlyArray<string> = Object.keys(targetByType)

const defaultField = "attributes.storage_data_type"
const byDefault = ruling("data type", "store", defaultField, "data-type/default")

/** A resource's `storage_data_type`, trimmed and lowercased; `store` if it is missing, null or empty everywhere. */
export const dataTypeOf = (resource: {
  readonly attributes?: unknown
  readonly options?: unknown
}): Ruling<string> | Refusal => {
  const places = ownPlaces(resource)
  if (Result.isFailure(places)) return badData(places.failure)
  for (const { field, found } of originsIn(places.success, ["storage_data_type"], "storage_data_type")) {
    if (found === null) continue
    if (typeof found !== "string") return badData(problem(field, found, "expected a string"))
    const given = found.trim()
    if (given === "") continue
    // Checked before lowercasing, which turns some non-ASCII letters into ASCII ones, such as the Kelvin sign.
    const invalid = invalidComponent(field, given)
    if (invalid !== undefined) return badData(invalid)
    const name = given.toLowerCase()
    return ruling("data type", name, field, name === found ? "data-type/as-given" : "data-type/normalized")
  }
  return byDefault
}

/**
 * All storage data types in a record's options and attributes and in its order's old and new options, objects in them
 * included: the valid ones lowercased, the others as given; without the default. The data may be in the directory of a type
 * that is outdated, or that does not apply yet.
 */
export const dataTypesNamedBy = (record: unknown): Set<string> => {
  const ordered = property(property(record, "order_in_progress"), "attributes")
  const names = new Set<string>()
  const own = ["options", "attributes"].map((key) => property(record, key))
  for (const values of own.concat(["old_options", "new_options"].map((key) => property(ordered, key)))) {
    for (const place of isJsonObject(values) ? [values, ...Object.values(values)] : []) {
      const found = property(place, "storage_data_type")
      const given = typeof found === "string" ? found.trim() : ""
      if (given !== "") names.add(invalidComponent("", given) === undefined ? given.toLowerCase() : given)
    }
  }
  return names
}

/** The type of owner of a data type's directories; a project if the type is unknown. */
export const targetTypeOf = ({ value: dataType, field }: Ruling<string>): Ruling<TargetType> => {
  const target = Object.hasOwn(targetByType, dataType) ? targetByType[dataType] : undefined
  if (target !== undefined) return ruling("target", target, field, "target/by-data-type", { dataType, target })
  const unknown = remark("unknown-data-type", field, dataType, "unknown data type; served as a project's")
  return ruling("target", "project", field, "target/unknown-data-type", undefined, [unknown])
}
