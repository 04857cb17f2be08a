/** Finds the options and attributes of a resource that hold its values, including storage folders nested in them. */
import { Result } from "effect"
import { cut, type Problem, problem, type Remark, remark } from "../report/finding.ts"
import { isJsonObject, jsonText, property } from "../waldur/json-object.ts"

/** A value from Waldur, whose fields are looked up if it is an object, and its path for findings. */
export interface Layer {
  readonly path: string
  readonly values: unknown
}

/** The objects in which `originsIn` looks up the values of a directory. */
export interface Places {
  /** Take precedence over `further`; a later layer overrides an earlier one key by key. */
  readonly options: ReadonlyArray<Layer>
  /** In order of precedence: the options' storage folder, the attributes, the attributes' storage folder. */
  readonly further: ReadonlyArray<Layer>
}

/** A value and the path of its field. */
export interface Origin {
  readonly field: string
  readonly found: unknown
}

/**
 * The values of some keys in layered objects, highest precedence first: later layers before earlier ones, and within a
 * layer in the order of the keys. A key counts only in the last layer that has it, even if its value there is invalid.
 */
export const originsOf = (layers: ReadonlyArray<Layer>, keys: ReadonlyArray<string>): Array<Origin> => {
  const origins: Array<Origin & { readonly key: string }> = []
  for (const { path, values } of layers.toReversed()) {
    for (const key of keys) {
      const found = property(values, key)
      if (found === undefined || origins.some((origin) => origin.key === key)) continue
      origins.push({ key, field: `${path}.${key}`, found })
    }
  }
  return origins
}

/**
 * The values of an option and of the field that corresponds to it in `further`, highest precedence first.
 *
 * @param option in each of its spellings
 */
export const originsIn = (
  { options, further }: Places,
  option: ReadonlyArray<string>,
  field: string | undefined,
): ReadonlyArray<Origin> => {
  const origins = originsOf(options, option)
  if (field === undefined) return origins
  for (const { path, values } of further) {
    const found = property(values, field)
    if (found !== undefined) origins.push({ field: `${path}.${field}`, found })
  }
  return origins
}

/** Whether a value comes from a resource's attributes, not from options. */
export const isAttribute = ({ field }: Origin): boolean => field.startsWith("attributes.")

/** The fields of Waldur's order form for storage (option type `storage_folder_manager`); its soft space quota is the limit. */
const folderFields = ["storage_data_type", "permissions", "hard_quota_space", "soft_quota_inodes", "hard_quota_inodes"]

const isFolder = (value: unknown): boolean =>
  typeof property(value, "storage_data_type") === "string" && typeof property(value, "permissions") === "string"

/**
 * The places that hold the values of a resource's directory: its options and attributes, and the storage folder in each,
 * which is an object under any key (the name of the offering's option). Fails if one place has two different folders,
 * since it is ambiguous which one applies.
 */
export const placesFrom = (options: ReadonlyArray<Layer>, attributes: unknown): Result.Result<Places, Problem> => {
  const own = { path: "attributes", values: attributes }
  const ofOptions = folderIn(options)
  if (Result.isFailure(ofOptions)) return Result.fail(ofOptions.failure)
  const ofAttributes = folderIn([own])
  if (Result.isFailure(ofAttributes)) return Result.fail(ofAttributes.failure)
  return Result.succeed({ options, further: [...ofOptions.success, own, ...ofAttributes.success] })
}

interface OwnValues {
  readonly options?: unknown
  readonly attributes?: unknown
}

/** The places of a resource's own options and attributes. Computed when needed: to keep them for each resource takes memory. */
export const ownPlaces = ({ options, attributes }: OwnValues): Result.Result<Places, Problem> =>
  placesFrom([{ path: "options", values: options }], attributes)

const none: Result.Result<ReadonlyArray<Layer>, Problem> = Result.succeed([])

/** The storage folder of layered objects, as a list of at most one. */
const folderIn = (layers: ReadonlyArray<Layer>): Result.Result<ReadonlyArray<Layer>, Problem> => {
  // Most resources have none, so it is made for the first.
  let folders: Map<string, Layer> | undefined
  for (const { path, values } of layers) {
    for (const key of optionKeys(values)) {
      const value = property(values, key)
      if (isFolder(value)) {
        folders ??= new Map()
        folders.set(key, { path: `${path}.${cut(key)}`, values: value })
      } else folders?.delete(key)
    }
  }
  const [first, ...others] = folders?.values() ?? []
  if (first === undefined) return none
  const other = others.find((one) => contentOf(one) !== contentOf(first))
  if (other === undefined) return Result.succeed([first])
  return Result.fail(
    problem(other.path, other.values, `differs from ${first.path}; expected one storage folder, or equal ones`),
  )
}

/** The keys of options, without `__proto__`, which some JSON readers treat as a prototype or drop. */
const optionKeys = (values: unknown): ReadonlyArray<string> => {
  if (!isJsonObject(values)) return []
  return Object.keys(values).filter((key) => key !== "__proto__")
}

/** Folders are equal only if they are written alike. */
const contentOf = ({ values }: Layer) => jsonText(folderFields.map((field) => property(values, field)))

const isBrokenFolder = (value: unknown) => property(value, "storage_data_type") !== undefined && !isFolder(value)

/** Remarks on objects that resemble a storage folder but are ignored: one for the first in the options and attributes each. */
export const brokenFolders = ({ options, attributes }: OwnValues): ReadonlyArray<Remark> =>
  Object.entries({ options, attributes }).flatMap(([path, values]) => {
    const key = optionKeys(values).find((key) => isBrokenFolder(property(values, key)))
    if (key === undefined) return []
    const reason = "not a storage folder, ignored; expected strings in its storage_data_type and permissions"
    return [remark("ignored-value", `${path}.${cut(key)}`, property(values, key), reason)]
  })
