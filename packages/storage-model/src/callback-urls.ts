import { problem, type Warn } from "./finding.ts"
import type { Note } from "./note.ts"
import type { CallbackUrls } from "./storage-entry.ts"
import type { WaldurOrder } from "./waldur-resource.ts"

const orders = "/marketplace-orders/"
const mayBecomeOk = new Set(["Erred", "Creating", "Updating", "Terminating"])

/**
 * Where to report what became of a resource's order: actions of the order below its own URL, actions of the resource
 * (`/api/marketplace-provider-resources/<uuid>/...`) below the same API. Only where an order in progress has a URL.
 *
 * @param state the resource's state as the provider sees it
 */
export const callbackUrlsOf = (
  resource: { readonly uuid: string; readonly order_in_progress?: WaldurOrder | null },
  state: string,
  warn: Warn,
  note?: Note,
): CallbackUrls => {
  const order = resource.order_in_progress
  if (order?.url === undefined || order.url === null || order.url === "") {
    note?.(
      "callback URLs",
      null,
      "order_in_progress.url",
      order === undefined || order === null ? "no order is in progress" : "the order has no URL",
    )
    return {}
  }
  const orderUrl = order.url
  if (typeof orderUrl !== "string" || !/^https?:\/\//.test(orderUrl)) {
    warn("ignored-value", problem("order_in_progress.url", orderUrl, "expected a URL; no callback URLs"))
    note?.("callback URLs", null, "order_in_progress.url", "the order's URL is none")
    return {}
  }
  const end = orderUrl.indexOf(orders)
  if (end < 0) {
    warn(
      "ignored-value",
      problem("order_in_progress.url", orderUrl, `expected ${orders} in it; no URLs of the resource`),
    )
  }
  const ofOrder = (action: string) => `${orderUrl.replace(/\/*$/, "")}/${action}/`
  const ofResource = (action: string) =>
    `${orderUrl.slice(0, end)}/marketplace-provider-resources/${resource.uuid}/${action}/`
  const pending = order.state === "pending-provider"
  const executing = order.state === "executing"
  const urls = {
    ...(pending && {
      approve_by_provider_url: ofOrder("approve_by_provider"),
      reject_by_provider_url: ofOrder("reject_by_provider"),
    }),
    ...((pending || executing) && { set_state_done_url: ofOrder("set_state_done") }),
    ...(executing && { set_state_erred_url: ofOrder("set_state_erred") }),
    ...(end >= 0 && {
      ...(pending && { update_resource_options_url: ofResource("update_options_direct") }),
      set_backend_id_url: ofResource("set_backend_id"),
      ...(mayBecomeOk.has(state) && { set_state_ok_url: ofResource("set_state_ok") }),
    }),
  }
  note?.(
    "callback URLs",
    Object.keys(urls).join(", "),
    "order_in_progress",
    `the order is ${order.state ?? "in no state"}, the resource ${state === "" ? "in no state" : state}`,
  )
  return urls
}
