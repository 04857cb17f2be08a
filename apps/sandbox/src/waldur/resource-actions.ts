/** The provider's actions on a resource, and their effects. */
import { asObject, type JsonObject } from "../json.ts"
import type { WaldurRecord, World } from "../world/world.ts"
import { detail, invalidField, json, serverErrorPage } from "./errors.ts"
import { change } from "./world-changes.ts"

type Action = (world: World, resource: WaldurRecord, body: JsonObject) => Response

/** The actions that a provider can POST to `/api/marketplace-provider-resources/{uuid}/<action>/`. */
export const RESOURCE_ACTIONS: Record<string, Action> = {
  set_backend_id(world, resource, body) {
    // Waldur fails if the key is missing.
    if (body.backend_id === undefined) return serverErrorPage()
    const isNew = body.backend_id !== resource.backend_id
    if (isNew) change(world, [resource], { backend_id: body.backend_id })
    return json(200, { status: `Resource backend_id ${isNew ? "has been" : "is not"} changed.` })
  },

  set_state_ok(world, resource) {
    const states = ["Erred", "Creating", "Updating", "Terminating"]
    if (!states.includes(String(resource.state))) {
      return detail(409, `Valid states for operation: ${states.join(", ")}.`)
    }
    change(world, [resource], { state: "OK" })
    return json(200, { status: "Resource state has been set to OK." })
  },

  update_options_direct(world, resource, body) {
    const options = asObject(body.options)
    if (options === undefined) return invalidField("options", "This field is required.")
    change(world, [resource], { options: { ...asObject(resource.options), ...options } })
    return json(200, { status: "Resource options have been updated directly." })
  },
}

/** Waldur 7.0.7 lacks these two and returns a 404 with an HTML page. */
export const RESOURCE_ACTIONS_OF_8 = ["set_state_ok", "update_options_direct"]
