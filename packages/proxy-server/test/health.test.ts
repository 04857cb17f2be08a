import { Effect, Redacted } from "effect"
import { describe, expect, test } from "vitest"
import { checked } from "../src/index.ts"
import { type Any, aProxy, asked, until } from "./a-proxy.ts"
import { aWorld, rowOf } from "./a-world.ts"

const keys = (json: Any) => Object.keys(json)
const disabled = "authentication is disabled: anyone can read the list"

describe("/healthz/live", () => {
  test("is 200 while the process serves, even while upstreams fail and while it stops", async () => {
    const proxy = await aProxy({ world: aWorld(6), prepare: ({ faults }) => faults.set("waldur", { status: 403 }) })
    const live = () => proxy.get("/healthz/live")
    expect([(await live()).status, (await live()).json]).toEqual([200, { status: "live" }])
    await proxy.list()
    expect((await live()).status).toBe(200)
    await proxy.stop()
    expect((await live()).status).toBe(200)
  })
})

describe("/healthz/ready", () => {
  test("waits for no request: the first refresh begins at start", async () => {
    const proxy = await aProxy({ world: aWorld(6) })
    await until(() => asked(proxy.sandbox, "waldur").length > 0)
    await until(async () => (await proxy.ready()).status === 200)
  })

  test("is 503 before the first snapshot, then 200", async () => {
    const proxy = await aProxy({ world: aWorld(6), prepare: ({ faults }) => faults.set("waldur", { latencyMs: 50 }) })
    const { status, json } = await proxy.ready()
    expect(status).toBe(503)
    expect(json).toEqual({
      status: "starting",
      warnings: [disabled],
      snapshot: null,
      upstreams: {
        waldur: { status: "unknown" },
        hpc_user_api: { status: "unknown" },
        issuer: { status: "not configured" },
      },
      gid_cache: { total_entries: 0, cache_policy: "Persists until server restart", projects: [] },
    })
    const total = (await proxy.list()).json.pagination.total
    const ready = await proxy.ready()
    expect(ready.status).toBe(200)
    const projects = [...new Set(proxy.sandbox.world.resources.map((row) => row.project_slug))]
    expect(keys(ready.json)).toEqual(["status", "warnings", "snapshot", "upstreams", "gid_cache"])
    expect(ready.json).toEqual({
      status: "ready",
      warnings: [disabled],
      snapshot: { age: 0, entries: total, skipped: 0 },
      upstreams: { waldur: { status: "ok" }, hpc_user_api: { status: "ok" }, issuer: { status: "not configured" } },
      gid_cache: { total_entries: projects.length, cache_policy: "Persists until server restart", projects },
    })
    expect(keys(ready.json.snapshot)).toEqual(["age", "entries", "skipped"])
  })

  test("shows the GID cache of the running process: names up to ten, above that their number", async () => {
    const proxy = await aProxy({ world: aWorld(40) })
    await proxy.list()
    const { gid_cache } = (await proxy.ready()).json
    const projects = new Set(proxy.sandbox.world.resources.map((row) => row.project_slug))
    expect(projects.size).toBeGreaterThan(10)
    expect(gid_cache).toMatchObject({ total_entries: projects.size, projects: projects.size })
  })

  test("sends no request upstream, and its age grows with the clock", async () => {
    const proxy = await aProxy({ world: aWorld(6) })
    await proxy.list()
    const before = proxy.sandbox.calls.all.length
    await proxy.pass("90500 millis")
    const { status, json } = await proxy.ready()
    expect([status, json.snapshot.age]).toEqual([200, 90.5])
    expect(proxy.sandbox.calls.all.length).toBe(before)
  })

  test("is 503 while stopping, and requests are still served", async () => {
    const proxy = await aProxy({ world: aWorld(6) })
    await proxy.list()
    await proxy.stop()
    const { status, json } = await proxy.ready()
    expect([status, json.status]).toEqual([503, "stopping"])
    expect((await proxy.list()).status).toBe(200)
  })

  test("has no warning for a safe configuration", async () => {
    const proxy = await aProxy({
      world: aWorld(6),
      document: ({ issuer }) => ({ auth: { keycloak_url: issuer.baseUrl, keycloak_client_id: "x" } }),
    })
    await until(async () => (await proxy.ready()).status === 200)
    expect((await proxy.ready()).json.warnings).toEqual([])
  })

  test("warns of stale data with since when and why, and is not 503", async () => {
    const proxy = await aProxy({ world: aWorld(6) })
    await proxy.list()
    proxy.sandbox.faults.set("waldur", { status: 403 })
    await proxy.pass("10 seconds")
    await proxy.list()
    await proxy.pass("20 seconds")
    const { status, json } = await proxy.ready()
    expect(status).toBe(200)
    expect(json.upstreams.waldur).toEqual({
      status: "failing",
      error: "WaldurRejected",
      detail: expect.stringContaining("403"),
      since: "2026-11-23T09:00:10.000Z",
    })
    expect(json.warnings).toEqual([
      disabled,
      expect.stringMatching(/^no refresh has succeeded since 2026-11-23T09:00:10\.000Z: .*403/),
      "the data is stale: 30 seconds old",
    ])
  })

  test("warns of two resources at one mount point, as do the log and debug mode", async () => {
    const world = aWorld(10)
    Object.assign(rowOf(world, 8), { backend_id: "/one/shared/path" })
    Object.assign(rowOf(world, 9), { backend_id: "/one/shared/path" })
    const proxy = await aProxy({ world })
    const entries = (await proxy.list("page_size=500")).json.resources
    expect(entries.filter(({ mountPoint }: Any) => mountPoint.default === "/one/shared/path").length).toBe(2)
    const { status, json } = await proxy.ready()
    expect(status).toBe(200)
    expect(json.warnings).toEqual([disabled, expect.stringMatching(/^2 resources share a mount point/)])
    expect(
      proxy.logs.filter((line) => /"event":"resource-warning"/.test(line) && line.includes("/one/shared/path")).length,
    ).toBe(2)
    const { warnings } = (await proxy.list("debug=true")).json
    expect(warnings.filter(({ found }: Any) => found === "/one/shared/path").length).toBe(2)
  })

  test("warns of a key that has no effect", async () => {
    const proxy = await aProxy({ world: aWorld(6), document: () => ({ timezone: "CET" }) })
    await proxy.list()
    expect((await proxy.ready()).json.warnings.join(" ")).toMatch(/timezone is unknown and has no effect/)
  })

  test("shows no secret", async () => {
    const proxy = await aProxy({ world: aWorld(6), document: () => ({ waldur_api_token: "f".repeat(40) }) })
    await proxy.list()
    const { text } = await proxy.ready()
    expect(text).toContain("failing")
    for (const secret of ["f".repeat(40), proxy.sandbox.hpcUserApi.clientSecret]) {
      expect(text).not.toContain(secret)
      expect(proxy.logs.join("\n")).not.toContain(secret)
    }
  })
})

describe("checked", () => {
  const calls = expect.any(Array)
  const named = (results: ReadonlyArray<{ name: string; ok: boolean }>) => results.map(({ name, ok }) => [name, ok])

  test("tries Waldur, each offering and the HPC User API, and changes nothing", async () => {
    const proxy = await aProxy({ world: aWorld(40) })
    await proxy.list()
    proxy.sandbox.calls.clear()
    const results = await proxy.check()
    expect(named(results)).toEqual([
      ["Waldur", true],
      ["offering capstor", true],
      ["offering vast", true],
      ["offering iopsstor", true],
      ["HPC User API", true],
      ["token issuer", true],
    ])
    expect(results[0]?.detail).toContain("an unknown version, which the token's user may not read")
    expect(proxy.sandbox.calls.of("waldur").every(({ method }) => method === "GET" || method === "HEAD")).toBe(true)
    // What the first refresh requests, and whether the API works at all.
    expect(asked(proxy.sandbox, "hpcUserApi").length).toBe(2)
  })

  test("reports what fails and its remedy", async () => {
    const advice = async (options: Parameters<typeof aProxy>[0]) =>
      (await (await aProxy({ world: aWorld(6), ...options })).check()).filter(({ ok }) => !ok)
    expect(await advice({ prepare: ({ waldur }) => Object.assign(waldur, { dialect: "7.0.7" }) })).toEqual([
      {
        name: "Waldur",
        ok: false,
        detail: expect.stringMatching(/too old/),
        advice: expect.stringMatching(/Upgrade/),
        calls,
      },
    ])
    expect(await advice({ document: () => ({ waldur_api_token: "0".repeat(40) }) })).toEqual([
      {
        name: "Waldur",
        ok: false,
        detail: expect.any(String),
        advice: expect.stringMatching(/waldur_api_token/),
        calls,
      },
    ])
    expect(
      (await advice({ document: ({ waldur }) => ({ waldur_api_token: waldur.tokens.blind }) })).map(({ name }) => name),
    ).toEqual(["offering capstor", "offering vast", "offering iopsstor"])
    expect(await advice({ prepare: ({ faults }) => faults.set("issuer", { status: 401 }) })).toEqual([
      {
        name: "HPC User API",
        ok: false,
        detail: expect.any(String),
        advice: expect.stringMatching(/client_secret/),
        calls,
      },
    ])
  })

  test("tries the file's directory and the shared cache, if they are configured", async () => {
    const world = aWorld(6)
    const { settings } = await aProxy({ world })
    const kept = async (more: Partial<typeof settings.cache>) => {
      const { results } = await Effect.runPromise(checked({ ...settings, cache: { ...settings.cache, ...more } }))
      return results.filter(({ name }) => name.startsWith("cache."))
    }
    expect(await kept({ path: "/tmp/snapshot" })).toEqual([
      { name: "cache.path", ok: true, detail: "/tmp can be written to" },
    ])
    expect(
      await kept({ path: "/nowhere/at/all/snapshot", url: Redacted.make("redis://:hunter2@127.0.0.1:1") }),
    ).toEqual([
      {
        name: "cache.path",
        ok: false,
        detail: expect.stringMatching(/ENOENT/),
        advice: expect.stringMatching(/mode 0700/),
      },
      {
        name: "cache.url",
        ok: false,
        detail: expect.not.stringMatching(/hunter2/),
        advice: expect.stringMatching(/cache\.url/),
        calls,
      },
    ])
  })

  test("reports an empty offering that is visible as ok", async () => {
    const world = aWorld(6)
    world.resources.length = 0
    expect((await (await aProxy({ world })).check()).every(({ ok }) => ok)).toBe(true)
  })
})

describe("readiness", () => {
  test("shows no credential from an upstream's response, neither in a URL nor in another spelling of our own", async () => {
    const proxy = await aProxy({
      world: aWorld(5),
      prepare: ({ faults, waldur }) => {
        const detail = `https://me:hunter2-pw@host and ${Buffer.from(`x${waldur.token}`).toString("base64")} client_secret=hunter2-cs`
        faults.set("waldur", { method: "GET", status: 403, body: { json: { detail } } })
      },
    })
    await proxy.list()
    const { text } = await proxy.ready()
    expect(text).toContain("***")
    expect(text).not.toMatch(/hunter2/)
    expect(text).not.toContain(Buffer.from(proxy.sandbox.waldur.token).toString("base64").slice(4, 20))
  })
})
