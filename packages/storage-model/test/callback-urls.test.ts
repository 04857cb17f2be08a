import { describe, expect, it } from "vitest"
import { anOrder, type Row } from "./a-resource.ts"
import { entryWith, warningsWith } from "./a-tree.ts"

const order = "https://waldur.example.com/api/marketplace-orders/b97da3cb155550148aaf4ba830f78240"
const resource = "https://waldur.example.com/api/marketplace-provider-resources/44d1e266-9fbc-50bc-8c11-fe312cab9dd3"

const urls = {
  approve_by_provider_url: `${order}/approve_by_provider/`,
  reject_by_provider_url: `${order}/reject_by_provider/`,
  set_state_done_url: `${order}/set_state_done/`,
  set_state_erred_url: `${order}/set_state_erred/`,
  update_resource_options_url: `${resource}/update_options_direct/`,
  set_backend_id_url: `${resource}/set_backend_id/`,
  set_state_ok_url: `${resource}/set_state_ok/`,
}

/** The callback URLs of an entry, in their order. */
const urlsOf = (changes: Row) => Object.entries(entryWith(changes)).filter(([key]) => key.endsWith("_url"))

const byOrder = {
  "pending-provider": [
    "approve_by_provider_url",
    "reject_by_provider_url",
    "set_state_done_url",
    "update_resource_options_url",
    "set_backend_id_url",
  ],
  executing: ["set_state_done_url", "set_state_erred_url", "set_backend_id_url"],
  "pending-consumer": ["set_backend_id_url"],
  "pending-project": ["set_backend_id_url"],
  "pending-start-date": ["set_backend_id_url"],
  done: ["set_backend_id_url"],
  erred: ["set_backend_id_url"],
  canceled: ["set_backend_id_url"],
  rejected: ["set_backend_id_url"],
  "unheard-of": ["set_backend_id_url"],
} as const

const waiting = ["pending-consumer", "pending-project", "pending-start-date"]
const atProvider = ["pending-provider", "executing"]
const states = ["Creating", "OK", "Erred", "Updating", "Terminating", "Terminated", "Unheard-of"]

/** Whether a resource that is in a state under an order in a state can be said to be OK. */
const canBecomeOk = (state: string, orderState: string) =>
  state === "Erred" || (["Creating", "Updating", "Terminating"].includes(state) && !waiting.includes(orderState))

describe("the callback URLs", () => {
  it.each(
    Object.entries(byOrder).flatMap(([orderState, keys]) =>
      states
        .filter((state) => !(state === "Creating" && waiting.includes(orderState)))
        .filter((state) => state !== "Terminating" || [...waiting, ...atProvider].includes(orderState))
        .map((state) => [
          orderState,
          state,
          [...keys, ...(canBecomeOk(state, orderState) ? ["set_state_ok_url"] : [])],
        ]),
    ) as Array<[string, string, Array<keyof typeof urls>]>,
  )("of an order that is %s on a resource that is %s are %j", (orderState, state, keys) => {
    const type = state === "Terminating" ? "Terminate" : "Update"
    expect(urlsOf({ state, order_in_progress: anOrder({ state: orderState, type }) })).toEqual(
      keys.map((key) => [key, urls[key]]),
    )
  })

  it.each(["Create", "Update", "Terminate", null])("do not depend on the order's type (%j)", (type) => {
    expect(urlsOf({ order_in_progress: anOrder({ type }) }).map(([key]) => key)).toEqual(byOrder.executing)
  })

  it.each([null, undefined])("need a state of the order for all but set_backend_id (%j)", (state) => {
    expect(urlsOf({ order_in_progress: anOrder({ state }) })).toEqual([["set_backend_id_url", urls.set_backend_id_url]])
  })

  it.each([null, undefined, {}])("are not there where the order in progress is %j", (order_in_progress) => {
    expect(urlsOf({ state: "Erred", order_in_progress })).toEqual([])
  })

  it.each([null, undefined, ""])("are not there, and nothing is said, where the order's url is %j", (url) => {
    expect(urlsOf({ order_in_progress: anOrder({ url }) })).toEqual([])
    expect(warningsWith({ order_in_progress: anOrder({ url }) })).toEqual([])
  })

  it.each([
    5,
    true,
    {},
    [`${order}/`],
    "b97da3cb155550148aaf4ba830f78240",
    "ftp://waldur.example.com/marketplace-orders/b/",
  ])("are not there, and that is said, where the order's url is %j", (url) => {
    expect(urlsOf({ order_in_progress: anOrder({ url }) })).toEqual([])
    expect(warningsWith({ order_in_progress: anOrder({ url }) })).toEqual([
      { code: "ignored-value", field: "order_in_progress.url", found: url },
    ])
  })

  it("are the order's alone, and that is said, where its url does not tell the API", () => {
    const url = "https://waldur.example.com/api/orders/b97d/"
    expect(urlsOf({ state: "Erred", order_in_progress: anOrder({ url }) })).toEqual([
      ["set_state_done_url", `${url}set_state_done/`],
      ["set_state_erred_url", `${url}set_state_erred/`],
    ])
    expect(urlsOf({ order_in_progress: anOrder({ url, state: "pending-provider" }) })).toEqual([
      ["approve_by_provider_url", `${url}approve_by_provider/`],
      ["reject_by_provider_url", `${url}reject_by_provider/`],
      ["set_state_done_url", `${url}set_state_done/`],
    ])
    expect(urlsOf({ order_in_progress: anOrder({ url, state: "done" }) })).toEqual([])
    expect(warningsWith({ order_in_progress: anOrder({ url }) })).toEqual([
      { code: "ignored-value", field: "order_in_progress.url", found: url },
    ])
  })

  it.each([
    [
      "https://w.example/api/marketplace-orders/b9/",
      "https://w.example/api",
      "https://w.example/api/marketplace-orders/b9",
    ],
    [
      "https://w.example/api/marketplace-orders/b9",
      "https://w.example/api",
      "https://w.example/api/marketplace-orders/b9",
    ],
    ["http://[::1]:8/x/marketplace-orders/b9/", "http://[::1]:8/x", "http://[::1]:8/x/marketplace-orders/b9"],
  ])("of the order %s are below %s", (url, api, ofOrder) => {
    const found = Object.fromEntries(urlsOf({ order_in_progress: anOrder({ url }) }))
    expect(found.set_state_done_url).toBe(`${ofOrder}/set_state_done/`)
    expect(found.set_backend_id_url).toBe(
      `${api}/marketplace-provider-resources/44d1e266-9fbc-50bc-8c11-fe312cab9dd3/set_backend_id/`,
    )
  })
})
