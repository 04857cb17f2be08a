/** Filters and lists the entries of a snapshot for a command. */
import { dashedUuid, type StorageEntry } from "@cscs/storage-model"
import { Data, Result, Schema } from "effect"
import type { ProxySettings } from "../config/settings.ts"
import { offeringSlugsOf, selected } from "../routes/storage-list.ts"
import { queryProblem, type StorageQuery, storageQuerySchema } from "../routes/storage-query.ts"
import type { Snapshot } from "../snapshot/snapshot.ts"

/** A command's filters, with the names and meanings of the API's parameters. */
export interface EntrySelection extends Pick<StorageQuery, "storage_system" | "data_type" | "status"> {
  readonly state?: string
  /** Only entries of this Waldur offering, dashed or not. */
  readonly offering_uuid?: string
}

/** A selection with values that the API accepts. */
export interface CheckedSelection extends StorageQuery {
  readonly offering_uuid?: string
}

/** A filter has a value that the API does not accept. */
export class InvalidSelection extends Data.TaggedError("InvalidSelection")<{
  readonly problems: ReadonlyArray<{ readonly name: string; readonly detail: string }>
}> {
  override get message() {
    return this.problems.map(({ name, detail }) => `--${name.replaceAll("_", "-")}: ${detail}`).join("\n")
  }
}

/** The typed filters, or all their problems: checked before anything is read. */
export const checkSelection = (
  { offering_uuid, ...query }: EntrySelection,
  { model }: ProxySettings,
): Result.Result<CheckedSelection, InvalidSelection> => {
  const systems = model.storageSystems
  const check = Schema.toStandardSchemaV1(storageQuerySchema(systems), { parseOptions: { errors: "all" } })
  const checked = check["~standard"].validate(query)
  if (checked instanceof Promise) throw new Error("the schema of a query decides at once")
  const problems = (checked.issues ?? []).map(({ path, message }) => {
    const name = String(path?.[0])
    const given = query[name as keyof typeof query] ?? ""
    const { msg, ctx } = queryProblem(name, message, given, systems)
    return { name, detail: ctx === undefined ? `${msg}: ${given}` : `${msg} Allowed: ${ctx.allowed_values.join(", ")}` }
  })
  if (offering_uuid !== undefined && dashedUuid(offering_uuid) === undefined) {
    problems.push({ name: "offering_uuid", detail: `Expected a UUID: ${offering_uuid}` })
  }
  return problems.length > 0 || checked.issues !== undefined
    ? Result.fail(new InvalidSelection({ problems }))
    : Result.succeed({ ...checked.value, ...(offering_uuid !== undefined && { offering_uuid }) })
}

/** An entry as served. */
export interface ListedEntry {
  /** In the whole list, from 0. */
  readonly position: number
  /** Its JSON, without a line break. */
  readonly json: string
  readonly entry: StorageEntry
}

/**
 * The entries of a snapshot that pass the filters, in list order, one at a time: a hundred thousand would take much
 * memory.
 */
export function* listedEntries(
  { entries }: Snapshot,
  query: CheckedSelection,
  settings: ProxySettings,
): Generator<ListedEntry, void> {
  const { storage_system, offering_uuid } = query
  const positions = selected(entries, query, offeringSlugsOf(settings, storage_system))
  const offering = dashedUuid(offering_uuid)
  const utf8 = new TextDecoder()
  let isIn = offering === undefined
  // Also through entries that are not selected: tenants and customers name their offering, resources do not.
  for (let position = 0, next = 0; next < positions.length; position++) {
    const json = utf8.decode(entries.jsonAt(position))
    const entry = JSON.parse(json) as StorageEntry
    const { targetType } = entry.target
    if (offering !== undefined && targetType === "tenant") isIn = entry.itemId === offering
    if (offering !== undefined && targetType === "customer") isIn = entry.parentItemId === offering
    if (position !== positions[next]) continue
    next++
    if (isIn) yield { position, json, entry }
  }
}
