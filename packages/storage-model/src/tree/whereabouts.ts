/** Determines where the data of a record may be, however malformed the record is. */

import { dataTypeOf } from "../rules/data-type.ts"
import { mayBeLive, providerView } from "../rules/lifecycle.ts"
import { backendMountPath, invalidComponent, type PathRule, pathsReadIn } from "../rules/mount-path.ts"
import { isRefusal } from "../rules/ruling.ts"
import { isJsonObject, property } from "../waldur/json-object.ts"
import type { WaldurOrder } from "../waldur/resource.ts"

/** Replaces an unknown path component. */
export const anyName = "*"
/** The same in a text that `pathsReadIn` reads, which refuses `*`. */
const unknownName = "--unknown--"

/**
 * Whether a record's data may have to stay. An unreadable state does not count as a removal, nor does an unreadable order
 * request one.
 */
export const recordMayBeLive = (record: unknown): boolean => {
  const order = property(record, "order_in_progress")
  const known: WaldurOrder = { state: textIn(order, "state") ?? null, type: textIn(order, "type") ?? null }
  const view = providerView(property(record, "state"), known)
  return view.visible && mayBeLive(view.state, known)
}

const textIn = (record: unknown, key: string): string | undefined => {
  const value = property(record, key)
  return typeof value === "string" ? value : undefined
}

const anywhere: PathRule = () => undefined

/** Where a record's data may be. */
interface Whereabouts {
  /** The directories that the record names. */
  readonly paths: ReadonlyArray<string>
  /** Directories that invalid names resolve to if used literally: a project_slug `../other` leads to a sibling. */
  readonly misread: ReadonlyArray<string>
  /** If a name is invalid or missing: the directory with `*` in place of each such name, unless that is any directory. */
  readonly pattern: string | undefined
}

/**
 * All directories where the data of a record may be, however malformed the record is. A valid path in `backend_id` is the
 * only one; else the directory built from the names, and every path that `backend_id` can be read as.
 *
 * @param rule where paths may be served; a valid path elsewhere does not count as the only one
 */
export const whereaboutsOf = (record: unknown, rule: PathRule = anywhere): Whereabouts => {
  const backendId = property(record, "backend_id")
  const given = backendMountPath(backendId, rule)
  if ("value" in given) return { paths: [given.value], misread: [], pattern: undefined }

  const attributes = property(record, "attributes")
  const unreadable = attributes !== undefined && attributes !== null && !isJsonObject(attributes)
  const dataType = dataTypeOf({ attributes, options: property(record, "options") })
  const isTypeKnown = !unreadable && !isRefusal(dataType)
  const [offering, ...slugs] = ["offering_slug", "provider_slug", "customer_slug", "project_slug"].map((name) =>
    textIn(record, name),
  )
  const names = [offering, isTypeKnown ? dataType.value : undefined, ...slugs]
  const components = names.map((name) =>
    name === undefined || invalidComponent("", name) !== undefined ? anyName : name,
  )
  const named = `/${components.join("/")}`
  const read = pathsReadIn(backendId)
  if (!components.includes(anyName)) return { paths: [named, ...read], misread: [], pattern: undefined }
  const literal = [offering, isTypeKnown ? dataType.value : textIn(attributes, "storage_data_type"), ...slugs]
  const misread = pathsReadIn(`/${literal.map((name) => name ?? unknownName).join("/")}`)
    .map((path) => path.replaceAll(unknownName, anyName))
    // A directory above the one named, or an unknown one beside it, is what an empty name leaves: it would hold back far
    // too much.
    .filter((path) => !`${named}/`.startsWith(`${path}/`) && !path.endsWith(`/${anyName}`))
  // A record without a valid slug would match any directory; a data type alone does not narrow it down either.
  const isSpecific = components.some((component, at) => component !== anyName && at !== 1)
  return { paths: read, misread, pattern: isSpecific ? named : undefined }
}
