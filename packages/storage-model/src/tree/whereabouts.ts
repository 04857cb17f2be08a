/** Where the data of a record may be, however bad the record is. */

import { dataTypeOf } from "../rules/data-type.ts"
import { mayBeLive, providerView } from "../rules/lifecycle.ts"
import { backendMountPath, invalidComponent, type PathRule, pathsReadIn } from "../rules/mount-path.ts"
import { isRefusal } from "../rules/ruling.ts"
import { isJsonObject, property } from "../waldur/json-object.ts"
import type { WaldurOrder } from "../waldur/resource.ts"

/** In place of a component of which nothing is known. */
export const anyName = "*"

/**
 * Whether a record's data may have to stay, as far as it tells: a state that cannot be read is no removal, and an order
 * that cannot be read asks for none.
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
  /** Directories, as the record names them. */
  readonly paths: ReadonlyArray<string>
  /** Directories to which bad names lead if they are taken as they stand: a project_slug `../other` leads beside. */
  readonly misread: ReadonlyArray<string>
  /** Where a name is bad: the directory with `*` in place of each bad name. */
  readonly pattern: string | undefined
}

/**
 * All directories where the data of a record may be, however bad the record is. A valid path in `backend_id` is the only
 * one; else it is the directory of the names, and whatever `backend_id` can be read as.
 *
 * @param rule where paths may be served: a valid path elsewhere is doubtful
 */
export const whereaboutsOf = (record: unknown, rule: PathRule = anywhere): Whereabouts => {
  const backendId = property(record, "backend_id")
  const valid = backendMountPath(backendId, rule)
  if ("value" in valid) return { paths: [valid.value], misread: [], pattern: undefined }

  const attributes = property(record, "attributes")
  const unreadable = attributes !== undefined && attributes !== null && !isJsonObject(attributes)
  const dataType = dataTypeOf({ attributes, options: property(record, "options") })
  const names = [
    textIn(record, "offering_slug"),
    unreadable || isRefusal(dataType) ? undefined : dataType.value,
    textIn(record, "provider_slug"),
    textIn(record, "customer_slug"),
    textIn(record, "project_slug"),
  ]
  const components = names.map((name) =>
    name === undefined || invalidComponent("", name) !== undefined ? anyName : name,
  )
  const named = `/${components.join("/")}`
  const read = pathsReadIn(backendId)
  if (!components.includes(anyName)) return { paths: [named, ...read], misread: [], pattern: undefined }
  const taken = names.includes(undefined) ? [] : pathsReadIn(`/${names.join("/")}`)
  const misread = taken.filter((path) => !`${named}/`.startsWith(`${path}/`))
  // A record without a good slug tells of no directory: it would be any. A data type alone tells none either.
  const tells = components.some((component, at) => component !== anyName && at !== 1)
  return { paths: read, misread, pattern: tells ? named : undefined }
}
