import { gzipSync } from "node:zlib"
import { buildWorld, changeResource } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { aSandbox, until } from "../test/a-process.ts"
import { aRedis } from "./a-redis.ts"
import { aReplica, noCache, polled, ranked, sharing, statusOf, three } from "./a-replica.ts"

const aWorld = () => buildWorld({ edgeCases: false, resources: 60 })

/** JSON that is not ours, compressed like ours; as a Lua byte string. */
const packed = [...gzipSync('{"number":1}')].map((byte) => `\\${byte.toString().padStart(3, "0")}`).join("")

/** Scripts over `key` and `value`. */
const spoilt = {
  "of another type": "redis.call('del', key) redis.call('rpush', key, 'garbage')",
  "a text without an end": "redis.call('set', key, 'garbage')",
  "a text that stays for long": "redis.call('set', key, 'garbage', 'EX', 100000)",
  "half of what it was":
    "if value then redis.call('set', key, string.sub(value, 1, math.floor(#value / 2)), 'KEEPTTL') end",
  "a number of the far future": "redis.call('set', key, '1e300', 'KEEPTTL')",
  "other JSON": `redis.call('set', key, '{"number":1}', 'KEEPTTL')`,
  "other JSON, packed": `redis.call('set', key, '${packed}', 'KEEPTTL')`,
  "what its neighbour was": `
    if before and value then redis.call('set', key, before, 'KEEPTTL') end
    before = value or before`.replaceAll("before", "ARGV[2]"),
  gone: "redis.call('del', key)",
}

describe("keys that are", () => {
  test.for(Object.entries(spoilt))("%s are never served, and are replaced", async ([name, script], { expect }) => {
    const world = aWorld()
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis))
    // Every second kind of key alone, the others with the next script, and all together.
    const turn = Object.keys(spoilt).indexOf(name)
    const each = ["chunk:*", "snapshot:*", "entries:*", "outcome", "begun", "wanted", "lease"]
    const kinds = [...each.filter((_, index) => (index + turn) % 2 === 0), "*"]
    for (const [index, kind] of kinds.entries()) {
      await sharing(replicas)
      const before = (await replicas[0].list()).json.resources
      await redis.each(`*:${kind}`, script)
      // The rest of an abandoned lease passes fast.
      await redis.each("*:lease", "if redis.call('pttl', key) > 500 then redis.call('pexpire', key, 500) end")
      // A replica that knows nothing yet must not receive invalid data.
      const late = await aReplica(sandbox, redis)
      expect((await late.list()).json.resources).toEqual(before)
      changeResource(world, world.resources[index] ?? {}, { state: "Erred" })
      const changedAt = performance.now()
      for (const one of [...replicas, late])
        await until(async () => {
          const secondsSince = (performance.now() - changedAt) / 1000
          const response = await one.list(noCache)
          const isChanged = statusOf(response, world, index) === "error"
          // Without the numbers of reads, one that began before the change may be taken for a newer one. Then its `Age`
          // says so, as provisioners need it.
          if (!isChanged) expect(Number(response.headers.get("age")) + 1).toBeGreaterThan(secondsSince)
          return isChanged
        })
      await late.close()
    }
    await sharing(replicas)
    // The store is complete again: a new replica takes it.
    await polled(replicas, async () => {
      const late = await aReplica(sandbox, redis, { CACHE_FRESH_FOR: "1h" })
      await late.list()
      const isTaken = (await late.metric('refreshes_total{read="all",outcome="ok"}')) === undefined
      await late.close()
      return isTaken
    })
    for (const one of replicas)
      expect(one.log()).not.toMatch(/"event":"(refresh-crashed|crashed|internal-error)"|"level":"(FATAL|Fatal)"/)
  })

  test("evicted are noticed by a new replica, and stored again by the leader even without changes", async () => {
    const sandbox = await aSandbox({ world: aWorld() })
    const redis = await aRedis()
    // Everything is fresh, so the leader reads only on request: otherwise it could restore the missing keys before the
    // new replica has looked.
    const hour = { CACHE_FRESH_FOR: "1h" }
    const replicas = await three(() => aReplica(sandbox, redis, hour))
    await sharing(replicas)
    const { leader } = await ranked(replicas)
    const before = await replicas[0].list()
    const stored = [...(await redis.keys())].sort()
    await redis.each("*:chunk:*", "if math.random(2) == 1 then redis.call('del', key) end")
    expect((await redis.keys()).length).toBeLessThan(stored.length)
    const late = await aReplica(sandbox, redis, hour)
    expect((await late.list()).headers.get("etag")).toBe(before.headers.get("etag"))
    expect(await late.metric('refreshes_total{read="all",outcome="ok"}')).toBe(1)
    await polled(replicas, async () => {
      await leader.list(noCache)
      const keys = await redis.keys()
      return stored.every((key) => key.endsWith(":wanted") || keys.includes(key))
    })
    const later = await aReplica(sandbox, redis, hour)
    await later.list()
    expect(await later.metric('refreshes_total{read="all",outcome="ok"}')).toBeUndefined()
  })

  test("dangling are detected by a walk, and are stored again", async () => {
    const world = aWorld()
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis, { CACHE_FRESH_FOR: "1h" }))
    const { leader, follower } = await ranked(replicas)
    const [old = ""] = await redis.keys("*:entries:*")
    changeResource(world, world.resources[0] ?? {}, { state: "Erred" })
    const { json } = await leader.list(noCache)
    const name = (await redis.keys("*:entries:*")).find((key) => key !== old) ?? ""
    const path = `/api/storage-resources/?page_size=500&snapshot=${name.split(":entries:")[1]}`
    // A name of another snapshot, and of none at all.
    for (const wrong of [await redis.say("GET", old), "garbage"]) {
      await redis.say("SET", name, wrong, "EX", "1000")
      expect((await follower.get(path)).status).toBe(410)
      expect((await leader.list(noCache)).status).toBe(200)
      expect(await redis.say("GET", name)).not.toBe(wrong)
    }
    expect((await follower.get(path)).json.resources).toEqual(json.resources)
  })

  test("missing do not delay callers while the leader gets no requests", async () => {
    const world = aWorld()
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis, { CACHE_KEEP_WARM_FOR: "0" }))
    const { leader, others } = await ranked(replicas)
    for (const [index, kind] of ["outcome", "begun", "wanted", "*"].entries()) {
      for (const init of [{}, noCache]) {
        await redis.each(`*:${kind}`, "if not string.find(key, ':lease') then redis.call('del', key) end")
        changeResource(world, world.resources[index] ?? {}, { limits: { storage: Math.floor(performance.now()) } })
        for (const one of others) expect((await one.list(init)).status).toBe(200)
        expect(await leader.isLeader()).toBe(true)
      }
    }
  })

  test("missing because a read could not be published are read again", async () => {
    const sandbox = await aSandbox({ world: aWorld() })
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis, { CACHE_KEEP_WARM_FOR: "0" }))
    const { leader, others } = await ranked(replicas)
    const slow = sandbox.faults.set("waldur", { path: /marketplace-provider-resources/, latencyMs: 300 })
    const asked = leader.list(noCache)
    await until(() => sandbox.calls.inFlight("waldur") > 0)
    // The lease is lost at the moment of publication.
    const [key = ""] = await redis.keys("*:lease")
    const holder = await redis.say("GET", key)
    await redis.say("SET", key, "another", "PX", "10000")
    await asked
    await redis.say("SET", key, holder, "PX", "10000")
    slow.clear()
    for (const one of others) expect((await one.list()).status).toBe(200)
  })
})
