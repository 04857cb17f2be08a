import { describe, expect, test } from "vitest"
import { configuredOfferings } from "../src/refresh/read-snapshot.ts"
import { type Any, aProxy, noCache, type TestedProxy } from "./a-proxy.ts"
import { aWorld, dashed } from "./a-world.ts"

const hex = (digit: string) => digit.repeat(32)
const system = { name: "capstor", offeringSlug: "capstor" }
const offering = (slug: string, uuid: string) => ({ slug, uuid, name: slug })
const offeringsPath = "/api/marketplace-provider-offerings/"

describe("the offerings of a configured slug", () => {
  test("are those that the token's user provides under it; none at all is invisible", () => {
    const { own, invisible, warnings } = configuredOfferings(
      [system, { name: "vast", offeringSlug: "vast" }],
      [offering("capstor", hex("A")), offering("other", hex("b")), offering("vast", "no uuid")],
    )
    expect(own).toEqual(
      new Map([
        ["capstor", new Set([dashed(hex("a"))])],
        ["vast", new Set()],
      ]),
    )
    expect([invisible, warnings]).toEqual([["vast"], []])
  })

  test("cause a warning that names both if there are two", () => {
    const { own, warnings } = configuredOfferings(
      [system],
      [offering("capstor", hex("a")), offering("capstor", hex("b"))],
    )
    expect(own.get("capstor")?.size).toBe(2)
    expect(warnings).toEqual([
      expect.stringMatching(new RegExp(`^2 offerings .* capstor .*${dashed(hex("a"))}, ${dashed(hex("b"))}`)),
    ])
  })

  test("are named briefly if there are a thousand, and all are served", () => {
    const many = Array.from({ length: 1000 }, (_, index) => offering("capstor", index.toString(16).padStart(32, "0")))
    const { own, warnings } = configuredOfferings([system], many)
    expect(own.get("capstor")?.size).toBe(1000)
    expect(warnings.join("").length).toBeLessThan(400)
  })

  test("are reduced to the configured UUID if there is one, and invisible if the token does not see it", () => {
    const configured = { ...system, offeringUuid: dashed(hex("b")) }
    const both = [offering("capstor", hex("a")), offering("capstor", hex("b"))]
    expect(configuredOfferings([configured], both)).toEqual({
      own: new Map([["capstor", new Set([dashed(hex("b"))])]]),
      invisible: [],
      warnings: [],
    })
    expect(configuredOfferings([configured], both.slice(0, 1)).invisible).toEqual(["capstor"])
  })
})

const customerCalls = ({ sandbox }: TestedProxy) =>
  sandbox.calls.of("waldur").filter(({ path }) => path.endsWith("/customers/")).length

describe("a refresh", () => {
  test("looks up nothing for resources of an offering that the user does not own, and skips them", async () => {
    const world = aWorld(20)
    const foreign = world.resources.filter((row) => row.offering_slug === "vast").slice(0, 3) as ReadonlyArray<Any>
    foreign.forEach((row, index) => {
      Object.assign(row, { offering_uuid: hex(String(index + 1)), project_slug: `foreign-${index}` })
    })
    const proxy = await aProxy({ world })
    const { resources } = (await proxy.list("page_size=500")).json
    expect(customerCalls(proxy)).toBe(3)
    expect(proxy.sandbox.calls.of("hpcUserApi").some(({ query }) => String(query).includes("foreign"))).toBe(false)
    expect(resources.some(({ itemId }: Any) => foreign.some(({ uuid }) => dashed(uuid) === itemId))).toBe(false)
    const { skipped } = (await proxy.list("debug=true")).json
    expect(skipped.filter(({ field }: Any) => field.startsWith("offering")).length).toBe(3)
  })

  test("logs once that two own offerings have one slug, and readiness shows it while it lasts", async () => {
    const world = aWorld(20)
    const [first] = world.offerings as [Any]
    world.offerings.push({ ...first, uuid: hex("c") })
    const proxy = await aProxy({ world })
    await proxy.list()
    await proxy.get("/api/storage-resources/", noCache)
    const reported = new RegExp(`2 offerings have the slug ${first.slug}`)
    expect((await proxy.ready()).json.warnings.filter((one: string) => reported.test(one)).length).toBe(1)
    expect(proxy.logs.filter((line) => line.includes('"event":"offering-warning"')).length).toBe(1)
    world.offerings.pop()
    await proxy.get("/api/storage-resources/", noCache)
    expect((await proxy.ready()).json.warnings.filter((one: string) => reported.test(one))).toEqual([])
  })

  test("uses the offerings of the last good read while Waldur cannot return them; on a cold start it fails", async () => {
    const down = { path: offeringsPath, status: 503 } as const
    const world = aWorld(20)
    const proxy = await aProxy({ world })
    const before = await proxy.list()
    proxy.sandbox.faults.set("waldur", down)
    await proxy.pass("10 seconds")
    const got = await proxy.hurried(proxy.list())
    expect([got.status, got.text]).toEqual([200, before.text])
    const isReported = async () =>
      (await proxy.ready()).json.warnings.join().includes("those of the last good read are used")
    expect([(await proxy.ready()).json.upstreams.waldur, await isReported()]).toEqual([{ status: "ok" }, true])
    expect(proxy.logs.some((line) => line.includes('"event":"offerings-unavailable"'))).toBe(true)
    proxy.sandbox.faults.clear()
    await proxy.pass("10 seconds")
    await proxy.list()
    expect(await isReported()).toBe(false)
    const cold = await aProxy({ world, prepare: ({ faults }) => faults.set("waldur", down) })
    expect((await cold.hurried(cold.list())).status).toBe(502)
  })
})
