import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type Sandbox, startSandbox } from "../src/index.ts"
import { got } from "./waldur-client.ts"

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(() => sandbox.close())

const as = async (authorization: string | undefined, path = "marketplace-resources/") =>
  got(
    await fetch(new URL(path, sandbox.waldur.url), {
      headers: authorization === undefined ? {} : { Authorization: authorization },
    }),
  )

test("a request without a token gets a 401 that requires one", async () => {
  const answer = await as(undefined)
  expect(answer.status).toBe(401)
  expect(answer.headers.get("WWW-Authenticate")).toBe("Token")
  expect(answer.json).toEqual({ detail: "Authentication credentials were not provided." })
})

test("a wrong token and an expired one get different 401s", async () => {
  expect((await as(`Token ${"0".repeat(40)}`)).json).toEqual({ detail: "Invalid token." })
  const expired = await as(`Token ${sandbox.waldur.expiredToken}`)
  expect(expired.status).toBe(401)
  expect(expired.json).toEqual({ detail: "Token has expired." })
})

test.each(["marketplace-resources/", "marketplace-provider-offerings/", "marketplace-orders/"])(
  "%s is empty, not forbidden, without a role",
  async (path) => {
    const answer = await as(`Token ${sandbox.waldur.blindToken}`, path)
    expect(answer.status).toBe(200)
    expect(answer.json).toEqual([])
    expect(answer.headers.get("X-Result-Count")).toBe("0")
  },
)

test("a role in one offering shows only its resources and orders", async () => {
  const token = `Token ${sandbox.waldur.partialToken}`
  const slugs = async (path: string, name: string): Promise<Set<unknown>> =>
    new Set((await as(token, `${path}?page_size=300`)).json.map((row: Record<string, unknown>) => row[name]))
  expect(await slugs("marketplace-provider-resources/", "offering_slug")).toEqual(new Set(["capstor"]))
  expect(await slugs("marketplace-orders/", "offering_name")).toEqual(new Set(["Capstor"]))
  expect(await slugs("marketplace-provider-offerings/", "slug")).toEqual(new Set(["capstor"]))
  const vast = sandbox.world.offerings.find((offering) => offering.slug === "vast")?.uuid
  expect((await as(token, `marketplace-provider-offerings/${vast}/customers/`)).status).toBe(404)
})

test("the consumer's and the provider's list are equal for staff", async () => {
  const all = await as(`Token ${sandbox.waldur.tokens.staff}`, "marketplace-resources/?page_size=300")
  const asProvider = await as(`Token ${sandbox.waldur.tokens.staff}`, "marketplace-provider-resources/?page_size=300")
  expect(asProvider.json).toEqual(all.json)
})

describe("each kind of user", () => {
  const total = () => sandbox.world.resources.length
  const ofProvider = () => total() - ofPartner()
  const ofPartner = () => sandbox.world.resources.filter((row) => row.offering_uuid === partners()).length
  const partners = () => sandbox.world.offerings.find(({ name }) => name === "IOPSStor (partners)")?.uuid
  const ofConsumer = () => sandbox.world.resources.filter((row) => row.customer_slug === "ethz").length
  const none = () => 0
  // Consumer's list, provider's list, offerings, customers of one, version, an order's action (409: allowed, but not
  // now).
  test.each([
    ["staff", total, total, 5, 200, 200, 409],
    ["support", total, total, 5, 403, 200, 403],
    ["owner", none, ofProvider, 4, 200, 403, 409],
    ["manager", none, ofProvider, 4, 403, 403, 409],
    ["providerSupport", none, ofProvider, 4, 403, 403, 403],
    ["reader", none, ofProvider, 4, 403, 403, 403],
    ["offeringManager", none, ofProvider, 4, 403, 403, 409],
    ["consumer", ofConsumer, none, 0, 404, 403, 403],
    ["blind", none, none, 0, 404, 403, 404],
  ] as const)(
    "has the rights measured on a real Waldur: %s",
    async (kind, consumes, provides, offers, customers, version, acts) => {
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
      const answer = await fetch(
        new URL(`marketplace-provider-resources/${row?.uuid}/set_state_ok/`, sandbox.waldur.url),
        { method: "POST", headers: { Authorization: token } },
      )
      expect(answer.status).toBe(acts)
      const order = row?.creation_order as { uuid: string }
      const done = new URL(`marketplace-orders/${order.uuid}/set_state_executing/`, sandbox.waldur.url)
      expect((await fetch(done, { method: "POST", headers: { Authorization: token } })).status).toBe(acts)
    },
  )
})
