import { buildWorld, changeResource } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { aSandbox } from "../test/a-process.ts"
import { aRedis } from "./a-redis.ts"
import { aReplica, fullReads, noCache, polled, ranked, statusOf, three } from "./a-replica.ts"

describe("the load of several replicas", () => {
  test("equals that of one: three polled replicas make no more upstream calls", async () => {
    const redis = await aRedis()
    const worlds = [1, 2].map(() => buildWorld({ edgeCases: false, resources: 20 }))
    const [alone, shared] = await Promise.all(worlds.map((world) => aSandbox({ world })))
    if (alone === undefined || shared === undefined) throw new Error("no sandbox")
    const replicas = [await aReplica(alone, undefined), ...(await three(() => aReplica(shared, redis)))]
    let polls = 0
    // In parallel, so that a busy machine slows all of them alike.
    await polled(replicas, () => {
      polls += 1
      for (const world of polls % 50 === 0 ? worlds : []) {
        changeResource(world, world.resources[polls % 20] ?? {}, { limits: { storage: polls } })
      }
      return alone.calls.of("waldur").length >= 60
    })
    expect(shared.calls.of("waldur").length).toBeLessThan(alone.calls.of("waldur").length * 1.2)
    expect(fullReads(shared)).toBe(1)
    expect(shared.calls.of("hpcUserApi").length).toBe(alone.calls.of("hpcUserApi").length)
  })

  test("at a cold start of three is one full read, and their responses agree", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis, { CACHE_FRESH_FOR: "1h" }))
    expect(fullReads(sandbox)).toBe(1)
    const responses = await Promise.all(replicas.map((one) => one.list()))
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(new Set(responses.map(({ headers }) => headers.get("etag"))).size).toBe(1)
    expect(new Set(responses.map(({ headers }) => headers.get("link"))).size).toBe(1)
    expect(new Set(responses.map(({ headers }) => headers.get("last-modified"))).size).toBe(1)
    const { leader, others } = await ranked(replicas)
    expect(await leader.metric('refreshes_total{read="all",outcome="ok"}')).toBe(1)
    expect(await leader.metric("shared_cache_up")).toBe(1)
    for (const one of others) {
      expect(await one.metric('refreshes_total{read="shared",outcome="ok"}')).toBe(1)
      expect(await one.metric('refreshes_total{read="all",outcome="ok"}')).toBeUndefined()
      expect(await one.warnings()).not.toContain("shared cache")
    }
  })

  test("does not grow for a replica that starts later and takes the fresh list", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    const first = await aReplica(sandbox, redis, { CACHE_FRESH_FOR: "1h" })
    const response = await first.list()
    sandbox.calls.clear()
    const second = await aReplica(sandbox, redis, { CACHE_FRESH_FOR: "1h" })
    expect((await second.list()).headers.get("etag")).toBe(response.headers.get("etag"))
    expect(sandbox.calls.all.length).toBe(0)
  })

  test("does not grow for a follower with an old list, which takes the published one", async () => {
    const world = buildWorld({ edgeCases: false, resources: 20 })
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const onlyWhenAsked = { CACHE_FRESH_FOR: "4s", CACHE_KEEP_WARM_FOR: "0" }
    const leader = await aReplica(sandbox, redis, onlyWhenAsked)
    const before = (await leader.list()).headers.get("etag")
    const follower = await aReplica(sandbox, redis, onlyWhenAsked)
    await polled([follower], async () => Number((await follower.list()).headers.get("age")) >= 2)
    changeResource(world, world.resources[0] ?? {}, { state: "Erred" })
    const after = (await leader.list(noCache)).headers.get("etag")
    expect(after).not.toBe(before)
    const calls = sandbox.calls.of("waldur").length
    await polled([follower], async () => (await follower.list()).headers.get("etag") === after)
    expect(sandbox.calls.of("waldur").length).toBe(calls)
  })

  test("includes a read for no-cache at a follower, which sees a change made just before", async () => {
    const world = buildWorld({ edgeCases: false, resources: 20 })
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis, { CACHE_FRESH_FOR: "1h" }))
    const { others } = await ranked(replicas)
    for (const [index, one] of [...others, ...others].entries()) {
      changeResource(world, world.resources[index] ?? {}, { state: "Erred" })
      expect(statusOf(await one.list(noCache), world, index)).toBe("error")
    }
    expect(fullReads(sandbox)).toBe(1)
  })

  test("includes another read for no-cache at a follower if the one in flight began before", async () => {
    const world = buildWorld({ edgeCases: false, resources: 20 })
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const { leader, others } = await ranked(
      await three(() => aReplica(sandbox, redis, { CACHE_FRESH_FOR: "1h", CACHE_FULL_REFRESH_EVERY: "0" })),
    )
    // A read that has seen the world and does not end.
    const slow = sandbox.faults.set("waldur", { path: /customers/, latencyMs: 4000 })
    sandbox.calls.clear()
    const early = leader.list(noCache)
    await polled([], () => sandbox.calls.of("waldur").some(({ path }) => path.includes("customers")))
    changeResource(world, world.resources[0] ?? {}, { state: "Erred" })
    const asked = Promise.all(others.map((one) => one.list(noCache)))
    slow.clear()
    expect(statusOf(await early, world, 0)).not.toBe("error")
    for (const got of await asked) expect(statusOf(got, world, 0)).toBe("error")
    // One read for both of them.
    expect(fullReads(sandbox)).toBe(2)
  })
})
