import { WaldurClient } from "@cscs/waldur-client"
import { Effect, Exit, Fiber, Layer, Logger, ManagedRuntime } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect, onTestFinished, test } from "vitest"
import { errorBody } from "../src/http/http-errors.ts"
import { RefreshTimedOut, Settings, Snapshots } from "../src/index.ts"
import { GidSource } from "../src/refresh/gid-source.ts"
import { upstreamOf } from "../src/refresh/refresh-errors.ts"
import { SnapshotSource, type Source, upstreamSource } from "../src/refresh/snapshot-source.ts"
import { type Any, aProxy, noCache, type TestedProxy, until } from "./a-proxy.ts"
import { aSnapshot } from "./a-snapshot.ts"
import { aWorld } from "./a-world.ts"

/** Makes each refresh die until the returned function is called. */
const crashRefreshes = ({ settings: { model } }: TestedProxy) => {
  const { storageSystems } = model
  Object.defineProperty(model, "storageSystems", {
    configurable: true,
    get: () => {
      throw new TypeError("secret words of an upstream")
    },
  })
  return () => void Object.defineProperty(model, "storageSystems", { configurable: true, value: storageSystems })
}

const crashes = ({ logs }: TestedProxy, level: string) =>
  logs.filter((line) => line.includes('"event":"refresh-crashed"') && line.includes(`"${level}"`)).length

/** Lets the pauses between attempts pass until the condition holds. */
const passUntil = (proxy: TestedProxy, holds: () => boolean | Promise<boolean>) =>
  until(async () => {
    await proxy.pass("5 seconds")
    return holds()
  })

const metric = async (proxy: TestedProxy, name: string) =>
  Number(
    (await proxy.get("/metrics")).text
      .split("\n")
      .find((line) => line.startsWith(`storage_proxy_${name}`))
      ?.split(" ")[1],
  )

describe("a refresh that dies", () => {
  test("is a failure for every caller on a cold start, without its message in any response; then it recovers", async () => {
    const fault = { path: "/api/marketplace-provider-offerings/", status: 403 }
    const proxy = await aProxy({ world: aWorld(10), prepare: ({ faults }) => faults.set("waldur", fault) })
    await until(async () => (await proxy.ready()).json.upstreams.waldur.status === "failing")
    const recover = crashRefreshes(proxy)
    proxy.sandbox.faults.clear()
    await passUntil(proxy, () => crashes(proxy, "ERROR") > 0)
    const got = await proxy.list()
    expect([got.status, got.json.error]).toEqual([500, "InternalServerError"])
    const { status, json, text } = await proxy.ready()
    expect([status, json.upstreams.waldur.status, json.upstreams.hpc_user_api.status]).toEqual([
      503,
      "unknown",
      "unknown",
    ])
    expect(json.warnings.join("\n")).toMatch(
      /no refresh has succeeded since .*: the refresh ended in a fault of our own \(TypeError\)/,
    )
    expect(text).not.toContain("secret words")
    expect(await metric(proxy, "refresh_failing")).toBe(1)
    await passUntil(proxy, () => crashes(proxy, "DEBUG") >= 10)
    expect(crashes(proxy, "ERROR")).toBe(1)
    recover()
    await passUntil(proxy, async () => (await proxy.ready()).status === 200)
    expect((await proxy.list()).status).toBe(200)
    expect((await proxy.ready()).json.warnings.length).toBe(1)
    expect(await metric(proxy, "refresh_failing")).toBe(0)
  })

  test("leaves a good list in place with its age, and readiness reports it as stale", async () => {
    const proxy = await aProxy({ world: aWorld(10) })
    const before = await proxy.list()
    const recover = crashRefreshes(proxy)
    await proxy.pass("20 seconds")
    const got = await proxy.get("/api/storage-resources/", noCache).finally(recover)
    expect([got.status, got.headers.get("age"), got.text]).toEqual([200, "20", before.text])
    const { json } = await proxy.ready()
    expect(json.warnings.join("\n")).toMatch(/a fault of our own \(TypeError\)[\s\S]*stale: 20 seconds old/)
    expect(json.upstreams.waldur.status).toBe("unknown")
  })
})

/** `Snapshots` over a source of the test. */
const snapshotsOver = async (renew: Source["renew"]) => {
  const source: Source = {
    earlier: Effect.succeed(undefined),
    renew,
    wanted: Effect.never,
    byId: () => Effect.succeed(undefined),
    isLeading: () => true,
    degradations: () => [],
  }
  const { settings } = await aProxy({
    world: aWorld(6),
    environment: { CACHE_KEEP_WARM_FOR: "1h", CACHE_STALE_IF_ERROR: "2h" },
  })
  const layer = Snapshots.layer.pipe(
    Layer.provide(Layer.mergeAll(Layer.succeed(SnapshotSource)(source), Layer.succeed(Settings)(settings))),
    Layer.provideMerge(TestClock.layer({ warningDelay: "1 hour" })),
    Layer.provide(Logger.layer([])),
  )
  const runtime = ManagedRuntime.make(layer)
  onTestFinished(() => runtime.dispose())
  const snapshots = await runtime.runPromise(Snapshots)
  return {
    runtime,
    snapshots,
    pass: (duration: Any) => runtime.runPromise(TestClock.adjust(duration)),
  }
}

const readResult = (readStartedAt: number): Any => ({
  taken: { snapshot: aSnapshot([]), readStartedAt, readEndedAt: readStartedAt, changedAt: readStartedAt },
  origin: "all",
  basis: undefined,
})

describe("a refresh that does not end", () => {
  test("is reported after half a minute; meanwhile the last good list is served at once, and in the end it fails", async () => {
    let renewals = 0
    const { runtime, snapshots, pass } = await snapshotsOver(() => {
      renewals += 1
      return renewals === 1 ? Effect.succeed(readResult(0)) : Effect.never
    })
    await runtime.runPromise(snapshots.current)
    await pass("10 seconds")
    await until(() => renewals === 2)
    await pass("29 seconds")
    expect(snapshots.state()).toMatchObject({ slowSince: undefined, failure: undefined })
    await pass("2 seconds")
    expect(snapshots.state()).toMatchObject({ slowSince: 10_000, isOverdue: true })
    expect((await runtime.runPromise(snapshots.current)).readStartedAt).toBe(0)
    expect(snapshots.ready()?.readStartedAt).toBe(0)
    await pass("35 minutes")
    expect(snapshots.state().failure?.error).toMatchObject({
      _tag: "RefreshTimedOut",
      waitedFor: "upstreams or another replica",
    })
    expect(snapshots.ready()?.readStartedAt).toBe(0)
  })

  test("delays callers that request a new list by half a minute at most if there is a good one", async () => {
    let renewals = 0
    const { runtime, snapshots, pass } = await snapshotsOver(() => {
      renewals += 1
      return renewals === 1 ? Effect.succeed(readResult(0)) : Effect.never
    })
    await runtime.runPromise(snapshots.current)
    await pass("1 second")
    const waiting = runtime.runFork(snapshots.renewed)
    await until(() => renewals === 2)
    await pass("29 seconds")
    expect(waiting.pollUnsafe()).toBeUndefined()
    await pass("1 second")
    expect(Exit.isSuccess(await runtime.runPromise(Fiber.await(waiting)))).toBe(true)
  })

  test("counts as a failure if it is interrupted from within", async () => {
    let renewals = 0
    const { runtime, snapshots } = await snapshotsOver(() => {
      renewals += 1
      return renewals === 1 ? Effect.interrupt : Effect.succeed(readResult(0))
    })
    await until(() => snapshots.state().failure !== undefined)
    expect(snapshots.state().failure?.error).toMatchObject({ _tag: "RefreshDied", kind: "interrupted" })
    expect(Exit.isFailure(await runtime.runPromise(Effect.exit(snapshots.current)))).toBe(true)
  })
})

describe("a read of the upstreams", () => {
  test("that does not end fails after half an hour", async () => {
    const { settings } = await aProxy({ world: aWorld(6) })
    const layer = Layer.mergeAll(
      Layer.mock(WaldurClient)({ apiUrl: "", offerings: () => Effect.never, readResources: () => Effect.never }),
      Layer.succeed(Settings)(settings),
      GidSource.mockLayer,
      TestClock.layer({ warningDelay: "1 hour" }),
    )
    const runtime = ManagedRuntime.make(layer)
    onTestFinished(() => runtime.dispose())
    const source = await runtime.runPromise(upstreamSource)
    const read = runtime.runFork(source.renew(undefined, true))
    await runtime.runPromise(TestClock.adjust("29 minutes"))
    expect(read.pollUnsafe()).toBeUndefined()
    await runtime.runPromise(TestClock.adjust("1 minute"))
    expect(await runtime.runPromise(Effect.flip(Fiber.join(read)))).toMatchObject({
      _tag: "RefreshTimedOut",
      waitedFor: "upstreams",
      message: "a read of the upstreams did not end within 30 minutes",
    })
  })

  test("that took too long names no upstream: either may be the slow one", () => {
    const error = new RefreshTimedOut({ waitedFor: "upstreams", minutes: 30 })
    expect(upstreamOf(error)).toBeUndefined()
    expect(errorBody(error).detail).toBe(
      "An upstream or another replica returns no usable response, and no usable list is cached",
    )
  })
})

describe("callers that request a new list", () => {
  test("share one refresh a second, however many they are", async () => {
    const proxy = await aProxy({ world: aWorld(10) })
    await proxy.list()
    // One for each full refresh.
    const reads = () =>
      proxy.sandbox.calls.of("waldur").filter(({ path }) => path === "/api/marketplace-provider-offerings/").length
    const before = reads()
    let stopped = false
    const poll = async () => {
      while (!stopped) await proxy.getNow("/api/storage-resources/", noCache)
    }
    const pollers = Array.from({ length: 16 }, poll)
    await until(() => reads() === before + 1)
    for (let second = 1; second <= 5; second += 1) {
      await proxy.pass("999 millis")
      await fetch(proxy.sandbox.issuer.discoveryUrl)
      expect(reads()).toBe(before + second)
      await proxy.pass("1 millis")
      await until(() => reads() === before + second + 1)
      await until(() => proxy.sandbox.calls.inFlight("waldur") === 0)
    }
    stopped = true
    await proxy.hurried(Promise.all(pollers))
  })
})
