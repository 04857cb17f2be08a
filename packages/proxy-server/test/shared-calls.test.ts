import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect, test } from "vitest"
import { makeSharedCalls } from "../src/concurrency/shared-calls.ts"

const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(Effect.provide(effect, TestClock.layer()))
const settle = Effect.repeat(Effect.yieldNow, { times: 20 })

/** A call that runs until it is released. */
const aCall = () => {
  const seen = { begun: 0, running: 0, most: 0 }
  const gate = Deferred.makeUnsafe<string>()
  const call = Effect.acquireUseRelease(
    Effect.sync(() => {
      seen.begun += 1
      seen.running += 1
      seen.most = Math.max(seen.most, seen.running)
    }),
    () => Deferred.await(gate),
    () =>
      Effect.sync(() => {
        seen.running -= 1
      }),
  )
  return { seen, call, letGo: Deferred.succeed(gate, "done") }
}

describe("shared calls", () => {
  test("run at most so many at once, share equal ones, and refuse those that do not start in time", () =>
    run(
      Effect.gen(function* () {
        const shared = makeSharedCalls(2, "5 seconds")
        const { seen, call, letGo } = aCall()
        const fork = (key: string) => Effect.forkChild(Effect.exit(shared(key, call)))
        const fibers = yield* Effect.forEach(["a", "a", "b", "c", "d", "b"], fork)
        yield* settle
        expect(seen).toEqual({ begun: 2, running: 2, most: 2 })
        yield* TestClock.adjust("5 seconds")
        yield* settle
        const [, , , third] = fibers
        const refused = yield* Fiber.join(third as Fiber.Fiber<Exit.Exit<string, { readonly _tag: string }>>)
        expect(Exit.isFailure(refused) && String(refused)).toContain("TooBusy")
        yield* letGo
        const exits = yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
        expect(exits.map(Exit.isSuccess)).toEqual([true, true, true, false, false, true])
        // Their slots are free again.
        expect(yield* shared("e", Effect.succeed(5))).toBe(5)
        expect(seen).toEqual({ begun: 2, running: 0, most: 2 })
      }),
    ))

  test("end when the last waiting caller leaves, and not before", () =>
    run(
      Effect.gen(function* () {
        const shared = makeSharedCalls(1, "5 seconds")
        const { seen, call } = aCall()
        const first = yield* Effect.forkChild(shared("a", call))
        const second = yield* Effect.forkChild(shared("a", call))
        yield* settle
        yield* Fiber.interrupt(first)
        expect(seen.running).toBe(1)
        yield* Fiber.interrupt(second)
        expect(seen.running).toBe(0)
        expect(yield* shared("b", Effect.succeed(5))).toBe(5)
      }),
    ))

  test("leave no slot taken if their callers leave while they wait for one", () =>
    run(
      Effect.gen(function* () {
        const shared = makeSharedCalls(1, "5 seconds")
        const { seen, call, letGo } = aCall()
        const running = yield* Effect.forkChild(shared("a", call))
        const waiting = yield* Effect.forEach(
          Array.from({ length: 300 }, (_, at) => String(at)),
          (key) => Effect.forkChild(shared(key, call)),
        )
        yield* settle
        yield* Effect.forEach(waiting, (fiber) => Fiber.interrupt(fiber))
        yield* letGo
        expect(yield* Fiber.join(running)).toBe("done")
        expect([seen.begun, yield* shared("b", Effect.succeed(5))]).toEqual([1, 5])
      }),
    ))

  test("fail for all waiting callers with the failure of the call, and are made again for the next", () =>
    run(
      Effect.gen(function* () {
        const shared = makeSharedCalls(1, "5 seconds")
        let calls = 0
        const failing = Effect.suspend(() => {
          calls += 1
          return Effect.andThen(Effect.yieldNow, Effect.fail("no"))
        })
        const exits = yield* Effect.all(
          [1, 2, 3].map(() => Effect.exit(shared("a", failing))),
          {
            concurrency: "unbounded",
          },
        )
        expect([exits.every(Exit.isFailure), calls]).toEqual([true, 1])
        yield* Effect.exit(shared("a", failing))
        expect(calls).toBe(2)
      }),
    ))
})
