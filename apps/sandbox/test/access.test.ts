import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type Sandbox, startSandbox, type WaldurToken, worldOf } from "../src/index.ts"
import { consumerVisibility, providerVisibility } from "../src/waldur/access.ts"
import { readResponse } from "./waldur-client.ts"

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(() => sandbox.close())

const as = async (authorization: string | undefined, path = "marketplace-resources/") =>
  readResponse(
    await fetch(new URL(path, sandbox.waldur.url), {
      headers: authorization === undefined ? {} : { Authorization: authorization },
    }),
  )

test("a request to the mock Waldur without a token returns a 401 that demands one", async () => {
  const response = await as(undefined)
  expect(response.status).toBe(401)
  expect(response.headers.get("WWW-Authenticate")).toBe("Token")
  expect(response.json).toEqual({ detail: "Authentication credentials were not provided." })
})

test("a wrong Waldur token and an expired one return different 401s", async () => {
  const wrong = await as(`Token ${"0".repeat(40)}`)
  expect(wrong.json).toEqual({ detail: "Invalid token." })
  expect(wrong.headers.get("WWW-Authenticate")).toBe("Token")
  const expired = await as(`Token ${sandbox.waldur.tokens.expired}`)
  expect(expired.status).toBe(401)
  expect(expired.json).toEqual({ detail: "Token has expired." })
})

test.each(["marketplace-resources/", "marketplace-provider-offerings/", "marketplace-orders/"])(
  "%s is empty, not forbidden, for a user without a role",
  async (path) => {
    const response = await as(`Token ${sandbox.waldur.tokens.blind}`, path)
    expect(response.status).toBe(200)
    expect(response.json).toEqual([])
    expect(response.headers.get("X-Result-Count")).toBe("0")
  },
)

test("a Waldur user with a role in one offering sees only its resources and orders", async () => {
  const token = `Token ${sandbox.waldur.tokens.partial}`
  const slugs = async (path: string, name: string): Promise<Set<unknown>> =>
    new Set((await as(token, `${path}?page_size=300`)).json.map((row: Record<string, unknown>) => row[name]))
  expect(await slugs("marketplace-provider-resources/", "offering_slug")).toEqual(new Set(["capstor"]))
  expect(await slugs("marketplace-orders/", "offering_name")).toEqual(new Set(["Capstor"]))
  expect(await slugs("marketplace-provider-offerings/", "slug")).toEqual(new Set(["capstor"]))
  const vast = sandbox.world.offerings.find((offering) => offering.slug === "vast")?.uuid
  expect((await as(token, `marketplace-provider-offerings/${vast}/customers/`)).status).toBe(404)
})

test("rows of an offering are visible exactly to the Waldur users that may see the offering", () => {
  const own = { uuid: "a1", slug: "own", customer_uuid: "us" }
  const foreign = { uuid: "b2", slug: "foreign", customer_uuid: "them" }
  const world = worldOf({ offerings: [own, foreign] })
  const rows = ["a1", "b2", "c3"].map((offering_uuid) => ({ offering_uuid, offering_slug: `of-${offering_uuid}` }))
  const seen = (see: typeof providerVisibility, token: Omit<WaldurToken, "username" | "expired">) =>
    rows.filter(see(world, { username: "user", expired: false, ...token })).map((row) => row.offering_uuid)
  // An offering of another organization stays hidden, by UUID or slug; one that the world lacks is decided by its name.
  const sees = ["own", "foreign", "b2", "of-c3"]
  expect(seen(providerVisibility, { role: "manager", organization: "us", sees })).toEqual(["a1", "c3"])
  expect(seen(providerVisibility, { role: "manager", organization: "us", sees: "all" })).toEqual(["a1", "c3"])
  expect(seen(providerVisibility, { role: "manager", organization: "us", sees: ["b2", "of-b2"] })).toEqual([])
  expect(seen(consumerVisibility, { role: "staff", sees: ["own"] })).toEqual(["a1"])
  // No row has a customer, and the user has no organization.
  expect(seen(consumerVisibility, { role: "consumer", sees: "all" })).toEqual([])
})

test("staff sees the same resources in the consumer's list and the provider's", async () => {
  const all = await as(`Token ${sandbox.waldur.tokens.staff}`, "marketplace-resources/?page_size=300")
  const asProvider = await as(`Token ${sandbox.waldur.tokens.staff}`, "marketplace-provider-resources/?page_size=300")
  expect(asProvider.json).toEqual(all.json)
})

describe("each kind of Waldur user", () => {
  const total = () => sandbox.world.resources.length
  const ofProvider = () => total() - ofPartner()
  const ofPartner = () => sandbox.world.resources.filter((row) => row.offering_uuid === partners()).length
  const partners = () => sandbox.world.offerings.find(({ name }) => name === "IOPSStor (partners)")?.uuid
  const ofConsumer = () => sandbox.world.resources.filter((row) => row.customer_slug === "ethz").length
  const none = () => 0
  // Resources in the consumer's list and the provider's, offerings; status of an offering's customers, of the version, of an
  // action on a resource, and of one on its order (409: permitted, but not in this state), which its consumer sees too.
  test.each([
    ["staff", total, total, 5, 200, 200, 409, 409],
    ["support", total, total, 5, 403, 200, 403, 403],
    ["owner", none, ofProvider, 4, 200, 403, 409, 409],
    ["manager", none, ofProvider, 4, 403, 403, 409, 409],
    ["providerSupport", none, ofProvider, 4, 403, 403, 403, 403],
    ["reader", none, ofProvider, 4, 403, 403, 403, 403],
    ["offeringManager", none, ofProvider, 4, 403, 403, 409, 409],
    ["consumer", ofConsumer, none, 0, 404, 403, 404, 403],
    ["blind", none, none, 0, 404, 403, 404, 404],
  ] as const)(
    "has the rights measured on a real Waldur (%s)",
    async (kind, consumes, provides, offers, customers, version, acts, actsOnOrder) => {
      const token = `Token ${sandbox.waldur.tokens[kind]}`
      const count = async (path: string) => Number((await as(token, path)).headers.get("X-Result-Count"))
      expect(await count("marketplace-resources/")).toBe(consumes())
      expect(await count("marketplace-provider-resources/")).toBe(provides())
      expect(await count("marketplace-provider-offerings/")).toBe(offers)
      const uuid = sandbox.world.offerings.find(({ slug }) => slug === "capstor")?.uuid
      expect((await as(token, `marketplace-provider-offerings/${uuid}/customers/`)).status).toBe(customers)
      expect((await as(token, "version/")).status).toBe(version)
      const row = sandbox.world.resources.find(
        (one) => one.customer_slug === "ethz" && one.offering_slug === "capstor" && one.state === "OK",
      )
      const response = await fetch(
        new URL(`marketplace-provider-resources/${row?.uuid}/set_state_ok/`, sandbox.waldur.url),
        { method: "POST", headers: { Authorization: token } },
      )
      expect(response.status).toBe(acts)
      const order = row?.creation_order as { uuid: string }
      const path = `marketplace-orders/${order.uuid}/`
      const executing = new URL(`${path}set_state_executing/`, sandbox.waldur.url)
      expect((await fetch(executing, { method: "POST", headers: { Authorization: token } })).status).toBe(actsOnOrder)
      expect((await as(token, path)).status).toBe(actsOnOrder === 404 ? 404 : 200)
    },
  )
})
