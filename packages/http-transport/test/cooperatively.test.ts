import { Deferred, Effect, Exit, Fiber } from "effect"
import { describe, expect, test } from "vitest"
import { cooperatively } from "../src/index.ts"

/** Blocks the thread for a number of milliseconds. */
const work = (millis: number): void => {
  const end = performance.now() + millis
  while (performance.now() < end) {}
}

describe("cooperatively", () => {
  test("visits each item once, in order", async () => {
    const visited: Array<number> = []
    await Effect.runPromise(cooperatively(Array(1000).keys(), (item) => void visited.push(item)))
    expect(visited).toEqual([...Array(1000).keys()])
  })

  test("visits no item before it is run, and all of them on each run", async () => {
    const visited: Array<number> = []
    const visits = cooperatively([1, 2], (item) => void visited.push(item))
    expect(visited).toEqual([])
    for (const _ of [1, 2]) await Effect.runPromise(visits)
    expect(visited).toEqual([1, 2, 1, 2])
  })

  test("turns an error of a visit or of the iterable into a defect, in the first slice and in a later one", async () => {
    const fault = new RangeError("a fault of ours")
    const fail = (): never => {
      throw fault
    }
    const faulty = function* () {
      yield 1
      fail()
    }
    for (const before of [0, 10]) {
      const visits = [
        cooperatively([1, 2], (item) => (item === 1 ? work(before) : fail())),
        cooperatively(faulty(), () => work(before)),
      ]
      for (const one of visits) expect(await Effect.runPromiseExit(one)).toEqual(Exit.die(fault))
    }
  })

  test("yields to other work between the slices of long work", async () => {
    const seen: Array<string> = []
    let left = 5
    const tick = () => {
      seen.push("turn")
      left -= 1
      if (left > 0) setImmediate(tick)
    }
    setImmediate(tick)
    await Effect.runPromise(
      cooperatively(Array(5).keys(), () => {
        work(6)
        seen.push("step")
      }),
    )
    // A step is longer than a slice, so a turn of the event loop follows each.
    expect(seen.filter((one) => one === "step").length).toBe(5)
    expect(seen.indexOf("turn")).toBeGreaterThan(-1)
    expect(seen.indexOf("turn")).toBeLessThan(seen.lastIndexOf("step"))
    expect(seen.filter((one) => one === "turn").length).toBeGreaterThanOrEqual(4)
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
    expect(order.length).toBeGreaterThanOrEqual(24)
    expect(order.slice(16, 24)).toEqual(order.slice(8, 16))
  })

  test("visits many cheap items in one slice", async () => {
    let turns = 0
    let isRunning = true
    const tick = () => {
      turns += 1
      if (isRunning) setImmediate(tick)
    }
    setImmediate(tick)
    await Effect.runPromise(cooperatively(Array(10_000).keys(), (item) => work(item === 0 ? 6 : 0)))
    isRunning = false
    expect(turns).toBeGreaterThan(0)
    expect(turns).toBeLessThan(5_000)
  })

  test("stops at the end of a slice when interrupted", async () => {
    let steps = 0
    const program = Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        cooperatively(Array(1000).keys(), () => {
          steps += 1
          Deferred.doneUnsafe(begun, Exit.void)
          work(5)
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
