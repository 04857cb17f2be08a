import { buildWorld, changeResource } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { aSandbox } from "../test/a-process.ts"
import { aRedis } from "./a-redis.ts"
import { type Any, aReplica, noCache, type Replica, sharing, three } from "./a-replica.ts"

const idIn = (headers: Headers) => /snapshot=([^&>]+)/.exec(headers.get("link") ?? "")?.[1] ?? ""
/** The path of the next page: its link is a query-only reference. */
const nextIn = (headers: Headers) => {
  const query = /<([^>]*)>; rel="next"/.exec(headers.get("link") ?? "")?.[1]
  return query === undefined ? undefined : `/api/storage-resources/${query}`
}

/** A walk that requests each page from another replica; `between` runs after each. */
const walk = async (replicas: ReadonlyArray<Replica>, between: (step: number) => Promise<void>) => {
  let path: string | undefined = "/api/storage-resources/?page_size=7"
  const seen: Array<Any> = []
  for (let step = 0; path !== undefined; step += 1) {
    const got: Any = await replicas[step % replicas.length]?.get(path)
    expect(got.status).toBe(200)
    seen.push(...got.json.resources)
    path = nextIn(got.headers)
    await between(step)
  }
  return seen
}

describe("a walk over all replicas", () => {
  test("sees one list, even if Waldur changes and other replicas notice first", async () => {
    const world = buildWorld({ edgeCases: false, resources: 60 })
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis))
    await sharing(replicas)
    const whole = (await replicas[0].list()).json.resources
    const seen = await walk(replicas, async (step) => {
      changeResource(world, world.resources[step] ?? {}, { state: "Erred" })
      expect((await replicas[(step + 1) % 3]?.list(noCache))?.status).toBe(200)
    })
    expect(seen).toEqual(whole)
  })

  test("continues if its first replica is gone, and a new one has its next page", async () => {
    const world = buildWorld({ edgeCases: false, resources: 60 })
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const [first, second] = await Promise.all([aReplica(sandbox, redis), aReplica(sandbox, redis)])
    const whole = (await first.list()).json.resources
    const id = idIn((await first.list()).headers)
    changeResource(world, world.resources[0] ?? {}, { state: "Erred" })
    await second.list(noCache)
    await first.close()
    const late = await aReplica(sandbox, redis)
    const { json } = await late.get(`/api/storage-resources/?page_size=500&snapshot=${id}`)
    expect(json.resources).toEqual(whole)
  })

  test("through a Redis that is flushed, hangs or stops ends well or with 410, never with another list", async () => {
    const world = buildWorld({ edgeCases: false, resources: 60 })
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis))
    for (const degradation of ["flush", "freeze", "stop"]) {
      await sharing(replicas)
      const { headers, json } = await replicas[0].list()
      if (degradation === "flush") await redis.say("FLUSHALL")
      else if (degradation === "freeze") redis.freeze()
      else await redis.stop()
      changeResource(world, world.resources[json.resources.length % 7] ?? {}, { limits: { storage: 4711 } })
      for (const one of replicas) {
        await one.list(noCache)
        const page = await one.get(`/api/storage-resources/?page_size=500&snapshot=${idIn(headers)}`)
        expect([200, 410]).toContain(page.status)
        if (page.status === 200) expect(page.json.resources).toEqual(json.resources)
      }
      redis.thaw()
      if (degradation === "stop") await redis.start()
    }
  })

  test("that began more than twenty changes ago continues everywhere, and unknown ids get a 410", async () => {
    const world = buildWorld({ edgeCases: false, resources: 60 })
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis))
    await sharing(replicas)
    const lists = new Map<string, Any>()
    const listAt = (change: number) => (replicas[change % 3] ?? replicas[0]).list(noCache)
    for (let change = 0; change < 25; change += 1) {
      const { headers, json } = await listAt(change)
      lists.set(idIn(headers), json.resources)
      changeResource(world, world.resources[change] ?? {}, { limits: { storage: 5000 + change } })
    }
    expect(lists.size).toBe(25)
    // A replica that was not there has them all too.
    const late = await aReplica(sandbox, redis)
    for (const [id, resources] of lists) {
      for (const one of [...replicas, late]) {
        const { status, json } = await one.get(`/api/storage-resources/?page_size=500&snapshot=${id}`)
        expect([status, json.resources]).toEqual([200, resources])
      }
    }
    const odd = [
      "unknown",
      "*",
      "a:b",
      "{x}",
      "../reported",
      "\u0000",
      "ü 🦆",
      "x".repeat(4000),
      "%",
      "\r\nFLUSHALL\r\n",
    ]
    const digests = (await redis.keys("*:snapshot:*")).map((key) => key.split(":snapshot:")[1] ?? "")
    for (const id of [...odd, ...digests.slice(0, 1)]) {
      for (const one of replicas) {
        const { status } = await one.get(`/api/storage-resources/?snapshot=${encodeURIComponent(id)}`)
        expect([id, status]).toEqual([id, 410])
      }
    }
    expect((await redis.keys()).length).toBeGreaterThan(25)
    await sharing(replicas)
  })
})
