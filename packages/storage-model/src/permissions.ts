import { Result } from "effect"
import { type Problem, problem, type Warn } from "./finding.ts"
import { property } from "./json-object.ts"
import type { Note } from "./note.ts"

export const defaultPermissions = "775"

const octal = /^[0-7]{3,4}$/
const wanted = 'expected 3 or 4 octal digits in a text, such as "2770"'

const isSet = (value: unknown) => value !== undefined && value !== null && value !== ""
const isOctal = (value: unknown): value is string => typeof value === "string" && octal.test(value)

/**
 * The directory's mode in octal: `options.permissions` where it is valid, else `attributes.permissions`, else 775.
 * A bad attribute is bad data unless the option overrides it; a bad option is ignored, and said.
 */
export const permissionsOf = (
  attributes: Readonly<Record<string, unknown>> | null | undefined,
  options: unknown,
  warn: Warn,
  note?: Note,
): Result.Result<string, Problem> => {
  const option = property(options, "permissions")
  if (isOctal(option)) {
    note?.("permission", option, "options.permissions", "a valid option goes before the attribute")
    return Result.succeed(option)
  }
  if (isSet(option)) warn("ignored-value", problem("options.permissions", option, `${wanted}; ignored`))
  const attribute = attributes?.permissions
  const field = "attributes.permissions"
  if (!isSet(attribute)) {
    note?.("permission", defaultPermissions, field, `missing, null or empty: ${defaultPermissions}`)
    return Result.succeed(defaultPermissions)
  }
  if (!isOctal(attribute)) return Result.fail(problem(field, attribute, wanted))
  note?.("permission", attribute, field, "as Waldur has it: no valid option goes before it")
  return Result.succeed(attribute)
}
