import { availableParallelism } from "node:os"
import type { MockResponse } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { aProxy, hpcUserSection, noCache, type TestedProxy, until } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"

/** The value of each series, by its name with labels. */
const seriesOf = async (proxy: TestedProxy): Promise<ReadonlyMap<string, number>> => {
  const { status, headers, text } = await proxy.get("/metrics")
  expect([status, headers.get("content-type")]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"])
  return new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))] as const),
  )
}

/** How much series grew, since metrics belong to the process and other tests have counted too. */
const growth = async (proxy: TestedProxy, act: () => Promise<unknown>) => {
  const before = await seriesOf(proxy)
  await act()
  const after = await seriesOf(proxy)
  return (series: string) => (after.get(series) ?? 0) - (before.get(series) ?? 0)
}

const requests = (route: string, status: number, method = "GET") =>
  `storage_proxy_http_requests_total{route="${route}",method="${method}",status="${status}"}`

describe("/metrics", () => {
  test("counts requests by route, method and status, and callers cannot invent a label", async () => {
    const proxy = await aProxy({ world: aWorld(10) })
    const grown = await growth(proxy, async () => {
      for (const _ of [1, 2, 3]) await proxy.list()
      await proxy.list("page=0")
      await proxy.get("/api/storage-resources/", { method: "HEAD" })
      await proxy.get("/api/storage-resources/", { method: "POST" })
      for (const path of ["/a", "/b", "/api/storage-resources/c"]) await proxy.get(path)
    })
    expect(grown(requests("/api/storage-resources/", 200))).toBe(3)
    expect(grown(requests("/api/storage-resources/", 422))).toBe(1)
    expect(grown(requests("/api/storage-resources/", 200, "HEAD"))).toBe(1)
    expect(grown(requests("/api/storage-resources/", 405, "other"))).toBe(1)
    expect(grown(requests("other", 404))).toBe(3)
    expect(grown('storage_proxy_http_request_duration_seconds_count{route="other"}')).toBe(3)
  })

  test("shows how old and how large the list is, and what is skipped and why, by storage system", async () => {
    const world = aWorld(10)
    const malformed = world.resources[9] as Record<string, unknown>
    Object.assign(malformed, { attributes: { permissions: "rwx" } })
    const proxy = await aProxy({ world })
    const { total } = (await proxy.list()).json.pagination
    const skipped = (system: unknown) => `storage_proxy_snapshot_skipped{storage_system="${system}",reason="bad-data"}`
    const named = (name: string, all: ReadonlyMap<string, number>) =>
      [...all].filter(([key]) => key.startsWith(`${name}{`)).map(([, value]) => value)
    const sum = (values: ReadonlyArray<number>) => values.reduce((all, value) => all + value, 0)
    await proxy.pass("7 seconds")
    const series = await seriesOf(proxy)
    expect(series.get("storage_proxy_snapshot_age_seconds")).toBe(7)
    for (const { name } of proxy.settings.model.storageSystems) {
      const { total: ofSystem } = (await proxy.list(`storage_system=${name}`)).json.pagination
      expect(series.get(`storage_proxy_snapshot_entries{storage_system="${name}"}`)).toBe(ofSystem)
    }
    expect(sum(named("storage_proxy_snapshot_entries", series))).toBe(total)
    expect(series.get(skipped(malformed.offering_slug))).toBe(1)
    expect(sum(named("storage_proxy_snapshot_skipped", series))).toBe(1)
    expect(series.get("storage_proxy_mocked_gids")).toBe(0)
    expect(sum(named("storage_proxy_guarded_systems", series))).toBe(0)
    Object.assign(malformed, { attributes: {} })
    await proxy.pass("10 seconds")
    await proxy.list()
    expect((await seriesOf(proxy)).get(skipped(malformed.offering_slug))).toBe(0)
  })

  test("counts the reads of the upstreams by outcome", async () => {
    const world = aWorld(10)
    const proxy = await aProxy({ world, environment: { CACHE_FULL_REFRESH_EVERY: "1h" } })
    await proxy.list()
    const renew = () => proxy.get("/api/storage-resources/", { headers: { "Cache-Control": "no-cache" } })
    const quiet = await growth(proxy, renew)
    expect(quiet('storage_proxy_refreshes_total{read="changes",outcome="ok"}')).toBe(1)
    // Two lists, and a count by HEAD, which has a series of its own.
    expect(quiet('storage_proxy_upstream_calls_total{upstream="waldur",outcome="ok"}')).toBe(2)
    expect(quiet('storage_proxy_upstream_calls_total{upstream="waldur-counts",outcome="ok"}')).toBe(1)
    world.resources.pop()
    const full = await growth(proxy, renew)
    expect(full('storage_proxy_refreshes_total{read="changes",outcome="inconclusive"}')).toBe(1)
    expect(full('storage_proxy_refreshes_total{read="all",outcome="ok"}')).toBe(1)
    proxy.sandbox.faults.set("waldur", { status: 403 })
    const failed = await growth(proxy, renew)
    expect(failed('storage_proxy_refreshes_total{read="changes",outcome="failed"}')).toBe(1)
    expect(failed('storage_proxy_upstream_calls_total{upstream="waldur",outcome="status"}')).toBeGreaterThan(0)
  })

  test("has no label of its own for a skipped resource of an offering that is not configured", async () => {
    const proxy = await aProxy({ world: aWorld(10) })
    const rewrite = (answer: MockResponse) => {
      const [row, ...rows] = JSON.parse(Buffer.from(answer.body).toString())
      const body = JSON.stringify([{ ...row, offering_slug: "a-foreign-offering" }, ...rows])
      return { ...answer, body: Buffer.from(body) }
    }
    proxy.sandbox.faults.set("waldur", { path: /provider-resources/, method: "GET", rewrite })
    await proxy.list()
    const { text } = await proxy.get("/metrics")
    expect(text).toMatch(/snapshot_skipped\{storage_system="other",reason="foreign-offering"\} [1-9]/)
    expect(text).not.toContain("a-foreign-offering")
  })

  test("shows that a refresh is in progress", async () => {
    const proxy = await aProxy({ world: aWorld(10) })
    await proxy.list()
    const inProgress = async () => (await seriesOf(proxy)).get("storage_proxy_refresh_in_progress")
    expect(await inProgress()).toBe(0)
    const held = Promise.withResolvers<void>()
    proxy.sandbox.faults.set("waldur", { until: held.promise })
    const renewed = proxy.get("/api/storage-resources/", noCache)
    await until(async () => (await inProgress()) === 1)
    held.resolve()
    await renewed
    expect(await inProgress()).toBe(0)
  })

  test("shows the process and Node as Prometheus' client for Node names them", async () => {
    const proxy = await aProxy({ world: aWorld(10) })
    await proxy.list()
    const before = await seriesOf(proxy)
    const series = await seriesOf(proxy)
    // A counter is set by what was added.
    expect(series.get("process_cpu_seconds_total")).toBeGreaterThanOrEqual(before.get("process_cpu_seconds_total") ?? 0)
    expect(series.get("process_cpu_seconds_total")).toBeLessThan(2 * process.uptime() * availableParallelism())
    expect(series.get("nodejs_heap_size_used_bytes")).toBeGreaterThan(1e6)
    expect(series.get('nodejs_heap_space_size_used_bytes{space="old"}')).toBeGreaterThan(1e5)
    expect([...series.keys()].filter((name) => /^nodejs_gc_duration_seconds_count\{kind="/.test(name))).not.toEqual([])
    expect([...series.keys()].filter((name) => name.includes("_bucket") && name.startsWith("nodejs_"))).toEqual([])
    expect(series.get("process_resident_memory_bytes")).toBeGreaterThan(1e6)
    expect(series.get("process_cpu_seconds_total")).toBeGreaterThan(0)
    expect(series.has("nodejs_eventloop_lag_p99_seconds")).toBe(true)
    expect([...series.keys()].filter((name) => name.startsWith("storage_proxy_build_info")).length).toBe(1)
    expect(series.get("storage_proxy_is_leader")).toBe(1)
  })

  test("names no project, customer, address or secret", async () => {
    const world = aWorld(20)
    const proxy = await aProxy({ world })
    await proxy.list()
    const { text } = await proxy.get("/metrics")
    const { client_secret: secret } = hpcUserSection(proxy.sandbox)
    const names = world.resources.flatMap((row) => [row.slug, row.project_slug, row.customer_slug].map(String))
    for (const one of [...names, proxy.sandbox.waldur.token, secret, "127.0.0.1"]) expect(text).not.toContain(one)
  })
})
