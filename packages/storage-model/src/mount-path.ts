import { Result } from "effect"
import { type Problem, problem, type Warn } from "./finding.ts"
import type { Note } from "./note.ts"

// Somebody creates these paths as root: no "..", no hidden file, nothing that a shell or a URL reads as more than a name.
const component = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/
// PATH_MAX of Linux. Components are ASCII, so characters are bytes.
const longestPath = 4096

const wanted = "a path component: 1 to 255 of A-Z a-z 0-9 . _ -, not beginning with . or -"

/** What is wrong with `value` as one component of a mount point; `undefined` where nothing is. */
export const invalidComponent = (field: string, value: string): Problem | undefined =>
  component.test(value) ? undefined : problem(field, value, `expected ${wanted}`)

/** The names that a resource's directory and those above it are made of. */
export interface PathNames {
  readonly offering_slug: string
  readonly provider_slug: string
  readonly customer_slug: string
  readonly project_slug: string
}

/** `/{storage_system}/{data_type}/{tenant}`: a tenant's directory, each component checked. */
export const tenantMountPath = (
  names: Pick<PathNames, "offering_slug" | "provider_slug">,
  dataType: string,
): Result.Result<string, Problem> =>
  mountPath(
    ["offering_slug", names.offering_slug],
    ["attributes.storage_data_type", dataType],
    ["provider_slug", names.provider_slug],
  )

/** `{tenant's directory}/{customer}/{project}`: a resource's directory, each component checked. */
export const projectMountPath = (
  tenantPath: string,
  names: Pick<PathNames, "customer_slug" | "project_slug">,
  dataTypeField = "attributes.storage_data_type",
  note?: Note,
): Result.Result<string, Problem> =>
  Result.map(mountPath(["customer_slug", names.customer_slug], ["project_slug", names.project_slug]), (below) => {
    const path = `${tenantPath}${below}`
    const from = `offering_slug, ${dataTypeField}, provider_slug, customer_slug, project_slug`
    note?.("path", path, from, "made of the names, for backend_id is no absolute path of two or more components")
    return path
  })

/** `/a/b/c` of components, each with the field that it came from. */
const mountPath = (
  ...components: ReadonlyArray<readonly [field: string, value: string]>
): Result.Result<string, Problem> => {
  let path = ""
  for (const [field, value] of components) {
    const invalid = invalidComponent(field, value)
    if (invalid !== undefined) return Result.fail(invalid)
    path += `/${value}`
  }
  return Result.succeed(path)
}

/**
 * The mount point that Waldur's `backend_id` names: an absolute path of two or more valid components.
 *
 * @param mountRoots directories below one of which it must lie; empty where any will do
 * @returns `undefined` where `backend_id` is no such path and so says nothing about the disk
 */
export const backendMountPath = (
  backendId: unknown,
  mountRoots: ReadonlyArray<string>,
  warn: Warn,
  note?: Note,
): Result.Result<string | undefined, Problem> => {
  if (typeof backendId !== "string" || !backendId.startsWith("/")) return Result.succeed(undefined)
  // Not one expression for the whole path: on a very long text it exhausts the stack.
  const components = backendId.slice(1).split("/")
  if (components.length < 2 || !components.every((one) => component.test(one))) {
    warn(
      "ignored-value",
      problem("backend_id", backendId, `no usable path, ignored; expected / before each of 2 or more: ${wanted}`),
    )
    return Result.succeed(undefined)
  }
  if (backendId.length > longestPath) {
    return Result.fail(problem("backend_id", backendId, `${backendId.length} bytes; expected at most ${longestPath}`))
  }
  if (mountRoots.length > 0 && !mountRoots.some((root) => isBelow(backendId, root))) {
    return Result.fail(problem("backend_id", backendId, `expected a path below ${mountRoots.join(" or ")}`))
  }
  const where = mountRoots.length === 0 ? "" : ", below one of backend_settings.mount_roots"
  note?.(
    "path",
    backendId,
    "backend_id",
    `an absolute path of two or more components${where}: it goes before the names`,
  )
  return Result.succeed(backendId)
}

const isBelow = (path: string, root: string) => path.startsWith(root.endsWith("/") ? root : `${root}/`)

/** The directory that holds `path`: `/` for a path of one component. */
export const parentDirectory = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/"
