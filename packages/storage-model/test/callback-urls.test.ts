import { describe, expect, it } from "vitest"
import { anOrder, type Row } from "./a-resource.ts"
import { entryWith, type Surroundings, treeWith, warningsWith } from "./a-tree.ts"

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

/** The callback URLs of an entry, in order. */
const urlsOf = (changes: Row, around?: Surroundings) =>
  Object.entries(entryWith(changes, around)).filter(([key]) => key.endsWith("_url"))

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
  "unheard-of": ["set_backend_id_url"],
} as const

const waiting = ["pending-consumer", "pending-project", "pending-start-date"]
const atProvider = ["pending-provider", "executing"]
const states = ["Creating", "OK", "Erred", "Updating", "Terminating", "Terminated", "Unheard-of"]

/** Whether `set_state_ok` is possible for a resource state and an order state. */
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

  it.each([null, undefined])("other than set_backend_id need an order state (%j)", (state) => {
    expect(urlsOf({ order_in_progress: anOrder({ state }) })).toEqual([["set_backend_id_url", urls.set_backend_id_url]])
  })

  it.each([null, undefined])("are absent if the order in progress is %j", (order_in_progress) => {
    for (const state of ["Creating", "OK", "Updating", "Terminating"]) {
      const { entries, warnings } = treeWith({ state, order_in_progress })
      expect(JSON.stringify(entries)).not.toContain("_url")
      expect(warnings).toEqual([])
    }
  })

  it.each(["done", "erred", "canceled", "rejected"])("are absent if the order is %s", (orderState) => {
    for (const state of ["Creating", "OK", "Updating"]) {
      expect(urlsOf({ state, order_in_progress: anOrder({ state: orderState }) })).toEqual([])
    }
  })

  it.each([null, undefined, ""])("are absent, with a warning, if the order's url is %j", (url) => {
    expect(urlsOf({ order_in_progress: anOrder({ url }) })).toEqual([])
    expect(warningsWith({ order_in_progress: anOrder({ url }) })).toEqual([
      { code: "ignored-value", field: "order_in_progress.url", found: url ?? null },
    ])
  })

  it.each([null, undefined, ""])(
    "are present, with a warning about the missing type, if the order's type is %j",
    (type) => {
      const changes = { order_in_progress: anOrder({ type }) }
      expect(urlsOf(changes).map(([key]) => key)).toEqual(byOrder.executing)
      expect(warningsWith(changes)).toEqual([
        { code: "ignored-value", field: "order_in_progress.type", found: type ?? null },
      ])
    },
  )
})

const host = "https://waldur.example.com"
const path = "/api/marketplace-orders/b97da3cb155550148aaf4ba830f78240"

/** The callback URL for an order's URL, and whether a warning reports it as unusable. */
const servedFor = (url: unknown, settings: Surroundings["settings"] = {}) => {
  const changes = { order_in_progress: anOrder({ url }) }
  const found = Object.fromEntries(urlsOf(changes, { settings }))
  return [found.set_state_done_url, found.set_backend_id_url, warningsWith(changes, { settings }).length]
}
const notServed = [undefined, undefined, 1]
const servedBelow = (api: string, order = "b97da3cb155550148aaf4ba830f78240") => [
  `${api}/marketplace-orders/${order}/set_state_done/`,
  `${api}/marketplace-provider-resources/44d1e266-9fbc-50bc-8c11-fe312cab9dd3/set_backend_id/`,
  0,
]

describe("an order's url", () => {
  it.each<[string, unknown]>([
    ["a number", 5],
    ["an object whose toString is not a function", { toString: 1 }],
    ["a list", [`${host}${path}/`]],
    ["an id alone", "b97da3cb155550148aaf4ba830f78240"],
    ["a path alone", `${path}/`],
    ["of another scheme", `ftp://waldur.example.com${path}/`],
    ["a script", `javascript://waldur.example.com${path}/`],
    ["of another host", `https://waldur.example.org${path}/`],
    ["of a host that begins alike", `https://waldur.example.com.evil.example${path}/`],
    ["of a host below", `https://x.waldur.example.com${path}/`],
    ["of another port", `https://waldur.example.com:8443${path}/`],
    ["with a user", `https://root@waldur.example.com${path}/`],
    ["with a user that looks like the host", `https://waldur.example.com@evil.example${path}/`],
    ["with a password", `https://a:b@waldur.example.com${path}/`],
    ["with a query", `${host}${path}/?next=1`],
    ["with an empty query", `${host}${path}/?`],
    ["with a fragment", `${host}${path}/#x`],
    ["with a newline in it", `${host}/api/\nmarketplace-orders/b9/`],
    ["with a newline behind it", `${host}${path}/\n`],
    ["with a tab in the host", `https://waldur.\texample.com${path}/`],
    ["with white space around it", ` ${host}${path}/ `],
    ["with a NUL", `${host}${path}\0/`],
    ["with a line separator", `${host}${path}/\u2028`],
    ["with a backslash", `https:\\\\waldur.example.com${path}/`],
    ["with a backslash in the path", `${host}/api\\..${path}/`],
    ["with dot segments", `${host}/api/x/../marketplace-orders/b9/`],
    ["with a dot segment", `${host}/api/./marketplace-orders/b9/`],
    ["with an escaped dot segment", `${host}/api/%2e%2e/marketplace-orders/b9/`],
    ["with an escaped slash", `${host}/api/marketplace-orders/b9%2Fx/`],
    ["with empty components", `${host}//api/marketplace-orders/b9/`],
    ["with an empty order", `${host}/api/marketplace-orders//`],
    ["with two components after it", `${host}/api/marketplace-orders/b9/x/`],
    ["of something else", `${host}/api/orders/b97d/`],
    ["whose path differs in case", `${host}/api/Marketplace-Orders/b9/`],
    ["without a host", `https://${path}/`],
    ["with an impossible port", `https://waldur.example.com:99999${path}/`],
    ["with letters beyond ASCII", `https://wаldur.example.com${path}/`],
    ["of more than 2,048 characters", `${host}/${"a".repeat(2048)}${path}/`],
    ["with 40,000 slashes", `${host}${path}${"/".repeat(40_000)}x`],
    ["with ten million slashes", `${host}${path}${"/".repeat(10_000_000)}x`],
  ])("that is %s gives no callback URLs, but a warning", (_, url) => {
    expect(servedFor(url)).toEqual(notServed)
  })

  it.each([
    [`${host}${path}/`, `${host}/api`],
    [`${host}${path}`, `${host}/api`],
    [`https://waldur.example.com:443${path}/`, `${host}/api`],
    [`https://WALDUR.example.COM${path}/`, `${host}/api`],
    [`https://waldur.example.com.${path}/`, `${host}/api`],
    // A Waldur behind a gateway that terminates TLS does not know the scheme.
    [`http://waldur.example.com${path}/`, `${host}/api`],
    [`http://waldur.example.com:80${path}/`, `${host}/api`],
    [`http://waldur.example.com:443${path}/`, `${host}/api`],
    [`${host}/x/y${path}/`, `${host}/x/y/api`],
    [`${host}/marketplace-orders/b97da3cb155550148aaf4ba830f78240/`, host],
  ])("%s on waldur_api_url's host and port is served below %s", (url, api) => {
    expect(servedFor(url)).toEqual(servedBelow(api))
  })

  it.each([
    ["http://[::1]:8/api", "http://[0:0:0:0:0:0:0:1]:8/x/marketplace-orders/b9/", "http://[::1]:8/x"],
    ["https://[2001:DB8::1]/", "https://[2001:db8:0::1]/api/marketplace-orders/b9/", "https://[2001:db8::1]/api"],
    [
      "https://waldur.example.com:8443",
      "https://waldur.example.com:8443/marketplace-orders/b9",
      "https://waldur.example.com:8443",
    ],
    [
      "https://waldur.example.com:8443",
      "http://waldur.example.com:8443/marketplace-orders/b9",
      "https://waldur.example.com:8443",
    ],
    ["http://waldur.example.com", "https://waldur.example.com/marketplace-orders/b9/", "http://waldur.example.com"],
    [
      " HTTPS://Waldur.Example.Com./api/ ",
      "https://waldur.example.com/api/marketplace-orders/b9/",
      "https://waldur.example.com./api",
    ],
  ])("with a waldur_api_url of %s, %s is served below %s", (waldurApiUrl, url, api) => {
    expect(servedFor(url, { waldurApiUrl })).toEqual(servedBelow(api, "b9"))
  })

  it.each([undefined, "", "waldur.example.com", "ftp://waldur.example.com"])(
    "is not served if waldur_api_url is %j, because its origin is unconfirmed",
    (waldurApiUrl) => {
      expect(servedFor(`${host}${path}/`, { waldurApiUrl })).toEqual(notServed)
    },
  )

  it.each([
    [["https://portal.example.org"], `https://portal.example.org${path}/`, "https://portal.example.org/api"],
    [["https://portal.example.org:443/"], `https://PORTAL.example.org.${path}/`, "https://portal.example.org/api"],
    [
      ["https://x.example", "http://portal.example.org:81"],
      `http://portal.example.org:81${path}/`,
      "http://portal.example.org:81/api",
    ],
  ])("with callback_origins of %j, %s is served below %s", (callbackOrigins, url, api) => {
    for (const waldurApiUrl of [host, undefined]) {
      expect(servedFor(url, { callbackOrigins, waldurApiUrl })).toEqual(servedBelow(api))
    }
  })

  it.each([
    [["https://portal.example.org"], `http://portal.example.org${path}/`],
    [["https://portal.example.org"], `https://portal.example.org:8443${path}/`],
    [["https://portal.example.org"], `https://portal.example.com${path}/`],
    [["no URL"], `https://portal.example.org${path}/`],
    [["*"], `https://portal.example.org${path}/`],
  ])("with callback_origins of %j, %s is not served", (callbackOrigins, url) => {
    expect(servedFor(url, { callbackOrigins })).toEqual(notServed)
  })
})

describe("an Erred resource", () => {
  const ofResource = [
    ["set_backend_id_url", urls.set_backend_id_url],
    ["set_state_ok_url", urls.set_state_ok_url],
  ]

  it.each([null, undefined, anOrder({ state: "done" }), anOrder({ state: "erred" })])(
    "has set_state_ok_url and set_backend_id_url if its order is %j",
    (order_in_progress) => {
      expect(urlsOf({ state: "Erred", order_in_progress })).toEqual(ofResource)
      expect(warningsWith({ state: "Erred", order_in_progress })).toEqual([])
    },
  )

  it("has callback URLs even if its order's url is not served", () => {
    const order_in_progress = anOrder({ url: `https://evil.example${path}/` })
    expect(urlsOf({ state: "Erred", order_in_progress })).toEqual(ofResource)
    expect(warningsWith({ state: "Erred", order_in_progress })).toHaveLength(1)
  })

  it.each([
    "https://waldur.example.com",
    "https://waldur.example.com/",
    "https://waldur.example.com/api",
    "https://waldur.example.com/api//",
  ])("has callback URLs below the API of the waldur_api_url %s", (waldurApiUrl) => {
    expect(urlsOf({ state: "Erred" }, { settings: { waldurApiUrl } })).toEqual(ofResource)
  })

  it("has callback URLs below the path of waldur_api_url", () => {
    const settings = { waldurApiUrl: "https://portal.example.org:8443/waldur" }
    expect(urlsOf({ state: "Erred" }, { settings })[0]?.[1]).toBe(
      "https://portal.example.org:8443/waldur/api/marketplace-provider-resources/44d1e266-9fbc-50bc-8c11-fe312cab9dd3/set_backend_id/",
    )
  })

  it("has no callback URLs without waldur_api_url", () => {
    expect(urlsOf({ state: "Erred" }, { settings: { waldurApiUrl: undefined } })).toEqual([])
  })
})
