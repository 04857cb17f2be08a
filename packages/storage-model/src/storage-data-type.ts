import { Result } from "effect"
import { type Problem, problem } from "./finding.ts"
import { invalidComponent } from "./mount-path.ts"
import type { Note } from "./note.ts"

export type TargetType = "tenant" | "customer" | "project" | "user"

const targetByType: Readonly<Record<string, "project" | "user">> = {
  store: "project",
  archive: "project",
  users: "user",
  scratch: "user",
}

/** The data types that have a meaning of their own. */
export const knownDataTypes: ReadonlyArray<string> = Object.keys(targetByType)

/** `attributes.storage_data_type`, trimmed and in lower case; `store` where it is missing, null or empty. */
export const dataTypeOf = (
  attributes: Readonly<Record<string, unknown>> | null | undefined,
  note?: Note,
): Result.Result<string, Problem> => {
  const field = "attributes.storage_data_type"
  const found = attributes?.storage_data_type
  if (found !== undefined && found !== null && typeof found !== "string") {
    return Result.fail(problem(field, found, "expected a text"))
  }
  const trimmed = found?.trim() ?? ""
  if (trimmed === "") {
    note?.("data type", "store", field, "missing, null or empty: store")
    return Result.succeed("store")
  }
  // Before it is lowercased: the Kelvin sign, say, would become a k, and another type's directory its own.
  const invalid = invalidComponent(field, trimmed)
  if (invalid !== undefined) return Result.fail(invalid)
  const given = trimmed.toLowerCase()
  note?.("data type", given, field, given === found ? "as Waldur has it" : "trimmed and in lower case")
  return Result.succeed(given)
}

/** Whom a data type's directories belong to; `undefined` for a type without a meaning of its own. */
export const targetTypeOf = (dataType: string, note?: Note): "project" | "user" | undefined => {
  const known = Object.hasOwn(targetByType, dataType) ? targetByType[dataType] : undefined
  note?.(
    "target",
    known ?? "project",
    "attributes.storage_data_type",
    known === undefined ? "a type that is not known is served as a project's" : `${dataType} belongs to a ${known}`,
  )
  return known
}
