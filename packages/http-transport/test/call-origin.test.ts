import { assert, describe, it } from "@effect/vitest"
import { Effect, References, Tracer } from "effect"
import { CurrentCallOrigin, makeTransport } from "../src/index.ts"
import { httpServer } from "./loopback-server.ts"

const names = ["x-request-id", "traceparent", "tracestate"] as const
const parent = Tracer.externalSpan({
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  sampled: false,
})

/** Makes calls to a server that returns the origin headers it received. */
const aTransport = Effect.gen(function* () {
  const server = yield* httpServer(({ headers }, response) =>
    response.end(JSON.stringify(names.map((name) => headers[name] ?? null))),
  )
  const transport = yield* makeTransport({ upstream: "test", baseUrl: server.url })
  return (headers: Record<string, string> = {}) =>
    Effect.map(transport.call({ method: "GET", path: "a/", headers }), ({ body }) => body as ReadonlyArray<string>)
})

describe("the origin headers of a call", () => {
  it.live("contain the id, and a span of its own in the caller's trace with its flag and its state", () =>
    Effect.gen(function* () {
      const call = yield* aTransport
      const made = call().pipe(
        Effect.withParentSpan(parent),
        Effect.provideService(CurrentCallOrigin, { requestId: "mine", traceState: "a=1" }),
      )
      const [id, traceparent, state] = yield* made
      assert.deepStrictEqual([id, state], ["mine", "a=1"])
      assert.match(traceparent ?? "", /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-00$/)
      assert.notStrictEqual((yield* made)[1], traceparent)
    }),
  )

  it.live("contain a trace of its own without a caller", () =>
    Effect.gen(function* () {
      const [id, traceparent, state] = yield* yield* Effect.map(aTransport, (call) => call())
      assert.isNull(id)
      assert.isNull(state)
      assert.match(traceparent ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    }),
  )

  it.live("contain no trace if tracing is off, and do not override the call's own headers", () =>
    Effect.gen(function* () {
      const call = yield* aTransport
      const received = yield* call({ "x-request-id": "its own" }).pipe(
        Effect.provideService(References.TracerEnabled, false),
        Effect.withParentSpan(parent),
        Effect.provideService(CurrentCallOrigin, { requestId: "mine", traceState: "a=1" }),
      )
      assert.strictEqual(JSON.stringify(received), '["its own",null,null]')
    }),
  )
})
