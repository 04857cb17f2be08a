/** How hand-written resources are specified. */
import type { JsonObject } from "../../json.ts"
import type { OfferingKey } from "../offerings.ts"
import { ORGANISATIONS, type OrganisationKey } from "../organisations.ts"
import type { Organisation } from "../records.ts"
import type { WaldurRecord } from "../world.ts"

/** The differences between a hand-written resource and a plain one. */
export interface CaseSpec {
  label: string
  about: string
  organisation: Organisation
  /** Slug and name. Several cases may share a project. */
  project: readonly [slug: string, name: string]
  offering: OfferingKey
  /** `attributes.storage_data_type` */
  dataType: string
  /** `limits.storage`, in TB. */
  storage: number
  state: string
  options: JsonObject | null
  backendId: string
  backendMetadata: JsonObject
  /** The order in progress; undefined if there is none. A Create is the creation order itself: only its `state` is used. */
  order: { type: string; state: string; attributes?: JsonObject; limits?: JsonObject } | undefined
  /** The same `created` as the previous case, to the microsecond. */
  tied: boolean
  /**
   * The HPC User API's value for the project's slug: `"ordinary"` is a valid GID that no other slug has, `"none"` no entry at
   * all, `{ sent }` this value, valid or not.
   */
  gid: "ordinary" | "none" | { sent: unknown }
  /** The customer is not in the offering's customers list. */
  unlisted: boolean
  /** Changes the finished row. */
  change: (row: WaldurRecord) => void
}

type Rest = Partial<Omit<CaseSpec, "label" | "about" | "organisation" | "project">>

/** Specifies a resource of a project: a plain one, changed by `rest`. */
export function spec(
  label: string,
  about: string,
  organisation: OrganisationKey | Organisation,
  projectSlug: string,
  projectName: string,
  rest: Rest = {},
): CaseSpec {
  return {
    label,
    about,
    organisation: typeof organisation === "string" ? ORGANISATIONS[organisation] : organisation,
    project: [projectSlug, projectName],
    offering: "capstor",
    dataType: "store",
    storage: 50,
    state: "OK",
    options: {},
    backendId: "",
    backendMetadata: {},
    order: undefined,
    tied: false,
    gid: "ordinary",
    unlisted: false,
    change: () => {},
    ...rest,
  }
}

/** Sets `row.attributes[name]`; undefined removes the key. */
export function attribute(name: string, value: unknown): (row: WaldurRecord) => void {
  return (row) => setOrDelete(row.attributes as JsonObject, name, value)
}

/** Sets `row[name]`; undefined removes the key. */
export function field(name: string, value: unknown): (row: WaldurRecord) => void {
  return (row) => setOrDelete(row, name, value)
}

function setOrDelete(object: JsonObject, name: string, value: unknown): void {
  if (value === undefined) delete object[name]
  else object[name] = value as JsonObject[string]
}
