import { buildWorld, changeResource } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { aSandbox, until } from "../test/a-process.ts"
import { aRedis } from "./a-redis.ts"
import { type Any, aReplica, type Got, noCache, polled, sharing, statusOf, three } from "./a-replica.ts"

const gidsIn = ({ json }: Got): ReadonlyArray<number> =>
  json.resources.flatMap(
    ({ target: { targetItem } }: Any) => targetItem.unixGid ?? targetItem.primaryProject?.unixGid ?? [],
  )
const aWorld = () => buildWorld({ edgeCases: false, resources: 60 })

describe("shared data", () => {
  test("expires by itself, and is bounded however often Waldur changes", async () => {
    const world = aWorld()
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const one = await aReplica(sandbox, redis)
    const chunks = async () => (await redis.keys("*:chunk:*")).length
    await one.list()
    const atFirst = await chunks()
    for (let change = 0; change < 80; change += 1) {
      changeResource(world, world.resources[change % 60] ?? {}, { limits: { storage: change } })
      expect((await one.list(noCache)).status).toBe(200)
    }
    const keys = await redis.keys()
    // For each change a header and its name, and the chunks that contain what changed: not the whole list.
    expect((await redis.keys("*:snapshot:*")).length).toBeLessThanOrEqual(81)
    expect((await redis.keys("*:entries:*")).length).toBeLessThanOrEqual(81)
    expect(await chunks()).toBeLessThanOrEqual(atFirst + 2 * 80)
    expect(keys.length).toBe((await redis.keys("storage-proxy:{*}:*")).length)
    await redis.each(
      "*:snapshot:*",
      "local left = redis.call('ttl', key) if left < 1 or left > 1200 then return 'forever: ' .. key end",
    )
    await redis.each("*", "local left = redis.call('ttl', key) if left < 1 or left > 86400 then return key end")
  })

  test("is stored once while nothing changes", async () => {
    const sandbox = await aSandbox({ world: aWorld() })
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis))
    await sharing(replicas)
    const chunks = (await redis.keys("*:chunk:*")).length
    await redis.say("CONFIG", "RESETSTAT")
    sandbox.calls.clear()
    await polled(replicas, () => sandbox.calls.of("waldur").length > 30)
    const stats = await redis.say("INFO", "commandstats")
    // Neither fetched nor stored: only the lease is renewed.
    expect(stats).not.toContain("cmdstat_mget")
    expect(Number(/cmdstat_pexpire:calls=(\d+)/.exec(stats)?.[1] ?? 0)).toBeLessThan(chunks * 5)
  })

  test("is not used with another configuration", async () => {
    const sandbox = await aSandbox({ world: aWorld() })
    const redis = await aRedis()
    const one = await aReplica(sandbox, redis)
    const other = await aReplica(sandbox, redis, { STORAGE_SYSTEMS: '{"capstor":"capstor"}' })
    const [some, others] = await Promise.all([one.list(), other.list()])
    expect([await one.isLeader(), await other.isLeader()]).toEqual([true, true])
    expect(others.json.resources.length).toBeLessThan(some.json.resources.length)
    const id = /snapshot=([^&>]+)/.exec(some.headers.get("link") ?? "")?.[1]
    expect((await other.get(`/api/storage-resources/?snapshot=${id}`)).status).toBe(410)
    const identities = new Set((await redis.keys()).map((key) => /\{(.*)\}/.exec(key)?.[1]))
    expect(identities.size).toBe(2)
  })

  test("is absent if GIDs are mocks", async () => {
    const sandbox = await aSandbox({ world: aWorld() })
    const redis = await aRedis()
    for (const more of [{ HPC_USER_API_FALLBACK: "mock" }, { HPC_USER_DEVELOPMENT_MODE: "true" }]) {
      const one = await aReplica(sandbox, redis, more)
      expect((await one.list(noCache)).status).toBe(200)
      expect(await redis.keys()).toEqual([])
      await one.close()
    }
  })
})

describe("GIDs that another replica looked up", () => {
  test("serve a replica that starts or takes over while the HPC User API fails, until it has responded once", async () => {
    const world = aWorld()
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const hour = { CACHE_FRESH_FOR: "1h" }
    const all = world.resources.splice(0)
    world.resources.push(...all.slice(10))
    const first = await aReplica(sandbox, redis, hour)
    const second = await aReplica(sandbox, redis, hour)
    await second.list()
    // Projects that the second one does not know when it takes over.
    world.resources.splice(0, world.resources.length, ...all)
    changeResource(world, all[0] ?? {}, { state: "OK" })
    const before = (await first.list(noCache)).json.resources
    sandbox.faults.set("hpcUserApi", { status: 503 })
    await first.close()
    const third = await aReplica(sandbox, redis, hour)
    // The second one takes over; the third has just started.
    for (const one of [second, third]) expect((await one.list(noCache)).json.resources).toEqual(before)
    expect(await second.warnings()).toBe(await third.warnings())

    // Once it has responded, only its responses count.
    sandbox.faults.clear()
    for (const slug of world.gids.keys()) world.gids.set(slug, 65_000)
    await until(async () => gidsIn(await third.list(noCache)).every((gid) => gid === 65_000))
    sandbox.faults.set("hpcUserApi", { status: 503 })
    for (const one of [second, third]) expect(gidsIn(await one.list(noCache)).every((gid) => gid === 65_000)).toBe(true)
  })

  test("from before its start do not serve a replica that has a response of the API", async () => {
    const world = aWorld()
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const hour = { CACHE_FRESH_FOR: "1h" }
    const first = await aReplica(sandbox, redis, hour)
    await first.list()
    await first.close()
    const [row = {}] = world.resources
    const all = [...world.resources]
    world.resources.splice(0, all.length, ...all.filter(({ project_slug }) => project_slug !== row.project_slug))
    const second = await aReplica(sandbox, redis, hour)
    await second.list(noCache)
    sandbox.faults.set("hpcUserApi", { status: 503 })
    changeResource(world, row, { state: "OK" })
    world.resources.splice(0, world.resources.length, ...all)
    expect(statusOf(await second.list(noCache), world, 0)).toBeUndefined()
    sandbox.faults.clear()
    await until(async () => statusOf(await second.list(noCache), world, 0) === "active")
  })
})

describe("a replica with a wrong clock", () => {
  test.for([-3_600_000, 3_600_000])("by %d ms follows and leads like any other", async (ahead, { expect }) => {
    const world = aWorld()
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const wrong = await aReplica(sandbox, redis, {}, ahead)
    await until(async () => (await wrong.get("/healthz/ready")).status === 200)
    expect(await wrong.isLeader()).toBe(true)
    const right = await aReplica(sandbox, redis)
    const both = [wrong, right]
    await sharing(both)
    // As fresh as if the clocks agreed: neither for an hour, nor never.
    sandbox.calls.clear()
    const since = Date.now()
    await polled(both, () => sandbox.calls.of("waldur").length >= 15)
    const refreshes = sandbox.calls.of("waldur").length / 3
    // Fresh for 300 ms. If it never were, a refresh would follow at once; a full read makes more than three calls.
    expect((Date.now() - since) / refreshes).toBeGreaterThan(100)
    changeResource(world, world.resources[0] ?? {}, { state: "Erred" })
    await polled(both, async () => statusOf(await right.list(), world, 0) === "error")
    const { headers } = await right.list()
    expect(Number(headers.get("age"))).toBeLessThan(30)
    expect(Number(headers.get("age"))).toBeGreaterThanOrEqual(0)

    // A failure that it published counts for seconds, not for an hour.
    sandbox.faults.set("waldur", { status: 503 })
    await polled(both, async () => (await right.warnings()).includes("no refresh has succeeded"))
    sandbox.faults.clear()
    await polled([right], async () => !(await right.warnings()).includes("no refresh has succeeded"))

    // It hands over, and the other continues from there.
    await wrong.close()
    await polled([right], () => right.isLeader())
    expect(statusOf(await right.list(noCache), world, 0)).toBe("error")
  })
})
