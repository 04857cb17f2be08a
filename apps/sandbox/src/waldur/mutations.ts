/** Random changes to the mock Waldur's world between two reads. */
import { asObject } from "../json.ts"
import { type Random, random } from "../world/random.ts"
import type { WaldurRecord, World } from "../world/world.ts"
import { placeOrder } from "./consumer-orders.ts"
import { secondsLater } from "./instants.ts"
import { change } from "./world-changes.ts"

/** Changes that can occur in a Waldur between two reads. */
const MUTATIONS = {
  "resource-changes": (world, chance) => {
    const row = chance.pick(world.resources)
    changeResource(world, row, { limits: { storage: chance.below(1000) }, state: chance.pick(["OK", "Erred"]) })
  },
  "resource-appears": (world, chance) => {
    const state = chance.below(2) === 0 ? "pending-provider" : "done"
    addResource(world, chance.pick(world.resources), chance, `new-${chance.uuid()}`, state)
  },
  "resource-disappears": (world, chance) => void world.resources.splice(chance.below(world.resources.length), 1),
  "order-appears": (world, chance) => {
    const row = pick(chance, world.resources, (row) => orderOf(row) === undefined && row.state === "OK")
    if (row === undefined) return
    const type = chance.pick(["Update", "Terminate"] as const)
    placeOrder(world, row, { uuid: chance.uuid(), type, state: "pending-consumer" })
  },
  "order-moves": (world, chance) => {
    const order = orderOf(pick(chance, world.resources, (row) => orderOf(row) !== undefined))
    if (order !== undefined) order.state = order.state === "pending-provider" ? "executing" : "pending-provider"
  },
  // Not a Create, whose end changes its resource too.
  "order-ends-unseen": (world, chance) => {
    const row = pick(chance, world.resources, (row) => orderOf(row) !== undefined && typeOf(row) !== "Create")
    if (row !== undefined) endOrder(row, "canceled")
  },
  "order-ends": (world, chance) => {
    const row = pick(chance, world.resources, (row) => orderOf(row) !== undefined)
    if (row === undefined) return
    changeResource(world, row, { state: typeOf(row) === "Terminate" ? "Terminated" : "OK" })
    endOrder(row, "done")
  },
  "an-hour-passes": (world) => {
    world.now = secondsLater(world.now, 3600)
  },
} satisfies Record<string, (world: World, chance: Random) => void>

/** The name of a mutation; see `mutate`. */
export type Mutation = keyof typeof MUTATIONS

/** All names of mutations. */
export const ALL_MUTATIONS = Object.keys(MUTATIONS) as Mutation[]

/**
 * Applies a mutation to a resource chosen by `seed`; does nothing if no resource qualifies. `modified` moves as in a real
 * Waldur: with every change of the resource itself, but not with mutations that only affect its order (`order-appears`,
 * `order-moves`, `order-ends-unseen`). The world's time advances by at least a second.
 */
export function mutate(world: World, what: Mutation, seed: number): void {
  if (world.resources.length === 0) return
  MUTATIONS[what](world, random(seed))
  world.now = secondsLater(world.now, 1)
}

/** Sets fields of a resource and its `modified`, and advances the world's time by a second. */
export function changeResource(world: World, row: WaldurRecord, fields: WaldurRecord): void {
  change(world, [row], fields)
}

/**
 * Adds a copy of `like` with the name `slug`, and its Create order in this state; with `done`, the resource is OK and the
 * order no longer in progress.
 */
export function addResource(world: World, like: WaldurRecord, chance: Random, slug: string, orderState: string) {
  const uuid = chance.uuid()
  const isDone = orderState === "done"
  const row: WaldurRecord = {
    ...structuredClone(like),
    uuid,
    slug,
    name: slug,
    url: `${world.apiUrl}marketplace-resources/${uuid}/`,
    created: world.now,
    modified: world.now,
    state: isDone ? "OK" : "Creating",
    order_in_progress: null,
  }
  row.creation_order = placeOrder(world, row, { uuid: chance.uuid(), type: "Create", state: orderState })
  if (isDone) row.order_in_progress = null
  world.resources.push(row)
  return row
}

function endOrder(row: WaldurRecord, state: string): void {
  const order = orderOf(row)
  if (order !== undefined) order.state = state
  row.order_in_progress = null
}

function pick(chance: Random, rows: readonly WaldurRecord[], fit: (row: WaldurRecord) => boolean) {
  const from = rows.filter(fit)
  return from.length === 0 ? undefined : chance.pick(from)
}

const orderOf = (row: WaldurRecord | undefined) => asObject(row?.order_in_progress)
const typeOf = (row: WaldurRecord) => orderOf(row)?.type
