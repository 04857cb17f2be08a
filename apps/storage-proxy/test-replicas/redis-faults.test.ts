import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { buildWorld, changeResource } from "@cscs/sandbox"
import { describe, expect, test } from "vitest"
import { aDirectory, aSandbox, until } from "../test/a-process.ts"
import { aRedis, aWayTo, password } from "./a-redis.ts"
import {
  aReplica,
  aReplicaProcess,
  leadersOf,
  noCache,
  polled,
  type Replica,
  ranked,
  sharing,
  statusOf,
  three,
} from "./a-replica.ts"

const aWorld = () => buildWorld({ edgeCases: false, resources: 20 })

const complaint = "the shared cache has failed since"
const everyoneComplains = (replicas: ReadonlyArray<Replica>) => async () =>
  (await Promise.all(replicas.map((one) => one.warnings()))).every((one) => one.includes(complaint))

describe("a Redis", () => {
  test("that stops interrupts only the sharing, which resumes with it", async () => {
    const world = aWorld()
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis))
    await sharing(replicas)
    const slow = sandbox.faults.set("waldur", { path: /marketplace-provider-resources/, latencyMs: 200 })
    const asked = replicas.map((one) => one.list(noCache))
    await until(() => sandbox.calls.inFlight("waldur") > 0)
    await redis.stop()
    slow.clear()
    for (const one of await Promise.all(asked)) expect(one.status).toBe(200)
    changeResource(world, world.resources[0] ?? {}, { state: "Erred" })
    for (const one of replicas) expect(statusOf(await one.list(noCache), world, 0)).toBe("error")
    expect((await leadersOf(replicas)).length).toBe(3)
    expect(await everyoneComplains(replicas)()).toBe(true)
    for (const one of replicas) {
      expect(await one.metric("shared_cache_up")).toBe(0)
      // Logged once, not with each refresh.
      expect(one.log().match(/"event":"shared-cache-unavailable"/g)?.length).toBe(1)
    }
    await redis.start()
    await sharing(replicas)
    for (const one of replicas) expect(await one.warnings()).not.toContain(complaint)
  })

  test("that is down at the start costs a moment", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    await redis.stop()
    const replicas = await three(() => aReplica(sandbox, redis))
    for (const one of replicas) expect((await one.list()).status).toBe(200)
    await redis.start()
    await sharing(replicas)
  })

  test("that is flushed, also in the middle of a read, does not stop the sharing", async () => {
    const world = aWorld()
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis))
    for (let round = 0; round < 3; round += 1) {
      await sharing(replicas)
      sandbox.faults.set("waldur", { path: /marketplace-provider-resources/, latencyMs: 100, times: 3 })
      const asked = replicas.map((one) => one.list(noCache))
      if (round > 0) await until(() => sandbox.calls.inFlight("waldur") > 0)
      expect(await redis.say("FLUSHALL")).toBe("OK")
      for (const one of await Promise.all(asked)) expect(one.status).toBe(200)
      changeResource(world, world.resources[round] ?? {}, { state: "Erred" })
      for (const one of replicas) expect(statusOf(await one.list(noCache), world, round)).toBe("error")
    }
    await sharing(replicas)
  })

  test("that hangs, also in the middle of a read, costs a moment, and the sharing resumes with it", async () => {
    const world = aWorld()
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis))
    await sharing(replicas)
    const slow = sandbox.faults.set("waldur", { path: /marketplace-provider-resources/, latencyMs: 200 })
    const asked = replicas.map((one) => one.list(noCache))
    await until(() => sandbox.calls.inFlight("waldur") > 0)
    redis.freeze()
    for (const one of await Promise.all(asked)) expect(one.status).toBe(200)
    slow.clear()
    changeResource(world, world.resources[0] ?? {}, { state: "Erred" })
    for (const one of replicas) expect(statusOf(await one.list(noCache), world, 0)).toBe("error")
    await polled(replicas, everyoneComplains(replicas))
    // The outage is known now: no request waits two seconds for it again, let alone six times.
    const since = Date.now()
    for (const one of replicas) {
      expect((await one.list(noCache)).status).toBe(200)
      expect((await one.get("/api/storage-resources/?snapshot=unknown")).status).toBe(410)
    }
    expect(Date.now() - since).toBeLessThan(10_000)
    redis.thaw()
    await sharing(replicas)
  })

  test("with silently broken connections is reconnected", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    const way = await aWayTo(redis.port)
    const url = `redis://:${password}@127.0.0.1:${way.port}`
    const replicas = await three(() => aReplica(sandbox, { url }))
    await sharing(replicas)
    way.cut()
    for (const one of replicas) expect((await one.list(noCache)).status).toBe(200)
    await sharing(replicas)
  })

  test("that is full interrupts only the sharing", async () => {
    const world = aWorld()
    const sandbox = await aSandbox({ world })
    const redis = await aRedis()
    const replicas = await three(() => aReplica(sandbox, redis))
    await sharing(replicas)
    await redis.say("CONFIG", "SET", "maxmemory", "1")
    changeResource(world, world.resources[0] ?? {}, { state: "Erred" })
    for (const one of replicas) expect(statusOf(await one.list(noCache), world, 0)).toBe("error")
    await redis.say("CONFIG", "SET", "maxmemory", "0")
    await sharing(replicas)
  })

  test("with another password causes a warning without the password", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    const wrong = await aReplica(sandbox, { url: redis.url.replace(password, "swordfish-4711") })
    const right = await aReplica(sandbox, redis)
    for (const one of [wrong, right]) {
      expect((await one.list()).status).toBe(200)
      const everything = await Promise.all(
        ["/healthz/ready", "/metrics", "/api/storage-resources/?debug=true&storage_system=capstor"].map((path) =>
          one.get(path),
        ),
      )
      const reported = JSON.stringify(everything.map(({ json }) => json)) + one.log()
      expect(reported).not.toContain("swordfish-4711")
      expect(reported).not.toContain(password)
    }
    expect(await wrong.warnings()).toContain("WRONGPASS")
    expect(await wrong.isLeader()).toBe(true)
    expect(await right.warnings()).not.toContain(complaint)
  })

  test("needs to allow only the commands that docs/operations.md lists", async () => {
    const sandbox = await aSandbox()
    const redis = await aRedis()
    // As in docs/operations.md.
    const allowed = "+client|setname +eval +get +mget +set +del +exists +pexpire +pttl +time".split(" ")
    expect(
      await redis.say("ACL", "SETUSER", "proxy", "on", ">proxy-secret", "~storage-proxy:*", "-@all", ...allowed),
    ).toBe("OK")
    const url = `redis://proxy:proxy-secret@127.0.0.1:${redis.port}`
    const replicas = await three(() => aReplica(sandbox, { url }))
    await sharing(replicas)
    await redis.each("*:chunk:*", "redis.call('del', key)")
    const late = await aReplica(sandbox, { url })
    expect((await late.list()).status).toBe(200)
    for (const one of [...replicas, late]) expect(one.log()).not.toContain('"event":"shared-cache-unavailable"')
    expect(await redis.say("ACL", "LOG")).not.toMatch(/reason\ncommand\n/)
  })

  test("is used over TLS, with a certificate that Node is configured to trust", async () => {
    const sandbox = await aSandbox()
    const directory = await aDirectory()
    const at = (name: string) => join(directory, name)
    const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { stdio: "ignore" })
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl("req", "-x509", ...key, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-subj", "/CN=a CA of our own")
    openssl(
      ...["req", "-x509", ...key, "-keyout", at("redis.key"), "-out", at("redis.pem"), "-subj", "/CN=redis"],
      ...["-addext", "subjectAltName=IP:127.0.0.1", "-CA", at("ca.pem"), "-CAkey", at("ca.key")],
    )
    const tls = ["--tls-cert-file", at("redis.pem"), "--tls-key-file", at("redis.key"), "--tls-auth-clients", "no"]
    const redis = await aRedis([...tls, "--tls-ca-cert-file", at("ca.pem")])
    const trusting = { NODE_EXTRA_CA_CERTS: at("ca.pem") }
    const [one, two, blind] = await Promise.all([
      aReplicaProcess(sandbox, redis, trusting),
      aReplicaProcess(sandbox, redis, trusting),
      aReplicaProcess(sandbox, redis),
    ])
    await sharing([one, two])
    expect((await ranked([one, two])).others.length).toBe(1)
    expect((await blind.list()).status).toBe(200)
    expect(await blind.warnings()).toMatch(/certificate/i)
    expect(await blind.metric("shared_cache_up")).toBe(0)
  })
})
