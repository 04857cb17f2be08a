import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { makeTransport } from "../src/index.ts"
import { httpServer } from "./loopback-server.ts"

setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

/** Resolves once the condition holds. */
const until = (holds: () => boolean) => Effect.repeat(Effect.sleep("2 millis"), { until: () => Effect.sync(holds) })

const beginning = { "content-type": "application/json", "content-length": "100" }

it.live("a response that stalls releases its connection, also after a garbage collection meanwhile", () =>
  Effect.gen(function* () {
    let isIll = true
    let open = 0
    const server = yield* httpServer((request, response) => {
      if (!isIll) return void response.end("{}")
      open += 1
      request.socket.once("close", () => {
        open -= 1
      })
      response.writeHead(200, beginning).write('{"a":')
    })
    const transport = yield* makeTransport({
      upstream: "test",
      baseUrl: server.url,
      attemptTimeout: "400 millis",
      connections: 1,
      retry: { times: 0, base: "1 millis", cap: "1 millis", maxRetryAfter: "1 second" },
    })
    const call = transport.call({ method: "GET", path: "a/" })
    const silent = yield* Effect.forkChild(Effect.exit(call))
    yield* until(() => open === 1)
    yield* until(() => {
      collectGarbage()
      return silent.pollUnsafe() !== undefined
    })
    assert.strictEqual((yield* Fiber.join(silent))._tag, "Failure")
    yield* until(() => open === 0)
    isIll = false
    assert.deepStrictEqual((yield* call).body, {})
  }),
)
