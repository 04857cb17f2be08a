/** The mock Waldur's HTTP app. */
import { type Context, Hono } from "hono"
import { asObject, type Json, type JsonObject } from "../json.ts"
import type { Exchange } from "../listening-server.ts"
import type { WaldurRecord, WaldurToken, World } from "../world/world.ts"
import {
  authenticate,
  consumerVisibility,
  maySeeOffering,
  orderVisibility,
  providerVisibility,
  rightsOf,
} from "./access.ts"
import type { WaldurControl } from "./control.ts"
import { shapeOrder, shapeResource, VERSIONS } from "./dialect.ts"
import { detail, invalidField, json, methodNotAllowed, notFoundPage } from "./errors.ts"
import { ORDER_ACTIONS } from "./order-actions.ts"
import { paceOfResources } from "./pace.ts"
import { send, sendPage, trim, trimOrder, wantedFields } from "./pages.ts"
import { RESOURCE_ACTIONS, RESOURCE_ACTIONS_OF_8 } from "./resource-actions.ts"
import { ORDER_STATES, type Test } from "./resource-filters.ts"
import { resourceListing } from "./resource-listing.ts"
import { findOrder, findResource } from "./world-changes.ts"

type Env = { Bindings: Exchange; Variables: { token: WaldurToken } }

/** The part of Waldur's REST API that a storage proxy and a provisioner use. */
export function createWaldurApp(world: World, control: WaldurControl): Hono<Env> {
  const app = new Hono<Env>()
  const listing = resourceListing(world, control)
  let lists = 0

  app.notFound((c) => {
    const { pathname, search } = new URL(c.req.url)
    const slashed = `${pathname}/`
    if (pathname.endsWith("/") || !PATHS.some((path) => path.test(slashed))) return notFoundPage()
    return new Response(null, {
      status: 301,
      headers: { Location: slashed + search, "Content-Type": "text/html; charset=utf-8" },
    })
  })

  app.use(async (c, next) => {
    if (!PATHS.some((path) => path.test(new URL(c.req.url).pathname))) return next()
    const token = authenticate(world, c.req.header("Authorization"))
    if (token instanceof Response) return token
    c.set("token", token)
    return next()
  })

  app.get("/api/version/", (c) =>
    rightsOf(c.get("token")).version ? json(200, { version: VERSIONS[control.dialect] }) : forbidden(),
  )

  const resources = (c: Context<Env>) => {
    const url = new URL(c.req.url)
    const token = c.get("token")
    const isConsumers = url.pathname === "/api/marketplace-resources/"
    const rows = listing(url.searchParams, token, isConsumers ? "consumer" : "provider")
    if (rows instanceof Response) return rows
    lists += 1
    const arranged = control.arrange?.(rows, { number: lists, query: url.searchParams }) ?? rows
    const cut: typeof trim = control.trimsNested ? (row, fields) => trim(trimOrder(row, fields), fields) : trim
    return sendPage(world, c.env, url, arranged, (row) => shapeResource(control.dialect, row), paceOfResources, cut)
  }

  // The consumer's and the provider's list, which are equal for staff.
  for (const collection of ["marketplace-resources", "marketplace-provider-resources"]) {
    app.get(`/api/${collection}/`, resources)
    app.get(`/api/${collection}/:uuid/`, (c) => {
      const row = findResource(world, plain(c.req.param("uuid")))
      const token = c.get("token")
      const sees =
        collection === "marketplace-resources" ? consumerVisibility(world, token) : providerVisibility(world, token)
      if (row === undefined || !sees(row)) return unknown("Resource")
      const { searchParams } = new URL(c.req.url)
      const shaped = shapeResource(control.dialect, row)
      const fields = wantedFields(searchParams, [shaped])
      c.env.paceMs = paceOfResources(1, fields)
      return send(world, c.env, trim(shaped, fields))
    })
  }

  app.post("/api/marketplace-provider-resources/:uuid/:action/", async (c) => {
    const name = c.req.param("action")
    const action = RESOURCE_ACTIONS[name]
    if (action === undefined || (control.dialect === "7.0.7" && RESOURCE_ACTIONS_OF_8.includes(name))) {
      return notFoundPage()
    }
    const row = findResource(world, plain(c.req.param("uuid")))
    const token = c.get("token")
    if (row === undefined || !providerVisibility(world, token)(row)) return unknown("Resource")
    if (!rightsOf(token).acts) return forbidden()
    const body = bodyOf(await c.req.text())
    return body instanceof Response ? body : action(world, row, body)
  })

  app.get("/api/marketplace-provider-offerings/", (c) => {
    const url = new URL(c.req.url)
    const token = c.get("token")
    const slug = url.searchParams.getAll("slug").at(-1)
    const name = url.searchParams.getAll("name_exact").at(-1)
    const rows = world.offerings.filter(
      (offering) =>
        maySeeOffering(token, offering) && (!slug || offering.slug === slug) && (!name || offering.name === name),
    )
    return sendPage(world, c.env, url, rows)
  })

  app.get("/api/marketplace-provider-offerings/:uuid/", (c) => {
    const offering = findOffering(world, c.get("token"), c.req.param("uuid"))
    if (offering === undefined) return unknown("Offering")
    return send(world, c.env, trim(offering, wantedFields(new URL(c.req.url).searchParams, [offering])))
  })

  app.get("/api/marketplace-provider-offerings/:uuid/customers/", (c) => {
    const offering = findOffering(world, c.get("token"), c.req.param("uuid"))
    if (offering === undefined) return unknown("Offering")
    if (!rightsOf(c.get("token")).customers) return forbidden()
    return sendPage(world, c.env, new URL(c.req.url), world.customersByOffering.get(String(offering.uuid)) ?? [])
  })

  app.get("/api/marketplace-orders/", (c) => {
    const url = new URL(c.req.url)
    const filter = orderFilter(url.searchParams)
    if (filter instanceof Response) return filter
    const visible = orderVisibility(world, c.get("token"))
    const rows = world.orders.filter((order) => filter(order) && visible(order))
    return sendPage(world, c.env, url, rows, (order) => shapeOrder(control.dialect, order))
  })

  app.get("/api/marketplace-orders/:uuid/", (c) => {
    const order = findOrder(world, plain(c.req.param("uuid")))?.copies[0]
    if (order === undefined || !orderVisibility(world, c.get("token"))(order)) return unknown("Order")
    const shaped = shapeOrder(control.dialect, order)
    return send(world, c.env, trim(shaped, wantedFields(new URL(c.req.url).searchParams, [shaped])))
  })

  app.post("/api/marketplace-orders/:uuid/:action/", async (c) => {
    const action = ORDER_ACTIONS[c.req.param("action")]
    if (action === undefined) return notFoundPage()
    const found = findOrder(world, plain(c.req.param("uuid")))
    const [order] = found?.copies ?? []
    const token = c.get("token")
    if (!found || !order || !orderVisibility(world, token)(order)) return unknown("Order")
    if (!rightsOf(token).acts) return forbidden()
    const body = bodyOf(await c.req.text())
    return body instanceof Response ? body : action(world, found, body, control.worker)
  })

  // The path exists, but not with this method.
  app.all("*", (c) => {
    const { pathname } = new URL(c.req.url)
    if (!PATHS.some((path) => path.test(pathname))) return c.notFound()
    const isAction = ACTION_PATH.test(pathname)
    return methodNotAllowed(c.req.method, isAction ? "POST, OPTIONS" : "GET, HEAD, OPTIONS")
  })

  return app
}

// safe-regex: names of actions, with a slash on either side
const ACTION_PATH = new RegExp(
  `^/api/(marketplace-orders/[^/]+/(${Object.keys(ORDER_ACTIONS).join("|")})|` +
    `marketplace-provider-resources/[^/]+/(${Object.keys(RESOURCE_ACTIONS).join("|")}))/$`,
)

/** Every existing path in its canonical form, with the trailing slash. */
const PATHS = [
  /^\/api\/version\/$/,
  /^\/api\/marketplace-(provider-)?resources\/([^/]+\/)?$/,
  /^\/api\/marketplace-provider-offerings\/([^/]+\/(customers\/)?)?$/,
  /^\/api\/marketplace-orders\/([^/]+\/)?$/,
  ACTION_PATH,
]

function orderFilter(query: URLSearchParams): Test | Response {
  const states = query.getAll("state").filter((state) => state !== "")
  const bad = states.find((state) => !ORDER_STATES.includes(state))
  if (bad !== undefined) {
    return invalidField("state", `Select a valid choice. ${bad} is not one of the available choices.`)
  }
  const equal: Array<[string, string]> = []
  for (const [name, field] of Object.entries(ORDER_FILTERS)) {
    const value = query.getAll(name).at(-1)
    if (value) equal.push([field, name === "type" ? value : plain(value)])
  }
  return (order) =>
    (states.length === 0 || states.includes(String(order.state))) &&
    equal.every(([field, value]) => order[field] === value)
}

const ORDER_FILTERS: Record<string, string> = {
  type: "type",
  offering_uuid: "offering_uuid",
  resource_uuid: "marketplace_resource_uuid",
  project_uuid: "project_uuid",
  customer_uuid: "customer_uuid",
}

function findOffering(world: World, token: WaldurToken, uuid: string): WaldurRecord | undefined {
  const wanted = plain(uuid)
  return world.offerings.find((offering) => offering.uuid === wanted && maySeeOffering(token, offering))
}

/** Paths take uuids with or without dashes; responses contain none. */
function plain(uuid: string): string {
  return uuid.toLowerCase().replaceAll("-", "")
}

function forbidden(): Response {
  return detail(403, "You do not have permission to perform this action.")
}

function unknown(model: string): Response {
  return detail(404, `No ${model} matches the given query.`)
}

function bodyOf(text: string): JsonObject | Response {
  if (text.trim() === "") return {}
  let parsed: Json
  try {
    parsed = JSON.parse(text)
  } catch {
    return detail(400, "JSON parse error - Expecting value: line 1 column 1 (char 0)")
  }
  return asObject(parsed) ?? json(400, { non_field_errors: ["Invalid data. Expected a dictionary."] })
}
