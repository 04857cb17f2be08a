import { Result } from "effect"
import { type Problem, problem, type Warn } from "./finding.ts"
import { property } from "./json-object.ts"

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
): Result.Result<string, Problem> => {
  const option = property(options, "permissions")
  if (isOctal(option)) return Result.succeed(option)
  if (isSet(option)) warn("ignored-value", problem("options.permissions", option, `${wanted}; ignored`))
  const attribute = attributes?.permissions
  if (!isSet(attribute)) return Result.succeed(defaultPermissions)
  return isOctal(attribute)
    ? Result.succeed(attribute)
    : Result.fail(problem("attributes.permissions", attribute, wanted))
}
