import { isDeepStrictEqual } from "node:util"
import { asObject, type JsonObject } from "../json.ts"
import type { WaldurRecord, World } from "../world/world.ts"
import { detail, methodNotAllowed, serverErrorPage } from "./errors.ts"
import { change, type FoundOrder } from "./world-changes.ts"

/** Offering types whose orders Waldur does not let a provider set to erred. */
export const TYPES_WITHOUT_SET_STATE_ERRED: readonly unknown[] = ["Marketplace.Basic", "Marketplace.Booking"]

type Action = (world: World, found: FoundOrder, body: JsonObject) => Response

/** What a provider can POST to `/api/marketplace-orders/{uuid}/<action>/`. */
export const ORDER_ACTIONS: Record<string, Action> = {
  approve_by_provider: from(["pending-provider"], (world, found, body) => {
    const attributes = asObject(body.attributes)
    const [order] = found.copies
    change(world, found.copies, {
      state: "executing",
      provider_reviewed_at: world.now,
      ...(attributes === undefined ? {} : { attributes: { ...asObject(order?.attributes), ...attributes } }),
    })
    setResource(world, found, stateWhileExecuting(found))
    return done()
  }),

  reject_by_provider: from(["pending-provider"], (world, found) => {
    const rejectedCreate = found.copies[0]?.type === "Create"
    change(world, found.copies, { state: "rejected", provider_reviewed_at: world.now })
    setResource(world, found, { state: rejectedCreate ? "Terminated" : "OK", order_in_progress: null })
    return done()
  }),

  set_state_executing: from(["pending-provider", "erred"], (world, found) => {
    change(world, found.copies, { state: "executing" })
    setResource(world, found, { ...stateWhileExecuting(found), order_in_progress: found.copies[0] ?? null })
    return done()
  }),

  set_state_done: from(["executing"], (world, found) => {
    const [order] = found.copies
    change(world, found.copies, { state: "done" })
    setResource(world, found, { ...outcome(order, found.resource), order_in_progress: null })
    return done()
  }),

  set_state_erred: (world, found, body) => {
    const [order] = found.copies
    const type = order?.offering_type ?? found.resource?.offering_type
    if (TYPES_WITHOUT_SET_STATE_ERRED.includes(type)) return methodNotAllowed("POST", "GET, HEAD, OPTIONS")
    // Waldur reads both keys without looking whether they are there.
    if (body.error_message === undefined || body.error_traceback === undefined) return serverErrorPage()
    return from(["executing", "pending-provider"], () => {
      const error = { error_message: body.error_message, error_traceback: body.error_traceback }
      change(world, found.copies, { state: "erred", ...error })
      setResource(world, found, { state: "Erred", ...error, order_in_progress: null })
      return done()
    })(world, found, body)
  },
}

/** The action, open only in these states of the order; in any other a 409 that names them. */
function from(states: string[], action: Action): Action {
  return (world, found, body) =>
    states.includes(String(found.copies[0]?.state))
      ? action(world, found, body)
      : detail(409, `Valid states for operation: ${states.join(", ")}.`)
}

/** Waldur's order actions answer with a status and nothing else. */
function done(): Response {
  return new Response(null, { status: 200 })
}

/** What happens to an order moves `modified` of its resource only where the resource itself changes. */
function setResource(world: World, { resource }: FoundOrder, fields: WaldurRecord): void {
  if (resource === undefined) return
  const { order_in_progress: order, ...plain } = fields
  const differs = Object.entries(plain).some(([name, value]) => !isDeepStrictEqual(resource[name], value))
  if (differs) change(world, [resource], plain)
  // Not cloned: the nested order has to stay the order that later actions change.
  if (order !== undefined) resource.order_in_progress = order
}

function stateWhileExecuting(found: FoundOrder): WaldurRecord {
  switch (found.copies[0]?.type) {
    case "Create":
      return { state: "Creating" }
    case "Update":
      return { state: "Updating" }
    case "Terminate":
      return { state: "Terminating" }
    default:
      return {}
  }
}

/** What a finished order makes of its resource. */
function outcome(order: WaldurRecord | undefined, resource: WaldurRecord | undefined): WaldurRecord {
  if (order?.type === "Terminate") return { state: "Terminated" }
  const limits = asObject(order?.limits)
  const options = asObject(asObject(order?.attributes)?.new_options)
  return {
    state: "OK",
    ...(limits === undefined ? {} : { limits: { ...asObject(resource?.limits), ...limits } }),
    ...(options === undefined ? {} : { options: { ...asObject(resource?.options), ...options } }),
  }
}
