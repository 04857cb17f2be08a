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
