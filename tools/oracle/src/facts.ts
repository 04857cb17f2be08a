/** The facts of a Waldur resource that determine its entry. All of it is valid unless `hostile` is set. */
import type { Json, JsonObject } from "@cscs/sandbox"

/** A live record with values that the contract refuses. */
export interface HostileRecord {
  /** The possible location of its data: a removal of this directory, or of one above it, is held back. */
  readonly protects: string
  /** The record only gives a directory above its data: a removal anywhere below it is held back too. */
  readonly isVague: boolean
  /**
   * The consequence: none (`odd`), its own entry is skipped (`bad`), or it also does not count for its tenant and
   * customer (`malformed`).
   */
  readonly costs: "odd" | "bad" | "malformed"
}

const objectOf = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : {}

export type Facts = Readonly<ReturnType<typeof factsOf>>

/** Extracts the relevant facts from a Waldur row. */
export const factsOf = (row: JsonObject, hostile?: HostileRecord) => {
  const attributes = objectOf(row.attributes)
  return {
    /** 32 hex digits, like the others. */
    uuid: String(row.uuid),
    slug: String(row.slug),
    offeringUuid: String(row.offering_uuid),
    offeringSlug: String(row.offering_slug),
    providerSlug: String(row.provider_slug),
    providerName: String(row.provider_name),
    customerUuid: String(row.customer_uuid),
    customerSlug: String(row.customer_slug),
    projectSlug: String(row.project_slug),
    dataType: String(attributes.storage_data_type),
    created: String(row.created),
    state: String(row.state),
    permissions: String(attributes.permissions),
    limits: { ...objectOf(row.limits) },
    options: { ...objectOf(row.options) },
    // A hostile one gives no path to serve.
    backendId: hostile === undefined ? String(row.backend_id) : "",
    order: row.order_in_progress ? orderOf(objectOf(row.order_in_progress)) : undefined,
    /** What is wrong with the record, although its data is live. `undefined` for a valid record. */
    hostile,
  }
}

export type OrderFacts = Readonly<ReturnType<typeof orderOf>>

const orderOf = (order: JsonObject) => {
  const attributes = objectOf(order.attributes)
  return {
    uuid: String(order.uuid),
    type: String(order.type),
    state: String(order.state),
    limits: { ...objectOf(order.limits) },
    oldLimits: { ...objectOf(attributes.old_limits) },
    oldOptions: { ...objectOf(attributes.old_options) },
    newOptions: { ...objectOf(attributes.new_options) },
  }
}
