import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest"
import { cancelOrder, placeOrder, type Sandbox, startSandbox, worldOf } from "../src/index.ts"
import { asObject } from "../src/json.ts"
import { waldurWorker } from "../src/waldur/worker.ts"
import { post, request, uuidOfCase } from "./waldur-client.ts"

let sandbox: Sandbox
beforeEach(async () => {
  sandbox = await startSandbox()
})
afterEach(() => sandbox.close())

const rowOf = (label: string) => sandbox.world.cases.get(label)?.row ?? {}
const orderPath = (label: string, action = ""): string => {
  const uuid = asObject(rowOf(label).order_in_progress)?.uuid
  return `marketplace-orders/${uuid}/${action === "" ? "" : `${action}/`}`
}
const resourcePath = (label: string, action: string): string =>
  `marketplace-provider-resources/${uuidOfCase(sandbox, label)}/${action}/`

test("the mock Waldur's approve_by_provider sets an order to executing", async () => {
  const path = orderPath("ok-update-pending-provider")
  expect((await post(sandbox, `${path}approve_by_provider/`, { attributes: { ticket: 42 } })).status).toBe(200)
  expect((await request(sandbox, path)).json).toMatchObject({
    state: "executing",
    attributes: { old_limits: { storage: 50 }, ticket: 42 },
  })
  expect(rowOf("ok-update-pending-provider").state).toBe("Updating")
})

test("approving an order twice returns a 409 that names the valid state", async () => {
  const path = orderPath("create-pending-provider", "approve_by_provider")
  expect((await post(sandbox, path)).status).toBe(200)
  const again = await post(sandbox, path)
  expect(again.status).toBe(409)
  expect(again.json).toEqual({ detail: "Valid states for operation: pending-provider." })
})

test("rejecting a Create terminates the resource, rejecting an Update does not change it", async () => {
  expect((await post(sandbox, orderPath("create-pending-provider", "reject_by_provider"))).status).toBe(200)
  expect(rowOf("create-pending-provider")).toMatchObject({ state: "Terminated", order_in_progress: null })
  expect((await post(sandbox, orderPath("update-pending-provider", "reject_by_provider"))).status).toBe(200)
  expect(rowOf("update-pending-provider")).toMatchObject({ state: "OK", limits: { storage: 50 } })
})

test("rejecting an order does not update modified if the resource does not change", async () => {
  const { modified } = rowOf("ok-update-pending-provider")
  expect((await post(sandbox, orderPath("ok-update-pending-provider", "reject_by_provider"))).status).toBe(200)
  expect(rowOf("ok-update-pending-provider")).toMatchObject({ state: "OK", order_in_progress: null, modified })
})

test("rejecting the Terminate of an Erred resource, which has neither limits nor attributes, makes it OK", async () => {
  const row = rowOf("erred-without-order")
  const order = placeOrder(sandbox.world, row, { uuid: "e".repeat(32), type: "Terminate", state: "pending-provider" })
  expect([order.limits, order.attributes]).toEqual([{}, {}])
  expect((await post(sandbox, orderPath("erred-without-order", "reject_by_provider"))).status).toBe(200)
  expect(row).toMatchObject({ state: "OK", order_in_progress: null })
})

const atProvider = [
  ["ok-update-pending-provider", "Updating"],
  ["ok-terminate-pending-provider", "Terminating"],
] as const
// A resource may be in that state before.
const early = [["terminate-pending-provider", "Terminating"]] as const

test.each(atProvider)(
  "approving %s only sets the order to executing; the worker changes the resource",
  async (label, state) => {
    sandbox.waldur.worker.delay = "held"
    const { modified } = rowOf(label)
    expect((await post(sandbox, orderPath(label, "approve_by_provider"))).status).toBe(200)
    expect(rowOf(label)).toMatchObject({ state: "OK", order_in_progress: { state: "executing" }, modified })
    expect(sandbox.waldur.worker.work()).toBe(1)
    expect(rowOf(label)).toMatchObject({ state, order_in_progress: { state: "executing" } })
    expect(sandbox.waldur.worker.work()).toBe(0)
  },
)

test.each([...atProvider, ...early])(
  "an order of %s that is done before the worker runs leaves its resource in %s permanently",
  async (label, state) => {
    sandbox.waldur.worker.delay = "held"
    const path = orderPath(label)
    await post(sandbox, `${path}approve_by_provider/`)
    expect((await post(sandbox, `${path}set_state_done/`)).status).toBe(200)
    sandbox.waldur.worker.work()
    expect(rowOf(label)).toMatchObject({ state, order_in_progress: null })
    expect((await request(sandbox, path)).json.state).toBe("done")
    expect((await post(sandbox, `${path}set_state_done/`)).status).toBe(409)
  },
)

test("the mock Waldur's worker runs each job after the delay that was set when the job was queued", () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const worker = waldurWorker()
  const done: Array<string> = []
  worker.delay = 200
  worker.later(() => done.push("late"))
  worker.delay = 0
  worker.later(() => done.push("at once"))
  vi.advanceTimersByTime(199)
  expect(done).toEqual(["at once"])
  vi.advanceTimersByTime(1)
  expect(done).toEqual(["at once", "late"])
})

test("approving a Create changes nothing in its resource, not even modified, and queues no job", async () => {
  sandbox.waldur.worker.delay = "held"
  const before = structuredClone(rowOf("create-pending-provider"))
  expect((await post(sandbox, orderPath("create-pending-provider", "approve_by_provider"))).status).toBe(200)
  const { order_in_progress: _, creation_order: __, ...plain } = rowOf("create-pending-provider")
  expect(before).toMatchObject(plain)
  expect(sandbox.waldur.worker.work()).toBe(0)
})

test("a Terminate that is set to erred makes its resource OK", async () => {
  await post(sandbox, orderPath("ok-terminate-pending-provider", "approve_by_provider"))
  const path = orderPath("ok-terminate-pending-provider", "set_state_erred")
  expect((await post(sandbox, path, { error_message: "busy", error_traceback: "" })).status).toBe(200)
  expect(rowOf("ok-terminate-pending-provider")).toMatchObject({ state: "OK", order_in_progress: null })
})

test("the mock Waldur's set_state_ok does not change an order in progress", async () => {
  await post(sandbox, orderPath("ok-terminate-pending-provider", "approve_by_provider"))
  const order = structuredClone(rowOf("ok-terminate-pending-provider").order_in_progress)
  expect((await post(sandbox, resourcePath("ok-terminate-pending-provider", "set_state_ok"))).status).toBe(200)
  expect(rowOf("ok-terminate-pending-provider")).toMatchObject({ state: "OK", order_in_progress: order })
})

test("approving and rejecting return 400 while the customer is blocked", async () => {
  const row = rowOf("ok-update-pending-provider")
  const customers = sandbox.world.customersByOffering.get(String(row.offering_uuid)) ?? []
  const customer = customers.find(({ uuid }) => uuid === row.customer_uuid) ?? {}
  customer.blocked = true
  for (const action of ["approve_by_provider", "reject_by_provider"]) {
    const refused = await post(sandbox, orderPath("ok-update-pending-provider", action))
    expect([refused.status, refused.json]).toEqual([400, ["Blocked organization is not available."]])
  }
  expect(row).toMatchObject({ state: "OK", order_in_progress: { state: "pending-provider" } })
  customer.blocked = false
  expect((await post(sandbox, orderPath("ok-update-pending-provider", "approve_by_provider"))).status).toBe(200)
})

test("approving, but not rejecting, returns 400 once the project has expired", async () => {
  const row = rowOf("ok-update-pending-provider")
  row.project_end_date = sandbox.world.now.slice(0, 10)
  expect((await post(sandbox, orderPath("ok-update-pending-provider", "approve_by_provider"))).status).toBe(400)
  row.project_end_date = "2999-01-01"
  expect((await post(sandbox, orderPath("update-pending-provider", "approve_by_provider"))).status).toBe(200)
  row.project_end_date = "2020-01-01"
  expect((await post(sandbox, orderPath("ok-update-pending-provider", "reject_by_provider"))).status).toBe(200)
})

test.each([
  ["set_state_ok", () => resourcePath("erred-without-order", "set_state_ok"), "erred-without-order"],
  ["set_backend_id", () => resourcePath("capstor-store", "set_backend_id"), "capstor-store"],
  [
    "set_state_done, even if it changes nothing,",
    () => orderPath("update-none-of-four", "set_state_done"),
    "update-none-of-four",
  ],
  ["set_state_erred", () => orderPath("update-limits", "set_state_erred"), "update-limits"],
])("the mock Waldur's %s updates modified", async (_, path, label) => {
  const row = rowOf(label)
  // Its state after set_state_done, so nothing changes.
  if (label === "update-none-of-four") row.state = "OK"
  const before = String(row.modified)
  const body = { backend_id: "/capstor/store/new", error_message: "no", error_traceback: "" }
  expect((await post(sandbox, path(), body)).status).toBe(200)
  expect(String(row.modified) > before).toBe(true)
})

test("placing an order changes only the resource's order; cancelling it makes the resource OK, or terminates it after a Create", () => {
  const { world } = sandbox
  const row = rowOf("capstor-store")
  const before = structuredClone(row)
  const order = placeOrder(world, row, {
    uuid: "d".repeat(32),
    type: "Update",
    state: "pending-consumer",
    limits: { storage: 9 },
    attributes: { old_limits: { storage: 8 } },
  })
  expect(row.order_in_progress).toBe(order)
  expect(world.orders).toContain(order)
  cancelOrder(world, row)
  expect(row).toEqual(before)
  expect(order).toMatchObject({ state: "canceled", type: "Update", marketplace_resource_uuid: row.uuid })
  cancelOrder(world, rowOf("terminate-pending-consumer"))
  expect(rowOf("terminate-pending-consumer")).toMatchObject({ state: "OK", order_in_progress: null })
  cancelOrder(world, rowOf("create-pending-provider"))
  expect(rowOf("create-pending-provider")).toMatchObject({ state: "Terminated", order_in_progress: null })
})

test("the mock Waldur's set_state_executing works only once, and leaves the resource and the worker alone", async () => {
  sandbox.waldur.worker.delay = "held"
  for (const label of ["ok-terminate-pending-provider", "ok-terminate-pending-consumer"]) {
    const path = orderPath(label, "set_state_executing")
    expect((await post(sandbox, path)).status).toBe(200)
    expect(rowOf(label)).toMatchObject({ state: "OK", order_in_progress: { state: "executing" } })
    const again = await post(sandbox, path)
    expect(again.status).toBe(409)
    expect(again.json.detail).toBe("Valid states for operation: pending-consumer, pending-provider, erred.")
  }
  expect(sandbox.waldur.worker.work()).toBe(0)
})

test("the order of an offering that Waldur runs itself is done by its worker, and takes no report of executing or erred", async () => {
  sandbox.waldur.worker.delay = "held"
  const row = rowOf("second-provider")
  placeOrder(sandbox.world, row, {
    uuid: "f".repeat(32),
    type: "Update",
    state: "pending-provider",
    limits: { storage: 9 },
  })
  const path = orderPath("second-provider")
  for (const action of ["set_state_executing", "set_state_erred"]) {
    const refused = await post(sandbox, `${path}${action}/`, {})
    expect(refused.status).toBe(405)
    expect(refused.json).toEqual({ detail: 'Method "POST" not allowed.' })
  }
  expect((await post(sandbox, `${path}approve_by_provider/`)).status).toBe(200)
  expect(row).toMatchObject({ state: "OK", order_in_progress: { state: "executing" } })
  expect(sandbox.waldur.worker.work()).toBe(1)
  expect(row).toMatchObject({ state: "OK", limits: { storage: 9 }, order_in_progress: null })
})

test.each([
  ["update-limits", "set_state_done", "Erred"],
  ["create-pending-provider", "reject_by_provider", "Terminated"],
  ["ok-terminate-pending-provider", "reject_by_provider", "OK"],
])("the mock Waldur sets even an order that has ended to erred (%s after %s: %s)", async (label, action, state) => {
  const path = orderPath(label)
  expect((await post(sandbox, `${path}${action}/`)).status).toBe(200)
  const next = placeOrder(sandbox.world, rowOf(label), {
    uuid: "a".repeat(32),
    type: "Update",
    state: "pending-provider",
  })
  const late = { error_message: "disk full", error_traceback: "" }
  expect((await post(sandbox, `${path}set_state_erred/`, late)).status).toBe(200)
  expect((await request(sandbox, path)).json).toMatchObject({ state: "erred", ...late })
  expect(rowOf(label)).toMatchObject({ state, order_in_progress: next })
})

test("the mock Waldur cannot set the Terminate of a Terminated resource to erred", async () => {
  const label = "removing-beside-live-same-path"
  const path = orderPath(label)
  await post(sandbox, `${path}set_state_done/`)
  const late = await post(sandbox, `${path}set_state_erred/`, { error_message: "disk full", error_traceback: "" })
  expect(late.status).toBe(500)
  expect((await request(sandbox, path)).json.state).toBe("done")
  expect(rowOf(label).state).toBe("Terminated")
})

test("the mock Waldur's set_state_done requires an executing order", async () => {
  expect((await post(sandbox, orderPath("create-pending-provider", "set_state_done"))).status).toBe(409)
})

test("a Create that is done makes its resource OK", async () => {
  const path = orderPath("create-executing")
  expect((await post(sandbox, `${path}set_state_done/`)).status).toBe(200)
  expect(rowOf("create-executing")).toMatchObject({ state: "OK", order_in_progress: null })
  expect((await request(sandbox, path)).json.state).toBe("done")
})

test("an Update that is done replaces the limits, adds its options, and updates modified", async () => {
  const before = String(rowOf("update-limits-and-options").modified)
  rowOf("update-limits-and-options").limits = { storage: 50, inodes: 7 }
  await post(sandbox, orderPath("update-limits-and-options", "set_state_done"))
  const { state, limits, options } = rowOf("update-limits-and-options")
  expect({ state, limits, options }).toEqual({
    state: "OK",
    limits: { storage: 110 },
    options: { soft_quota_space: 50, hard_quota_space: 120 },
  })
  expect(String(rowOf("update-limits-and-options").modified) > before).toBe(true)
})

test("a Terminate that is done makes its resource Terminated", async () => {
  await post(sandbox, orderPath("removing-beside-live-same-path", "set_state_done"))
  expect(rowOf("removing-beside-live-same-path")).toMatchObject({ state: "Terminated", order_in_progress: null })
})

test("the mock Waldur's set_state_erred requires both error fields, which become the order's and not the resource's", async () => {
  const path = orderPath("update-limits")
  const empty = await post(sandbox, `${path}set_state_erred/`)
  expect(empty.status).toBe(500)
  expect(empty.headers.get("Content-Type")).toContain("text/html")
  const error = { error_message: "disk full", error_traceback: "…" }
  expect((await post(sandbox, `${path}set_state_erred/`, error)).status).toBe(200)
  expect((await request(sandbox, path)).json).toMatchObject({ state: "erred", ...error })
  expect(rowOf("update-limits")).toMatchObject({ state: "Erred", error_message: "" })
})

test("the mock Waldur's set_backend_id requires backend_id", async () => {
  const path = resourcePath("capstor-store", "set_backend_id")
  const empty = await post(sandbox, path)
  expect(empty.status).toBe(500)
  expect(empty.text).toContain("<html")
  expect((await post(sandbox, path, { backend_id: "/capstor/store/new" })).status).toBe(200)
  const { backend_id, modified } = rowOf("capstor-store")
  expect(backend_id).toBe("/capstor/store/new")
  const again = await post(sandbox, path, { backend_id })
  expect([again.status, again.json]).toEqual([200, { status: "Resource backend_id is not changed." }])
  expect(rowOf("capstor-store").modified).toBe(modified)
})

test("the mock Waldur's set_state_ok sets an Erred resource to OK and refuses an OK one", async () => {
  const path = resourcePath("erred-without-order", "set_state_ok")
  expect((await post(sandbox, path)).status).toBe(200)
  expect((await post(sandbox, path)).status).toBe(409)
})

test("the mock Waldur's update_options_direct merges options", async () => {
  const path = resourcePath("quota-space-overridden", "update_options_direct")
  expect((await post(sandbox, path, { options: { hard_quota_space: 99 } })).status).toBe(200)
  expect(rowOf("quota-space-overridden").options).toEqual({ soft_quota_space: 40, hard_quota_space: 99 })
  expect((await post(sandbox, path, {})).status).toBe(400)
})

test("the mock Waldur 7.0.7 has neither set_state_ok nor update_options_direct", async () => {
  sandbox.waldur.dialect = "7.0.7"
  for (const action of ["set_state_ok", "update_options_direct"]) {
    const response = await post(sandbox, resourcePath("erred-without-order", action), {})
    expect(response.status).toBe(404)
    expect(response.text).toContain("<html")
  }
})

test("the mock Waldur returns different errors for unknown orders, unknown actions and malformed bodies", async () => {
  expect((await post(sandbox, `marketplace-orders/${"0".repeat(32)}/set_state_done/`)).json).toEqual({
    detail: "No Order matches the given query.",
  })
  expect((await post(sandbox, orderPath("update-limits", "set_state_great"))).text).toContain("<html")
  const response = await request(sandbox, orderPath("update-limits", "set_state_erred"), { method: "POST", body: "{" })
  expect(response.status).toBe(400)
  expect((await request(sandbox, orderPath("update-limits", "set_state_done"))).status).toBe(405)
})

test("the mock Waldur's orders can be filtered by state, type and resource", async () => {
  const executing = await request(sandbox, "marketplace-orders/?state=executing&type=Create")
  expect(executing.json.map((order: { state: string }) => order.state)).toEqual(["executing"])
  const uuid = uuidOfCase(sandbox, "erred-with-order")
  expect((await request(sandbox, `marketplace-orders/?resource_uuid=${uuid}`)).json).toHaveLength(2)
  expect((await request(sandbox, "marketplace-orders/?state=late")).status).toBe(400)
})

test("an order action changes every copy of the order in recorded rows", async () => {
  const order = { uuid: "a".repeat(32), type: "Create", state: "executing", limits: { storage: 5 } }
  const row = {
    uuid: "b".repeat(32),
    state: "Creating",
    limits: {},
    order_in_progress: order,
    creation_order: { ...order },
  }
  const world = worldOf({ resources: [row], orders: [{ ...order, marketplace_resource_uuid: row.uuid }] })
  const own = await startSandbox({ world })
  expect((await post(own, `marketplace-orders/${order.uuid}/set_state_done/`)).status).toBe(200)
  expect(world.orders[0]?.state).toBe("done")
  expect(row).toMatchObject({
    state: "OK",
    limits: { storage: 5 },
    order_in_progress: null,
    creation_order: { state: "done" },
  })
  await own.close()
})

test("cancelling an order changes it in the list of orders too, even if the resource has a copy of it", () => {
  const row = rowOf("ok-update-pending-provider")
  const order = asObject(row.order_in_progress)
  row.order_in_progress = structuredClone(order) ?? null
  cancelOrder(sandbox.world, row)
  expect(order?.state).toBe("canceled")
})
