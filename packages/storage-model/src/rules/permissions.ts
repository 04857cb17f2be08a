/** Decides the mode of a resource's directory. */
import { problem, type Remark, remark } from "../report/finding.ts"
import { badData, type Refusal, type Ruling, ruling } from "./ruling.ts"
import { isAttribute, originsIn, type Places } from "./storage-folder.ts"

export const defaultPermissions = "775"

const octal = /^[0-7]{3,4}$/
const wanted = 'expected 3 or 4 octal digits in a string, such as "2770"'

const isSet = (value: unknown) => value !== undefined && value !== null && value !== ""

/** Whether a value is a mode as entries contain it. */
export const isOctal = (value: unknown): value is string => typeof value === "string" && octal.test(value)

/**
 * The directory's mode in octal: from the options if one is valid, else from the attributes, else 775. In each, the flat
 * value takes precedence over the storage folder's. An invalid attribute is bad data unless an option overrides it; an
 * invalid option is ignored with a remark.
 */
export const permissionsOf = (places: Places): Ruling<string> | Refusal => {
  const remarks: Array<Remark> = []
  for (const origin of originsIn(places, ["permissions"], "permissions")) {
    const { field, found } = origin
    if (!isSet(found)) continue
    if (isOctal(found)) {
      const rule = isAttribute(origin) ? "permission/attribute" : "permission/option"
      return ruling("permission", found, field, rule, undefined, remarks)
    }
    if (isAttribute(origin)) return badData(problem(field, found, wanted), [], remarks)
    remarks.push(remark("ignored-value", field, found, `${wanted}; ignored`))
  }
  return ruling("permission", defaultPermissions, "attributes.permissions", "permission/default", undefined, remarks)
}
