import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { TestClock } from "effect/testing"
import { makeCallPolicy, makeTransport, TransportFailure, type TransportFailureReason } from "../src/index.ts"
import { httpServer } from "./loopback-server.ts"
import { withRecordedWaits } from "./recorded-waits.ts"

const about = { upstream: "library", call: "POST https://example.org/token" }
const once = { times: 0, base: "1 millis", cap: "1 millis", maxRetryAfter: "1 second" } as const

const failure = (reason: TransportFailureReason, status?: number) =>
  new TransportFailure({ ...about, reason, detail: "as given", ...(status === undefined ? {} : { status }) })

/** An attempt that fails a number of times before it succeeds, and counts its calls. */
const anAttempt = (failed: TransportFailure, times = Number.POSITIVE_INFINITY) => {
  const made = { times: 0 }
  const attempt = Effect.suspend(() => {
    made.times += 1
    return made.times > times ? Effect.succeed("done") : Effect.fail(failed)
  })
  return { made, attempt }
}

const seriesOf = (name: string, attributes: Readonly<Record<string, string>>) =>
  Effect.map(
    Metric.snapshot,
    (all) =>
      all.find(
        (one) => one.id === name && Object.entries(attributes).every(([key, is]) => one.attributes?.[key] === is),
      )?.state,
  )

describe("a call policy for any kind of attempt", () => {
  it.effect("retries transient failures, and counts calls and retries under its name", () =>
    Effect.gen(function* () {
      const endpoint = yield* makeCallPolicy({ upstream: "repeated" })
      const { made, attempt } = anAttempt(failure("reset"), 2)
      const { result, waits } = yield* withRecordedWaits(endpoint(about, attempt))
      assert.strictEqual(result._tag, "Success")
      assert.deepStrictEqual([made.times, waits.length], [3, 2])
      assert.deepInclude(yield* seriesOf("upstream_calls_total", { upstream: "repeated", outcome: "ok" }), { count: 1 })
      assert.deepInclude(yield* seriesOf("upstream_retries_total", { upstream: "repeated" }), { count: 2 })
    }),
  )

  it.effect("sends calls that are not idempotent once", () =>
    Effect.gen(function* () {
      const endpoint = yield* makeCallPolicy({ upstream: "unsafe" })
      const { made, attempt } = anAttempt(failure("reset"))
      yield* Effect.flip(endpoint(about, attempt, { isIdempotent: false }))
      assert.strictEqual(made.times, 1)
    }),
  )

  it.live("limits the time of an attempt and of a call", () =>
    Effect.gen(function* () {
      const hanging = { upstream: "hanging", retry: once }
      const impatient = yield* makeCallPolicy({ ...hanging, attemptTimeout: "10 millis" })
      const late = yield* makeCallPolicy({ ...hanging, deadline: "10 millis" })
      assert.strictEqual(
        (yield* Effect.flip(impatient(about, Effect.never))).message,
        `library: ${about.call} timeout: no complete response within 0.01 s`,
      )
      assert.strictEqual(
        (yield* Effect.flip(late(about, Effect.never))).detail,
        "no success within the deadline of 0.01 s",
      )
    }),
  )

  it.effect("stops calls after three consecutive failures, except one every five seconds", () =>
    Effect.gen(function* () {
      const endpoint = yield* makeCallPolicy({ upstream: "ill", retry: once })
      const { made, attempt } = anAttempt(failure("timeout"), 4)
      for (const _ of [1, 2, 3]) yield* Effect.flip(endpoint(about, attempt))
      const refused = yield* Effect.flip(endpoint(about, attempt))
      assert.match(refused.message, /^library: POST .* circuit-open: not called, .* the last: timeout: as given$/)
      assert.deepInclude(yield* seriesOf("breaker_state", { upstream: "ill" }), { value: 2 })
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Effect.flip(endpoint(about, attempt))).reason, "timeout")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* endpoint(about, attempt), "done")
      assert.deepInclude(yield* seriesOf("breaker_state", { upstream: "ill" }), { value: 0 })
      assert.strictEqual(made.times, 5)
    }),
  )

  it.effect("treats a refusal as healthy", () =>
    Effect.gen(function* () {
      const endpoint = yield* makeCallPolicy({ upstream: "refusing", retry: once })
      const { made, attempt } = anAttempt(failure("status", 401))
      for (const _ of [1, 2, 3, 4, 5]) yield* Effect.flip(endpoint(about, attempt))
      assert.strictEqual(made.times, 5)
    }),
  )

  it.effect("is independent of others", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.end("[1]"))
      const transport = yield* makeTransport({ upstream: "neighbour", baseUrl: server.url })
      const endpoint = yield* makeCallPolicy({ upstream: "neighbour-token", retry: once })
      for (const _ of [1, 2, 3, 4]) yield* Effect.flip(endpoint(about, Effect.fail(failure("connect"))))
      assert.deepInclude(yield* seriesOf("breaker_state", { upstream: "neighbour-token" }), { value: 2 })
      assert.deepInclude(yield* seriesOf("breaker_state", { upstream: "neighbour" }), { value: 0 })
      assert.deepStrictEqual((yield* transport.call({ method: "GET", path: "" })).body, [1])
    }),
  )

  it.effect("of a transport is shared by its own calls and by attempts that others make under it", () =>
    Effect.gen(function* () {
      const transport = yield* makeTransport({ upstream: "shared", baseUrl: "http://127.0.0.1:1/", retry: once })
      for (const _ of [1, 2, 3]) yield* Effect.flip(transport.callPolicy(about, Effect.fail(failure("reset"))))
      assert.strictEqual((yield* Effect.flip(transport.call({ method: "GET", path: "" }))).reason, "circuit-open")
    }),
  )
})
