import type { Fault } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { aProxy, noCache, type TestedProxy, until } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"

const hang: Fault = { hang: true }

const waiting = async (proxy: TestedProxy, name: string) => {
  const series = `storage_proxy_upstream_waiting_seconds{upstream="${name}"} `
  const { text } = await proxy.get("/metrics")
  return Number(
    text
      .split("\n")
      .find((line) => line.startsWith(series))
      ?.slice(series.length),
  )
}

const slowLines = ({ logs }: TestedProxy) => logs.filter((line) => line.includes('"event":"refresh-slow"'))

const upstreamOf = async (proxy: TestedProxy, name: "waldur" | "hpc_user_api") =>
  (await proxy.ready()).json.upstreams[name]

/** For example a process stopped by SIGSTOP: the system accepts the connection, and no response comes. */
describe("an upstream that accepts requests and never responds", () => {
  test("is named after half a minute by readiness, a gauge and one log line: Waldur", async () => {
    const proxy = await aProxy({ world: aWorld(10), environment: { CACHE_KEEP_WARM_FOR: "1h" } })
    await proxy.list()
    expect(await upstreamOf(proxy, "waldur")).toEqual({ status: "ok" })
    proxy.sandbox.faults.set("waldur", hang)
    await proxy.pass("10 seconds")
    await until(() => proxy.sandbox.calls.inFlight("waldur") > 0)
    await proxy.pass("29 seconds")
    expect([await upstreamOf(proxy, "waldur"), await waiting(proxy, "waldur"), slowLines(proxy)]).toEqual([
      { status: "ok" },
      0,
      [],
    ])
    await proxy.pass("2 seconds")
    await until(() => slowLines(proxy).length > 0)
    expect(await upstreamOf(proxy, "waldur")).toEqual({
      status: "slow",
      detail: "a call has run for 31 seconds and has not ended",
      since: "2026-11-23T09:00:10.000Z",
    })
    expect(await waiting(proxy, "waldur")).toBe(31)
    expect((await proxy.ready()).json.warnings.join("\n")).toContain(
      "a refresh has run for 31 seconds and has not ended",
    )
    expect(JSON.parse(slowLines(proxy)[0] ?? "")).toMatchObject({
      level: "WARN",
      annotations: { seconds: 30, waits_for: "waldur for 30 s", last_good: "40 s old" },
    })
    // The last good list is served meanwhile.
    expect((await proxy.list()).headers.get("age")).toBe("41")
    await proxy.pass("20 seconds")
    expect(slowLines(proxy).length).toBe(1)
    proxy.sandbox.faults.clear()
    await proxy.hurried(until(async () => (await upstreamOf(proxy, "waldur")).status === "ok"))
    expect(await waiting(proxy, "waldur")).toBe(0)
  })

  test.each([
    ["hpcUserApi", "hpc-user-api"],
    ["issuer", "hpc-user-api-token"],
  ] as const)("is named likewise if it is the HPC User API or its token issuer: %s", async (upstream, name) => {
    const proxy = await aProxy({ world: aWorld(10), prepare: ({ faults }) => faults.set(upstream, hang) })
    await until(() => proxy.sandbox.calls.inFlight(upstream) > 0)
    await proxy.pass("31 seconds")
    await until(() => slowLines(proxy).length > 0)
    expect(await upstreamOf(proxy, "hpc_user_api")).toMatchObject({
      status: "slow",
      since: "2026-11-23T09:00:00.000Z",
    })
    expect(await waiting(proxy, name)).toBe(31)
    expect(slowLines(proxy)[0]).toContain(`${name} for 30 s`)
  })

  test("is named while a live read of debug mode waits for it, even if no refresh does", async () => {
    const proxy = await aProxy({ world: aWorld(10) })
    await proxy.list()
    proxy.sandbox.faults.set("waldur", hang)
    const open = proxy.list("debug=true")
    await until(() => proxy.sandbox.calls.inFlight("waldur") > 0)
    await proxy.pass("30 seconds")
    expect((await upstreamOf(proxy, "waldur")).status).toBe("slow")
    expect(slowLines(proxy)).toEqual([])
    proxy.sandbox.faults.clear()
    await proxy.hurried(open)
  })
})

describe("callers that request a new list while Waldur is down", () => {
  test.each([
    ["refuses", { status: 403 } satisfies Fault],
    ["closes each connection", { reset: true } satisfies Fault],
  ])("share the last failure: 300 requests cost a handful of attempts, if it %s", async (_, fault) => {
    const proxy = await aProxy({ world: aWorld(10) })
    const before = await proxy.list()
    proxy.sandbox.faults.set("waldur", fault)
    const failures = () => proxy.logs.filter((line) => line.includes('"event":"refresh-failed"')).length
    // Ten requests a second for half a minute.
    for (let second = 0; second < 30; second += 1) {
      const asked = Array.from({ length: 10 }, () => proxy.getNow("/api/storage-resources/", noCache))
      for (const got of await proxy.hurried(Promise.all(asked)))
        expect([got.status, got.text]).toEqual([200, before.text])
      await proxy.pass("1 second")
    }
    expect(failures()).toBeGreaterThan(0)
    // One in five seconds at most; the clock ran on for the retries of each attempt.
    const attempts = (Number((await proxy.ready()).json.snapshot.age) + 5) / 5
    expect(failures()).toBeLessThanOrEqual(attempts)
    expect(failures()).toBeLessThan(30)
  })
})
