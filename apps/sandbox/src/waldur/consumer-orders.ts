/** Orders that a consumer places and cancels. */
import { asObject, type JsonObject } from "../json.ts"
import type { WaldurRecord, World } from "../world/world.ts"
import { secondsLater } from "./instants.ts"
import { change } from "./world-changes.ts"

/**
 * The differences between an order and the one that created its resource, from which absent fields are copied. Only a Terminate
 * has neither limits nor attributes.
 */
export interface PlacedOrder {
  /** 32 hex digits. */
  uuid: string
  type: "Create" | "Update" | "Terminate"
  /** Its first state, usually `pending-consumer` or `pending-provider`. */
  state: string
  /** The new limits of an Update. */
  limits?: JsonObject
  /** For an Update: `old_limits`, or `new_options` and `old_options`. */
  attributes?: JsonObject
}

/**
 * Places a consumer's order for a resource and makes it the order in progress. Apart from that the resource does not change,
 * `modified` included.
 */
export function placeOrder(world: World, resource: WaldurRecord, placed: PlacedOrder): WaldurRecord {
  const order: WaldurRecord = {
    ...structuredClone(asObject(resource.creation_order)),
    url: `${world.apiUrl}marketplace-orders/${placed.uuid}/`,
    marketplace_resource_uuid: resource.uuid ?? null,
    created: world.now,
    modified: world.now,
    ...(placed.type === "Terminate" ? { limits: {}, attributes: {} } : {}),
    ...structuredClone({ ...placed }),
  }
  world.orders.push(order)
  resource.order_in_progress = order
  world.now = secondsLater(world.now, 1)
  return order
}

/**
 * Cancels the order in progress on the consumer's side: its resource is OK, or after a Create Terminated, as if the provider had
 * rejected it. Does nothing without an order.
 */
export function cancelOrder(world: World, resource: WaldurRecord): void {
  const order = asObject(resource.order_in_progress)
  if (order === undefined) return
  for (const one of world.orders) if (one.uuid === order.uuid) one.state = "canceled"
  order.state = "canceled"
  resource.order_in_progress = null
  world.now = secondsLater(world.now, 1)
  const state = order.type === "Create" ? "Terminated" : "OK"
  if (resource.state !== state) change(world, [resource], { state })
}
