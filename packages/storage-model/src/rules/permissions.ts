import { Result } from "effect"
import { type Problem, problem, type Warn } from "../report/finding.ts"
import type { Note } from "../report/note.ts"
import { property } from "../waldur/json-object.ts"
import { placesIn, warnOfBrokenFolders } from "./storage-folder.ts"

export const defaultPermissions = "775"

const octal = /^[0-7]{3,4}$/
const wanted = 'expected 3 or 4 octal digits in a text, such as "2770"'

const isSet = (value: unknown) => value !== undefined && value !== null && value !== ""
const isOctal = (value: unknown): value is string => typeof value === "string" && octal.test(value)

/**
 * The directory's mode in octal: of the options where one is valid, else of the attributes, else 775; in each, the flat
 * value before the storage folder's. A bad attribute is bad data unless an option overrides it; a bad option is ignored,
 * with a warning.
 */
export const permissionsOf = (
  resource: { readonly attributes?: unknown; readonly options?: unknown },
  warn: Warn,
  note?: Note,
): Result.Result<string, Problem> =>
  Result.flatMap(placesIn(resource), ({ options, further }) => {
    warnOfBrokenFolders([...options, { path: "attributes", values: resource.attributes }], warn)
    for (const { path, values } of [...options, ...further]) {
      const field = `${path}.permissions`
      const found = property(values, "permissions")
      if (!isSet(found)) continue
      const isOption = path.startsWith("options")
      if (isOctal(found)) {
        const rule = isOption
          ? "a valid option goes before the attribute"
          : "as Waldur has it: no valid option goes before it"
        note?.("permission", found, field, rule)
        return Result.succeed(found)
      }
      if (!isOption) return Result.fail(problem(field, found, wanted))
      warn("ignored-value", problem(field, found, `${wanted}; ignored`))
    }
    note?.("permission", defaultPermissions, "attributes.permissions", `missing, null or empty: ${defaultPermissions}`)
    return Result.succeed(defaultPermissions)
  })
