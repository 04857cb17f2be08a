import { Deferred, Effect, Exit, Fiber } from "effect"
import { describe, expect, test } from "vitest"
import { cooperatively } from "../src/index.ts"

/** Blocks the thread for a number of milliseconds. */
const work = (millis: number): void => {
  const end = performance.now() + millis
  while (performance.now() < end) {}
}

/** The steps of a generator as items, and its return value. */
const inTurns = <A>(steps: () => Generator<unknown, A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    let result: { readonly of: A } | undefined
    const items = (function* () {
      result = { of: yield* steps() }
    })()
    return Effect.map(
      cooperatively(items, () => {}),
      () => (result as { readonly of: A }).of,
    )
  })

describe("cooperatively", () => {
  test("returns the generator's result, and takes each of its steps once", async () => {
    const steps: Array<number> = []
    const result = await Effect.runPromise(
      inTurns(function* () {
        for (let step = 0; step < 1000; step += 1) {
          steps.push(step)
          yield
        }
        return "done"
      }),
    )
    expect(result).toBe("done")
    expect(steps).toEqual(Array.from({ length: 1000 }, (_, step) => step))
  })

  test("runs a generator that never yields, and one that returns nothing", async () => {
    const never = inTurns(function* () {
      if (performance.now() < 0) yield
      return 42
    })
    expect(await Effect.runPromise(never)).toBe(42)
    const nothing = inTurns(function* () {
      yield
    })
    expect(await Effect.runPromise(nothing)).toBeUndefined()
  })

  test("starts again on each run", async () => {
    let begun = 0
    const sliced = inTurns(function* () {
      begun += 1
      yield
      return begun
    })
    expect(begun).toBe(0)
    expect([await Effect.runPromise(sliced), await Effect.runPromise(sliced)]).toEqual([1, 2])
  })

  test("turns an error of the generator into a defect with the same error, before and after a slice", async () => {
    for (const before of [0, 10]) {
      const fault = new RangeError("a fault of ours")
      const exit = await Effect.runPromiseExit(
        inTurns(function* () {
          work(before)
          yield
          throw fault
        }),
      )
      expect(exit).toEqual(Exit.die(fault))
    }
  })

  test("yields to other work between the slices of long work, and not within one", async () => {
    const seen: Array<string> = []
    let left = 5
    const tick = () => {
      seen.push("turn")
      left -= 1
      if (left > 0) setImmediate(tick)
    }
    setImmediate(tick)
    await Effect.runPromise(
      inTurns(function* () {
        for (let step = 0; step < 5; step += 1) {
          work(6)
          seen.push("step")
          yield
        }
        seen.push("end")
      }),
    )
    // A step is longer than a slice, so a turn of the event loop follows each.
    expect(seen.filter((one) => one === "step").length).toBe(5)
    expect(seen.indexOf("turn")).toBeGreaterThan(-1)
    expect(seen.indexOf("turn")).toBeLessThan(seen.lastIndexOf("step"))
    expect(seen.slice(0, seen.indexOf("end")).filter((one) => one === "turn").length).toBeGreaterThanOrEqual(4)
  })

  test("delays a turn of the event loop by one slice, however many loops run side by side", async () => {
    const visits = [0]
    let isRunning = true
    const tick = () => {
      visits.push(0)
      if (isRunning) setImmediate(tick)
    }
    setImmediate(tick)
    const order: Array<number> = []
    const loop = (number: number) =>
      cooperatively(Array(20).keys(), () => {
        work(1)
        visits[visits.length - 1] = (visits.at(-1) ?? 0) + 1
        if (order.at(-1) !== number) order.push(number)
      })
    await Effect.runPromise(Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], loop, { concurrency: "unbounded" }))
    isRunning = false
    // The first turn begins eight loops. A step takes a millisecond or more, so a slice has four, and the one that ends it.
    expect(Math.max(...visits.slice(1))).toBeLessThanOrEqual(5)
    // They take turns.
    expect(order.slice(16, 24)).toEqual(order.slice(8, 16))
  })

  test("runs many short steps in one slice", async () => {
    let turns = 0
    let isRunning = true
    const tick = () => {
      turns += 1
      if (isRunning) setImmediate(tick)
    }
    setImmediate(tick)
    await Effect.runPromise(
      inTurns(function* () {
        work(6)
        for (let step = 0; step < 10_000; step += 1) yield
      }),
    )
    isRunning = false
    expect(turns).toBeGreaterThan(0)
    expect(turns).toBeLessThan(5_000)
  })

  test("stops at the end of a slice when interrupted", async () => {
    let steps = 0
    const program = Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        inTurns(function* () {
          for (;;) {
            steps += 1
            Deferred.doneUnsafe(begun, Exit.void)
            work(5)
            yield
          }
        }),
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      return yield* Fiber.await(fiber)
    })
    const exit = await Effect.runPromise(program)
    expect(Exit.hasInterrupts(exit)).toBe(true)
    const there = steps
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    // The interruption may have arrived within a slice.
    expect(steps).toBeLessThanOrEqual(there + 1)
    const later = steps
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    expect(steps).toBe(later)
  })
})
