/** Mount points: which paths are safe to create as root, which one a resource has, and which paths a text can be read as. */
import { Result } from "effect"
import { type Problem, problem, type Remark, remark } from "../report/finding.ts"
import { badData, none, type Refusal, type Ruling, ruling } from "./ruling.ts"

// Provisioners create these paths as root: no "..", no hidden files, nothing that is special in a shell or a URL.
const component = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/
// PATH_MAX of Linux. Components are ASCII, so characters are bytes.
const longestPath = 4096
// Directories of the operating system; every first component that begins with `lib` counts too.
const systemDirectories = new Set(["bin", "boot", "dev", "etc", "proc", "root", "run", "sbin", "sys", "usr", "var"])
// The number of roots is not limited; a finding names a few.
const rootsInFinding = 5

const wanted = "a path component: 1 to 255 of A-Z a-z 0-9 . _ -, not beginning with . or -"

/** What is wrong with `value` as one component of a mount point; `undefined` if it is valid. */
export const invalidComponent = (field: string, value: string): Problem | undefined =>
  component.test(value) ? undefined : problem(field, value, `expected ${wanted}`)

/** Whether a text is an absolute path of valid components, at least one, with at most 4,096 bytes. */
export const isMountPath = (path: string): boolean =>
  path.length <= longestPath &&
  path.startsWith("/") &&
  path
    .slice(1)
    .split("/")
    .every((one) => component.test(one))

/** The system directory that is or contains an absolute path of valid components; `undefined` if there is none. */
export const systemDirectoryOf = (path: string): string | undefined => {
  const [, first = ""] = path.split("/", 2)
  return systemDirectories.has(first) || first.startsWith("lib") ? `/${first}` : undefined
}

/** Why an absolute path of valid components must not be served; `undefined` if it may be. */
export type PathRule = (path: string) => string | undefined

/**
 * The rule for paths that may be served: strictly below one of the roots; if there is no root other than `/`, anywhere
 * outside the system directories. A root that is not an absolute path allows nothing.
 */
export const pathRule = (mountRoots: ReadonlyArray<string>): PathRule => {
  const given = mountRoots.map(normalizedPath)
  if (given.every((root) => root === "/")) {
    return (path) => {
      const directory = systemDirectoryOf(path)
      return directory && `${directory} is a system directory; expected a path outside of it`
    }
  }
  const above = given.flatMap((root) => (root === undefined || root === "/" ? [] : [`${root}/`]))
  const named = mountRoots.slice(0, rootsInFinding).join(" or ")
  const wanted = mountRoots.length > rootsInFinding ? `${named} or ${mountRoots.length - rootsInFinding} more` : named
  return (path) => (above.some((root) => path.startsWith(root)) ? undefined : `expected a path below ${wanted}`)
}

/**
 * Normalises an absolute path: trims it and removes empty components, `.` and `..`. Takes linear time.
 *
 * @returns `undefined` if the path is not absolute
 */
export const normalizedPath = (text: string): string | undefined => {
  const trimmed = text.trim()
  if (!trimmed.startsWith("/")) return undefined
  const components: Array<string> = []
  for (const component of trimmed.split("/")) {
    if (component === "..") components.pop()
    else if (component !== "" && component !== ".") components.push(component)
  }
  return `/${components.join("/")}`
}

/** The names from which the paths of a resource and its parents are built. */
interface PathNames {
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
): Result.Result<string, Problem> =>
  Result.map(
    mountPath(["customer_slug", names.customer_slug], ["project_slug", names.project_slug]),
    (below) => `${tenantPath}${below}`,
  )

/** Joins components to `/a/b/c`; each comes with the field that it is from. */
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
 * The mount point in Waldur's `backend_id`: an absolute path of two or more valid components.
 *
 * @param rule where paths may be served; a path elsewhere is bad data
 * @returns a list of remarks if `backend_id` is not such a path, so that the names decide
 */
export const backendMountPath = (
  backendId: unknown,
  rule: PathRule,
): Ruling<string> | Refusal | ReadonlyArray<Remark> => {
  if (typeof backendId !== "string" || !backendId.startsWith("/")) return none
  // Not one expression for the whole path, which exhausts the stack on a very long text.
  const components = backendId.slice(1).split("/")
  if (components.length < 2 || !components.every((one) => component.test(one))) {
    const reason = `not a usable path, ignored; expected two or more components, each after a /: ${wanted}`
    return [remark("ignored-value", "backend_id", backendId, reason)]
  }
  if (backendId.length > longestPath) {
    return badData(problem("backend_id", backendId, `${backendId.length} bytes; expected at most ${longestPath}`))
  }
  const forbidden = rule(backendId)
  if (forbidden !== undefined) return badData(problem("backend_id", backendId, forbidden))
  return ruling("path", backendId, "backend_id", "path/backend-id")
}

/** The fields of the names from which a path is built, as text. */
export const namingFields = (dataTypeField: string): string =>
  `offering_slug, ${dataTypeField}, provider_slug, customer_slug, project_slug`

/**
 * A resource's mount point: the path in `backend_id` if there is one, else the path built from the names, which is bad
 * data if it may not be served.
 *
 * @param tenantPath the tenant's directory, built from the names
 * @param namedBy the `namingFields`
 */
export const resourceMountPath = (
  names: PathNames & { readonly backend_id?: unknown },
  tenantPath: string,
  namedBy: string,
  rule: PathRule,
): Ruling<string> | Refusal => {
  const given = backendMountPath(names.backend_id, rule)
  if (!isRemarks(given)) return given
  const named = projectMountPath(tenantPath, names)
  if (Result.isFailure(named)) return badData(named.failure, none, given)
  const forbidden = rule(named.success)
  if (forbidden !== undefined) {
    const reason = `contains no path, and the path built from the names is ${named.success}: ${forbidden}`
    return badData(problem("backend_id", names.backend_id, reason), none, given)
  }
  return ruling("path", named.success, namedBy, "path/names", undefined, given)
}

const isRemarks = (found: object): found is ReadonlyArray<Remark> => Array.isArray(found)

/** The parent directory of `path`; `/` for a path of one component. */
export const parentDirectory = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/"

// A longer text cannot be a path of `longestPath` bytes, even if each byte is percent-encoded.
const longestSpelling = 4 * longestPath
// Encoded, and encoded again by another program.
const encodings = 2
// Characters that NFKC does not turn into a slash although they look like one, and the backslash of Windows.
const slashes = /[\\\u2044\u2215\u29f8]/g
const percentEncoded = /(?:%[0-9a-f]{2})+/gi
// The host of a URL.
const authority = /:\/\/[^/]*/g
// Control characters, formats such as a zero-width space, and separators.
const invisible = /[\p{C}\p{Z}]/gu
const spelledNames = /^[A-Za-z0-9._/*-]*/
const spelledPath = /(?<![A-Za-z0-9._-])\/[A-Za-z0-9._/-]*/g

/** A text as it is, decoded, and decoded without invisible characters; the latter two of its beginning. */
const spellingsOf = (text: string): readonly [given: string, plain: string, visible: string] => {
  let plain = text.slice(0, longestSpelling).normalize("NFKC")
  for (let round = 0; round < encodings; round += 1) {
    plain = plain
      .replace(percentEncoded, (bytes) => Buffer.from(bytes.replaceAll("%", ""), "hex").toString())
      .normalize("NFKC")
  }
  plain = plain.replace(slashes, "/")
  return [text, plain, plain.replace(invisible, "")]
}

/** Replaces an unknown path component. */
export const anyName = "*"
/** Replaces `anyName` in a text, which must not introduce it. */
const shownAsterisk = "\uff0a"

/**
 * All absolute paths that a text can be read as: with white space, control or full-width characters, percent-encoded,
 * quoted, as a URL, several in one text. Parsing is strict to serve and lenient to protect: a reading too many holds back
 * a removal, one too few loses data. Case matters, and letters that merely look alike differ.
 */
export const pathsReadIn = (text: unknown): ReadonlyArray<string> => {
  if (typeof text !== "string") return []
  const [given, plain, visible] = spellingsOf(text)
  const paths = new Set<string>()
  const add = (path: string | undefined) => {
    if (path !== undefined && path !== "/") paths.add(path.slice(0, longestPath).replaceAll(anyName, shownAsterisk))
  }
  // Untruncated: the `..` components that normalising removes may exceed any length limit.
  add(normalizedPath(given))
  // An invisible character may be noise within a name, or separate two names.
  for (const reading of new Set([plain, visible, plain.replace(authority, ":")])) {
    // As a whole too, since `..` after an invalid name removes that name.
    add(normalizedPath(reading))
    for (const [spelled] of reading.matchAll(spelledPath)) add(normalizedPath(spelled))
  }
  return [...paths]
}

/**
 * All paths that names lead to if they are used literally, spelt in any way, with `*` in place of each that is unknown. Names
 * are not read as several paths or as a URL.
 */
export const pathsOfNames = (names: ReadonlyArray<string | undefined>): ReadonlyArray<string> => {
  const spellings = names.map((name) => {
    if (name === undefined) return [anyName, anyName, anyName]
    if (component.test(name)) return [name, name, name]
    return spellingsOf(name).map((spelling) => spelling.replaceAll(anyName, shownAsterisk))
  })
  const [given, plain = "", visible] = [0, 1, 2].map((at) => `/${spellings.map((one) => one[at]).join("/")}`)
  // A program may end a name at a control character or a space. What is shorter than the names is no directory of theirs.
  const [begun = ""] = plain.match(spelledNames) ?? []
  const beginning = normalizedPath(begun)
  const isLong = (beginning?.split("/").length ?? 0) > names.length
  const paths = [given, plain, visible]
    .map((one) => normalizedPath(one ?? ""))
    .concat(isLong ? beginning : undefined)
    .flatMap((path) => (path === undefined || path === "/" ? [] : [path.slice(0, longestPath)]))
  return paths.filter((path, at) => paths.indexOf(path) === at)
}
