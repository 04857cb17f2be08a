import { buildWorld, changeResource } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { aSandbox, until } from "../test/a-process.ts"
import { aRedis } from "./a-redis.ts"
import {
  aReplica,
  aReplicaProcess,
  fullReads,
  leadersOf,
  noCache,
  polled,
  ranked,
  sharing,
  statusOf,
  three,
} from "./a-replica.ts"

const aWorld = () => buildWorld({ edgeCases: false, resources: 20 })

describe("the leader", () => {
  test("that is killed costs one lease period: the others keep serving, and one takes over its guard and its GIDs", async () => {
    const world = aWorld()
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const replicas = await three(() => aReplicaProcess(sandbox, redis))
    const { leader, others } = await ranked(replicas)
    await sharing(replicas)
    const before = await leader.list()
    leader.child.kill("SIGKILL")
    await leader.ended
    // What the leader knew and the others never requested.
    sandbox.faults.set("hpcUserApi", { status: 503 })
    world.resources.splice(0)
    // Ten seconds, and some for a busy machine.
    const killedAt = Date.now()
    await polled(others, async () => (await leadersOf(others)).length === 1)
    expect(Date.now() - killedAt).toBeLessThan(45_000)
    await polled(others, () => fullReads(sandbox) > 1)
    await polled(others, async () =>
      (await Promise.all(others.map((one) => one.warnings()))).every((one) => one.includes("cache.empty_guard")),
    )
    // Unchanged except for the callback URLs, which must not be used.
    const kept = JSON.parse(JSON.stringify(before.json, (name, value) => (name.endsWith("_url") ? undefined : value)))
    for (const one of others) expect((await one.list()).json).toEqual(kept)
  })

  test("that is stopped hands over at once", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    const replicas = await three(() => aReplicaProcess(sandbox, redis))
    const { leader, others } = await ranked(replicas)
    const [key = ""] = await redis.keys("*:lease")
    const holder = await redis.say("GET", key)
    expect(holder).not.toBe("")
    leader.child.kill("SIGTERM")
    expect(await leader.ended).toBe(0)
    // No replica waits for the end of its lease: it is gone, or another's.
    expect(await redis.say("GET", key)).not.toBe(holder)
    await polled(others, async () => (await leadersOf(others)).length === 1)
  })

  test("frozen for longer than its lease does not overwrite its successor, and becomes a follower", async () => {
    const world = aWorld()
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const replicas = await three(() => aReplicaProcess(sandbox, redis))
    const { leader, others } = await ranked(replicas)
    await sharing(replicas)
    // In the middle of a read of the unchanged world.
    const slow = sandbox.faults.set("waldur", { path: /marketplace-provider-resources/, latencyMs: 2000 })
    const early = leader.list(noCache)
    await until(() => sandbox.calls.inFlight("waldur") > 0)
    leader.child.kill("SIGSTOP")
    slow.clear()
    changeResource(world, world.resources[0] ?? {}, { state: "Erred" })
    await polled(others, async () => (await leadersOf(others)).length === 1)
    for (const one of others) expect(statusOf(await one.list(noCache), world, 0)).toBe("error")
    const reported = async () =>
      JSON.parse(await redis.say("GET", (await redis.keys("*:outcome"))[0] ?? "")).outcome.number
    const number = await reported()
    leader.child.kill("SIGCONT")
    await early
    await polled(others, async () => {
      for (const one of others) expect(statusOf(await one.list(), world, 0)).toBe("error")
      return (await leadersOf([leader])).length === 0
    })
    expect(await reported()).toBeGreaterThanOrEqual(number)
    expect(statusOf(await leader.list(noCache), world, 0)).toBe("error")
    await sharing(replicas)
  })

  test("keeps its lease without requests", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis, { CACHE_FRESH_FOR: "1h" }))
    const { leader, follower } = await ranked(replicas)
    // Advances most of a lease at once.
    await redis.each("*:lease", "redis.call('pexpire', key, 4000)")
    const [key = ""] = await redis.keys("*:lease")
    await until(async () => Number(await redis.say("PTTL", key)) > 5000)
    expect(await leader.isLeader()).toBe(true)
    // It is its own: the end of another one does not end it.
    const holder = await redis.say("GET", key)
    await follower.close()
    expect(await redis.say("GET", key)).toBe(holder)
  })

  test("that takes its own lease again continues with what changed", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    const one = await aReplica(sandbox, redis)
    for (let round = 0; round < 10; round += 1) {
      await one.list(noCache)
      await redis.each("*:lease", "redis.call('del', key)")
    }
    expect(fullReads(sandbox)).toBe(1)
  })

  test("whose end has not been noticed yet does not delay a response", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    const first = await aReplica(sandbox, redis)
    await first.list()
    await redis.each("*:lease", "redis.call('set', key, 'a dead replica', 'PX', 10000)")
    const second = await aReplica(sandbox, redis)
    expect((await second.list(noCache)).status).toBe(200)
  })

  test("that fails repeatedly gives way to another", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis))
    await sharing(replicas)
    const { leader, others } = await ranked(replicas)
    sandbox.faults.set("waldur", { status: 503 })
    await polled(replicas, async () => (await leadersOf(others)).length === 1 && !(await leader.isLeader()))
    sandbox.faults.clear()
    await sharing(replicas)
  })
})

describe("failing upstreams", () => {
  test("fail alike for all replicas: 502 at a cold start, with the attempts of a single one and a quick recovery", async () => {
    const count = async (replicas: number) => {
      const sandbox = await aSandbox()
      const redis = replicas === 1 ? undefined : await aRedis()
      const fault = sandbox.faults.set("waldur", { status: 503 })
      const all = await Promise.all(Array.from({ length: replicas }, () => aReplica(sandbox, redis)))
      const ends = Date.now() + 6000
      await until(async () => {
        const responses = await Promise.all(all.map((one) => one.list()))
        for (const { status, json } of responses) {
          expect([status, json]).toEqual([502, responses[0]?.json])
        }
        return Date.now() > ends
      })
      for (const one of all) {
        const { status, json } = await one.get("/healthz/ready")
        expect([status, json.upstreams.waldur.detail]).toEqual([503, expect.stringContaining("503")])
      }
      const tries = sandbox.calls.of("waldur").length
      fault.clear()
      const clearedAt = Date.now()
      await until(async () => (await Promise.all(all.map((one) => one.list()))).every(({ status }) => status === 200))
      expect(Date.now() - clearedAt).toBeLessThan(45_000)
      return tries
    }
    const [one, three] = await Promise.all([count(1), count(3)])
    // The time is enough for one read or for two, whose attempts are the same.
    expect(three).toBeLessThanOrEqual(one * 2)
  })

  test("are not called again for a replica that starts just after they failed", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    sandbox.faults.set("waldur", { status: 503 })
    const hour = { CACHE_FRESH_FOR: "1h" }
    const first = await aReplica(sandbox, redis, hour)
    expect((await first.list()).status).toBe(502)
    const late = await aReplica(sandbox, redis, hour)
    expect((await late.list()).status).toBe(502)
    expect(await late.metric('refreshes_total{read="shared",outcome="failed"}')).toBeGreaterThan(0)
    expect(await redis.keys("*:wanted")).toEqual([])
  })

  test("are noticed to have recovered even without requests to the leader", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis, { CACHE_KEEP_WARM_FOR: "0" }))
    const { leader, follower } = await ranked(replicas)
    sandbox.faults.set("waldur", { status: 503 })
    await leader.list(noCache)
    await follower.list()
    expect(await follower.warnings()).toContain("no refresh has succeeded")
    sandbox.faults.clear()
    await polled([follower], async () => !(await follower.warnings()).includes("no refresh has succeeded"))
    expect(await leader.isLeader()).toBe(true)
  })

  test("leave the last good list with all replicas, and readiness has the reason", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis))
    await sharing(replicas)
    const before = await replicas[0].list()
    sandbox.faults.set("waldur", { status: 503 })
    await polled(replicas, async () => {
      const warnings = await Promise.all(replicas.map((one) => one.warnings()))
      return warnings.every((one) => one.includes("no refresh has succeeded since"))
    })
    for (const one of replicas) {
      expect((await one.list(noCache)).headers.get("etag")).toBe(before.headers.get("etag"))
      const { status, json } = await one.get("/healthz/ready")
      expect([status, json.upstreams.waldur.status]).toEqual([200, "failing"])
    }
    // A replica that starts now has it too.
    const late = await aReplica(sandbox, redis)
    expect((await late.list()).headers.get("etag")).toBe(before.headers.get("etag"))
    // Guarded systems are kept whole throughout.
    await redis.each("*:snapshot:*", "redis.call('del', key)")
    await polled(replicas, async () => (await redis.keys("*:snapshot:*")).length > 0)
    sandbox.faults.clear()
    await polled(replicas, async () => {
      const warnings = await Promise.all(replicas.map((one) => one.warnings()))
      return warnings.every((one) => !one.includes("no refresh has succeeded since"))
    })
  })
})
