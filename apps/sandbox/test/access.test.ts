import { afterAll, beforeAll, expect, test } from "vitest"
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

test("no token is a 401 that asks for one", async () => {
  const answer = await as(undefined)
  expect(answer.status).toBe(401)
  expect(answer.headers.get("WWW-Authenticate")).toBe("Token")
  expect(answer.json).toEqual({ detail: "Authentication credentials were not provided." })
})

test("a wrong token and an expired one are 401s of their own", async () => {
  expect((await as(`Token ${"0".repeat(40)}`)).json).toEqual({ detail: "Invalid token." })
  const expired = await as(`Token ${sandbox.waldur.expiredToken}`)
  expect(expired.status).toBe(401)
  expect(expired.json).toEqual({ detail: "Token has expired." })
})

test.each(["marketplace-resources/", "marketplace-provider-offerings/", "marketplace-orders/"])(
  "without a role %s is empty, not forbidden",
  async (path) => {
    const answer = await as(`Token ${sandbox.waldur.blindToken}`, path)
    expect(answer.status).toBe(200)
    expect(answer.json).toEqual([])
    expect(answer.headers.get("X-Result-Count")).toBe("0")
  },
)

test("a role in one offering shows that one's resources, orders and nothing else", async () => {
  const token = `Token ${sandbox.waldur.partialToken}`
  const slugs = async (path: string, name: string): Promise<Set<unknown>> =>
    new Set((await as(token, `${path}?page_size=300`)).json.map((row: Record<string, unknown>) => row[name]))
  expect(await slugs("marketplace-resources/", "offering_slug")).toEqual(new Set(["capstor"]))
  expect(await slugs("marketplace-orders/", "offering_name")).toEqual(new Set(["Capstor"]))
  expect(await slugs("marketplace-provider-offerings/", "slug")).toEqual(new Set(["capstor"]))
  const vast = sandbox.world.offerings.find((offering) => offering.slug === "vast")?.uuid
  expect((await as(token, `marketplace-provider-offerings/${vast}/customers/`)).status).toBe(404)
})

test("the consumer's and the provider's list show staff the same, a reader of the provider the latter alone", async () => {
  const all = await as(`Token ${sandbox.waldur.token}`, "marketplace-resources/")
  expect((await as(`Token ${sandbox.waldur.token}`, "marketplace-provider-resources/")).json).toEqual(all.json)
  const reader = `Token ${sandbox.waldur.readerToken}`
  expect((await as(reader, "marketplace-resources/")).headers.get("X-Result-Count")).toBe("0")
  expect((await as(reader, "marketplace-provider-resources/")).json).toEqual(all.json)
  const uuid = sandbox.world.offerings[0]?.uuid
  expect((await as(reader, `marketplace-provider-offerings/${uuid}/`)).status).toBe(200)
  expect((await as(reader, `marketplace-provider-offerings/${uuid}/customers/`)).status).toBe(403)
  expect((await as(reader, "version/")).status).toBe(403)
})
