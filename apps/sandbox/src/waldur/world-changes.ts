/** Finds and changes resources and orders, and updates their times as Waldur does. */
import { asObject } from "../json.ts"
import type { WaldurRecord, World } from "../world/world.ts"
import { secondsLater } from "./instants.ts"

/** Every copy of an order in the world, and its resource. */
export interface FoundOrder {
  /** At least one: recorded rows contain copies of the order in `world.orders`, generated rows that object itself. */
  copies: WaldurRecord[]
  resource: WaldurRecord | undefined
}

export function findResource(world: World, uuid: string): WaldurRecord | undefined {
  return world.resources.find((row) => row.uuid === uuid)
}

export function findOrder(world: World, uuid: string): FoundOrder | undefined {
  const copies = new Set<WaldurRecord>()
  let resource: WaldurRecord | undefined
  for (const order of world.orders) if (order.uuid === uuid) copies.add(order)
  for (const row of world.resources) {
    for (const nested of [asObject(row.order_in_progress), asObject(row.creation_order)]) {
      if (nested?.uuid !== uuid) continue
      copies.add(nested)
      resource ??= row
    }
  }
  const [first] = copies
  if (first === undefined) return undefined
  resource ??= findResource(world, String(first.marketplace_resource_uuid))
  return { copies: [...copies], resource }
}

/** Sets fields of the rows, and `modified` to the world's time, which it then advances by one second. */
export function change(world: World, rows: readonly WaldurRecord[], fields: WaldurRecord): void {
  for (const row of rows) Object.assign(row, structuredClone(fields), { modified: world.now })
  world.now = secondsLater(world.now, 1)
}
