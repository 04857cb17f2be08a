import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest"
import { buildWorld, cancelOrder, placeOrder, type Sandbox, shuffleTies, startSandbox, worldOf } from "../src/index.ts"
import { request, uuidOfCase } from "./waldur-client.ts"

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox({ resources: 700 })
})
afterAll(() => sandbox.close())
afterEach(() => {
  sandbox.waldur.arrange = undefined
  sandbox.waldur.dialect = "8.x"
})

const RESOURCES = "marketplace-resources/"
const count = async (query: string): Promise<number> => {
  const response = await request(sandbox, `${RESOURCES}?${query}`)
  expect(response.status, response.text).toBe(200)
  return Number(response.headers.get("X-Result-Count"))
}

test("a page of the mock Waldur has the total count and absolute links to the other pages", async () => {
  const response = await request(sandbox, `${RESOURCES}?page=2&page_size=300&offering_slug=capstor,vast,iopsstor`)
  const base = `${sandbox.waldur.url}${RESOURCES}?offering_slug=capstor%2Cvast%2Ciopsstor`
  expect(response.json).toHaveLength(300)
  expect(response.headers.get("X-Result-Count")).toBe("699")
  expect(response.headers.get("Link")).toBe(
    [
      `<${base}&page_size=300>; rel="first"`,
      `<${base}&page_size=300>; rel="prev"`,
      `<${base}&page=3&page_size=300>; rel="next"`,
      `<${base}&page=3&page_size=300>; rel="last"`,
    ].join(", "),
  )
})

test.each([
  ["", 10],
  ["page_size=0", 10],
  ["page_size=many", 10],
  ["page_size=7", 7],
  ["page_size=5000", 300],
])("the mock Waldur's page size for ?%s is %i", async (query, size) => {
  expect((await request(sandbox, `${RESOURCES}?${query}`)).json).toHaveLength(size)
})

test.each(["page=4&page_size=300", "page=0", "page=-1", "page=x"])(
  "the mock Waldur returns 404 for a page that does not exist: ?%s",
  async (query) => {
    const response = await request(sandbox, `${RESOURCES}?${query}`)
    expect(response.status).toBe(404)
    expect(response.json).toEqual({ detail: "Invalid page." })
  },
)

test("an empty list of the mock Waldur still has a first page", async () => {
  const response = await request(sandbox, `${RESOURCES}?offering_slug=nothing`)
  expect(response.json).toEqual([])
  expect(response.headers.get("X-Result-Count")).toBe("0")
})

test("the mock Waldur responds to HEAD with the count and no body", async () => {
  const response = await request(sandbox, RESOURCES, { method: "HEAD" })
  expect(response.status).toBe(200)
  expect(response.headers.get("X-Result-Count")).toBe("700")
  expect(response.text).toBe("")
})

test("the mock Waldur's field= keeps only the named top-level fields", async () => {
  const response = await request(sandbox, `${RESOURCES}?field=uuid&field=slug&field=nonsense`)
  for (const row of response.json) expect(Object.keys(row)).toEqual(["uuid", "slug"])
})

test("the mock Waldur's field= with only unknown names, or with a comma-separated list, returns the whole object", async () => {
  for (const query of ["field=nonsense", "field=uuid,slug"]) {
    const [row] = (await request(sandbox, `${RESOURCES}?${query}`)).json
    expect(Object.keys(row).length).toBeGreaterThan(60)
  }
})

test("the mock Waldur's resource filters return only the matching rows", async () => {
  const { resources } = sandbox.world
  const amount = (test: (row: (typeof resources)[number]) => boolean) => resources.filter(test).length
  expect(await count("offering_slug=vast")).toBe(amount((row) => row.offering_slug === "vast"))
  expect(await count("offering_slug=vast&offering_slug=daint-gpu")).toBe(1)
  expect(await count("offering_slug=impossible")).toBe(0)
  expect(await count("state=Erred&state=Updating")).toBe(
    amount((row) => row.state === "Erred" || row.state === "Updating"),
  )
  expect(await count("slug=capstor-bad-permissions")).toBe(0)
  expect(await count("slug=vast-bad-permissions")).toBe(1)
  expect(await count("name_exact=vast-bad-permissions")).toBe(1)
  expect(await count("query=BAD-PERMISSIONS")).toBe(2)
  const [row] = resources
  expect(await count(`project_uuid=${row?.project_uuid}`)).toBe(2)
  expect(await count(`customer_uuid=${row?.customer_uuid}`)).toBeGreaterThan(10)
  const partner = sandbox.world.offerings.find((offering) => offering.customer_name === "Alps Partner Platform")
  expect(await count(`offering_uuid=${partner?.uuid}`)).toBe(6)
  expect(await count(`provider_uuid=${partner?.customer_uuid}`)).toBe(6)
})

test("the mock Waldur's filter order_state selects resources by the state of their order in progress", async () => {
  const { json } = await request(sandbox, `${RESOURCES}?order_state=pending-project&order_state=pending-start-date`)
  const labels = json.map((row: { uuid: string }) => sandbox.world.labels.get(row.uuid))
  expect(labels.sort()).toEqual([
    "create-pending-project",
    "create-pending-start-date",
    "terminate-pending-project",
    "terminate-pending-start-date",
    "update-pending-project",
    "update-pending-start-date",
  ])
})

test("the mock Waldur's filter visible_to_providers hides resources that the customer has not yet approved", async () => {
  const all = await count("state=Creating")
  const hidden = all - (await count("state=Creating&visible_to_providers=true"))
  const pending = "order_state=pending-consumer&order_state=pending-project&order_state=pending-start-date"
  expect(hidden).toBeGreaterThan(2)
  expect(hidden).toBe(await count(`state=Creating&${pending}`))
})

test("the mock Waldur's filters created and modified are bounds with microsecond precision, in any time zone", async () => {
  const created = String(sandbox.world.cases.get("created-tied-first")?.row.created)
  const at = await count(`created=${created}&created_before=${created}`)
  expect(at).toBe(3)
  const after = created.replace(/(\d)Z$/, (_, digit) => `${Number(digit) + 1}Z`)
  expect((await count(`created=${created}`)) - (await count(`created=${after}`))).toBe(3)
  const offset = encodeURIComponent(created.replace("Z", "+00:00"))
  expect(await count(`created=${offset}`)).toBe(await count(`created=${created}`))
  expect(await count("modified=2030-01-01")).toBe(0)
})

test.each([
  ["state", "Gone"],
  ["order_state", "late"],
  ["modified", "yesterday"],
  ["created_before", "2024-13-01T00:00:00Z"],
  ["project_uuid", "42"],
  ["o", "colour"],
])("an invalid value of the mock Waldur's filter %s returns a 400 that names the field", async (name, value) => {
  const response = await request(sandbox, `${RESOURCES}?${name}=${value}`)
  expect(response.status).toBe(400)
  expect(Object.keys(response.json)).toEqual([name])
  expect(response.json[name]).toHaveLength(1)
})

test("the mock Waldur's o= sorts a list, and a minus sign reverses the order", async () => {
  const names = async (order: string): Promise<string[]> =>
    (await request(sandbox, `${RESOURCES}?o=${order}&page_size=300&field=name`)).json.map(
      (row: { name: string }) => row.name,
    )
  const up = await names("name")
  const down = await names("-name")
  expect(up).toEqual([...up].sort())
  expect(down).toEqual([...down].sort().reverse())
})

test("the mock Waldur sorts lists by created, and shuffleTies reorders ties at each request", async () => {
  const walk = async (): Promise<string[]> => {
    const uuids: string[] = []
    for (const page of [1, 2, 3]) {
      const { json } = await request(sandbox, `${RESOURCES}?page=${page}&page_size=300&field=uuid&field=slug`)
      for (const row of json) uuids.push(row.uuid ?? row.slug)
    }
    return uuids
  }
  expect(new Set(await walk()).size).toBe(700)
  sandbox.waldur.arrange = shuffleTies()
  expect(new Set(await walk()).size).toBeLessThan(700)
})

test("the mock Waldur's arrange can move a row from one page to another", async () => {
  sandbox.waldur.arrange = (rows, { query }) => (query.get("page") === "2" ? [...rows].reverse() : rows)
  const first = (await request(sandbox, `${RESOURCES}?page=1&page_size=2`)).json
  const second = (await request(sandbox, `${RESOURCES}?page=2&page_size=2`)).json
  expect(first[0].slug).toBe("capstor-capstor-store")
  // Two rows have no time and sort last.
  expect(second[0].uuid).toBe(sandbox.world.resources.at(-1)?.uuid)
})

test("the mock Waldur's next response shows a change to the world", async () => {
  const row = sandbox.world.cases.get("capstor-store")?.row as Record<string, unknown>
  row.limits = { storage: 801 }
  const { json } = await request(sandbox, `${RESOURCES}${row.uuid}/`)
  expect(json.limits).toEqual({ storage: 801 })
})

test("the Date of the mock Waldur's responses comes from the world's clock, not the machine's", async () => {
  const dated = async () => Date.parse((await request(sandbox, `${RESOURCES}?page_size=1`)).headers.get("Date") ?? "")
  const before = await dated()
  expect(before).toBe(Date.parse(sandbox.world.now))
  const uuid = uuidOfCase(sandbox, "capstor-store")
  await request(sandbox, `marketplace-provider-resources/${uuid}/set_backend_id/`, {
    method: "POST",
    body: JSON.stringify({ backend_id: "/new" }),
  })
  const { modified } = sandbox.world.cases.get("capstor-store")?.row ?? {}
  expect(Date.parse(String(modified))).toBe(before)
  expect(await dated()).toBe(before + 1000)
  expect(await count(`modified=${modified}`)).toBe(1)
})

test("every row of a built world is more than a year older than the first response", async () => {
  const own = await startSandbox({ world: buildWorld({ resources: 5000 }) })
  const { headers } = await request(own, `${RESOURCES}?page_size=1&modified=2025-11-23T09:00:00Z`)
  expect(headers.get("X-Result-Count")).toBe("0")
  await own.close()
})

test("links in the mock Waldur's rows point to the server that the client called", async () => {
  const [row] = (await request(sandbox, RESOURCES)).json
  expect(row.url).toBe(`${sandbox.waldur.url}marketplace-resources/${row.uuid}/`)
  expect(row.creation_order.url).toBe(`${sandbox.waldur.url}marketplace-orders/${row.creation_order.uuid}/`)
  expect((await request(sandbox, row.creation_order.url)).json.uuid).toBe(row.creation_order.uuid)
})

test("the mock Waldur finds a resource by its uuid alone, with or without dashes", async () => {
  const uuid = uuidOfCase(sandbox, "capstor-store")
  const dashed = uuid.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")
  expect((await request(sandbox, `${RESOURCES}${dashed}/`)).json.uuid).toBe(uuid)
  expect((await request(sandbox, `${RESOURCES}capstor-capstor-store/`)).json).toEqual({
    detail: "No Resource matches the given query.",
  })
})

test("the mock Waldur's offerings can be filtered by slug, and expose their secret options", async () => {
  const list = await request(sandbox, "marketplace-provider-offerings/?slug=capstor&field=uuid&field=name")
  expect(list.json).toEqual([{ uuid: expect.any(String), name: "Capstor" }])
  const one = await request(sandbox, `marketplace-provider-offerings/${list.json[0].uuid}/`)
  expect(one.json.secret_options.admin_password).toBe("secret-admin-password-of-capstor")
  expect((await request(sandbox, "marketplace-provider-offerings/capstor/")).status).toBe(404)
  expect((await request(sandbox, "marketplace-provider-offerings/?slug=iopsstor")).json).toHaveLength(2)
  expect((await request(sandbox, "marketplace-provider-offerings/?name_exact=VAST")).json).toHaveLength(1)
})

test("the mock Waldur pages an offering's customers, with their projects unless field= omits them", async () => {
  const capstor = sandbox.world.offerings[0]?.uuid
  const path = `marketplace-provider-offerings/${capstor}/customers/`
  const full = await request(sandbox, `${path}?page_size=3`)
  expect(full.json).toHaveLength(3)
  expect(Object.keys(full.json[0])).toHaveLength(39)
  expect(full.json[0].projects.length).toBeGreaterThan(0)
  const trimmed = await request(sandbox, `${path}?page_size=300&field=uuid&field=slug&field=name`)
  expect(trimmed.json).toHaveLength(Number(full.headers.get("X-Result-Count")))
  expect(Object.keys(trimmed.json[0])).toEqual(["uuid", "name", "slug"])
  expect((await request(sandbox, "marketplace-provider-offerings/capstor/customers/")).status).toBe(404)
})

test("the mock Waldur redirects a path without a trailing slash, and returns an HTML page for an unknown path", async () => {
  const redirect = await request(sandbox, "marketplace-resources?page=2")
  expect(redirect.status).toBe(301)
  expect(redirect.headers.get("Location")).toBe("/api/marketplace-resources/?page=2")
  const unknown = await request(sandbox, "marketplace-ressources/")
  expect(unknown.status).toBe(404)
  expect(unknown.headers.get("Content-Type")).toContain("text/html")
})

test("the mock Waldur returns 405 for an unsupported method", async () => {
  const response = await request(sandbox, RESOURCES, { method: "DELETE" })
  expect(response.status).toBe(405)
  expect(response.json).toEqual({ detail: 'Method "DELETE" not allowed.' })
})

test("the mock Waldur 7.0.7 lacks five fields and ignores unknown filters", async () => {
  sandbox.waldur.dialect = "7.0.7"
  expect((await request(sandbox, "version/")).json).toEqual({ version: "7.0.7" })
  expect(await count("offering_slug=impossible&visible_to_providers=true&order_state=late")).toBe(700)
  expect(await count("state=Erred")).toBeLessThan(700)
  const [row] = (await request(sandbox, RESOURCES)).json
  for (const name of ["offering_slug", "provider_slug", "customer_slug", "project_slug", "order_in_progress"]) {
    expect(row).not.toHaveProperty(name)
  }
  expect(row.creation_order).not.toHaveProperty("url")
  expect((await request(sandbox, "marketplace-orders/")).json[0]).not.toHaveProperty("url")
  expect((await request(sandbox, `${RESOURCES}?modified=2024-02-01T00:00:00Z`)).status).toBe(400)
  sandbox.waldur.dialect = "8.x"
  expect((await request(sandbox, "version/")).json).toEqual({ version: "8.1.3" })
})

test("the mock Waldur serves rows of any shape unchanged", async () => {
  const resources = [{ offering_slug: "capstor" }, { offering_slug: "capstor", uuid: 7, created: [], options: "none" }]
  const own = await startSandbox({ world: worldOf({ resources, apiUrl: "http://recorded:8001/api/" }) })
  expect((await request(own, `${RESOURCES}?offering_slug=capstor&visible_to_providers=true`)).json).toEqual(resources)
  await own.close()
})

test("a POST to the mock Waldur is visible at once even if worldChangesByHand is false", async () => {
  const own = await startSandbox({ world: buildWorld(), worldChangesByHand: false })
  const path = `${RESOURCES}?slug=capstor-erred-without-order&field=state`
  expect((await request(own, path)).json).toEqual([{ state: "Erred" }])
  const uuid = uuidOfCase(own, "erred-without-order")
  await request(own, `marketplace-provider-resources/${uuid}/set_state_ok/`, { method: "POST" }).then((response) =>
    expect(response.status).toBe(200),
  )
  expect((await request(own, path)).json).toEqual([{ state: "OK" }])
  expect((await request(own, `${RESOURCES}?state=Erred&slug=capstor-erred-without-order`)).json).toEqual([])
  await own.close()
})

test("an order that a consumer places or cancels is visible at once even if worldChangesByHand is false", async () => {
  const own = await startSandbox({ world: buildWorld(), worldChangesByHand: false })
  onTestFinished(() => own.close())
  const row = own.world.cases.get("erred-without-order")?.row ?? {}
  const pending = `${RESOURCES}?slug=${row.slug}&order_state=pending-provider&field=slug`
  expect((await request(own, pending)).json).toEqual([])
  placeOrder(own.world, row, { uuid: "ab".repeat(16), type: "Update", state: "pending-provider" })
  expect((await request(own, pending)).json).toEqual([{ slug: row.slug }])
  cancelOrder(own.world, row)
  expect((await request(own, pending)).json).toEqual([])
})
