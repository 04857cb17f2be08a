import type { World } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { type Any, aProxy, asked, hpcUserSection, startProxy, type TestedProxy, until } from "./a-proxy.ts"
import { aWorld, dashed, rowOf } from "./a-world.ts"

const refusing = { status: 403 } as const

const entryOf = (json: Any, world: World, index: number): Any =>
  json.resources.find(({ itemId }: Any) => itemId === dashed(rowOf(world, index).uuid))
const gidOf = (json: Any, world: World, index: number): number | undefined => {
  const item = entryOf(json, world, index)?.target.targetItem
  return item?.unixGid ?? item?.primaryProject.unixGid
}
const list = async (proxy: TestedProxy) => (await proxy.list("page_size=500")).json
const slugOf = (world: World, index: number) => String(rowOf(world, index).project_slug)

/** Moves the last resource of a world into a project of its own; returns its index. */
const inOwnProject = (world: World, slug: string): number => {
  const index = world.resources.length - 1
  const row = rowOf(world, index)
  row.project_slug = slug
  row.attributes = { ...(row.attributes as object), storage_data_type: "store" }
  return index
}

describe("GIDs", () => {
  test("come from the HPC User API, in one request for all projects", async () => {
    const world = aWorld()
    const proxy = await aProxy({ world })
    const json = await list(proxy)
    world.resources.forEach((_, index) => {
      expect(gidOf(json, world, index)).toBe(world.gids.get(slugOf(world, index)))
    })
    expect(asked(proxy.sandbox, "hpcUserApi").length).toBe(1)
  })

  test("that are known are looked up once, until restart", async () => {
    const proxy = await aProxy({ world: aWorld(10) })
    await proxy.list()
    await proxy.pass("1 hour")
    await proxy.list()
    expect(asked(proxy.sandbox, "hpcUserApi").length).toBe(1)
  })

  test("that are unknown exclude their resources, and are looked up again after a minute", async () => {
    const world = aWorld(10)
    const index = inOwnProject(world, "latecomer")
    const proxy = await aProxy({ world })
    expect(entryOf(await list(proxy), world, index)).toBeUndefined()
    const { skipped } = (await proxy.list("debug=true")).json
    expect(skipped.map(({ field, found }: Any) => [field, found])).toEqual([["project_slug", "latecomer"]])
    world.gids.set("latecomer", 45_000)
    await proxy.pass("59 seconds")
    expect(entryOf(await list(proxy), world, index)).toBeUndefined()
    expect(asked(proxy.sandbox, "hpcUserApi").length).toBe(1)
    await proxy.pass("10 seconds")
    expect(gidOf(await list(proxy), world, index)).toBe(45_000)
    expect(asked(proxy.sandbox, "hpcUserApi").length).toBe(2)
    expect(asked(proxy.sandbox, "hpcUserApi")[1]).toMatch(/projects=latecomer$/)
  })

  test("below hpc_user_api.min_gid are ignored", async () => {
    const world = aWorld(10)
    const index = inOwnProject(world, "small")
    world.gids.set("small", 1999)
    const strict = await aProxy({
      world,
      document: (sandbox) => ({ hpc_user_api: { ...hpcUserSection(sandbox), min_gid: 2000 } }),
    })
    expect(entryOf(await list(strict), world, index)).toBeUndefined()
    const proxy = await aProxy({ world })
    expect(gidOf(await list(proxy), world, index)).toBe(1999)
  })

  test("of a target item in Waldur are not looked up, and are served while the API is down", async () => {
    const world = aWorld(6)
    for (const row of world.resources) {
      row.attributes = { ...(row.attributes as object), storage_data_type: "store" }
      row.backend_metadata = { project_item: { itemId: "7b1e4a52-3c0f-4d1a-9c55-1f0e2a3b4c5d", unixGid: 45_001 } }
    }
    const proxy = await aProxy({ world, prepare: ({ faults }) => faults.set("hpcUserApi", refusing) })
    expect(gidOf(await list(proxy), world, 3)).toBe(45_001)
    expect(asked(proxy.sandbox, "hpcUserApi")).toEqual([])
  })
})

describe("a failing HPC User API", () => {
  test("on a cold start is 502, not mock GIDs", async () => {
    const proxy = await aProxy({ world: aWorld(10), prepare: ({ faults }) => faults.set("hpcUserApi", refusing) })
    expect((await proxy.list()).status).toBe(502)
    const { status, json } = await proxy.ready()
    expect(status).toBe(503)
    expect(json.upstreams.hpc_user_api.status).toBe("failing")
    expect(json.upstreams.waldur.status).not.toBe("failing")
  })

  test("whose token endpoint refuses the client is named as such by readiness and the log, with the remedy and no secret", async () => {
    const secret = "a-secret-that-is-wrong"
    const proxy = await aProxy({
      world: aWorld(10),
      document: (sandbox) => ({ hpc_user_api: { ...hpcUserSection(sandbox), client_secret: secret } }),
    })
    const { status, json, text } = await proxy.list()
    expect([status, json.error]).toEqual([502, "UpstreamServiceError"])
    const ready = await proxy.ready()
    expect(ready.json.upstreams.hpc_user_api).toMatchObject({
      status: "failing",
      error: "TokenRefused",
      detail: expect.stringContaining("Correct hpc_user_api.client_id and client_secret."),
    })
    const failed = proxy.logs.filter((line) => /"event":"(?:refresh|request)-failed"/.test(line))
    expect(failed.length).toBeGreaterThan(1)
    for (const line of failed) expect(line).toContain('"error":"GidsUnavailable","caused_by":"TokenRefused"')
    expect([text, ready.text, ...proxy.logs].join()).not.toContain(secret)
  })

  test("that refuses the client is an error in the log while known GIDs are served; an outage is a warning", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world })
    await proxy.list()
    for (const [status, level, tag] of [
      [403, "ERROR", "HpcUserApiRejected"],
      [503, "WARN", "HpcUserApiUnavailable"],
    ] as const) {
      const fault = proxy.sandbox.faults.set("hpcUserApi", { status })
      world.resources.push({ ...rowOf(world, 9), uuid: `${status}`.padStart(32, "0"), project_slug: `new-${status}` })
      const isLogged = (line: string) =>
        line.includes('"event":"gids-unavailable"') && line.includes(`"error":"${tag}"`) && line.includes(`"${level}"`)
      await proxy.pass("10 seconds")
      await proxy.hurried(
        until(async () => {
          expect((await proxy.list()).status).toBe(200)
          return proxy.logs.some(isLogged)
        }),
      )
      expect((await proxy.ready()).json.upstreams.hpc_user_api.error).toBe(tag)
      fault.clear()
    }
  })

  test("on a cold start is retried without any request, until readiness is 200", async () => {
    const proxy = await aProxy({ world: aWorld(10), prepare: ({ faults }) => faults.set("hpcUserApi", refusing) })
    await until(async () => (await proxy.ready()).json.upstreams.hpc_user_api.status === "failing")
    proxy.sandbox.faults.clear()
    await until(async () => {
      await proxy.pass("1 second")
      return (await proxy.ready()).status === 200
    })
    expect((await proxy.list()).status).toBe(200)
  })

  test("does not affect known GIDs; a new project is skipped until it works, and everything else is current", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world })
    const before = await list(proxy)
    const fault = proxy.sandbox.faults.set("hpcUserApi", refusing)
    const added = { ...rowOf(world, 9), uuid: `${"0".repeat(31)}1`, slug: "added", project_slug: "newcomer" }
    world.resources.push(added)
    world.gids.set("newcomer", 46_000)
    rowOf(world, 8).state = "Erred"
    await proxy.pass("10 seconds")
    const during = await list(proxy)
    expect(entryOf(during, world, 10)).toBeUndefined()
    expect(entryOf(during, world, 8).status).toBe("error")
    expect(during.pagination.total).toBe(before.pagination.total)
    const { status, json } = await proxy.ready()
    expect([status, json.upstreams.hpc_user_api.status, json.snapshot.skipped]).toEqual([200, "failing", 1])
    expect((await proxy.list("debug=true")).json.skipped[0]).toMatchObject({ field: "project_slug", found: "newcomer" })
    fault.clear()
    // A failure is not cached: no minute has to pass.
    await proxy.pass("10 seconds")
    expect(gidOf(await list(proxy), world, 10)).toBe(46_000)
    expect((await proxy.ready()).json.upstreams.hpc_user_api).toEqual({ status: "ok" })
  })

  test("that leaves a served resource without a GID keeps the last good list, then is 502", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world })
    const good = await list(proxy)
    proxy.sandbox.faults.set("hpcUserApi", refusing)
    rowOf(world, 9).project_slug = "renamed"
    rowOf(world, 8).state = "Erred"
    await proxy.pass("10 seconds")
    const during = await list(proxy)
    expect(during).toEqual(good)
    expect((await proxy.ready()).json.warnings.join(" ")).toMatch(/stale/)
    await proxy.pass("300 seconds")
    expect((await proxy.list()).status).toBe(502)
  })

  test("after a restart is a cold start again", async () => {
    const first = await aProxy({ world: aWorld(10) })
    expect((await first.list()).status).toBe(200)
    first.sandbox.faults.set("hpcUserApi", refusing)
    await first.pass("10 seconds")
    expect((await first.list()).status).toBe(200)
    const second = await startProxy({ sandbox: first.sandbox })
    expect((await second.list()).status).toBe(502)
    await second.close()
  })

  test("with wrong credentials is 502, and the message does not contain the secret", async () => {
    const proxy = await aProxy({
      world: aWorld(10),
      document: (sandbox) => ({ hpc_user_api: { ...hpcUserSection(sandbox), client_secret: "hunter2" } }),
    })
    expect((await proxy.list()).status).toBe(502)
    const { text } = await proxy.ready()
    expect(text).toContain("invalid_client")
    expect(text + proxy.logs.join("\n")).not.toContain("hunter2")
  })
})

// Computed without the proxy's code: 30000 + the first four bytes of SHA-256, big-endian, mod 10000.
const mockGids = { nwp0001: 33_265, md0004: 33_447 }

describe("mock GIDs", () => {
  const spellings: ReadonlyArray<readonly [string, Parameters<typeof aProxy>[0]]> = [
    [
      "hpc_user_api.fallback: mock",
      { document: (sandbox) => ({ hpc_user_api: { ...hpcUserSection(sandbox), fallback: "mock" } }) },
    ],
    ["backend_settings.development_mode: true", { document: () => ({ backend_settings: { development_mode: true } }) }],
    ["HPC_USER_DEVELOPMENT_MODE", { environment: { HPC_USER_DEVELOPMENT_MODE: "yes" } }],
    ["HPC_USER_API_FALLBACK", { environment: { HPC_USER_API_FALLBACK: "mock" } }],
  ]

  for (const [name, options] of spellings) {
    test(`${name} serves them for unknown projects and while the API fails, with warnings, and caches none`, async () => {
      const world = aWorld(10)
      const index = inOwnProject(world, "unknown-project")
      const proxy = await aProxy({ ...options, world, prepare: ({ faults }) => faults.set("hpcUserApi", refusing) })
      const cold = await list(proxy)
      const mocked = gidOf(cold, world, 1)
      expect(mocked).toBeGreaterThanOrEqual(30_000)
      expect(mocked).toBeLessThan(40_000)
      expect(mocked).not.toBe(world.gids.get(slugOf(world, 1)))
      const { json } = await proxy.ready()
      expect(json.warnings.some((one: string) => /GIDs of \d+ projects are mocks/.test(one))).toBe(true)
      expect(proxy.logs.some((line) => /"level":"WARN"/.test(line) && /"event":"gids-mocked"/.test(line))).toBe(true)
      expect(proxy.settings.warnings.some((one) => /mock/.test(one))).toBe(true)

      proxy.sandbox.faults.clear()
      await proxy.pass("10 seconds")
      const warm = await list(proxy)
      expect(gidOf(warm, world, 1)).toBe(world.gids.get(slugOf(world, 1)))
      // Still unknown to the working API: mocked, with the same number.
      expect(gidOf(warm, world, index)).toBe(gidOf(cold, world, index))
      expect((await proxy.ready()).json.warnings.join(" ")).toMatch(/GIDs of 1 projects are mocks/)
      world.gids.set("unknown-project", 47_000)
      await proxy.pass("61 seconds")
      expect(gidOf(await list(proxy), world, index)).toBe(47_000)
    })
  }

  test("are 30000 plus the project's hash, the same on every replica", async () => {
    const proxy = await aProxy({ world: aWorld(10), document: () => ({ hpc_user_api: undefined }) })
    const json = await list(proxy)
    for (const [slug, gid] of Object.entries(mockGids)) {
      const found = json.resources.find(({ target }: Any) => target.targetItem.key === slug)
      expect([slug, found.target.targetItem.unixGid]).toEqual([slug, gid])
    }
  })

  test("are served without any HPC User API setting, and reported at start, in the log and in readiness", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world, document: () => ({ hpc_user_api: undefined }) })
    const json = await list(proxy)
    world.resources.forEach((_, index) => {
      expect(gidOf(json, world, index)).toBeGreaterThanOrEqual(30_000)
      expect(gidOf(json, world, index)).toBeLessThan(40_000)
    })
    expect(asked(proxy.sandbox, "hpcUserApi")).toEqual([])
    expect(asked(proxy.sandbox, "issuer")).toEqual([])
    expect(proxy.settings.warnings.join(" ")).toMatch(/no HPC User API is configured.*mocks/)
    const report = (await proxy.ready()).json
    expect(report.warnings.join(" ")).toMatch(/mocks/)
    expect(report.upstreams.hpc_user_api).toEqual({ status: "not configured" })
    expect(proxy.logs.some((line) => /"level":"WARN"/.test(line) && /"event":"gids-mocked"/.test(line))).toBe(true)
  })

  test("are not served with fallback: none, the default", async () => {
    const proxy = await aProxy({
      world: aWorld(10),
      document: (sandbox) => ({ hpc_user_api: { ...hpcUserSection(sandbox), fallback: "none" } }),
      prepare: ({ faults }) => faults.set("hpcUserApi", refusing),
    })
    expect((await proxy.list()).status).toBe(502)
  })
})
