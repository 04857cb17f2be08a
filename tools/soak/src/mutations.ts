/**
 * Changes Waldur and the HPC User API while the soak runs, through the sandbox's own actions, so that times and orders
 * change as in a real Waldur.
 */
import { type History, isBeingRemoved, systems } from "@cscs/oracle"
import {
  addResource,
  changeResource,
  type JsonObject,
  type Mutation,
  mutate,
  placeOrder,
  type Sandbox,
  type WaldurCustomer,
  type WaldurRecord,
} from "@cscs/sandbox"
import type { Chance } from "./chance.ts"
import { type Counts, count } from "./counts.ts"
import { pause } from "./pause.ts"

/**
 * Milliseconds between a removal and an addition. If both fall into one read of two pages, Waldur's counts agree and a
 * row that moved over the page boundary is missing until the next read, as documented.
 */
const apart = 20_000
/** A mutation, with its weight and its name. */
const mutation = (weight: number, name: string, act: () => void | Promise<void>) => [weight, [name, act]] as const

interface World {
  readonly sandbox: Sandbox
  readonly history: History
  readonly chance: Chance
  /** Whether Waldur has been free of faults for this many milliseconds. */
  readonly isCalmFor: (milliseconds: number) => boolean
  readonly counts: Counts
}

/** Changes the world until `stop`; resolves when the changes have ended and all roles are restored. */
export const mutateWorld = async (world: World, stop: AbortSignal): Promise<void> => {
  const { chance } = world
  const mutator = mutatorOf(world, stop)
  while (!stop.aborted) {
    // The pause after a burst leaves only one correct response.
    for (let left = 5 + chance.below(15); left > 0 && !stop.aborted; left--) {
      await mutator.next()
      await pause(chance.between(50, 600), stop)
    }
    await pause(chance.between(3000, 7000), stop)
  }
  await mutator.regained()
}

const mutatorOf = (around: World, stop: AbortSignal) => {
  const { sandbox, history, chance, isCalmFor, counts } = around
  const { world, waldur } = sandbox
  let last = { action: "add", at: Number.NEGATIVE_INFINITY }
  let regained: Promise<void> = Promise.resolve()
  /** The number for the next name or GID. */
  let serial = 0
  /** Whether a record may be added (`add`) or removed (`remove`) now; if so, the caller must do so. */
  const mayChange = (action: "add" | "remove"): boolean => {
    if (action !== last.action && performance.now() - last.at < apart) return false
    last = { action, at: performance.now() }
    serial += 1
    return true
  }
  const malformedRows = new Set<WaldurRecord>()
  // Kinds alternate, so that a short run has several.
  let malformedCount = 0

  /** All records but the malformed ones, which remain unchanged. */
  const ordinary = () => world.resources.filter((row) => !malformedRows.has(row))
  const some = (fits: (row: WaldurRecord) => boolean): WaldurRecord | undefined => {
    const rows = ordinary().filter(fits)
    return rows.length === 0 ? undefined : chance.pick(rows)
  }
  const orderOf = (row: WaldurRecord) => row.order_in_progress as WaldurRecord | null | undefined
  const isIdle = (row: WaldurRecord) => orderOf(row) === null
  const hasOrder = (state: string) => (row: WaldurRecord) => orderOf(row)?.state === state
  const post = async (path: string, body: JsonObject = {}): Promise<void> => {
    const headers = { Authorization: `Token ${waldur.actingToken}`, "Content-Type": "application/json" }
    const response = await fetch(waldur.url + path, { method: "POST", headers, body: JSON.stringify(body) })
    const text = await response.text()
    // Some offerings' orders cannot be set to erred, and some states allow no action: then nothing changes.
    if (response.status >= 500) throw new Error(`POST ${path}: ${response.status} ${text.slice(0, 300)}`)
  }
  const mutateSandbox = (what: Mutation) => () => mutate(world, what, chance.below(2 ** 31))
  const actOnOrder = (state: string, action: string) => async () => {
    const row = some(hasOrder(state))
    if (row !== undefined) await post(`marketplace-orders/${orderOf(row)?.uuid}/${action}/`)
  }
  const addGid = (row: WaldurRecord) => void world.gids.set(String(row.project_slug), 60_000 + serial)
  const isFree = (row: WaldurRecord) => isIdle(row) && row.state === "OK"

  /** Adds a resource like another, already created or with a Create in progress. */
  const added = (like: WaldurRecord): WaldurRecord => {
    const orderState = chance.pick(["done", "pending-consumer", "pending-provider", "executing"])
    return addResource(world, like, chance, `soak-${String(serial).padStart(6, "0")}`, orderState)
  }

  /** Adds a resource with its own project, or in the place of one that is being removed. */
  const addOne = (): void => {
    if (!mayChange("add")) return
    const old = chance.happens(0.5) ? some((row) => isBeingRemoved(String(row.state))) : undefined
    const row = added(old ?? chance.pick(ordinary()))
    if (old !== undefined) return
    placeInProject(row, `soak${String(serial).padStart(4, "0")}`)
    // Some are added to the HPC User API later, and some never.
    if (chance.happens(0.7)) addGid(row)
  }

  /** Adds a malformed live record in the place of another. */
  const addMalformed = (): void => {
    if (malformedRows.size >= maxMalformed || !mayChange("add")) return
    // Without the malformed record, this removal would be served.
    const isServed = (row: WaldurRecord) =>
      (row.state === "Terminated" || (row.state === "Terminating" && hasOrder("executing")(row))) &&
      world.gids.has(String(row.project_slug)) &&
      world.resources.every((other) => other === row || other.project_slug !== row.project_slug)
    const removing = chance.happens(0.8) ? some(isServed) : undefined
    const like = removing ?? chance.pick(ordinary())
    const row = added(like)
    Object.assign(row, { state: "OK", order_in_progress: null })
    const { offering_slug: system, provider_slug: tenant, customer_slug: customer, project_slug: project } = row
    const type = (row.attributes as JsonObject).storage_data_type
    const own = String(like.backend_id)
    const path = own.startsWith("/") ? own : `/${system}/${type}/${tenant}/${customer}/${project}`
    // Its names lead elsewhere, so that only its malformed value leads to the path.
    placeInProject(row, `malformed${serial}`)
    addGid(row)
    const malformed = malformations(path, row)
    Object.assign(row, malformed[malformedCount++ % malformed.length])
    history.expectMalformed(String(row.uuid), path)
    malformedRows.add(row)
  }
  const removeMalformed = (): void => {
    const row = [...malformedRows].at(0)
    if (row === undefined || !mayChange("remove")) return
    malformedRows.delete(row)
    const at = world.resources.indexOf(row)
    if (at >= 0) world.resources.splice(at, 1)
  }

  const mutations: ReadonlyArray<ReturnType<typeof mutation>> = [
    mutation(8, "quotas set", async () => {
      const row = chance.pick(ordinary())
      const soft = chance.happens(0.15) ? 0 : chance.below(500)
      await post(`marketplace-provider-resources/${row.uuid}/update_options_direct/`, {
        options: {
          soft_quota_space: soft,
          hard_quota_space: Math.max(0, soft + chance.below(20) - 5),
          ...(chance.happens(0.3) && { soft_quota_inodes: chance.below(1e6), hard_quota_inodes: chance.below(1e7) }),
          ...(chance.happens(0.3) && { permissions: chance.pick(["700", "2750", "0770"]) }),
        },
      })
    }),
    mutation(6, "limits and state changed", mutateSandbox("resource-changes")),
    mutation(4, "removed or erred", () => {
      const row = some(isIdle)
      if (row !== undefined) changeResource(world, row, { state: chance.pick(["Terminated", "Erred"]) })
    }),
    mutation(4, "recovered", async () => {
      const row = some(({ state }) => state === "Erred")
      if (row !== undefined) await post(`marketplace-provider-resources/${row.uuid}/set_state_ok/`)
    }),
    mutation(3, "mount point reported", async () => {
      const row = chance.pick(ordinary())
      serial += 1
      const { offering_slug: system, provider_slug: tenant, customer_slug: customer } = row
      const type = (row.attributes as JsonObject).storage_data_type
      const path = chance.happens(0.2) ? "" : `/${system}/${type}/${tenant}/${customer}/moved-${serial}`
      await post(`marketplace-provider-resources/${row.uuid}/set_backend_id/`, { backend_id: path })
    }),
    mutation(8, "order appeared", mutateSandbox("order-appears")),
    mutation(8, "order moved", () => {
      // A Create may add its resource to the list.
      if (mayChange("add")) mutateSandbox("order-moves")()
    }),
    mutation(3, "order waits for the consumer", () => {
      const row = some((row) => ["Updating", "Terminating"].includes(String(row.state)) && !isIdle(row))
      const order = orderOf(row ?? {})
      if (order) order.state = chance.pick(["pending-consumer", "pending-project", "pending-start-date"])
    }),
    mutation(4, "removal requested, not approved", () => {
      const row = some(isFree)
      if (row === undefined) return
      placeOrder(world, row, { uuid: chance.uuid(), type: "Terminate", state: "pending-consumer" })
      changeResource(world, row, { state: "Terminating" })
    }),
    mutation(8, "removal lost its order", () => {
      // Preferably one in the place of a removed one: without the missing order, both could be removed.
      const row = some((row) => isFree(row) && String(row.slug).startsWith("soak-")) ?? some(isFree)
      if (row !== undefined) changeResource(world, row, { state: "Terminating" })
    }),
    mutation(6, "order approved", actOnOrder("pending-provider", "approve_by_provider")),
    mutation(3, "order rejected", actOnOrder("pending-provider", "reject_by_provider")),
    mutation(8, "order done", actOnOrder("executing", "set_state_done")),
    mutation(3, "order done by Waldur itself", mutateSandbox("order-ends")),
    mutation(8, "order ended unseen", mutateSandbox("order-ends-unseen")),
    mutation(10, "resource added", addOne),
    mutation(12, "malformed record added", addMalformed),
    mutation(3, "malformed record removed", removeMalformed),
    mutation(3, "resource removed", () => {
      if (world.resources.length >= 40 && mayChange("remove")) mutateSandbox("resource-disappears")()
    }),
    mutation(3, "GID added late", () => {
      const row = some(({ project_slug }) => !world.gids.has(String(project_slug)))
      serial += 1
      if (row !== undefined) addGid(row)
    }),
    mutation(2, "project renamed", () => {
      const { project_slug } = chance.pick(ordinary())
      serial += 1
      for (const row of world.resources) if (row.project_slug === project_slug) row.project_name = `Renamed ${serial}`
    }),
    mutation(2, "customer renamed", () => {
      serial += 1
      const { customer_uuid } = chance.pick(ordinary())
      const name = `Renamed "${serial}" ÄÖ`
      for (const list of world.customersByOffering.values()) {
        for (const customer of list as Array<WaldurCustomer>) if (customer.uuid === customer_uuid) customer.name = name
      }
      for (const row of world.resources) if (row.customer_uuid === customer_uuid) row.customer_name = name
    }),
    // Changes after it lie outside of the overlap of two reads.
    mutation(3, "an hour passed", mutateSandbox("an-hour-passes")),
  ]

  const see = (offerings: "all" | Array<string>) => {
    const token = world.tokens.get(waldur.token)
    if (token !== undefined) token.sees = offerings
  }
  /** Hides a system's records for some seconds, as when the token's user loses a role; resolves when they are back. */
  const lose = async (): Promise<void> => {
    const system = chance.pick(systems)
    see(systems.filter((one) => one !== system))
    const isOver = history.lose(system)
    count(counts, "role lost")
    await pause(chance.between(4000, 9000), stop)
    // Until the proxy has certainly seen the loss: Waldur may have been failing meanwhile.
    for (let left = 12; left > 0 && !isCalmFor(4000) && !stop.aborted; left--) await pause(1000, stop)
    see("all")
    isOver()
  }
  let lastLoss = performance.now() - 15_000

  return {
    next: async (): Promise<void> => {
      if (performance.now() - lastLoss > 25_000 && chance.happens(0.2)) {
        lastLoss = performance.now()
        await regained
        regained = lose()
        return
      }
      const [name, act] = chance.weighted(mutations)
      await history.change(act)
      count(counts, name)
    },
    /** Resolves when all roles are restored, soon after `stop`. */
    regained: () => regained,
  }
}

/** The maximum number at the same time: the oracle checks each of them for each removal. */
const maxMalformed = 20

/** Ways to malform a live record with data at `path`, so that by the contract only its path is usable. */
const malformations = (path: string, row: WaldurRecord): ReadonlyArray<WaldurRecord> => [
  { backend_id: `${path.replaceAll("/", "//")}/./`, slug: null },
  { backend_id: ` ${path}/`, attributes: { ...(row.attributes as JsonObject), storage_data_type: 7 } },
  { backend_id: path, attributes: "x".repeat(100_000) },
]

const placeInProject = (row: WaldurRecord, slug: string) =>
  Object.assign(row, { project_slug: slug, project_name: `Project ${slug}`, backend_id: "" })
