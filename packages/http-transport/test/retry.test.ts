import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import {
  defaultRetryPolicy,
  isRepeatable,
  makeTransport,
  retryAfterSeconds,
  retrySchedule,
  TransportFailure,
  type TransportFailureReason,
} from "../src/index.ts"
import { httpServer } from "./loopback-server.ts"
import { withRecordedWaits } from "./recorded-waits.ts"

const open = (baseUrl: string, retry = defaultRetryPolicy) => makeTransport({ upstream: "test", baseUrl, retry })

const failure = (reason: TransportFailureReason, more: { status?: number; retryAfter?: number } = {}) =>
  new TransportFailure({ upstream: "test", call: "GET http://test.example/", reason, detail: "…", ...more })

describe("a failed call", () => {
  it.live.each([408, 429, 500, 502, 503, 504])("is retried until it succeeds for a GET with %i", (status) =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => {
        response.statusCode = server.requests.length < 3 ? status : 200
        response.end("{}")
      })
      const transport = yield* open(server.url)
      const { result, waits } = yield* withRecordedWaits(transport.call({ method: "GET", path: "a" }))
      assert.strictEqual(result._tag, "Success")
      assert.deepStrictEqual(server.requests, ["GET /a", "GET /a", "GET /a"])
      assert.strictEqual(waits.length, 2)
    }),
  )

  it.live.each([301, 400, 401, 403, 404, 409, 410, 414, 422, 501, 505])("is not retried for a GET with %i", (status) =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.writeHead(status).end('{"detail":"no"}'))
      const transport = yield* open(server.url)
      const error = yield* Effect.flip(transport.call({ method: "GET", path: "a" }))
      assert.strictEqual(error.reason, "status")
      assert.strictEqual(error.status, status)
      assert.strictEqual(server.requests.length, 1)
    }),
  )

  it.live("is retried for a HEAD, never for a POST", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.writeHead(503).end())
      const transport = yield* open(server.url)
      yield* withRecordedWaits(transport.call({ method: "HEAD", path: "head" }))
      yield* withRecordedWaits(transport.call({ method: "POST", path: "post", json: { a: 1 } }))
      assert.strictEqual(server.requests.filter((line) => line === "HEAD /head").length, 5)
      assert.strictEqual(server.requests.filter((line) => line === "POST /post").length, 1)
    }),
  )

  it.live("fails with the last attempt's failure after all retries", () =>
    Effect.gen(function* () {
      const statuses = [500, 502, 503]
      const server = yield* httpServer((_, response) => response.writeHead(statuses.shift() ?? 200).end("{}"))
      const transport = yield* open(server.url, { ...defaultRetryPolicy, times: 2 })
      const { result } = yield* withRecordedWaits(Effect.flip(transport.call({ method: "GET", path: "" })))
      assert.strictEqual(result._tag === "Success" ? result.success.status : 0, 503)
      assert.strictEqual(server.requests.length, 3)
    }),
  )

  it("is permanent for certificates, bodies over the limit and refusals, and transient for network failures", () => {
    const repeatable = (["dns", "connect", "proxy", "reset", "timeout", "not-json"] as const).map((reason) =>
      isRepeatable(failure(reason)),
    )
    assert.deepStrictEqual(repeatable, [true, true, true, true, true, true])
    assert.isFalse(isRepeatable(failure("tls")))
    assert.isFalse(isRepeatable(failure("too-large")))
    assert.isFalse(isRepeatable(failure("status", { status: 404 })))
  })
})

describe("the wait before a retry", () => {
  it.live("doubles from the base, within the jitter", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.writeHead(503).end())
      const transport = yield* open(server.url)
      const { waits } = yield* withRecordedWaits(transport.call({ method: "GET", path: "" }))
      assert.strictEqual(waits.length, 4)
      for (const [index, expected] of [0.2, 0.4, 0.8, 1.6].entries()) {
        assert.isAtLeast(waits[index] ?? 0, expected * 0.8)
        assert.isAtMost(waits[index] ?? 0, expected * 1.2)
      }
    }),
  )

  it.effect("never exceeds the cap and its jitter", () =>
    Effect.gen(function* () {
      let attempts = 0
      const failing = Effect.suspend(() => {
        attempts += 1
        return Effect.fail(failure("reset"))
      })
      const policy = { ...defaultRetryPolicy, times: 10, base: "1 second", cap: "2 seconds" } as const
      const fiber = yield* Effect.forkChild(Effect.flip(Effect.retry(failing, retrySchedule(policy))))
      yield* TestClock.adjust(Duration.seconds(1.2 + 9 * 2.4))
      yield* Fiber.join(fiber)
      assert.strictEqual(attempts, 11)
    }),
  )

  it.live("follows a Retry-After in seconds that is longer than its own wait", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => {
        if (server.requests.length > 1) response.end("{}")
        else response.writeHead(429, { "retry-after": "7" }).end()
      })
      const transport = yield* open(server.url)
      const { result, waits } = yield* withRecordedWaits(transport.call({ method: "GET", path: "" }))
      assert.strictEqual(result._tag, "Success")
      assert.deepStrictEqual(waits, [7])
    }),
  )

  it.live("is not shortened by Retry-After", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => {
        if (server.requests.length > 1) response.end("{}")
        else response.writeHead(503, { "retry-after": "0" }).end()
      })
      const transport = yield* open(server.url)
      const { waits } = yield* withRecordedWaits(transport.call({ method: "GET", path: "" }))
      assert.isAtLeast(waits[0] ?? 0, 0.16)
    }),
  )

  it.live("follows a Retry-After with a date", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => {
        if (server.requests.length > 1) response.end("{}")
        else response.writeHead(503, { "retry-after": new Date(Date.now() + 20_000).toUTCString() }).end()
      })
      const transport = yield* open(server.url)
      const { waits } = yield* withRecordedWaits(transport.call({ method: "GET", path: "" }))
      assert.strictEqual(waits.length, 1)
      // An HTTP date has whole seconds.
      assert.isAtLeast(waits[0] ?? 0, 18)
      assert.isAtMost(waits[0] ?? 0, 20)
    }),
  )

  it.live("is skipped for a Retry-After beyond the policy, which fails at once with the time", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.writeHead(503, { "retry-after": "31" }).end())
      const transport = yield* open(server.url)
      const { result, waits } = yield* withRecordedWaits(Effect.flip(transport.call({ method: "GET", path: "" })))
      assert.strictEqual(result._tag === "Success" ? result.success.retryAfter : 0, 31)
      assert.deepStrictEqual(waits, [])
      assert.strictEqual(server.requests.length, 1)
    }),
  )

  it("ignores a Retry-After that is neither number nor date, and treats one in the past as now", () => {
    assert.isUndefined(retryAfterSeconds(new Headers({ "retry-after": "soon" })))
    assert.isUndefined(retryAfterSeconds(new Headers()))
    assert.strictEqual(retryAfterSeconds(new Headers({ "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" })), 0)
  })
})

describe("the time limits of a call", () => {
  it.live("end an attempt without a complete response as a timeout, which is retried", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => {
        // Headers and a part of the body come at once: the time counts to the last byte.
        if (server.requests.length > 1) response.end("{}")
        else response.writeHead(200).write('{"a":')
      })
      const transport = yield* makeTransport({
        upstream: "test",
        baseUrl: server.url,
        attemptTimeout: "50 millis",
        retry: { ...defaultRetryPolicy, base: "1 millis" },
      })
      yield* transport.call({ method: "GET", path: "" })
      assert.strictEqual(server.requests.length, 2)
    }),
  )

  it.live("appear in the timeout's message", () =>
    Effect.gen(function* () {
      const server = yield* httpServer(() => {})
      const transport = yield* makeTransport({
        upstream: "test",
        baseUrl: server.url,
        attemptTimeout: "50 millis",
        retry: { ...defaultRetryPolicy, times: 0 },
      })
      const error = yield* Effect.flip(transport.call({ method: "GET", path: "slow" }))
      assert.strictEqual(error.reason, "timeout")
      assert.strictEqual(error.message, `test: GET ${server.url}slow timeout: no complete response within 0.05 s`)
    }),
  )

  it.live("end all retries at the deadline, with the last attempt's failure", () =>
    Effect.gen(function* () {
      const server = yield* httpServer((_, response) => response.writeHead(503).end("<p>restarting</p>"))
      const transport = yield* makeTransport({
        upstream: "test",
        baseUrl: server.url,
        deadline: "200 millis",
        retry: { ...defaultRetryPolicy, base: "1 hour", cap: "1 hour" },
      })
      const error = yield* Effect.flip(transport.call({ method: "GET", path: "" }))
      assert.strictEqual(error.reason, "timeout")
      assert.strictEqual(error.detail, "no success within the deadline of 0.2 s; the last attempt: status: restarting")
    }),
  )

  it.live("also end a POST at the deadline", () =>
    Effect.gen(function* () {
      const server = yield* httpServer(() => {})
      const transport = yield* makeTransport({ upstream: "test", baseUrl: server.url, deadline: "50 millis" })
      const error = yield* Effect.flip(transport.call({ method: "POST", path: "", json: {} }))
      assert.strictEqual(error.detail, "no success within the deadline of 0.05 s")
    }),
  )
})
