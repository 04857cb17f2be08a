import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect, test } from "vitest"
import type { ReadResult } from "../src/refresh/read-snapshot.ts"
import type { RefreshError } from "../src/refresh/refresh-errors.ts"
import { makeRefresher } from "../src/serving/refresher.ts"
import { ServingState } from "../src/serving/serving-state.ts"
import type { TimedSnapshot } from "../src/snapshot/snapshot.ts"
import { steadyMillis } from "../src/snapshot/steady-clock.ts"
import { aSnapshot } from "./a-snapshot.ts"

const policy = { freshFor: 1000, staleIfError: 10_000, keepWarmFor: 60_000, retryAfter: 1000, slowAfter: 30_000 }

const readAt = (at: number): ReadResult => ({
  taken: { snapshot: aSnapshot([]), readStartedAt: at, readEndedAt: at, changedAt: at },
  origin: "all",
  basis: undefined,
})

const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(Effect.provide(effect, TestClock.layer()))
const settle = Effect.repeat(Effect.yieldNow, { times: 20 })

/** A refresher whose reads end as `release` decides; `reads` has the arguments of each. */
const aRefresher = Effect.gen(function* () {
  const state = new ServingState(policy)
  const reads: Array<{ readonly last: ReadResult | undefined; readonly mustBeNew: boolean }> = []
  let gate = Deferred.makeUnsafe<ReadResult, RefreshError>()
  const refresher = yield* makeRefresher(state, {
    renew: (last, mustBeNew) =>
      Effect.suspend(() => {
        reads.push({ last, mustBeNew })
        return Deferred.await(gate)
      }),
  })
  const release = (outcome: Effect.Effect<ReadResult, RefreshError>) =>
    Effect.andThen(
      Effect.suspend(() => {
        const ended = gate
        gate = Deferred.makeUnsafe()
        return Deferred.complete(ended, outcome)
      }),
      settle,
    )
  const succeed = Effect.flatMap(steadyMillis, (now) => release(Effect.succeed(readAt(now))))
  return { state, reads, refresher, release, succeed }
})

const withRefresher = (
  title: string,
  body: (made: Effect.Success<typeof aRefresher>) => Effect.Effect<unknown, unknown>,
) => test(title, () => run(Effect.scoped(Effect.flatMap(aRefresher, body))))

describe("the refresher", () => {
  withRefresher(
    "has one refresh in flight, which goes on when the caller that began it leaves",
    ({ reads, refresher, succeed }) =>
      Effect.gen(function* () {
        const [first, ...others] = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(refresher.join(false)))
        yield* settle
        yield* Fiber.interrupt(first as Fiber.Fiber<TimedSnapshot, RefreshError>)
        yield* succeed
        const taken = yield* Effect.forEach(others, (fiber) => Fiber.join(fiber))
        expect(new Set(taken).size).toBe(1)
        expect(reads).toEqual([{ last: undefined, mustBeNew: false }])
      }),
  )

  withRefresher(
    "starts a read from the last good one, also after failures, and keeps the time of the first failure",
    (made) =>
      Effect.gen(function* () {
        const { state, reads, refresher, release, succeed } = made
        yield* refresher.begin(true)
        yield* settle
        yield* succeed
        const good = state.lastRead
        const since: Array<number | undefined> = []
        for (const _ of [1, 2]) {
          yield* refresher.begin(true)
          yield* settle
          yield* release(Effect.die(new TypeError("of an upstream's data")))
          since.push(state.failure?.since)
          yield* TestClock.adjust("1 second")
        }
        expect(state.failure?.error).toMatchObject({ _tag: "RefreshDied", kind: "TypeError" })
        expect(state.failure?.error.message).not.toContain("upstream's data")
        expect(since[1]).toBe(since[0])
        expect([state.current, state.lastRead]).toEqual([good?.taken, good])
        expect(reads.map(({ last }) => last)).toEqual([undefined, good, good])
      }),
  )

  withRefresher(
    "begins at most one refresh per second for callers that require a new one",
    ({ reads, refresher, succeed }) =>
      Effect.gen(function* () {
        const renew = Effect.forkChild(refresher.renewed(true))
        const first = yield* renew
        yield* settle
        const [second, third] = [yield* renew, yield* renew]
        yield* settle
        yield* succeed
        expect(Exit.isSuccess(yield* Fiber.await(first))).toBe(true)
        expect(reads.length).toBe(1)
        yield* TestClock.adjust("1 second")
        yield* settle
        yield* succeed
        expect(yield* Fiber.join(second)).toBe(yield* Fiber.join(third))
        expect(reads).toMatchObject([{ mustBeNew: true }, { mustBeNew: true }])
      }),
  )
})

describe("the serving state", () => {
  test("serves a read of an earlier process only while it is servable, but compares the next read with it", () => {
    const limit = policy.freshFor + policy.staleIfError
    for (const age of [limit - 1, limit]) {
      const state = new ServingState(policy)
      const read = readAt(0)
      state.restore(read, age)
      expect([state.lastRead, state.current]).toEqual([read, age < limit ? read.taken : undefined])
    }
  })

  test("has no failure after a success, and keeps replaced snapshots for walks", () => {
    const state = new ServingState(policy)
    state.failed({ _tag: "RefreshDied" } as RefreshError, 1, 1)
    const read = readAt(2)
    expect(state.succeeded(read, 2)).toBe(read.taken)
    expect(state.failure).toBeUndefined()
    expect(state.retained.get(read.taken.snapshot.entries.id)).toBe(read.taken)
  })
})
