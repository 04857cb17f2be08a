import { Result } from "effect"
import { cut, type Problem, problem, type Remark, remark } from "../report/finding.ts"
import { isJsonObject, jsonText, property } from "../waldur/json-object.ts"

/** A JSON object of Waldur's and the path that findings give it. */
export interface Layer {
  readonly path: string
  readonly values: unknown
}

/** Where the values of a directory are looked for. */
export interface Places {
  /** A later layer's keys win over an earlier one's. Before all others. */
  readonly options: ReadonlyArray<Layer>
  /** The others in their order: the options' storage folder, the attributes, the attributes' storage folder. */
  readonly further: ReadonlyArray<Layer>
}

/** What Waldur's order form for storage (option type `storage_folder_manager`) keeps; its soft space quota is the limit. */
const folderFields = ["storage_data_type", "permissions", "hard_quota_space", "soft_quota_inodes", "hard_quota_inodes"]

const isFolder = (value: unknown): boolean =>
  typeof property(value, "storage_data_type") === "string" && typeof property(value, "permissions") === "string"

/**
 * Where the values of a resource's directory are: in its options and attributes, and in the storage folder of each: an
 * object, under whatever key the offering's option has. Fails for two folders in one place that differ, for neither tells
 * which is meant.
 */
export const placesOf = (options: ReadonlyArray<Layer>, attributes: unknown): Result.Result<Places, Problem> => {
  const own = { path: "attributes", values: attributes }
  const ofOptions = folderIn(options)
  if (Result.isFailure(ofOptions)) return Result.fail(ofOptions.failure)
  const ofAttributes = folderIn([own])
  if (Result.isFailure(ofAttributes)) return Result.fail(ofAttributes.failure)
  return Result.succeed({ options, further: [...ofOptions.success, own, ...ofAttributes.success] })
}

/** The places of a resource's own options and attributes. */
export const placesIn = (resource: {
  readonly options?: unknown
  readonly attributes?: unknown
}): Result.Result<Places, Problem> => placesOf([{ path: "options", values: resource.options }], resource.attributes)

const none: Result.Result<ReadonlyArray<Layer>, Problem> = Result.succeed([])

/** The storage folder of layered objects, as a list of at most one. */
const folderIn = (layers: ReadonlyArray<Layer>): Result.Result<ReadonlyArray<Layer>, Problem> => {
  const folders = new Map<string, Layer>()
  for (const { path, values } of layers) {
    for (const key of optionKeys(values)) {
      const value = property(values, key)
      if (isFolder(value)) folders.set(key, { path: `${path}.${cut(key)}`, values: value })
      else if (folders.size > 0) folders.delete(key)
    }
  }
  const [first, ...others] = folders.values()
  if (first === undefined) return none
  const other = others.find((one) => contentOf(one) !== contentOf(first))
  if (other === undefined) return Result.succeed([first])
  return Result.fail(
    problem(other.path, other.values, `differs from ${first.path}; expected one storage folder, or equal ones`),
  )
}

/** The keys under which an option may stand: not the one that readers of JSON take for a prototype, or drop. */
const optionKeys = (values: unknown): ReadonlyArray<string> => {
  if (!isJsonObject(values)) return []
  const keys = Object.keys(values)
  return keys.includes("__proto__") ? keys.filter((key) => key !== "__proto__") : keys
}

const contentOf = ({ values }: Layer) => jsonText(folderFields.map((field) => property(values, field)))

const isBrokenFolder = (value: unknown) => property(value, "storage_data_type") !== undefined && !isFolder(value)

/** Remarks on objects that look like a storage folder and are none, for their values do not count: on the first in each layer. */
export const brokenFolders = (layers: ReadonlyArray<Layer>): ReadonlyArray<Remark> =>
  layers.flatMap(({ path, values }) => {
    const key = optionKeys(values).find((key) => isBrokenFolder(property(values, key)))
    if (key === undefined) return []
    const reason = "no storage folder, ignored; expected texts in its storage_data_type and permissions"
    return [remark("ignored-value", `${path}.${cut(key)}`, property(values, key), reason)]
  })
