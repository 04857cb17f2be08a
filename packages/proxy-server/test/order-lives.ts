import {
  cancelOrder,
  changeResource,
  placeOrder,
  type Sandbox,
  TOKENS,
  type WaldurRecord,
  type World,
} from "@cscs/sandbox"
import type { Disk } from "./a-disk.ts"
import { dashed } from "./a-world.ts"

/**
 * A number from 0 to `below` - 1 that decides what happens; 0 is the undisturbed choice, and the only one at the end.
 */
export type Chance = (below: number) => number

export interface Lived {
  readonly sandbox: Sandbox
  readonly row: WaldurRecord
  /** Unique to this life: names and paths are derived from it. */
  readonly number: number
  readonly disk: Disk
  readonly chance: Chance
  /** Resources whose orders the provider rejects, by `itemId`. */
  readonly rejected: Set<string>
}

/** The expected state of a resource when its life is over. */
export interface End {
  readonly state: "OK" | "Terminated"
  /** `gone`: no directory, its data is in the trash; `kept`: a directory somewhere, with its data. */
  readonly directory: "as listed" | "gone" | "kept"
  /** The storage ordered last and agreed to, in TB, if the resource is OK. */
  readonly storage?: number
}

/** A life yields while it waits: for a condition, or for so many rounds. */
export type Life = AsyncGenerator<number | (() => boolean), End>

export const itemIdOf = (row: WaldurRecord): string => dashed(row.uuid)
export const storageOf = (row: WaldurRecord): number => Number((row.limits as WaldurRecord).storage)

const has = (row: WaldurRecord, state: string) => () => row.state === state && row.order_in_progress === null
const hex = (letter: string, number: number) => number.toString(16).padStart(32, letter)

let orders = 0

/** Orders as the consumer does; the order then waits for a user on the consumer's side, or for the provider. */
const order = ({ sandbox, row, chance }: Lived, type: "Update" | "Terminate", changes: Partial<WaldurRecord> = {}) => {
  const state = chance(3) === 1 ? "pending-consumer" : "pending-provider"
  orders += 1
  return placeOrder(sandbox.world, row, {
    uuid: hex("0d", orders),
    type,
    state,
    limits: {},
    attributes: {},
    ...changes,
  })
}
async function* agree({ chance }: Lived, placed: WaldurRecord): AsyncGenerator<number | (() => boolean)> {
  if (placed.state !== "pending-consumer") return
  yield chance(4)
  if (placed.state === "pending-consumer") placed.state = "pending-provider"
}
const update = (lived: Lived, storage: number) =>
  order(lived, "Update", {
    limits: { storage },
    attributes: { old_limits: structuredClone(lived.row.limits as WaldurRecord) },
  })

/** A report from outside the provisioner, such as one by a well-meaning operator. */
const act = async ({ sandbox }: Lived, path: string, body: object = {}): Promise<number> => {
  const response = await fetch(`${sandbox.waldur.url}${path}/`, {
    method: "POST",
    headers: { Authorization: `Token ${TOKENS.staff}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  })
  await response.arrayBuffer()
  return response.status
}
const onOrder = (lived: Lived, { uuid }: WaldurRecord, action: string, body?: object) =>
  act(lived, `marketplace-orders/${uuid}/${action}`, body)
const setOk = (lived: Lived) => act(lived, `marketplace-provider-resources/${lived.row.uuid}/set_state_ok`)
const reason = { error_message: "by hand", error_traceback: "" }

/** Makes it a resource that is only ordered, in its own project. */
const orderedAnew = ({ sandbox: { world }, row }: Lived): WaldurRecord => {
  Object.assign(row, { state: "Creating" })
  orders += 1
  const placed = placeOrder(world, row, {
    uuid: hex("0c", orders),
    type: "Create",
    state: "pending-provider",
    limits: structuredClone(row.limits as WaldurRecord),
    attributes: structuredClone(row.attributes as WaldurRecord),
  })
  row.creation_order = placed
  return placed
}

/** Places it in a project of its own, with a GID of its own. */
export const placeInProject = (world: World, row: WaldurRecord, slug: string, gid: number): void => {
  world.gids.set(slug, gid)
  Object.assign(row, { project_slug: slug, project_name: `Project ${slug}` })
}

const asOrdered = (storage: number): End => ({ state: "OK", directory: "as listed", storage })
const gone: End = { state: "Terminated", directory: "gone" }
const kept: End = { state: "Terminated", directory: "kept" }

async function* created(lived: Lived): Life {
  orderedAnew(lived)
  yield has(lived.row, "OK")
  return asOrdered(storageOf(lived.row))
}

async function* updated(lived: Lived): Life {
  const storage = storageOf(lived.row) * (1 + lived.chance(3)) + 1
  yield* agree(lived, update(lived, storage))
  yield has(lived.row, "OK")
  return asOrdered(storage)
}

async function* terminated(lived: Lived): Life {
  yield* agree(lived, order(lived, "Terminate"))
  yield has(lived.row, "Terminated")
  return gone
}

/** Ends as ordered if the provider was faster than the cancellation. */
async function* cancelled(lived: Lived, placed: WaldurRecord, otherwise: End, agreed: End): Life {
  yield* agree(lived, placed)
  yield lived.chance(4)
  if (placed.state === "pending-provider") cancelOrder(lived.sandbox.world, lived.row)
  yield () => lived.row.order_in_progress === null && ["OK", "Terminated"].includes(String(lived.row.state))
  return placed.state === "canceled" ? otherwise : agreed
}

async function* rejected(lived: Lived, placed: WaldurRecord, end: End): Life {
  lived.rejected.add(itemIdOf(lived.row))
  yield* agree(lived, placed)
  yield () => placed.state === "rejected"
  lived.rejected.delete(itemIdOf(lived.row))
  return end
}

/** The disk refuses until the order has erred. */
async function* erred(lived: Lived, type: "Create" | "Update" | "Terminate"): AsyncGenerator<number | (() => boolean)> {
  const { disk, row, chance } = lived
  const itemId = itemIdOf(row)
  if (type !== "Create") yield () => disk.pathOf(itemId) !== undefined
  const placed =
    type === "Create"
      ? orderedAnew(lived)
      : type === "Update"
        ? update(lived, storageOf(row) + 7)
        : order(lived, "Terminate")
  disk.broken.add(itemId)
  yield* agree(lived, placed)
  yield () => placed.state === "erred"
  yield chance(3)
  disk.broken.delete(itemId)
}

/** Reports an order done that was only just approved. */
async function* doneTooEarly(lived: Lived, placed: WaldurRecord): AsyncGenerator<number | (() => boolean)> {
  yield () => placed.state === "pending-provider" || placed.state === "executing"
  await onOrder(lived, placed, "approve_by_provider")
  await onOrder(lived, placed, "set_state_done")
  yield lived.chance(3)
  lived.sandbox.waldur.worker.work()
  yield 1 + lived.chance(4)
}

/** Every course that an order can take, starting from an OK resource with a directory. */
export const lives: Readonly<Record<string, (lived: Lived) => Life>> = {
  "a resource without an order": async function* ({ row }) {
    yield 1
    return asOrdered(storageOf(row))
  },
  "a Create": created,
  "a Create that is rejected": async function* (lived) {
    yield* rejected(lived, orderedAnew(lived), gone)
    return gone
  },
  "a Create that is cancelled": (lived) => cancelled(lived, orderedAnew(lived), gone, asOrdered(storageOf(lived.row))),
  "a Create that errs and is repaired": async function* (lived) {
    yield* erred(lived, "Create")
    await setOk(lived)
    return asOrdered(storageOf(lived.row))
  },
  "a Create that errs and is given up": async function* (lived) {
    yield* erred(lived, "Create")
    yield* agree(lived, order(lived, "Terminate"))
    yield has(lived.row, "Terminated")
    return gone
  },
  "an Update of limits": updated,
  "two Updates of limits": async function* (lived) {
    yield* updated(lived)
    return yield* updated(lived)
  },
  "an Update of limits, then a Terminate": async function* (lived) {
    yield* updated(lived)
    return yield* terminated(lived)
  },
  "an Update of options": async function* (lived) {
    const { row } = lived
    const storage = storageOf(row)
    const options = { soft_quota_space: storage + 1, hard_quota_space: storage + 1 }
    const attributes = { new_options: options, old_options: null }
    yield* agree(lived, order(lived, "Update", { limits: structuredClone(row.limits as WaldurRecord), attributes }))
    yield has(row, "OK")
    return asOrdered(storage)
  },
  "an Update without limits and options": async function* (lived) {
    yield* agree(lived, order(lived, "Update"))
    yield has(lived.row, "OK")
    return asOrdered(storageOf(lived.row))
  },
  "an Update that is rejected": async function* (lived) {
    const storage = storageOf(lived.row)
    return yield* rejected(lived, update(lived, storage + 5), asOrdered(storage))
  },
  "an Update that is cancelled": (lived) => {
    const storage = storageOf(lived.row)
    return cancelled(lived, update(lived, storage + 3), asOrdered(storage), asOrdered(storage + 3))
  },
  "an Update that errs and is repaired": async function* (lived) {
    const storage = storageOf(lived.row)
    yield* erred(lived, "Update")
    await setOk(lived)
    return asOrdered(storage)
  },
  "an Update that is also approved from outside": async function* (lived) {
    const storage = storageOf(lived.row) + 2
    const placed = update(lived, storage)
    yield* agree(lived, placed)
    await onOrder(lived, placed, "approve_by_provider")
    yield has(lived.row, "OK")
    return asOrdered(storage)
  },
  "an Update that is reported done too early from outside": async function* (lived) {
    const { row } = lived
    const storage = storageOf(row) + 4
    const placed = update(lived, storage)
    yield* agree(lived, placed)
    yield* doneTooEarly(lived, placed)
    if (row.state === "Updating") await setOk(lived)
    return asOrdered(storage)
  },
  "an Update whose resource is set OK from outside": async function* (lived) {
    const { row } = lived
    const storage = storageOf(row)
    const placed = update(lived, storage + 6)
    yield* agree(lived, placed)
    yield () => row.state === "Updating" || placed.state === "done"
    await setOk(lived)
    yield 2 + lived.chance(3)
    // If the order was left open, the provisioner waits until it is ended from outside.
    if (placed.state === "executing") await onOrder(lived, placed, "set_state_erred", reason)
    if (row.state === "Erred") await setOk(lived)
    return asOrdered(placed.state === "done" ? storage + 6 : storage)
  },
  "a Terminate": terminated,
  "a Terminate that is rejected": (lived) =>
    rejected(lived, order(lived, "Terminate"), asOrdered(storageOf(lived.row))),
  "a Terminate that is cancelled": (lived) =>
    cancelled(lived, order(lived, "Terminate"), asOrdered(storageOf(lived.row)), gone),
  "a Terminate that errs": async function* (lived) {
    yield* erred(lived, "Terminate")
    return asOrdered(storageOf(lived.row))
  },
  "a Terminate that errs, then one that does not": async function* (lived) {
    yield* erred(lived, "Terminate")
    return yield* terminated(lived)
  },
  "a Terminate of an Erred resource that is rejected": async function* (lived) {
    const storage = storageOf(lived.row)
    yield* erred(lived, "Update")
    yield* rejected(lived, order(lived, "Terminate"), asOrdered(storage))
    return asOrdered(storage)
  },
  "a Terminate that is reported done too early from outside": async function* (lived) {
    const { row, disk } = lived
    const placed = order(lived, "Terminate")
    yield* agree(lived, placed)
    yield* doneTooEarly(lived, placed)
    if (row.state === "Terminating") {
      await setOk(lived)
      return asOrdered(storageOf(row))
    }
    return disk.pathOf(itemIdOf(row)) === undefined ? gone : kept
  },
  "a resource that is terminated without the provisioner": async function* (lived) {
    yield lived.chance(4)
    changeResource(lived.sandbox.world, lived.row, { state: "Terminated" })
    return kept
  },
  "a resource that is created at the path of a removed one": async function* (lived) {
    const { sandbox, row, number } = lived
    const like = structuredClone(row)
    yield* terminated(lived)
    const again: Lived = { ...lived, row: { ...like, uuid: hex("a9", number), slug: `again-${number}` } }
    orderedAnew(again)
    sandbox.world.resources.push(again.row)
    yield has(again.row, "OK")
    return gone
  },
  "a blocked customer": async function* (lived) {
    const { sandbox, row } = lived
    const customers = sandbox.world.customersByOffering.get(String(row.offering_uuid)) ?? []
    const customer = customers.find(({ uuid }) => uuid === row.customer_uuid)
    if (customer === undefined) throw new Error("the customer is in no list")
    customer.blocked = true
    const storage = storageOf(row) + 8
    const placed = update(lived, storage)
    yield 3 + lived.chance(4)
    customer.blocked = false
    yield* agree(lived, placed)
    yield has(row, "OK")
    return asOrdered(storage)
  },
  "a project that has expired": async function* (lived) {
    const { sandbox, row } = lived
    const storage = storageOf(row)
    row.project_end_date = "2020-01-01"
    const placed = update(lived, storage + 9)
    yield 3 + lived.chance(4)
    if (lived.chance(2) === 0) row.project_end_date = null
    else cancelOrder(sandbox.world, row)
    yield* agree(lived, placed)
    yield has(row, "OK")
    return asOrdered(placed.state === "done" ? storage + 9 : storage)
  },
  "a directory that moves to another path": async function* (lived) {
    const { sandbox, row, number } = lived
    yield lived.chance(3)
    changeResource(sandbox.world, row, { backend_id: `/pool/moved/place-${number}` })
    return asOrdered(storageOf(row))
  },
  "a project that is renamed during an Update": async function* (lived) {
    const { sandbox, row, number } = lived
    const storage = storageOf(row) + 1
    const placed = update(lived, storage)
    yield* agree(lived, placed)
    yield lived.chance(5)
    placeInProject(sandbox.world, row, `renamed-${number}`, Number(sandbox.world.gids.get(String(row.project_slug))))
    yield has(row, "OK")
    return asOrdered(storage)
  },
  "a project that is renamed before a Terminate": async function* (lived) {
    const { sandbox, row, number } = lived
    yield lived.chance(3)
    placeInProject(sandbox.world, row, `renamed-${number}`, Number(sandbox.world.gids.get(String(row.project_slug))))
    return yield* terminated(lived)
  },
  "a resource that moves to another project": async function* (lived) {
    const { sandbox, row, number } = lived
    yield lived.chance(3)
    placeInProject(sandbox.world, row, `other-${number}`, 58_000 + number)
    changeResource(sandbox.world, row, {})
    return asOrdered(storageOf(row))
  },
}
