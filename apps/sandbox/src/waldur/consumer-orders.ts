import { asObject, type JsonObject } from "../json.ts"
import type { WaldurRecord, World } from "../world/world.ts"
import { change } from "./world-changes.ts"

/** What differs between an order and the one that created its resource. */
export interface PlacedOrder {
  /** 32 hex digits. */
  uuid: string
  type: "Create" | "Update" | "Terminate"
  /** `pending-consumer` where the consumer's side has to agree first, else `pending-provider`. */
  state: string
  /** Of an Update the new limits. */
  limits?: JsonObject
  /** Of an Update `old_limits`, or `new_options` and `old_options`; of a Terminate `{}`. */
  attributes?: JsonObject
}

/**
 * An order of the consumer's for a resource, which has it in progress from then on. The resource itself does not change,
 * and so does not its `modified`.
 */
export function placeOrder(world: World, resource: WaldurRecord, placed: PlacedOrder): WaldurRecord {
  const order: WaldurRecord = {
    ...structuredClone(asObject(resource.creation_order)),
    url: `${world.apiUrl}marketplace-orders/${placed.uuid}/`,
    marketplace_resource_uuid: resource.uuid ?? null,
    created: world.now,
    modified: world.now,
    ...structuredClone({ ...placed }),
  }
  world.orders.push(order)
  resource.order_in_progress = order
  return order
}

/** The consumer takes the order in progress back: of a Create, the resource is Terminated. Nothing where there is none. */
export function cancelOrder(world: World, resource: WaldurRecord): void {
  const order = asObject(resource.order_in_progress)
  if (order === undefined) return
  order.state = "canceled"
  resource.order_in_progress = null
  if (order.type === "Create") change(world, [resource], { state: "Terminated" })
}
