import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { describe, expect, test } from "vitest"
import { makeSharedWork } from "../src/index.ts"

const settle = Effect.repeat(Effect.yieldNow, { times: 20 })

/** Shared work, and what a caller does: join the work in flight for a key, or begin it. */
const sharing = Effect.fnUntraced(function* (work: Effect.Effect<string, string>) {
  const shared = yield* makeSharedWork<string, string, string>()
  let begun = 0
  const counted = Effect.suspend(() => {
    begun += 1
    return work
  })
  return {
    shared,
    begun: () => begun,
    call: (key: string) => Effect.suspend(() => shared.inFlight(key) ?? shared.begin([key], counted)),
  }
})
const run = <A>(effect: Effect.Effect<A, unknown, Scope.Scope>) => Effect.runPromise(Effect.scoped(effect))

describe("work in flight", () => {
  test("is joined by every caller, and continues if the caller that began it is interrupted", () =>
    run(
      Effect.gen(function* () {
        const gate = yield* Deferred.make<string>()
        const { call, begun } = yield* sharing(Deferred.await(gate))
        const first = yield* Effect.forkChild(call("a"))
        const others = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(call("a")))
        yield* settle
        yield* Fiber.interrupt(first)
        yield* Deferred.succeed(gate, "done")
        for (const other of others) expect(yield* Fiber.join(other)).toBe("done")
        expect(begun()).toBe(1)
      }),
    ))

  test.each([
    ["fails", Effect.fail("no")],
    ["fails later", Effect.andThen(Effect.yieldNow, Effect.fail("no"))],
    ["dies", Effect.die("a fault")],
    ["is interrupted", Effect.andThen(Effect.yieldNow, Effect.interrupt)],
    ["succeeds", Effect.succeed("done")],
  ])("that %s is not kept: the next caller begins it anew", (_, work) =>
    run(
      Effect.gen(function* () {
        const { shared, call, begun } = yield* sharing(work)
        for (const times of [1, 2]) {
          yield* Effect.exit(Fiber.join(yield* Effect.forkChild(call("a"))))
          expect([begun(), shared.inFlight("a")]).toEqual([times, undefined])
        }
      }),
    ),
  )

  test("of several keys is joined through each of them, and frees only its own", () =>
    run(
      Effect.gen(function* () {
        const { shared, call } = yield* sharing(Effect.never)
        const gate = yield* Deferred.make<string>()
        const both = shared.begin(["a", "b"], Deferred.await(gate))
        expect([shared.inFlight("a"), shared.inFlight("b")]).toEqual([both, both])
        yield* Effect.forkChild(call("c"))
        const replacement = shared.begin(["b"], Effect.never)
        yield* Deferred.succeed(gate, "done")
        expect(yield* both).toBe("done")
        expect(shared.inFlight("a")).toBe(undefined)
        expect(shared.inFlight("b")).toBe(replacement)
      }),
    ))

  test("ends with its scope, and its callers with it", () =>
    run(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { call } = yield* Scope.provide(sharing(Effect.never), scope)
        const caller = yield* Effect.forkChild(Effect.exit(call("a")))
        yield* settle
        yield* Scope.close(scope, Exit.void)
        expect(Exit.hasInterrupts(yield* Fiber.join(caller))).toBe(true)
      }),
    ))
})
