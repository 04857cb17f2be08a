/** Customers: they place orders of all kinds, and know how each must end. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  addResource,
  cancelOrder,
  changeResource,
  type JsonObject,
  placeOrder,
  type Random,
  type WaldurRecord,
} from "@cscs/sandbox"
import { maxGid, type Site } from "./processes.ts"

export interface Placed {
  readonly order: WaldurRecord
  readonly row: WaldurRecord
  /** The order's state when the loop has come to rest, and its resource's. */
  end: { readonly order: string; readonly resource: string }
}

/** Orders at the same time, so that later ones find directories to act on. */
const maxInFlight = 12

const done = { order: "done", resource: "OK" }

/** @param isOnDisk whether a resource's directory is there, with data in it */
export const customers = (site: Site, chance: Random, isOnDisk: (row: WaldurRecord) => boolean) => {
  const { world } = site.sandbox
  const likes = [...world.resources]
  const placed = new Map<string, Placed>()
  /** Directories of others, in the way of new ones. */
  const foreign: Array<string> = []
  let made = 0
  const expect = (row: WaldurRecord, order: WaldurRecord, end: Placed["end"]) =>
    void placed.set(String(order.uuid), { row, order, end })
  const add = (state: string, end: Placed["end"], gid = 60_000 + made, like = chance.pick(likes)) => {
    made += 1
    const number = String(made).padStart(4, "0")
    const row = addResource(world, like, chance, `loop-${number}`, state)
    const project = `loop${number}`
    Object.assign(row, { project_slug: project, project_name: `Project ${project}`, backend_id: "", options: {} })
    world.gids.set(project, gid)
    const order = row.order_in_progress as WaldurRecord
    // The one that it was made like may have grown since its own.
    order.limits = structuredClone(row.limits ?? {})
    expect(row, order, end)
    return { row, order }
  }
  const consumerApproves = (order: WaldurRecord) => {
    if (order.state === "pending-consumer") order.state = "pending-provider"
  }
  const free = () =>
    world.resources.filter((row) => row.state === "OK" && row.order_in_progress === null && isOnDisk(row))
  const onFree = (act: (row: WaldurRecord) => void) => () => {
    const rows = free()
    if (rows.length === 0) return false
    act(chance.pick(rows))
    return true
  }
  const order = (row: WaldurRecord, type: "Update" | "Terminate", more: JsonObject, state = "pending-provider") => {
    const one = placeOrder(world, row, { uuid: chance.uuid(), type, state, attributes: {}, ...more })
    expect(row, one, type === "Update" ? done : { order: "done", resource: "Terminated" })
    return one
  }
  const waiting: Array<() => void> = []
  const later = (act: () => void) => void waiting.push(act)

  const kinds: Readonly<Record<string, () => boolean>> = {
    create: () => {
      add("pending-provider", done)
      return true
    },
    "create, after the consumer approved": () => {
      const { order } = add("pending-consumer", done)
      later(() => consumerApproves(order))
      return true
    },
    "create, canceled": () => {
      const { row } = add("pending-consumer", { order: "canceled", resource: "Terminated" })
      later(() => cancelOrder(world, row))
      return true
    },
    "create, rejected": () => {
      add("pending-provider", { order: "rejected", resource: "Terminated" }, maxGid + made + 1)
      return true
    },
    "create in the place of another's directory": () => {
      const like = likes.find(
        ({ offering_slug, attributes }) =>
          offering_slug === "capstor" && (attributes as JsonObject).storage_data_type === "store",
      )
      if (like === undefined || foreign.length >= 2) return false
      const path = `/capstor/store/${like.provider_slug}/${like.customer_slug}/loop${String(made + 1).padStart(4, "0")}`
      mkdirSync(join(site.root, path), { recursive: true })
      writeFileSync(join(site.root, path, "data"), "of others")
      foreign.push(path)
      add("pending-provider", { order: "executing", resource: "Creating" }, 60_000 + made, like)
      return true
    },
    resize: onFree((row) => {
      const { storage } = row.limits as { storage: number }
      const limits = { storage: chance.below(2) === 0 ? storage + 7 : Math.max(1, storage - 3) }
      changeResource(world, row, { options: {} })
      order(row, "Update", { limits, attributes: { old_limits: { storage } } })
    }),
    options: onFree((row) => {
      const soft = 1 + chance.below(50)
      const options = { soft_quota_space: soft, hard_quota_space: soft + chance.below(9) }
      order(row, "Update", { attributes: { new_options: options, old_options: row.options ?? {} } })
    }),
    terminate: onFree((row) => void order(row, "Terminate", {})),
    "terminate, after the consumer approved": onFree((row) => {
      const one = order(row, "Terminate", {}, "pending-consumer")
      later(() => consumerApproves(one))
    }),
    erred: () => {
      // An operator sets an order to erred while the provisioner works on it.
      const found = [...placed.values()].find(
        ({ order, row, end }) =>
          end === done && order.state === "executing" && ["Creating", "Updating"].includes(String(row.state)),
      )
      if (found === undefined) return false
      found.order.state = "erred"
      found.end = { order: "erred", resource: "Erred" }
      changeResource(world, found.row, { state: "Erred" })
      found.row.order_in_progress = null
      return true
    },
    moved: onFree((row) => {
      made += 1
      const { offering_slug: system, provider_slug: tenant, customer_slug: customer } = row
      const type = (row.attributes as JsonObject).storage_data_type
      changeResource(world, row, { backend_id: `/${system}/${type}/${tenant}/${customer}/moved-${made}` })
    }),
    renamed: onFree((row) => {
      made += 1
      const project = `renamed${made}`
      world.gids.set(project, 60_000 + made)
      changeResource(world, row, { project_slug: project, project_name: `Renamed ${made}` })
    }),
  }
  const names = Object.keys(kinds)
  const counts = new Map<string, number>()
  return {
    placed,
    foreign,
    counts,
    /** One order or change of a random kind, if one can be made now: only so many are in flight at once. */
    order: (): boolean => {
      const inFlight = [...placed.values()].filter(({ order, end }) => order.state !== end.order).length
      if (inFlight >= maxInFlight) return false
      const name = chance.pick(names)
      if (kinds[name]?.() !== true) return false
      counts.set(name, (counts.get(name) ?? 0) + 1)
      return true
    },
    /** Performs the next step that an earlier order waits for. */
    goOn: (): void => {
      if (chance.below(2) === 0) waiting.shift()?.()
    },
    finish: (): void => {
      for (const act of waiting.splice(0)) act()
    },
    /** Orders and resources that are not yet in their final state. */
    unsettled: (): ReadonlyArray<string> => {
      const last = new Map([...placed.values()].map((one) => [one.row, one]))
      return [...placed.values()].flatMap(({ order, row, end }) => {
        const isDifferent = order.state !== end.order || (last.get(row)?.order === order && row.state !== end.resource)
        return isDifferent
          ? [`${row.uuid}: ${order.type} ${order.state}, not ${end.order}; ${row.state}, not ${end.resource}`]
          : []
      })
    },
  }
}
