import { Result } from "effect"
import { cut, type Problem, problem, type Warn } from "./finding.ts"
import { isJsonObject, jsonText, property } from "./json-object.ts"

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
  return Result.flatMap(folderIn(options), (ofOptions) =>
    Result.map(folderIn([own]), (ofAttributes) => ({ options, further: [...ofOptions, own, ...ofAttributes] })),
  )
}

/** The places of a resource's own options and attributes. */
export const placesIn = (resource: {
  readonly options?: unknown
  readonly attributes?: unknown
}): Result.Result<Places, Problem> => placesOf([{ path: "options", values: resource.options }], resource.attributes)

/** The storage folder of layered objects, as a list of at most one. */
const folderIn = (layers: ReadonlyArray<Layer>): Result.Result<ReadonlyArray<Layer>, Problem> => {
  const folders = new Map<string, Layer>()
  for (const { path, values } of layers) {
    if (!isJsonObject(values)) continue
    for (const [key, value] of entriesOf(values)) {
      if (isFolder(value)) folders.set(key, { path: `${path}.${cut(key)}`, values: value })
      else folders.delete(key)
    }
  }
  const [first, ...others] = folders.values()
  if (first === undefined) return Result.succeed([])
  const other = others.find((one) => contentOf(one) !== contentOf(first))
  if (other === undefined) return Result.succeed([first])
  return Result.fail(
    problem(other.path, other.values, `differs from ${first.path}; expected one storage folder, or equal ones`),
  )
}

/** Without the key that readers of JSON take for a prototype, or drop: no option of Waldur's has it. */
const entriesOf = (values: Readonly<Record<string, unknown>>) =>
  Object.entries(values).filter(([key]) => key !== "__proto__")

const contentOf = ({ values }: Layer) => jsonText(folderFields.map((field) => property(values, field)))

/** Warns of an object that looks like a storage folder and is none, for its values do not count: of the first in each layer. */
export const warnOfBrokenFolders = (layers: ReadonlyArray<Layer>, warn: Warn): void => {
  for (const { path, values } of layers) {
    if (!isJsonObject(values)) continue
    const broken = entriesOf(values).find(
      ([, value]) => property(value, "storage_data_type") !== undefined && !isFolder(value),
    )
    if (broken === undefined) continue
    const reason = "no storage folder, ignored; expected texts in its storage_data_type and permissions"
    warn("ignored-value", problem(`${path}.${cut(broken[0])}`, broken[1], reason))
  }
}
