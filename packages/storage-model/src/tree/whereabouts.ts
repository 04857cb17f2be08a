/** Determines where the data of a record may be, however malformed the record is. */

import { dataTypeOf, dataTypesNamedBy } from "../rules/data-type.ts"
import { mayBeLive, providerView } from "../rules/lifecycle.ts"
import {
  anyName,
  backendMountPath,
  invalidComponent,
  type PathRule,
  pathsOfNames,
  pathsReadIn,
} from "../rules/mount-path.ts"
import { isRefusal } from "../rules/ruling.ts"
import { isJsonObject, property } from "../waldur/json-object.ts"
import type { WaldurOrder } from "../waldur/resource.ts"
import { componentsOf } from "./directory-tree.ts"

/** One for each place: the options, the attributes, an order's old and new options, and the storage folder in each. */
const mostDataTypes = 8

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
  /** Further directories, with `*` in place of each unknown name. */
  readonly others: ReadonlyArray<string>
}

/**
 * All directories where the data of a record may be, however malformed the record is. A valid path in `backend_id` is the
 * only one; else the directory built from the names, and every path that `backend_id` can be read as. If a name is invalid
 * or missing, any name may be in its place, unless that means any directory.
 *
 * @param rule where paths may be served; a valid path elsewhere does not count as the only one
 */
export const whereaboutsOf = (record: unknown, rule: PathRule = anywhere): Whereabouts => {
  const backendId = property(record, "backend_id")
  const given = backendMountPath(backendId, rule)
  if ("value" in given) return { paths: [given.value], others: [] }

  const attributes = property(record, "attributes")
  const unreadable = attributes !== undefined && attributes !== null && !isJsonObject(attributes)
  const found = dataTypeOf({ attributes, options: property(record, "options") })
  const dataType = unreadable || isRefusal(found) ? undefined : found.value
  const components = namesOf(record, dataType).map((name) =>
    name === undefined || invalidComponent("", name) !== undefined ? anyName : name,
  )
  const named = `/${components.join("/")}`
  const read = pathsReadIn(backendId)
  const types: Set<string | undefined> = dataTypesNamedBy(record)
  if (!components.includes(anyName)) {
    types.delete(dataType)
    return { paths: [named, ...read], others: literalPaths(record, types) }
  }
  const others = literalPaths(record, types.add(dataType))
    // A directory above the one named is what an empty name leaves.
    .filter((path) => path !== "/" && !`${named}/`.startsWith(`${path}/`))
  // A record without a valid slug would match any directory; a data type alone does not narrow it down either.
  const isSpecific = components.some((component, at) => component !== anyName && at !== 1)
  return { paths: read, others: isSpecific ? [...others, named] : others }
}

/**
 * Whether a path is of a resource of which names are unknown, so that all directories at and below each that matches may be
 * its own. A shorter one, which `..` or an empty name leads to, would match those of a whole storage system.
 */
export const isRegion = (path: string): boolean => {
  const components = componentsOf(path)
  return components.length >= namesInPath && components.includes(anyName)
}

/** Storage system, data type, tenant, customer and project. */
const namesInPath = 5

const slugsOf = (record: unknown) =>
  ["offering_slug", "provider_slug", "customer_slug", "project_slug"].map((key) => textIn(record, key))

const namesOf = (record: unknown, dataType: string | undefined): ReadonlyArray<string | undefined> =>
  slugsOf(record).toSpliced(1, 0, dataType)

/**
 * The directories that a record's names lead to if they are used literally, for each of some data types: a project_slug
 * `../other` leads to a sibling. With `*` in place of each unknown name.
 */
export const literalPaths = (record: unknown, types: ReadonlySet<string | undefined>): ReadonlyArray<string> => {
  if (types.size === 0) return []
  const slugs = slugsOf(record).filter((slug) => slug !== undefined)
  const ofSlugs = new Set(slugs.flatMap((slug) => pathsOfNames([slug])).flatMap(componentsOf))
  return Array.from(fewTypes(types)).flatMap((type) =>
    pathsOfNames(namesOf(record, type)).map((path) => {
      const components = componentsOf(path)
      // Any name at the end of a path that is shorter than a resource's, or has no slug, would hold back far too much.
      const isWhole = components.length >= namesInPath && components.some((name) => ofSlugs.has(name))
      const known = isWhole ? components : components.slice(0, lastKnown(components) + 1)
      return `/${known.join("/")}`
    }),
  )
}

/** In lowercase, too. If there are too many types: any, and some of those that lead elsewhere. */
const fewTypes = (types: ReadonlySet<string | undefined>): Iterable<string | undefined> => {
  const spelt = (some: Iterable<string | undefined>) =>
    new Set(Array.from(some).flatMap((type) => [type, type?.toLowerCase()]))
  if (types.size <= mostDataTypes) return spelt(types)
  const invalid = [...types].filter((type) => type !== undefined && invalidComponent("", type) !== undefined)
  return spelt([undefined, ...invalid.slice(0, mostDataTypes)])
}

const lastKnown = (components: ReadonlyArray<string>) => components.findLastIndex((name) => name !== anyName)
