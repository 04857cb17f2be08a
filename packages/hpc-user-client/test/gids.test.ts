import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Scheduler } from "effect"
import { TestClock } from "effect/testing"
import { makeGidCache } from "../src/gid-cache.ts"
import { type GidLookup, HpcUserClient, type HpcUserClientOptions } from "../src/index.ts"
import { type FakeHpcUser, fakeHpcUser, held, json, text } from "./fake-hpc-user.ts"

const clientOf = (fake: FakeHpcUser, more: Partial<HpcUserClientOptions> = {}) =>
  Effect.provide(HpcUserClient.layer({ ...fake.options, ...more }))
const gids = (...names: ReadonlyArray<string>) => HpcUserClient.use((client) => client.gids(names))
const plain = (lookup: GidLookup) => ({
  known: Object.fromEntries(lookup.known),
  unknown: Object.fromEntries(lookup.unknown),
  failed: [...lookup.failed.keys()],
})
/** The heap after a garbage collection. */
const usedMegabytes = (): number => {
  setFlagsFromString("--expose-gc")
  runInNewContext("gc")()
  return process.memoryUsage().heapUsed / 1e6
}
const numbered = (count: number) => Array.from({ length: count }, (_, index) => `project${index}`)

describe("a lookup", () => {
  it.effect("returns each name in exactly one of known, unknown and failed", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.gids.set("a", 31001).set("low", 500).set("other", 31002)
      const long = "n".repeat(5000)
      const lookup = yield* gids("a", "low", "absent", "a", long, "").pipe(clientOf(fake))
      assert.deepStrictEqual(plain(lookup), {
        known: { a: 31001 },
        unknown: {
          low: "unixGid is 500, below 1000",
          absent: "the HPC User API does not know it",
          "": "the name is empty",
          [long]: "the name is too long for a request to the HPC User API",
        },
        failed: [],
      })
      assert.deepStrictEqual(
        fake.apiRequests.map(({ names }) => names),
        [["a", "low", "absent"]],
      )
    }),
  )

  it.effect("of no names makes no request, not even for a token", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      assert.deepStrictEqual(plain(yield* gids().pipe(clientOf(fake))), { known: {}, unknown: {}, failed: [] })
      assert.deepStrictEqual(fake.tokenRequests, [])
    }),
  )

  it.effect("applies the minimum GID option", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.gids.set("a", 500)
      assert.deepStrictEqual(plain(yield* gids("a").pipe(clientOf(fake, { minGid: 500 }))).known, { a: 500 })
    }),
  )

  it.effect("of 10,000 names uses batches with URLs below 4,000 bytes, and one token", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const names = numbered(10_000)
      for (const [index, name] of names.entries()) fake.gids.set(name, 30_000 + index)
      const lookup = yield* HpcUserClient.use((client) => client.gids(names)).pipe(
        clientOf(fake, { apiUrl: `${fake.origin}/` }),
      )
      assert.strictEqual(lookup.known.size, 10_000)
      assert.strictEqual(lookup.known.get("project9999"), 39_999)
      assert.deepStrictEqual(fake.apiRequests.flatMap((request) => request.names).sort(), names.sort())
      assert.isBelow(Math.max(...fake.apiRequests.map(({ urlBytes }) => urlBytes)), 4000)
      assert.isBelow(fake.apiRequests.length, 60)
      assert.isAtMost(fake.maxAtOnce, 8)
      assert.strictEqual(fake.tokenRequests.length, 1)
    }),
  )

  it.effect("makes eight requests in parallel, over all callers, and the ninth waits", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const first = Array.from({ length: 8 }, () => held(fake.projects))
      fake.nextApi.push(...first.map(({ hold }) => hold))
      yield* Effect.gen(function* () {
        const client = yield* HpcUserClient
        const callers = yield* Effect.forEach([0, 1], (half) =>
          Effect.forkChild(client.gids(numbered(2400).slice(half * 1200, half * 1200 + 1200)), {
            startImmediately: true,
          }),
        )
        for (const { arrived } of first) yield* arrived
        // A ninth would arrive before this call, which does not count.
        yield* client.ping()
        assert.strictEqual(fake.apiRequests.length, 8 + 1)
        for (const { release } of first) yield* release
        for (const caller of callers) assert.strictEqual((yield* Fiber.join(caller)).unknown.size, 1200)
      }).pipe(clientOf(fake))
      assert.isAbove(fake.apiRequests.length, 8 + 1)
      assert.strictEqual(fake.maxAtOnce, 8 + 1)
    }),
  )

  it.effect("splits a batch that the server finds too long", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      for (const name of ["a", "b", "c"]) fake.gids.set(name, 31001)
      fake.nextApi.push(text("URI Too Long", 414), text("Request Header Fields Too Large", 431))
      const lookup = yield* gids("a", "b", "c").pipe(clientOf(fake))
      assert.strictEqual(lookup.known.size, 3)
      assert.deepStrictEqual(
        fake.apiRequests.map(({ names }) => names.join()),
        ["a,b,c", "a,b", "a", "b", "c"],
      )
    }),
  )

  it.effect("fails for a single name that the server finds too long, without splitting forever", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.nextApi.push(text("URI Too Long", 414))
      const lookup = yield* gids("a").pipe(clientOf(fake))
      assert.strictEqual(lookup.failed.get("a")?._tag, "HpcUserApiRejected")
      assert.strictEqual(fake.apiRequests.length, 1)
    }),
  )

  it.effect("fails for a response of megabytes, which no batch has, without parsing it", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const body = `{"projects":[${"[],".repeat(1_000_000)}{"posixName":"a","unixGid":31001}]}`
      fake.nextApi.push((response) => response.writeHead(200, { "content-type": "application/json" }).end(body))
      const lookup = yield* gids("a").pipe(clientOf(fake))
      assert.include(lookup.failed.get("a")?.message, "more than 2097152 bytes")
    }),
  )

  it.live("with one failed batch keeps the others", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const names = numbered(1000)
      for (const name of names) fake.gids.set(name, 31001)
      fake.nextApi.push(json({ detail: "no" }, 400))
      const lookup = yield* HpcUserClient.use((client) => client.gids(names)).pipe(clientOf(fake))
      assert.strictEqual(lookup.failed.size, fake.apiRequests[0]?.names.length)
      assert.strictEqual(lookup.known.size, 1000 - lookup.failed.size)
    }),
  )
})

describe("the cache", () => {
  it.effect("never requests a known GID again", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.gids.set("a", 31001)
      yield* Effect.gen(function* () {
        yield* gids("a")
        fake.gids.set("a", 31009)
        yield* TestClock.adjust("365 days")
        assert.deepStrictEqual(plain(yield* gids("a")).known, { a: 31001 })
      }).pipe(clientOf(fake))
      assert.strictEqual(fake.apiRequests.length, 1)
    }),
  )

  it.effect("requests an unknown name again after a minute, not before", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      yield* Effect.gen(function* () {
        yield* gids("a")
        fake.gids.set("a", 31001)
        yield* TestClock.adjust("59 seconds")
        assert.deepStrictEqual(plain(yield* gids("a")).unknown, { a: "the HPC User API does not know it" })
        assert.strictEqual(fake.apiRequests.length, 1)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(plain(yield* gids("a")).known, { a: 31001 })
      }).pipe(clientOf(fake))
    }),
  )

  it.effect("forgets unknown names after their minute, so that changing names do not fill the memory", () =>
    Effect.gen(function* () {
      const cache = yield* makeGidCache({
        request: (names) =>
          Effect.succeed({
            known: new Map(),
            unknown: new Map(names.map((name) => [name, "the HPC User API does not know it"])),
            failed: new Map(),
          }),
        plan: (names) => ({ batches: [[...names]], tooLong: [] }),
      })
      const before = usedMegabytes()
      for (let round = 0; round < 50; round++) {
        // Each name has its own 4,000 bytes: a slice of a longer text would share them.
        const names = Array.from({ length: 1000 }, (_, index) =>
          Buffer.alloc(4000, `${round}-${index}.`).toString("latin1"),
        )
        assert.strictEqual((yield* cache.gids(names)).unknown.size, 1000)
        yield* TestClock.adjust("61 seconds")
      }
      // All names of all rounds take 200 MB.
      assert.isBelow(usedMegabytes() - before, 50)
    }),
  )

  it.effect("does not keep a failure, and loses no known GID to one", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.gids.set("a", 31001).set("b", 31002)
      yield* Effect.gen(function* () {
        yield* gids("a")
        fake.nextApi.push(json({ detail: "no" }, 403))
        assert.deepStrictEqual(plain(yield* gids("a", "b")), { known: { a: 31001 }, unknown: {}, failed: ["b"] })
        assert.deepStrictEqual(plain(yield* gids("a", "b")).known, { a: 31001, b: 31002 })
      }).pipe(clientOf(fake))
    }),
  )

  it.effect("returns 100,000 known names without a request", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const names = numbered(100_000)
      for (const name of names) fake.gids.set(name, 31001)
      yield* Effect.gen(function* () {
        const client = yield* HpcUserClient
        yield* client.gids(names)
        const before = fake.apiRequests.length
        assert.strictEqual((yield* client.gids(names)).known.size, 100_000)
        assert.strictEqual(fake.apiRequests.length, before)
      }).pipe(clientOf(fake))
    }),
  )

  it.effect("lists up to ten names in its statistics, then their number", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      for (const name of numbered(11)) fake.gids.set(name, 31001)
      yield* Effect.gen(function* () {
        const stats = HpcUserClient.use((client) => client.getGidCacheStats())
        const cache_policy = "Persists until server restart"
        assert.deepStrictEqual(yield* stats, { total_entries: 0, cache_policy, projects: [] })
        yield* gids(...numbered(10), "absent")
        assert.deepStrictEqual(yield* stats, { total_entries: 10, cache_policy, projects: numbered(10) })
        yield* gids("project10")
        assert.deepStrictEqual(yield* stats, { total_entries: 11, cache_policy, projects: 11 })
      }).pipe(clientOf(fake))
    }),
  )
})

describe("a request in flight", () => {
  it.effect("is shared: 50 simultaneous callers cause one request per batch and one token", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const names = numbered(500)
      for (const name of names) fake.gids.set(name, 31001)
      const lookups = yield* Effect.gen(function* () {
        const client = yield* HpcUserClient
        return yield* Effect.forEach(Array.from({ length: 50 }), () => client.gids(names), { concurrency: "unbounded" })
      }).pipe(clientOf(fake))
      for (const lookup of lookups) assert.strictEqual(lookup.known.size, 500)
      assert.strictEqual(fake.apiRequests.flatMap((request) => request.names).length, 500)
      assert.strictEqual(fake.tokenRequests.length, 1)
    }),
  )

  it.effect("is joined by a caller with some of its names, which requests only the rest", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const { hold, arrived, release } = held(
        json({
          projects: [
            { posixName: "a", unixGid: 31001 },
            { posixName: "b", unixGid: "odd" },
          ],
        }),
      )
      fake.nextApi.push(hold)
      fake.gids.set("c", 31003)
      yield* Effect.gen(function* () {
        const one = yield* Effect.forkChild(gids("a", "b"), { startImmediately: true })
        yield* arrived
        const other = yield* Effect.forkChild(gids("c", "b", "a"), { startImmediately: true })
        yield* release
        yield* Fiber.join(one)
        assert.deepStrictEqual(plain(yield* Fiber.join(other)), {
          known: { a: 31001, c: 31003 },
          unknown: { b: 'unixGid is "odd", not an integer' },
          failed: [],
        })
      }).pipe(clientOf(fake))
      assert.deepStrictEqual(
        fake.apiRequests.map(({ names }) => names.join()),
        ["a,b", "c"],
      )
    }),
  )

  it.effect("continues for the others if the caller that started it is interrupted", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const { hold, arrived, release } = held(json({ projects: [{ posixName: "a", unixGid: 31001 }] }))
      fake.nextApi.push(hold)
      yield* Effect.gen(function* () {
        const first = yield* Effect.forkChild(gids("a"), { startImmediately: true })
        yield* arrived
        const second = yield* Effect.forkChild(gids("a"), { startImmediately: true })
        yield* Fiber.interrupt(first)
        yield* release
        assert.deepStrictEqual(plain(yield* Fiber.join(second)).known, { a: 31001 })
      }).pipe(clientOf(fake))
      assert.strictEqual(fake.apiRequests.length, 1)
    }),
  )

  it.effect("leaves no name in flight forever, whenever its caller is interrupted", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      fake.gids.set("a", 31001)
      yield* Effect.gen(function* () {
        for (let turns = 0; turns < 60; turns++) {
          const names = numbered(600).map((name) => `${name}-${turns}`)
          // Yields continuously, as a fiber with thousands of batches occasionally does.
          const caller = yield* Effect.forkChild(
            gids(...names).pipe(Effect.provideService(Scheduler.MaxOpsBeforeYield, 3)),
          )
          for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
          yield* Fiber.interrupt(caller)
          assert.strictEqual((yield* gids(...names)).unknown.size, 600)
        }
      }).pipe(clientOf(fake))
    }),
  )

  it.effect("that fails fails for all waiting callers, and the next caller requests again", () =>
    Effect.gen(function* () {
      const fake = yield* fakeHpcUser()
      const { hold, arrived, release } = held(json({ detail: "no" }, 400))
      fake.nextApi.push(hold)
      fake.gids.set("a", 31001)
      yield* Effect.gen(function* () {
        const callers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(gids("a"), { startImmediately: true }))
        yield* arrived
        yield* release
        for (const caller of callers) assert.deepStrictEqual(plain(yield* Fiber.join(caller)).failed, ["a"])
        assert.deepStrictEqual(plain(yield* gids("a")).known, { a: 31001 })
      }).pipe(clientOf(fake))
      assert.strictEqual(fake.apiRequests.length, 2)
    }),
  )
})
