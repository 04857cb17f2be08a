import { describe, expect, test } from "vitest"
import { aProxy, asked, noCache } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"

describe("a token of each kind of user", () => {
  const listOf = async (
    kind:
      | "staff"
      | "support"
      | "owner"
      | "manager"
      | "providerSupport"
      | "reader"
      | "offeringManager"
      | "consumer"
      | "blind",
  ) => {
    const proxy = await aProxy({
      world: aWorld(60),
      document: ({ waldur }) => ({ waldur_api_token: waldur.tokens[kind] }),
    })
    const got = await proxy.hurried(proxy.list("page_size=500"))
    // Links in the rows contain each sandbox's own port.
    return { proxy, status: got.status, text: got.text.replaceAll(proxy.sandbox.waldur.url, "http://waldur/api/") }
  }

  test.each(["support", "owner", "manager", "providerSupport", "reader", "offeringManager"] as const)(
    "that sees the provider's resources returns the bytes that staff's returns, without a warning: %s",
    async (kind) => {
      const [staff, other] = [await listOf("staff"), await listOf(kind)]
      expect([other.status, other.text]).toEqual([200, staff.text])
      expect((await other.proxy.ready()).json.warnings).toEqual((await staff.proxy.ready()).json.warnings)
    },
  )

  test.each(["consumer", "blind"] as const)(
    "that sees none of them is a failure that names the remedy: %s",
    async (kind) => {
      const { proxy, status } = await listOf(kind)
      expect(status).toBe(502)
      expect((await proxy.ready()).json.warnings.join()).toMatch(/sees none of the offerings .*needs a role/)
      expect((await proxy.check()).filter(({ ok }) => !ok).map(({ name }) => name)).toContain("offering capstor")
    },
  )
})

test("the list is the same, with its callback URLs, from a Waldur that trims nested orders by `field=` too", async () => {
  const texts = await Promise.all(
    [false, true].map(async (trimsNested) => {
      const proxy = await aProxy({
        document: ({ waldur }) => {
          waldur.trimsNested = trimsNested
          return {}
        },
      })
      const { status, text } = await proxy.hurried(proxy.list("page_size=500"))
      expect(status).toBe(200)
      return text.replaceAll(proxy.sandbox.waldur.url, "http://waldur/api/")
    }),
  )
  expect(texts[0]?.includes("approve_by_provider_url")).toBe(true)
  expect(texts[1] === texts[0]).toBe(true)
})

describe("an offering that is visible but shows no resources", () => {
  const withoutVast = () => {
    const world = aWorld(40)
    world.resources = world.resources.filter((row) => row.offering_slug !== "vast")
    return world
  }

  test("causes a warning in the log, readiness and check, with the remedy, from a cold start on", async () => {
    const proxy = await aProxy({ world: withoutVast() })
    await proxy.list()
    const reported = /shows no resource of the offering vast.*CUSTOMER\.READER/
    expect((await proxy.ready()).json.warnings.filter((line: string) => reported.test(line)).length).toBe(1)
    await proxy.get("/api/storage-resources/", noCache)
    expect(proxy.logs.filter((line) => line.includes('"event":"offering-warning"')).length).toBe(1)
    expect((await proxy.check()).find(({ name }) => name === "offering vast")).toMatchObject({
      ok: true,
      isDoubtful: true,
      advice: expect.stringContaining("CUSTOMER.READER"),
    })
  })

  test("causes none if bad rows are all that it has", async () => {
    const world = withoutVast()
    const [row] = world.resources
    world.resources.push({ ...row, uuid: "f".repeat(32), offering_slug: "vast", project_slug: null })
    const proxy = await aProxy({ world })
    await proxy.list()
    expect((await proxy.ready()).json.warnings.join()).not.toContain("shows no resource")
  })
})

describe("check", () => {
  test("requests from Waldur what the first refresh of a process does, and the version and offerings besides", async () => {
    const proxy = await aProxy({ world: aWorld(40) })
    await proxy.list()
    const first = new Set(asked(proxy.sandbox, "waldur"))
    proxy.sandbox.calls.clear()
    await proxy.check()
    const checks = new Set(asked(proxy.sandbox, "waldur"))
    expect([...checks].filter((call) => !first.has(call))).toEqual(["GET /api/version/?"])
    expect([...first].filter((call) => !checks.has(call))).toEqual([])
  })

  test("reports a value that Waldur refuses, and is green if serve works without it", async () => {
    const proxy = await aProxy({
      world: aWorld(40),
      prepare: ({ faults }) =>
        faults.set("waldur", {
          path: "/api/marketplace-provider-resources/",
          method: "HEAD",
          status: 405,
        }),
    })
    const results = await proxy.check()
    expect(results.every(({ ok }) => ok)).toBe(true)
    expect(results.map(({ detail }) => detail).join()).toContain("counted by GET")
    expect((await proxy.list()).status).toBe(200)
  })

  test("reports no fault if customers' lists and the version are refused", async () => {
    const proxy = await aProxy({ world: aWorld(20) })
    const [waldur, ...others] = await proxy.check()
    expect(waldur).toMatchObject({ ok: true, detail: expect.stringMatching(/may not read.*20 resources read/) })
    expect(others.every(({ ok }) => ok)).toBe(true)
    expect(proxy.logs.filter((line) => line.includes('"event":"customers-unavailable"'))).toEqual([])
  })
})
