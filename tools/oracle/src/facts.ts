/** What determines a resource's entry. Valid unless `protects` is set; a `backend_id` stays in its customer's directory. */
import type { Json, JsonObject } from "@cscs/sandbox"

const objectOf = (value: Json | undefined): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : {}

export type Facts = Readonly<ReturnType<typeof factsOf>>

/**
 * Extracts the relevant facts from a Waldur row.
 *
 * @param protects the directory with the data of a malformed live record: it has no entry and does not count for its
 *   tenant and customer, but a removal of this directory, or of one above it, is held back
 */
export const factsOf = (row: JsonObject, protects?: string) => {
  const attributes = objectOf(row.attributes)
  return {
    /** 32 hex digits, like the other UUIDs. */
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
    backendId: String(row.backend_id),
    order: row.order_in_progress ? orderOf(objectOf(row.order_in_progress)) : undefined,
    protects,
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
