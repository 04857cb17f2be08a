import { type Fault, type Sandbox, startSandbox } from "@cscs/sandbox"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { aWorld, withoutCallbackUrls } from "../a-world.ts"
import { anObservedProxy, expectHonest, type Where } from "./a-patient-observer.ts"

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox({ world: aWorld(12) })
})
afterAll(() => sandbox.close())

/** Waldur's response to a user that has lost its role: no error, and no rows. */
const emptyList: Fault = {
  rewrite: (answer) => {
    const headers = new Headers(answer.headers)
    headers.set("X-Result-Count", "0")
    return { status: 200, headers, body: Buffer.from("[]") }
  },
}
const noProjects: Fault = { body: { json: { projects: [] } } }
const otherProjects: Fault = {
  body: { json: { projects: [{ posixName: "not-requested", unixGid: 66_666 }] } },
}
const badGids: Fault = {
  rewrite: (answer) => {
    const { projects } = JSON.parse(Buffer.from(answer.body).toString())
    const bad = projects.map((one: object, index: number) => ({
      ...one,
      unixGid: [0, -1, "x", null, 12.5, 100][index % 6],
    }))
    return { ...answer, body: Buffer.from(JSON.stringify({ projects: bad })) }
  },
}

const waldur = { upstream: "waldur", path: /^\/api\/marketplace-/ } as const
const resources = { upstream: "waldur", path: "/api/marketplace-provider-resources/" } as const
const api = { upstream: "hpcUserApi", path: /./ } as const

const production = { CACHE_KEEP_WARM_FOR: "15m", CACHE_EMPTY_GUARD: "1h", CACHE_FULL_REFRESH_EVERY: "0" }

/** Number of entries of projects and users, without the directories above them. */
const resourceCount = (json: { resources: ReadonlyArray<{ target: { targetType: string } }> }) =>
  json.resources.filter(({ target }) => ["project", "user"].includes(target.targetType)).length

describe("a well-formed but wrong response", () => {
  // What the upstream returns, and where; the status of a proxy without a list; what its log contains.
  const cases: ReadonlyArray<readonly [name: string, Where, Fault, cold: number, reported: RegExp]> = [
    ["Waldur shows nothing at all", waldur, emptyList, 502, /shows 0 resources of (capstor|vast|iopsstor)/],
    ["Waldur shows no resources", resources, emptyList, 200, /shows 0 resources of (capstor|vast|iopsstor)/],
    ["the HPC User API knows no project", api, noProjects, 200, /"event":"resource-skipped"/],
    ["the HPC User API returns other projects", api, otherProjects, 200, /"event":"resource-skipped"/],
    ["the HPC User API returns numbers that are not GIDs", api, badGids, 200, /"event":"resource-skipped"/],
  ]
  test.each(cases)("%s: a cold proxy serves no project or user", async (_, where, fault, status) => {
    const row = { name: "", handling: "reported", fault: () => fault } as const
    const proxy = await anObservedProxy(sandbox, { environment: production, cold: { row, where } })
    const [got] = await proxy.timed(proxy.list())
    expect(got.status).toBe(status)
    if (status === 200) expect(resourceCount(got.json)).toBe(0)
    proxy.fault().clear()
    // A project that the API does not know is looked up again after a minute.
    await proxy.within(72, async () => {
      const { status, json } = await proxy.list()
      return status === 200 && resourceCount(json) === 12
    })
    expectHonest(proxy)
  })

  test.each(cases)("%s: a warm proxy keeps its list", async (_, where, fault, __, reported) => {
    const row = { name: "", handling: "reported", fault: () => fault } as const
    const proxy = await anObservedProxy(sandbox, { environment: production })
    const { text } = (await proxy.timed(proxy.list()))[0]
    proxy.strike({ row, where })
    await proxy.spend(400, async () => {
      const [got, waited] = await proxy.timed(proxy.list())
      expect([got.status, withoutCallbackUrls(got.text) === withoutCallbackUrls(text), waited]).toEqual([200, true, 0])
    })
    // Known GIDs are not looked up again.
    if (where.upstream === "waldur") {
      expect(proxy.fault().struck).toBeGreaterThan(0)
      expect(proxy.logs.some((line) => reported.test(line))).toBe(true)
    }
    proxy.fault().clear()
    await proxy.spend(11)
    expect((await proxy.timed(proxy.list()))[0].text).toBe(text)
    expectHonest(proxy)
  })
})
