import { afterEach, beforeEach, expect, test } from "vitest"
import { type Sandbox, startSandbox, worldOf } from "../src/index.ts"
import { asObject } from "../src/json.ts"
import { ask, post, uuidOfCase } from "./waldur-client.ts"

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

test("approving an order at the provider lets it execute", async () => {
  const path = orderPath("ok-update-pending-provider")
  expect((await post(sandbox, `${path}approve_by_provider/`, { attributes: { ticket: 42 } })).status).toBe(200)
  expect((await ask(sandbox, path)).json).toMatchObject({
    state: "executing",
    attributes: { old_limits: { storage: 50 }, ticket: 42 },
  })
  expect(rowOf("ok-update-pending-provider").state).toBe("Updating")
})

test("approving twice is a 409 that names the valid state", async () => {
  const path = orderPath("create-pending-provider", "approve_by_provider")
  expect((await post(sandbox, path)).status).toBe(200)
  const again = await post(sandbox, path)
  expect(again.status).toBe(409)
  expect(again.json).toEqual({ detail: "Valid states for operation: pending-provider." })
})

test("rejecting a Create terminates the resource, rejecting an Update leaves it", async () => {
  expect((await post(sandbox, orderPath("create-pending-provider", "reject_by_provider"))).status).toBe(200)
  expect(rowOf("create-pending-provider")).toMatchObject({ state: "Terminated", order_in_progress: null })
  expect((await post(sandbox, orderPath("update-pending-provider", "reject_by_provider"))).status).toBe(200)
  expect(rowOf("update-pending-provider")).toMatchObject({ state: "OK", limits: { storage: 50 } })
})

test("an order that is rejected without a change of its resource leaves modified alone", async () => {
  const { modified } = rowOf("ok-update-pending-provider")
  expect((await post(sandbox, orderPath("ok-update-pending-provider", "reject_by_provider"))).status).toBe(200)
  expect(rowOf("ok-update-pending-provider")).toMatchObject({ state: "OK", order_in_progress: null, modified })
})

test("set_state_executing works once", async () => {
  const path = orderPath("terminate-pending-provider", "set_state_executing")
  expect((await post(sandbox, path)).status).toBe(200)
  expect((await post(sandbox, path)).status).toBe(409)
})

test("set_state_done wants an executing order", async () => {
  expect((await post(sandbox, orderPath("create-pending-provider", "set_state_done"))).status).toBe(409)
})

test("a Create that is done makes its resource OK", async () => {
  const path = orderPath("create-executing")
  expect((await post(sandbox, `${path}set_state_done/`)).status).toBe(200)
  expect(rowOf("create-executing")).toMatchObject({ state: "OK", order_in_progress: null })
  expect((await ask(sandbox, path)).json.state).toBe("done")
})

test("an Update that is done applies its limits and options, and moves modified", async () => {
  const before = String(rowOf("update-limits-and-options").modified)
  await post(sandbox, orderPath("update-limits-and-options", "set_state_done"))
  expect(rowOf("update-limits-and-options")).toMatchObject({
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

test("set_state_erred wants its two texts, and is missing for some offering types", async () => {
  const path = orderPath("update-limits", "set_state_erred")
  const empty = await post(sandbox, path)
  expect(empty.status).toBe(500)
  expect(empty.headers.get("Content-Type")).toContain("text/html")
  expect((await post(sandbox, path, { error_message: "disk full", error_traceback: "…" })).status).toBe(200)
  expect(rowOf("update-limits")).toMatchObject({ state: "Erred", error_message: "disk full" })
  const refused = await post(sandbox, orderPath("terminate-pending-start-date", "set_state_erred"), {})
  expect(refused.status).toBe(405)
  expect(refused.json).toEqual({ detail: 'Method "POST" not allowed.' })
})

test("set_backend_id wants the id", async () => {
  const path = resourcePath("capstor-store", "set_backend_id")
  const empty = await post(sandbox, path)
  expect(empty.status).toBe(500)
  expect(empty.text).toContain("<html")
  expect((await post(sandbox, path, { backend_id: "/capstor/store/new" })).status).toBe(200)
  expect(rowOf("capstor-store").backend_id).toBe("/capstor/store/new")
})

test("set_state_ok heals an Erred resource and refuses an OK one", async () => {
  const path = resourcePath("erred-without-order", "set_state_ok")
  expect((await post(sandbox, path)).status).toBe(200)
  expect((await post(sandbox, path)).status).toBe(409)
})

test("update_options_direct merges options", async () => {
  const path = resourcePath("quota-space-overridden", "update_options_direct")
  expect((await post(sandbox, path, { options: { hard_quota_space: 99 } })).status).toBe(200)
  expect(rowOf("quota-space-overridden").options).toEqual({ soft_quota_space: 40, hard_quota_space: 99 })
  expect((await post(sandbox, path, {})).status).toBe(400)
})

test("a 7.0.7 has no set_state_ok and no update_options_direct", async () => {
  sandbox.waldur.dialect = "7.0.7"
  for (const action of ["set_state_ok", "update_options_direct"]) {
    const answer = await post(sandbox, resourcePath("erred-without-order", action), {})
    expect(answer.status).toBe(404)
    expect(answer.text).toContain("<html")
  }
})

test("unknown orders, unknown actions and bodies that are no JSON are told apart", async () => {
  expect((await post(sandbox, `marketplace-orders/${"0".repeat(32)}/set_state_done/`)).json).toEqual({
    detail: "No Order matches the given query.",
  })
  expect((await post(sandbox, orderPath("update-limits", "set_state_great"))).text).toContain("<html")
  const answer = await ask(sandbox, orderPath("update-limits", "set_state_erred"), { method: "POST", body: "{" })
  expect(answer.status).toBe(400)
  expect((await ask(sandbox, orderPath("update-limits", "set_state_done"))).status).toBe(405)
})

test("orders are listed by state, type and resource", async () => {
  const executing = await ask(sandbox, "marketplace-orders/?state=executing&type=Create")
  expect(executing.json.map((order: { state: string }) => order.state)).toEqual(["executing"])
  const uuid = uuidOfCase(sandbox, "erred-with-order")
  expect((await ask(sandbox, `marketplace-orders/?resource_uuid=${uuid}`)).json).toHaveLength(2)
  expect((await ask(sandbox, "marketplace-orders/?state=late")).status).toBe(400)
})

test("every copy of an order in recorded rows is changed", async () => {
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
