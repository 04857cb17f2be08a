import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Metric } from "effect"
import { TestClock } from "effect/testing"
import { makeTransport } from "../src/index.ts"
import { httpServer } from "./loopback-server.ts"

const once = { times: 0, base: "1 millis", cap: "1 millis", maxRetryAfter: "1 second" } as const
const open = (baseUrl: string, upstream = "test") => makeTransport({ upstream, baseUrl, retry: once })
const call = { method: "GET", path: "a" } as const

/** A server with controllable health. */
const aPatient = Effect.gen(function* () {
  const health = { status: 503, isHanging: false }
  const held: Array<() => void> = []
  const server = yield* httpServer((_, response) => {
    const respond = () => response.writeHead(health.status).end("{}")
    if (health.isHanging) held.push(respond)
    else respond()
  })
  return {
    server,
    health,
    release: () => {
      for (const respond of held.splice(0)) respond()
    },
  }
})

/** A clock whose wall time was set back by two hours, while monotonic time continues. */
const setBack = (clock: Clock.Clock): Clock.Clock => {
  const twoHours = 2 * 60 * 60 * 1000
  const currentTimeMillisUnsafe = () => clock.currentTimeMillisUnsafe() - twoHours
  return {
    currentTimeMillisUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
    currentTimeNanosUnsafe: () => BigInt(currentTimeMillisUnsafe()) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(currentTimeMillisUnsafe()) * 1_000_000n),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration),
  }
}

const turns = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
const until = (holds: () => boolean) => Effect.repeat(turns, { until: () => holds() })

describe("a circuit breaker", () => {
  it.effect("opens after three consecutive failed calls: nothing is sent, and the failure has the reason", () =>
    Effect.gen(function* () {
      const { server } = yield* aPatient
      const transport = yield* open(server.url)
      for (const _ of [1, 2, 3]) {
        assert.strictEqual((yield* Effect.flip(transport.call(call))).reason, "status")
      }
      const refused = yield* Effect.flip(transport.call(call))
      assert.strictEqual(refused.reason, "circuit-open")
      assert.match(
        refused.message,
        /^test: GET http.*\/a circuit-open: not called, since its last calls failed; the last: status: /,
      )
      assert.strictEqual(server.requests.length, 3)
    }),
  )

  it.effect("restarts its count after a success", () =>
    Effect.gen(function* () {
      const { server, health } = yield* aPatient
      const transport = yield* open(server.url)
      for (const status of [503, 503, 200, 503, 503, 200]) {
        health.status = status
        yield* Effect.ignore(transport.call(call))
      }
      assert.strictEqual(server.requests.length, 6)
    }),
  )

  const [whileClosed, untilOpen] = [5, 3]
  it.effect.each([
    ...[400, 401, 403, 404, 409].map((status) => [status, whileClosed] as const),
    ...[500, 502, 503, 429].map((status) => [status, untilOpen] as const),
  ])("for an upstream that responds with %i lets %i of five calls through", ([status, sent]) =>
    Effect.gen(function* () {
      const { server, health } = yield* aPatient
      health.status = status
      const transport = yield* open(server.url)
      for (const _ of [1, 2, 3, 4, 5]) yield* Effect.ignore(transport.call(call))
      assert.strictEqual(server.requests.length, sent)
    }),
  )

  it.effect("waits five seconds even if the wall clock is set back by two hours meanwhile", () =>
    Effect.gen(function* () {
      const { server, health } = yield* aPatient
      const transport = yield* open(server.url)
      for (const _ of [1, 2, 3]) yield* Effect.ignore(transport.call(call))
      health.status = 200
      yield* TestClock.adjust("5 seconds")
      const late = setBack(yield* Clock.Clock)
      yield* Effect.provideService(transport.call(call), Clock.Clock, late)
      assert.strictEqual(server.requests.length, 4)
    }),
  )

  it.effect("lets one call through after five seconds, and all after a success", () =>
    Effect.gen(function* () {
      const { server, health } = yield* aPatient
      const transport = yield* open(server.url)
      for (const _ of [1, 2, 3]) yield* Effect.ignore(transport.call(call))
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual((yield* Effect.flip(transport.call(call))).reason, "circuit-open")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Effect.flip(transport.call(call))).reason, "status")
      assert.strictEqual((yield* Effect.flip(transport.call(call))).reason, "circuit-open")
      assert.strictEqual(server.requests.length, 4)

      health.status = 200
      yield* TestClock.adjust("5 seconds")
      for (const _ of [1, 2, 3]) yield* transport.call(call)
      assert.strictEqual(server.requests.length, 7)
    }),
  )

  it.effect("makes other calls wait for the outcome of the probing one", () =>
    Effect.gen(function* () {
      const { server, health, release } = yield* aPatient
      const transport = yield* open(server.url)
      for (const _ of [1, 2, 3]) yield* Effect.ignore(transport.call(call))
      yield* TestClock.adjust("5 seconds")
      Object.assign(health, { status: 200, isHanging: true })
      const probe = yield* Effect.forkChild(transport.call(call))
      yield* until(() => server.requests.length === 4)
      const others = yield* Effect.forkChild(
        Effect.all([transport.call(call), transport.call(call)], { concurrency: "unbounded" }),
      )
      yield* turns
      assert.strictEqual(server.requests.length, 4)
      health.isHanging = false
      release()
      yield* Fiber.join(probe)
      yield* Effect.raceFirst(Fiber.join(others), Effect.forever(Effect.andThen(turns, TestClock.adjust("50 millis"))))
      assert.strictEqual(server.requests.length, 6)
    }),
  )

  it.effect("exports its state and the calls as metrics", () =>
    Effect.gen(function* () {
      const { server, health } = yield* aPatient
      const transport = yield* open(server.url, "watched")
      const value = (name: string, attributes: Record<string, string>) =>
        Effect.map(Metric.snapshot, (all) =>
          all.find(
            (one) => one.id === name && Object.entries(attributes).every(([key, is]) => one.attributes?.[key] === is),
          ),
        )
      const state = Effect.map(value("breaker_state", { upstream: "watched" }), (one) => one?.state)
      assert.deepInclude(yield* state, { value: 0 })
      for (const _ of [1, 2, 3, 4]) yield* Effect.ignore(transport.call(call))
      assert.deepInclude(yield* state, { value: 2 })
      health.status = 200
      yield* TestClock.adjust("5 seconds")
      yield* transport.call(call)
      assert.deepInclude(yield* state, { value: 0 })
      const counted = (outcome: string) =>
        Effect.map(value("upstream_calls_total", { upstream: "watched", outcome }), (one) => one?.state)
      assert.deepInclude(yield* counted("status"), { count: 3 })
      assert.deepInclude(yield* counted("circuit-open"), { count: 1 })
      assert.deepInclude(yield* counted("ok"), { count: 1 })
    }),
  )
})
