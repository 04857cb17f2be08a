/** The provider's actions on an order, and their effects. */
import { isDeepStrictEqual } from "node:util"
import { asObject, type JsonObject } from "../json.ts"
import type { WaldurRecord, World } from "../world/world.ts"
import { detail, json, methodNotAllowed, serverErrorPage } from "./errors.ts"
import type { WaldurWorker } from "./worker.ts"
import { change, type FoundOrder } from "./world-changes.ts"

/** The type of the offerings whose orders Waldur carries out itself: of a provider's reports it takes only done. */
const AUTOMATIC_TYPE = "Marketplace.Basic"

type Action = (world: World, found: FoundOrder, body: JsonObject, worker: WaldurWorker) => Response

/** The actions that a provider can POST to `/api/marketplace-orders/{uuid}/<action>/`. */
export const ORDER_ACTIONS: Record<string, Action> = {
  approve_by_provider: from(["pending-provider"], (world, found, body, worker) => {
    if (isBlocked(world, found)) return refusal("Blocked organization is not available.")
    if (isExpired(world, found)) return refusal(`Project '${found.resource?.project_name}' is expired.`)
    const attributes = asObject(body.attributes)
    const [order] = found.copies
    change(world, found.copies, {
      state: "executing",
      provider_reviewed_at: world.now,
      ...(attributes === undefined ? {} : { attributes: { ...asObject(order?.attributes), ...attributes } }),
    })
    queueForWorker(world, found, worker)
    return done()
  }),

  reject_by_provider: from(["pending-provider"], (world, found) => {
    if (isBlocked(world, found)) return refusal("Blocked organization is not available.")
    const rejectedCreate = found.copies[0]?.type === "Create"
    change(world, found.copies, { state: "rejected", provider_reviewed_at: world.now })
    setResource(world, found, { state: rejectedCreate ? "Terminated" : "OK", order_in_progress: null })
    return done()
  }),

  // Only the order changes: the worker is for approvals.
  set_state_executing: from(["pending-consumer", "pending-provider", "erred"], (world, found) => {
    if (isAutomatic(found)) return methodNotAllowed("POST", "GET, HEAD, OPTIONS")
    change(world, found.copies, { state: "executing" })
    setResource(world, found, { order_in_progress: found.copies[0] ?? null })
    return done()
  }),

  set_state_done: from(["executing"], (world, found) => {
    complete(world, found)
    return done()
  }),

  // In any state of the order, even if it has ended.
  set_state_erred(world, found, { error_message, error_traceback }) {
    if (isAutomatic(found)) return methodNotAllowed("POST", "GET, HEAD, OPTIONS")
    const isTerminate = found.copies[0]?.type === "Terminate"
    const isTerminated = found.resource?.state === "Terminated"
    // Waldur fails if either key is missing, and when it tries to make a Terminated resource OK.
    if (error_message === undefined || error_traceback === undefined) return serverErrorPage()
    if (isTerminate && isTerminated) return serverErrorPage()
    change(world, found.copies, { state: "erred", error_message, error_traceback })
    // Data whose removal failed is still in service.
    endOrder(world, found, { state: isTerminate ? "OK" : isTerminated ? "Terminated" : "Erred" })
    return done()
  },
}

/** Allows an action only in these order states; in any other, it returns a 409 that names them. */
function from(states: string[], action: Action): Action {
  return (world, found, body, worker) =>
    states.includes(String(found.copies[0]?.state))
      ? action(world, found, body, worker)
      : detail(409, `Valid states for operation: ${states.join(", ")}.`)
}

/** Waldur's order actions respond with a status only. */
function done(): Response {
  return new Response(null, { status: 200 })
}

/** A refusal by one of Waldur's rules: 400 with a list of strings. */
function refusal(text: string): Response {
  return json(400, [text])
}

function isBlocked(world: World, { resource }: FoundOrder): boolean {
  const customers = world.customersByOffering.get(String(resource?.offering_uuid)) ?? []
  return customers.some(({ uuid, blocked }) => uuid === resource?.customer_uuid && blocked === true)
}

/** `project_end_date` is the first day on which the project is expired. */
function isExpired(world: World, { resource }: FoundOrder): boolean {
  const end = resource?.project_end_date
  return typeof end === "string" && end <= world.now.slice(0, 10)
}

function isAutomatic({ copies: [order], resource }: FoundOrder): boolean {
  return (order?.offering_type ?? resource?.offering_type) === AUTOMATIC_TYPE
}

/** Queues what the worker does after an approval, whatever happens to the order and its resource until then. */
function queueForWorker(world: World, found: FoundOrder, worker: WaldurWorker): void {
  const state = STATE_WHILE_EXECUTING[String(found.copies[0]?.type)]
  if (isAutomatic(found)) worker.later(() => complete(world, found))
  else if (state !== undefined) worker.later(() => setResource(world, found, { state }))
}

/** A Create needs no change: its resource is Creating from the beginning. */
const STATE_WHILE_EXECUTING: Record<string, string> = { Update: "Updating", Terminate: "Terminating" }

function complete(world: World, found: FoundOrder): void {
  change(world, found.copies, { state: "done" })
  endOrder(world, found, outcome(found.copies[0], found.resource))
}

/** The end of an order updates `modified` of its resource, even if the resource does not change. */
function endOrder(world: World, { copies, resource }: FoundOrder, fields: WaldurRecord): void {
  if (resource === undefined) return
  change(world, [resource], fields)
  // If this one had ended before, another may be in progress.
  if (asObject(resource.order_in_progress)?.uuid === copies[0]?.uuid) resource.order_in_progress = null
}

/** Any other change of an order in progress updates `modified` of its resource only if the resource itself changes. */
function setResource(world: World, { resource }: FoundOrder, fields: WaldurRecord): void {
  if (resource === undefined) return
  const { order_in_progress: order, ...plain } = fields
  const differs = Object.entries(plain).some(([name, value]) => !isDeepStrictEqual(resource[name], value))
  if (differs) change(world, [resource], plain)
  // Not cloned: later actions must change this same nested order.
  if (order !== undefined) resource.order_in_progress = order
}

/** Applies a finished order to its resource. */
function outcome(order: WaldurRecord | undefined, resource: WaldurRecord | undefined): WaldurRecord {
  if (order?.type === "Terminate") return { state: "Terminated" }
  const limits = asObject(order?.limits)
  const options = asObject(asObject(order?.attributes)?.new_options)
  return {
    state: "OK",
    // Waldur replaces all limits, but an order without any leaves them.
    ...(limits === undefined || isDeepStrictEqual(limits, {}) ? {} : { limits }),
    ...(options === undefined ? {} : { options: { ...asObject(resource?.options), ...options } }),
  }
}
