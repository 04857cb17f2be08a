import { join } from "node:path"
import { type Sandbox, startSandbox } from "@cscs/sandbox"
import { Effect } from "effect"
import { describe, expect, onTestFinished, test } from "vitest"
import { explainEntry } from "../src/commands/explain-entry.ts"
import { aLockedProxy } from "./a-locked-proxy.ts"
import { aDirectory, aProxy, asked, type Document, noCache, startProxy, type TestedProxy } from "./a-proxy.ts"
import { aWorld, dashed, rowOf } from "./a-world.ts"

const explanationOf = (proxy: TestedProxy, uuid: unknown, init?: RequestInit) =>
  proxy.get(`/api/storage-resources/${uuid}/explanation`, init)

/** A proxy that serves the list that an earlier process has stored: it has not read Waldur itself. */
const aRestarted = async (sandbox: Sandbox, environment: Readonly<Record<string, string>>): Promise<TestedProxy> => {
  sandbox.faults.set("waldur", { path: "/api/marketplace-provider-resources/", method: "GET", status: 503, times: 4 })
  const proxy = await startProxy({ sandbox, environment })
  onTestFinished(() => proxy.close())
  await proxy.list()
  sandbox.faults.clear()
  return proxy
}

describe("an explanation", () => {
  test("of a resource, listed or skipped, a tenant or a customer is that of the command, without a call to Waldur", async () => {
    const proxy = await aProxy({ document: ({ waldur }) => ({ waldur_api_token: waldur.tokens.staff }) })
    const { resources } = (await proxy.list("page_size=500")).json
    const calls = asked(proxy.sandbox, "waldur").length
    const skipped = proxy.sandbox.world.cases.get("bad-permissions")?.row.uuid
    const asks = new Set([...resources.slice(0, 12).map(({ itemId }: Document) => itemId), dashed(skipped)])
    const got = new Map(
      await Promise.all([...asks].map(async (uuid) => [uuid, await explanationOf(proxy, uuid)] as const)),
    )
    expect(asked(proxy.sandbox, "waldur").length).toBe(calls)
    expect(got.get(dashed(skipped))?.json.found).toMatchObject([{ entry: null, skipped: { code: "bad-data" } }])
    const { text } = await proxy.get("/metrics")
    expect(text).toContain('http_requests_total{route="/api/storage-resources/:uuid/explanation",method="GET"')
    expect(text).not.toContain(String(dashed(skipped)))
    for (const [uuid, { status, json }] of got) {
      const { found, lookedAt } = await Effect.runPromise(explainEntry(proxy.settings, uuid))
      expect([status, json.origin, json.lookedAt]).toEqual([200, "snapshot", lookedAt])
      expect(json.found).toEqual(JSON.parse(JSON.stringify(found)))
    }
  })

  test("of an unknown UUID suggests similar ones of resources, customers and offerings", async () => {
    const proxy = await aProxy({ world: aWorld(6) })
    const { uuid, customer_uuid, offering_uuid } = rowOf(proxy.sandbox.world, 3)
    for (const known of [uuid, customer_uuid, offering_uuid]) {
      const asked = String(dashed(known)).replace(/.$/, (last) => (last === "0" ? "1" : "0"))
      const { found, nearest } = await Effect.runPromise(explainEntry(proxy.settings, asked))
      expect([found, nearest]).toEqual([[], [dashed(known)]])
    }
  })

  test("with progress does not fail if the row that is read for the total is of another offering", async () => {
    const { settings, sandbox } = await aProxy({ world: aWorld(6) })
    const row = rowOf(sandbox.world, 5)
    const foreign = { json: [{ ...row, offering_slug: "of-others" }] }
    sandbox.faults.set("waldur", {
      path: "/api/marketplace-provider-resources/",
      method: "GET",
      times: 1,
      body: foreign,
    })
    const { found } = await Effect.runPromise(explainEntry(settings, dashed(row.uuid), () => {}))
    expect(found.map(({ uuid }) => uuid)).toEqual([dashed(row.uuid)])
  })

  test("follows a change of the resource with the next snapshot", async () => {
    const proxy = await aProxy({ world: aWorld(10) })
    const row = rowOf(proxy.sandbox.world, 7)
    await proxy.list()
    row.backend_id = "/elsewhere/data"
    await proxy.get("/api/storage-resources/", noCache)
    const { json } = await explanationOf(proxy, row.uuid)
    expect(json.found[0].entry.mountPoint.default).toBe("/elsewhere/data")
  })

  test("masks a secret in a finding, and where the next step quotes it", async () => {
    const proxy = await aProxy({ world: aWorld(6) })
    const row = rowOf(proxy.sandbox.world, 3)
    const { clientSecret } = proxy.sandbox.hpcUserApi
    row.project_slug = clientSecret
    const { text, json } = await explanationOf(proxy, row.uuid)
    expect([json.found[0].skipped.code, json.found[0].next.what]).toEqual([
      "gid-unknown",
      expect.stringContaining("***"),
    ])
    expect(text).not.toContain(clientSecret)
  })

  test.each([
    ["an unknown UUID", "00000000-0000-4000-8000-000000000000"],
    ["a slug", "capstor"],
    ["a slash", "%2F"],
    ["a long text", "x".repeat(3000)],
  ])("of %s is a 404", async (_, uuid) => {
    const proxy = await aProxy({ world: aWorld(6) })
    const { status, json } = await explanationOf(proxy, uuid)
    expect([status, json]).toEqual([404, { detail: "Not Found", error: "NotFound" }])
  })

  test("contains the reason if a guard still shows the last good entries", async () => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: { CACHE_EMPTY_GUARD: "1h" } })
    await proxy.list()
    const [kept, ...lost] = world.resources.filter(
      ({ offering_slug, state }) => offering_slug === "vast" && state === "OK",
    )
    world.resources = world.resources.filter((row) => !lost.includes(row))
    await proxy.get("/api/storage-resources/", noCache)
    const { json } = await explanationOf(proxy, kept?.uuid)
    expect(json.guarded).toEqual([expect.stringContaining("live entries of vast")])
    const [{ entry, skipped, warnings }] = json.found
    expect([entry.itemId, skipped, warnings]).toEqual([dashed(kept?.uuid), null, []])
  })

  test("of each listed entry that Waldur no longer shows names the guard that keeps it", async () => {
    const world = aWorld(60)
    const proxy = await aProxy({ world, environment: { CACHE_EMPTY_GUARD: "1h" } })
    await proxy.list()
    world.resources = world.resources.filter(({ offering_slug }) => offering_slug !== "vast")
    await proxy.get("/api/storage-resources/", noCache)
    const { resources } = (await proxy.list("storage_system=vast&page_size=500")).json
    const types = new Set<unknown>()
    for (const { itemId, target } of resources) {
      types.add(target.targetType)
      const { status, json } = await explanationOf(proxy, itemId)
      expect([status, json.guarded]).toEqual([200, [expect.stringContaining("live entries of vast")]])
      // A customer may also be one of another system.
      if (target.targetType !== "customer") expect(json.found).toEqual([])
    }
    expect(types).toEqual(new Set(["tenant", "customer", "project", "user"]))
  })

  test("holds back a removal at the path of an entry that a guard keeps, also after a restart", async () => {
    const path = join(await aDirectory(), "list")
    const world = aWorld(60)
    const sandbox = await startSandbox({ world })
    onTestFinished(() => sandbox.close())
    const environment = { CACHE_PATH: path, CACHE_EMPTY_GUARD: "1h" }
    const first = await startProxy({ sandbox, environment })
    const ofSystem = (slug: string) =>
      world.resources.filter(({ offering_slug, state }) => offering_slug === slug && state === "OK")
    const [going, lost] = [ofSystem("capstor")[0], ofSystem("vast")]
    await first.list()
    Object.assign(lost.at(-1) ?? {}, { backend_id: "/vast/data" })
    await first.get("/api/storage-resources/", noCache)
    const order = { type: "Terminate", state: "executing", url: null, attributes: {}, limits: {} }
    Object.assign(going ?? {}, { backend_id: "/vast/data", state: "Terminating", order_in_progress: order })
    world.resources = world.resources.filter((row) => !lost.includes(row))
    await first.get("/api/storage-resources/", noCache)
    const { json } = await first.list("page_size=500")
    expect(json.resources.some(({ itemId }: Document) => itemId === dashed(going?.uuid))).toBe(false)
    const shown = async (proxy: TestedProxy) => {
      const { json } = await explanationOf(proxy, going?.uuid)
      return [json.origin, json.found[0].entry, json.found[0].skipped?.code]
    }
    expect(await shown(first)).toEqual(["snapshot", null, "removal-of-live-path"])
    await first.close()
    const second = await aRestarted(sandbox, environment)
    expect(await shown(second)).toEqual(["waldur", null, "removal-of-live-path"])
  })

  test("is read from Waldur if another process read the list", async () => {
    const path = join(await aDirectory(), "list")
    const sandbox = await startSandbox({ world: aWorld(6) })
    onTestFinished(() => sandbox.close())
    const environment = { CACHE_PATH: path }
    const first = await startProxy({ sandbox, environment })
    const { resources } = (await first.list("page_size=500")).json
    await first.close()
    const second = await aRestarted(sandbox, environment)
    const { status, json } = await explanationOf(second, resources.at(-1).itemId)
    expect([status, json.origin]).toEqual([200, "waldur"])
  })
})

describe("auth.debug_roles", () => {
  test("keep debug mode and explanations from a token that opens the list", async () => {
    const proxy = await aLockedProxy({ auth: () => ({ debug_roles: ["operator", "proxy:support"] }) })
    const { issuer } = proxy.sandbox
    const roles = (realm: ReadonlyArray<string>, client: ReadonlyArray<string>) => ({
      realm_access: { roles: realm },
      resource_access: { proxy: { roles: client } },
    })
    const statuses = async (claims: Document) => {
      const init = { headers: { Authorization: `Bearer ${await issuer.issueToken(claims)}` } }
      const list = await proxy.get("/api/storage-resources/", init)
      const debug = await proxy.get("/api/storage-resources/?debug=true", init)
      const explained = await explanationOf(proxy, list.json.resources[0].itemId, init)
      return [list.status, debug.status, explained.status]
    }
    expect(await statuses({})).toEqual([200, 403, 403])
    expect(await statuses(roles(["operator"], []))).toEqual([200, 403, 403])
    expect(await statuses(roles(["operator"], ["support"]))).toEqual([200, 200, 200])
    expect(proxy.logs.filter((line) => line.includes('"event":"role-missing"')).length).toBe(4)
    expect((await explanationOf(proxy, rowOf(proxy.sandbox.world, 0).uuid)).status).toBe(401)
  })
})
