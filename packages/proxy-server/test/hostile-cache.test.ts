import { setImmediate } from "node:timers/promises"
import { gzipSync } from "node:zlib"
import { startSandbox } from "@cscs/sandbox"
import { Duration, Effect, Fiber, Logger, Result } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { beforeAll, describe, expect, test } from "vitest"
import { headerText, storedDigest } from "../src/persistence/stored-snapshot.ts"
import { makeLeaseStore } from "../src/replication/lease-store.ts"
import type { RedisConnection } from "../src/replication/redis-connection.ts"
import { makeSharedStore } from "../src/replication/shared-store.ts"
import type { TimedSnapshot } from "../src/snapshot/snapshot.ts"
import { steadyMillis } from "../src/snapshot/steady-clock.ts"
import { aProxy, noCache, startProxy, type TestedProxy } from "./a-proxy.ts"
import { aList, aRespServer, type RedisReply } from "./a-resp-server.ts"
import { answersOf, aSnapshot, type Made, testModel } from "./a-snapshot.ts"
import { aWorld } from "./a-world.ts"

const made: Made = {
  itemId: "climate",
  mountPoint: "/capstor/store/cscs/physics/climate",
  targetType: "project",
  offeringSlug: "capstor",
  dataType: "store",
  status: "active",
  states: ["OK"],
}
const takenOf = (entries: ReadonlyArray<Made>, more = {}): TimedSnapshot => ({
  snapshot: aSnapshot([entries.slice(0, 1), entries.slice(1)], { gids: new Map([["climate", 40_001]]), ...more }),
  readStartedAt: 1_700_000_000_000,
  readEndedAt: 1_700_000_000_123,
  changedAt: 1_600_000_000_000,
})
const good = takenOf([made, { ...made, itemId: "no UUID" }])

/** A Redis in memory, as far as the store needs it. */
const aMemory = (getAll?: RedisConnection["getAll"]) => {
  const values = new Map<string, Buffer>()
  const redis = {
    getAll:
      getAll ??
      ((keys, { each }) =>
        Effect.succeed(
          keys.map((key) => {
            const value = values.get(key)
            return value !== undefined && value.length <= each ? value : undefined
          }),
        )),
    setAll: (some) => Effect.sync(() => some.forEach(([key, value]) => void values.set(key, value))),
    touchAll: (keys) => Effect.sync(() => keys.map((key) => values.has(key))),
    areThere: (keys) => Effect.sync(() => keys.every((key) => values.has(key))),
    removeAll: (keys) => Effect.sync(() => keys.forEach((key) => void values.delete(key))),
    run: () => Effect.succeed([]),
    degradation: () => undefined,
  } satisfies RedisConnection
  return { values, redis, store: makeSharedStore(redis, (name) => name, testModel) }
}

const loaded = async ({ redis }: ReturnType<typeof aMemory>, digest: string) => {
  const store = makeSharedStore(redis, (name) => name, testModel)
  const quiet = Effect.provide(Effect.result(store.load(digest, undefined)), Logger.layer([]))
  const result = await Effect.runPromise(quiet)
  return { result, refusal: store.refusal() }
}

describe("a snapshot of the shared cache", () => {
  test("equals the one that was stored", async () => {
    const memory = aMemory()
    const digest = await Effect.runPromise(memory.store.save(good))
    const { result, refusal } = await loaded(memory, digest)
    expect(refusal).toBeUndefined()
    expect(answersOf({ ...good, snapshot: Result.getOrThrow(result) })).toEqual(answersOf(good))
  })

  test.each<[string, TimedSnapshot, RegExp]>([
    ["an entry at /etc", takenOf([{ ...made, mountPoint: "/etc" }]), /\/etc/],
    ["an entry of root's group", takenOf([{ ...made, gid: 0 }]), /targetItem/],
    ["an entry of a group above the largest", takenOf([{ ...made, gid: 2 ** 31 }]), /targetItem/],
    ["a GID of root's group", takenOf([made], { gids: new Map([["climate", 0]]) }), /GID 0/],
  ])("with %s is refused, and that is reported, even if digests and names are right", async (_, taken, word) => {
    const memory = aMemory()
    const digest = await Effect.runPromise(memory.store.save(taken))
    const { result, refusal } = await loaded(memory, digest)
    expect(result).toMatchObject({ _tag: "Failure", failure: { _tag: "SharedCacheUnavailable" } })
    expect(refusal).toMatch(word)
    // The lease holder stores a good one in its place.
    expect(memory.values.has(`snapshot:${digest}`)).toBe(false)
  })

  test("that unpacks to gigabytes is not unpacked", async () => {
    const member = gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 9 })
    const bomb = Buffer.concat(Array.from({ length: 64 }, () => member))
    for (const kind of ["snapshot:", "chunk:"]) {
      const memory = aMemory()
      const digest = await Effect.runPromise(memory.store.save(good))
      for (const key of memory.values.keys()) if (key.startsWith(kind)) memory.values.set(key, bomb)
      const { result, refusal } = await loaded(memory, digest)
      expect([Result.isFailure(result), refusal]).toEqual([true, "a value is not packed as ours are"])
    }
  })

  test("with arbitrary values is the one that was stored, or none", async () => {
    const memory = aMemory()
    const digest = await Effect.runPromise(memory.store.save(good))
    const whole = new Map(memory.values)
    const value = fc.oneof(
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.oneof(fc.json(), fc.string({ unit: "binary" })).map((text) => gzipSync(text)),
      fc.constantFrom(...whole.values()),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...whole.keys()), value), { minLength: 1 }),
        async (changes) => {
          memory.values.clear()
          for (const [key, some] of [...whole, ...changes]) memory.values.set(key, some)
          const { result } = await loaded(memory, digest)
          if (Result.isSuccess(result)) {
            expect(answersOf({ ...good, snapshot: result.success })).toEqual(answersOf(good))
          } else expect(result.failure._tag).toBe("SharedCacheUnavailable")
        },
      ),
      { numRuns: 250 },
    )
  })

  test("is given up in time if each part comes late", async () => {
    const chunks = Array.from({ length: 100_000 }, (_, index) => String(index).padStart(43, "A"))
    const header = JSON.stringify({ ...JSON.parse(headerText(good)), chunks })
    const late: RedisConnection["getAll"] = (keys) =>
      Effect.delay(
        Effect.succeed(keys.map((key) => (key.startsWith("snapshot:") ? gzipSync(header) : undefined))),
        "1900 millis",
      )
    const { store } = aMemory(late)
    const loading = Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.result(store.load(storedDigest(good), undefined)))
      yield* TestClock.adjust("1 minute")
      return yield* Fiber.join(fiber)
    })
    const result = await Effect.runPromise(Effect.provide(loading, TestClock.layer()))
    expect(Result.isFailure(result) && result.failure.detail).toMatch(/in time/)
  })

  test("is not found by a foreign id", async () => {
    const { store } = aMemory()
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), async (id) => {
        expect(Result.isFailure(await Effect.runPromise(Effect.result(store.byId(id, undefined))))).toBe(true)
      }),
    )
  })
})

const namedSnapshot = (more: object = {}) => ({
  digest: "d".repeat(43),
  readStartedAt: 1000,
  readEndedAt: 1100,
  changedAt: 900,
  ...more,
})
const written = (outcome: object, at = 2000) =>
  JSON.stringify({ at, outcome: { number: 5, failure: null, ...outcome } })

describe("the published outcome", () => {
  const leaseStoreOf = (reply: ReadonlyArray<string | null>) =>
    makeLeaseStore({ run: () => Effect.succeed(reply) } as Partial<RedisConnection> as RedisConnection, (name) => name)
  const day = Duration.toMillis("1 day")
  /** The cluster state if this outcome was published so many milliseconds before now. */
  const stateWith = async (text: string | null, begun = "5", outcomeAge = 0) => {
    const before = await Effect.runPromise(steadyMillis)
    const found = await Effect.runPromise(leaseStoreOf([text, String(day - outcomeAge), begun, null]).read)
    return { ...found, before, after: await Effect.runPromise(steadyMillis) }
  }

  test("is dated by its age at publication, whatever the other clock shows", async () => {
    for (const offset of [0, 1e9, 1e12]) {
      const times = { readStartedAt: 1000 + offset, readEndedAt: 1100 + offset }
      const { outcome, before, after } = await stateWith(
        written({ snapshot: namedSnapshot(times) }, 2000 + offset),
        "5",
        3000,
      )
      const readEndedAt = outcome?.snapshot?.readEndedAt ?? 0
      expect(before - readEndedAt).toBeLessThanOrEqual(3000 + 900)
      expect(after - readEndedAt).toBeGreaterThanOrEqual(3000 + 900)
    }
  })

  test("looks no younger than it is if the response is slow", async () => {
    const reply = [written({ snapshot: namedSnapshot() }), String(day), "5", null]
    const run = () => Effect.delay(Effect.succeed(reply), "2 seconds")
    const leaseStore = makeLeaseStore({ run } as Partial<RedisConnection> as RedisConnection, (name) => name)
    const reading = Effect.gen(function* () {
      const before = yield* steadyMillis
      const fiber = yield* Effect.forkChild(leaseStore.read)
      yield* TestClock.adjust("2 seconds")
      return before - ((yield* Fiber.join(fiber)).outcome?.snapshot?.readEndedAt ?? Number.NaN)
    })
    expect(await Effect.runPromise(Effect.provide(reading, TestClock.layer()))).toBe(900)
  })

  test.each<[string, string | null, string]>([
    ["text that is not JSON", "garbage", "5"],
    ["other JSON", '{"number":1}', "5"],
    ["nothing", null, "5"],
    ["a number beyond the last that was begun", written({ number: 6, snapshot: null }), "5"],
    ["a number beyond all time", written({ number: 2 ** 53, snapshot: null }), "-1"],
    ["a negative number", written({ number: -1, snapshot: null }), "5"],
    ["half a number", written({ number: 0.5, snapshot: null }), "5"],
    ["a time beyond all time", written({ snapshot: namedSnapshot({ changedAt: 2 ** 53 }) }), "5"],
    ["a negative time", written({ snapshot: namedSnapshot({ readStartedAt: -1 }) }), "5"],
    ["a digest that is a key", written({ snapshot: namedSnapshot({ digest: "}:lease" }) }), "5"],
  ])("is ignored if it is %s", async (_, text, begun) => {
    expect((await stateWith(text, begun)).outcome).toBeUndefined()
  })

  test("names no snapshot if that was read after the publication: its age is unknown", async () => {
    for (const more of [{ readStartedAt: 2001 }, { readEndedAt: 2001 }, { readEndedAt: 8e15 }]) {
      expect((await stateWith(written({ snapshot: namedSnapshot(more) }))).outcome).toMatchObject({
        number: 5,
        snapshot: null,
      })
    }
  })

  test("counts even if the last number that was begun is lost", async () => {
    for (const begun of ["-1", "1e300", "nan", "", "-inf", "99999999999999999999"]) {
      const found = await stateWith(written({ snapshot: null }), begun)
      expect([begun, found.outcome?.number, found.begun]).toEqual([begun, 5, -1])
    }
  })

  test.each<[string, ReadonlyArray<string | null>, boolean]>([
    ["newer than the last outcome", ["5", written({ snapshot: null }), "5"], true],
    ["newer than an earlier outcome", ["4", written({ snapshot: null }), "5"], false],
    ["newer than a read in flight", ["7", written({ snapshot: null }), "7"], true],
    ["before any outcome", ["0", null, "-1"], true],
    ["newer than a read that never began", ["8", written({ snapshot: null }), "7"], false],
    ["any, and the last outcome is of a read that never began", ["0", written({ snapshot: null }), "4"], true],
    ["newer than any number to come", ["9007199254740991", written({ snapshot: null }), "5"], false],
    ["a negative number", ["-1", written({ snapshot: null }), "5"], false],
    ["text that is not a number", ["nan", null, "5"], false],
    ["no reply", [], false],
  ])("wants a newer one only if such a read can come; requested: %s", async (_, reply, isWanted) => {
    expect(await Effect.runPromise(leaseStoreOf(reply).isWanted)).toBe(isWanted)
  })

  test("in any form breaks nothing, and returns no time of the future", async () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.json(),
      fc.constantFrom("kept", "taken", "reported", "1e300", "-inf", "9".repeat(40)),
      fc
        .tuple(fc.nat(20), fc.maxSafeInteger(), fc.maxSafeInteger())
        .map(([number, readStartedAt, at]) => written({ number, snapshot: namedSnapshot({ readStartedAt }) }, at)),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(text), { maxLength: 5 }), async (reply) => {
        const leaseStore = leaseStoreOf(reply)
        for (const ask of [leaseStore.read, leaseStore.requestNewer(5)]) {
          const { outcome, begun } = await Effect.runPromise(ask)
          expect(begun).toBeGreaterThanOrEqual(-1)
          if (outcome?.snapshot)
            expect(outcome.snapshot.readEndedAt).toBeLessThanOrEqual(await Effect.runPromise(steadyMillis))
        }
        for (const ask of [
          leaseStore.acquireLease,
          leaseStore.renewLease,
          leaseStore.release,
          leaseStore.begin,
          leaseStore.isWanted,
        ])
          await Effect.runPromise(ask)
      }),
      { numRuns: 500 },
    )
  })
})

const password = "swordfish 4711"
const urlOf = (port: number) => `redis://:${encodeURIComponent(password)}@127.0.0.1:${port}`

/** A proxy that shares through a server with these responses to scripts. */
const sharingThrough = async (onScript: (script: string) => RedisReply, world = aWorld(6)): Promise<TestedProxy> => {
  const { port } = await aRespServer((command = "", script = "") =>
    command.toUpperCase() === "EVAL" ? onScript(script) : "+OK\r\n",
  )
  return aProxy({ world, environment: { CACHE_URL: urlOf(port) } })
}

/** The kind of a script, recognised by what only it does. */
const kindOf = (script: string): "lead" | "state" | "other" => {
  if (script.includes("'taken'")) return "lead"
  return script.includes("return {outcome, digits(redis.call('pttl'") ? "state" : "other"
}

const total = async (proxy: TestedProxy, init?: RequestInit) => {
  const { status, json } = await proxy.hurried(proxy.get("/api/storage-resources/", init))
  return [status, json.pagination?.total]
}

let expected: ReadonlyArray<unknown> = []
beforeAll(async () => {
  const sandbox = await startSandbox({ world: aWorld(6) })
  const proxy = await startProxy({ sandbox })
  expected = await total(proxy)
  await proxy.close()
  await sandbox.close()
})

describe("a replica", () => {
  test("under a lease that is never released reads the upstreams itself, and reports why", async () => {
    const proxy = await sharingThrough((script) => {
      const kind = kindOf(script)
      if (kind === "lead") return aList([null])
      return kind === "state" ? aList([null, "-2", "-1", "another"]) : aList([])
    })
    expect(await total(proxy)).toEqual(expected)
    const { json } = await proxy.ready()
    expect(json.warnings.join("\n")).toContain("holds the lease")
    expect(proxy.logs.join("\n")).toContain("holds the lease")
    // The lease is known to be stuck: the next request does not wait for it again.
    const before = proxy.sandbox.calls.of("waldur").length
    expect((await proxy.get("/api/storage-resources/", noCache)).status).toBe(200)
    expect(proxy.sandbox.calls.of("waldur").length).toBeGreaterThan(before)
  })

  test("waits for a read that another one has begun, for longer than a minute but not for ever", async () => {
    const proxy = await sharingThrough((script) => {
      const kind = kindOf(script)
      if (kind === "lead") return aList([null])
      return kind === "state" ? aList([null, "-2", "5", "another"]) : aList([])
    })
    const asked = proxy.list()
    /** Passes the time second by second: less than the timeout of a call each, after turns in which the server responds. */
    const seconds = async (count: number) => {
      for (let second = 0; second < count; second += 1) {
        for (let turn = 0; turn < 10; turn += 1) await setImmediate()
        await proxy.pass("1 second")
      }
    }
    await seconds(29 * 60)
    expect(proxy.sandbox.calls.of("waldur")).toEqual([])
    await seconds(2 * 60)
    expect((await proxy.hurried(asked)).status).toBe(200)
    expect(proxy.logs.join("\n")).toContain("lease-idle")
  })

  test("that cannot publish a read gives up the lease and logs why: no other one waits for that read", async () => {
    const scripts: Array<string> = []
    const { port } = await aRespServer((command = "", script = "") => {
      if (command.toUpperCase() === "SET") return "-OOM command not allowed\r\n"
      if (command.toUpperCase() !== "EVAL") return "+OK\r\n"
      scripts.push(script)
      return aList([kindOf(script) === "lead" ? "kept" : "7"])
    })
    const proxy = await aProxy({ world: aWorld(6), environment: { CACHE_URL: urlOf(port) } })
    expect(await total(proxy)).toEqual(expected)
    expect(scripts.at(-1)).toContain("redis.call('del', KEYS[1]) return {}")
    expect(proxy.logs.join("\n")).toMatch(/outcome-not-shared.*OOM|OOM.*outcome-not-shared/)
  })

  test("that reads nothing but failures finally tries itself", async () => {
    let number = 0
    const failure = { _tag: "OfferingsInvisible", slugs: ["capstor"] }
    const proxy = await sharingThrough((script) => {
      if (kindOf(script) === "lead") return aList([null])
      number += 1
      const reported = JSON.stringify({ at: 1000, outcome: { number, failure, snapshot: null } })
      return kindOf(script) === "state" ? aList([reported, String(86_400_000), String(number), "another"]) : aList([])
    })
    let got = await total(proxy)
    for (let request = 0; got[0] !== 200 && request < 20; request += 1) {
      await proxy.pass("6 seconds")
      got = await total(proxy)
    }
    expect(got).toEqual(expected)
  })

  test("that takes the lease and loses it at once, again and again, reads the upstreams itself", async () => {
    const proxy = await sharingThrough((script) => aList([kindOf(script) === "lead" ? "taken" : null]))
    expect(await total(proxy)).toEqual(expected)
  })

  const raw: ReadonlyArray<readonly [string, RedisReply]> = [
    ["nothing", undefined],
    ["an error that repeats the password", `-ERR ${password} is wrong\r\n`],
    ["an error that repeats it as encoded in the URL", `-ERR ${encodeURIComponent(password)}\r\n`],
    ["a number beyond all", ":9223372036854775807\r\n"],
    ["a text in place of a list", "$5\r\nhello\r\n"],
    ["an empty list", "*0\r\n"],
    ["a list of lists", `*1\r\n${aList(["kept"])}`],
    ["a list of numbers", "*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n"],
    ["a list of large numbers", aList(["9007199254740993", "1e300", "-1", null])],
    ["a text of three gigabytes that never comes", "$3000000000\r\n"],
    ["a list of a billion that never comes", "*1000000000\r\n"],
    ["text that is not RESP", "HTTP/1.1 400 Bad Request\r\n\r\n"],
  ]
  /** On the real clock, since its start waits as well. */
  const aLiveProxy = (port: number) =>
    aProxy({ world: aWorld(6), environment: { CACHE_URL: urlOf(port) }, isLive: true })
  const totalOf = async (proxy: TestedProxy) => {
    const { status, json } = await proxy.list()
    return [status, json.pagination?.total]
  }

  test.each(raw)("that gets %s reads the upstreams itself, and never logs the password", async (_, answer) => {
    const { port } = await aRespServer((command = "") => (command.toUpperCase() === "EVAL" ? answer : "+OK\r\n"))
    const proxy = await aLiveProxy(port)
    expect(await totalOf(proxy)).toEqual(expected)
    const reported = [(await proxy.ready()).text, ...proxy.logs].join("\n")
    expect(reported).not.toContain(password)
    expect(reported).not.toContain(encodeURIComponent(password))
    if (typeof answer === "string" && answer.startsWith("-")) expect(reported).toContain("***")
  })

  test("reports replies of a wrong kind once, not as a new failure at each call", async () => {
    const { port } = await aRespServer((command = "") => (command.toUpperCase() === "EVAL" ? ":1\r\n" : "+OK\r\n"))
    const proxy = await aLiveProxy(port)
    expect(await totalOf(proxy)).toEqual(expected)
    expect(proxy.logs.filter((line) => line.includes('"event":"shared-cache-')).length).toBe(1)
  })

  test("whose password is refused with the password in the response does not log it, nor does check report it", async () => {
    const { port } = await aRespServer(() => `-WRONGPASS ${password}\u001b[31m is not it\r\n`)
    const proxy = await aLiveProxy(port)
    expect(await totalOf(proxy)).toEqual(expected)
    const [found] = (await proxy.check()).filter(({ name }) => name === "cache.url")
    expect(found).toMatchObject({ ok: false })
    const reported = [(await proxy.ready()).text, ...proxy.logs, JSON.stringify(found)].join("\n")
    expect(reported).not.toContain(password)
    expect(reported).not.toContain("\\u001b")
    expect(reported).toContain("WRONGPASS")
  })
})
