import { Result } from "effect"
import { type Problem, problem } from "./finding.ts"
import { invalidComponent } from "./mount-path.ts"

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
): Result.Result<string, Problem> => {
  const field = "attributes.storage_data_type"
  const found = attributes?.storage_data_type
  if (found === undefined || found === null) return Result.succeed("store")
  if (typeof found !== "string") return Result.fail(problem(field, found, "expected a text"))
  const dataType = found.trim().toLowerCase() || "store"
  const invalid = invalidComponent(field, dataType)
  return invalid === undefined ? Result.succeed(dataType) : Result.fail(invalid)
}

/** Whom a data type's directories belong to; `undefined` for a type without a meaning of its own. */
export const targetTypeOf = (dataType: string): "project" | "user" | undefined =>
  Object.hasOwn(targetByType, dataType) ? targetByType[dataType] : undefined
