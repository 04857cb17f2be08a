/** Builds the callback URLs with which a provisioner reports to Waldur. Only trusted addresses are served. */
import type { CallbackUrls } from "../entry/storage-entry.ts"
import { type Remark, remark } from "../report/finding.ts"
import type { ModelSettings } from "../settings.ts"
import type { WaldurOrder } from "../waldur/resource.ts"
import { isInProgress } from "./lifecycle.ts"
import { type Ruling, ruling } from "./ruling.ts"

type Addresses = Pick<ModelSettings, "waldurApiUrl" | "callbackOrigins">

/** What each callback URL does to an order or a resource, in the order of an entry's fields. */
export const callbackActions: Readonly<
  Record<keyof CallbackUrls, { readonly of: "order" | "resource"; readonly action: string }>
> = {
  approve_by_provider_url: { of: "order", action: "approve_by_provider" },
  reject_by_provider_url: { of: "order", action: "reject_by_provider" },
  set_state_done_url: { of: "order", action: "set_state_done" },
  set_state_erred_url: { of: "order", action: "set_state_erred" },
  update_resource_options_url: { of: "resource", action: "update_options_direct" },
  set_backend_id_url: { of: "resource", action: "set_backend_id" },
  set_state_ok_url: { of: "resource", action: "set_state_ok" },
}

const mayBecomeOk = new Set(["Creating", "Updating", "Terminating"])
const urlField = "order_in_progress.url"

/**
 * The callback URLs of a resource: actions of its order, below the order's own URL, and actions of the resource
 * (`/api/marketplace-provider-resources/<uuid>/...`), below the same API. They exist only while an order with a trusted
 * URL is in progress; an Erred resource has some without an order, below `waldurApiUrl`.
 *
 * @param state the resource's state as the provider sees it
 */
export const callbackUrlsOf = (
  resource: { readonly uuid: string; readonly order_in_progress?: WaldurOrder | null },
  state: string,
  addresses: Addresses,
): Ruling<CallbackUrls> => {
  const remarks: Array<Remark> = []
  const order = isInProgress(resource.order_in_progress) ? resource.order_in_progress : undefined
  const of = order === undefined ? undefined : servedOrder(order, addresses, remarks)
  const isErred = state === "Erred"
  const api = of?.api ?? (isErred ? apiAt(addresses.waldurApiUrl) : undefined)
  const pending = of !== undefined && order?.state === "pending-provider"
  const executing = of !== undefined && order?.state === "executing"
  const keys: ReadonlyArray<keyof CallbackUrls> = [
    ...(pending ? (["approve_by_provider_url", "reject_by_provider_url", "set_state_done_url"] as const) : []),
    ...(executing ? (["set_state_done_url", "set_state_erred_url"] as const) : []),
    ...(pending ? (["update_resource_options_url"] as const) : []),
    ...(api === undefined ? [] : (["set_backend_id_url"] as const)),
    ...(api !== undefined && (isErred || mayBecomeOk.has(state)) ? (["set_state_ok_url"] as const) : []),
  ]
  const above = { order: of?.order, resource: `${api}/marketplace-provider-resources/${resource.uuid}` }
  const urlOf = (key: keyof CallbackUrls) => `${above[callbackActions[key].of]}/${callbackActions[key].action}/`
  const urls: CallbackUrls = Object.fromEntries(keys.map((key) => [key, urlOf(key)]))
  const rule =
    order === undefined ? "callback-urls/no-order" : of === undefined ? "callback-urls/no-url" : "callback-urls/order"
  const field = of !== undefined ? "order_in_progress" : api === undefined ? urlField : "waldur_api_url"
  const facts = { order: order?.state ?? "in no state", state: state === "" ? "in no state" : state }
  return ruling("callback URLs", urls, field, rule, facts, remarks)
}

/** An order's URL without its trailing slash, and the base URL of its API. */
interface ServedOrder {
  readonly order: string
  readonly api: string
}

/** In characters; the limit of browsers and gateways. An order's URL has some 100. */
const longestUrl = 2048
/**
 * A URL without user, query, fragment, control character, backslash or escape, so that every parser reads it alike. The
 * order's id is a single component (Waldur uses a UUID), so it cannot address another resource.
 */
const plainUrl = /^https?:\/\/[a-z0-9._:[\]-]+(\/[a-z0-9._~/-]*)?\/marketplace-orders\/([a-z0-9_-]+)\/?$/i

const servedOrder = (order: WaldurOrder, addresses: Addresses, remarks: Array<Remark>): ServedOrder | undefined => {
  const refused = (reason: string) => {
    remarks.push(remark("ignored-value", urlField, order.url, `${reason}; no callback URLs of the order`))
    return undefined
  }
  if (order.type === undefined || order.type === null || order.type === "") {
    const reason = "missing; expected Create, Update or Terminate; old and new quotas are unknown"
    remarks.push(remark("ignored-value", "order_in_progress.type", order.type, reason))
  }
  if (order.state === undefined || order.state === null || order.state === "") {
    const reason = "missing; without it the order cannot be approved or reported as done"
    remarks.push(remark("ignored-value", "order_in_progress.state", order.state, reason))
  }
  const { url } = order
  if (url === undefined || url === null || url === "") return refused("missing; expected the order's URL")
  const match = typeof url === "string" && url.length <= longestUrl ? plainUrl.exec(url) : null
  if (match === null || !URL.canParse(match[0])) {
    return refused("expected a plain http(s) URL: <Waldur's API>/marketplace-orders/<order>/")
  }
  const parsed = new URL(match[0])
  const [, above = "", name] = match
  const path = `${above}/marketplace-orders/${name}`
  // A path that `URL` normalises, such as one with "..", may be normalised differently elsewhere.
  if (parsed.pathname.replace(/\/$/, "") !== path || path.includes("//")) {
    return refused("expected a path without empty components, . or ..")
  }
  const origin = servedOrigin(parsed, addresses)
  if (origin === undefined) {
    return refused("expected a URL on the host and port of waldur_api_url, or on one of callback_origins")
  }
  return { order: `${origin}${path}`, api: `${origin}${above}` }
}

/** The origins under which callback URLs are served. */
export const servedOrigins = ({ waldurApiUrl, callbackOrigins }: Addresses): ReadonlyArray<string> =>
  [waldurApiUrl, ...callbackOrigins].flatMap((url) => parsedUrl(url)?.origin ?? [])

/** The origin under which a URL is served; `undefined` if its origin is not trusted. */
const servedOrigin = (url: URL, { waldurApiUrl, callbackOrigins }: Addresses): string | undefined => {
  const waldur = parsedUrl(waldurApiUrl)
  // Behind a gateway that terminates TLS, Waldur writes http without a port, so the configured scheme is used.
  const isSamePort = waldur !== undefined && (url.port === waldur.port || portOf(url) === portOf(waldur))
  if (isSamePort && hostOf(url) === hostOf(waldur)) return waldur.origin
  return callbackOrigins
    .map(parsedUrl)
    .find((one) => one?.protocol === url.protocol && one.port === url.port && hostOf(one) === hostOf(url))?.origin
}

/** The host without the trailing dot of a fully qualified name. */
const hostOf = ({ hostname }: URL) => hostname.replace(/\.$/, "")
const portOf = ({ port, protocol }: URL) => port || (protocol === "https:" ? "443" : "80")
const parsedUrl = (text: string | undefined) => {
  const trimmed = text?.trim() ?? ""
  return /^https?:/i.test(trimmed) && URL.canParse(trimmed) ? new URL(trimmed) : undefined
}

/** The base URL of Waldur's API, `https://waldur.example.org/api`, for an address with or without `/api`. */
const apiAt = (waldurApiUrl: string | undefined): string | undefined => {
  const url = parsedUrl(waldurApiUrl)
  if (url === undefined) return undefined
  const components = url.pathname.split("/").filter((component) => component !== "")
  if (components.at(-1) !== "api") components.push("api")
  return [url.origin, ...components].join("/")
}
