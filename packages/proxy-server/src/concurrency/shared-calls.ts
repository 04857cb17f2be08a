/**
 * Limits expensive calls that callers can request: few run at once, equal ones are shared, and a call without a waiting
 * caller is interrupted.
 */
import { type Context, Data, type Duration, Effect, Fiber, Semaphore } from "effect"

/** Too many calls run for this one to begin in time. */
export class TooBusy extends Data.TaggedError("TooBusy") {}

/** Shares concurrent calls with equal keys. */
export interface SharedCalls {
  /** Runs a call, or joins the one with the same key. A call is interrupted when its last caller leaves. */
  <A, E, R>(key: string, call: Effect.Effect<A, E, R>): Effect.Effect<A, E | TooBusy, R>
  /** Whether a call with this key runs or waits for its turn. */
  readonly has: (key: string) => boolean
  /** Calls that run or wait for their turn. */
  readonly count: () => number
}

/**
 * @param atOnce concurrent calls
 * @param patience how long a call waits for its turn
 */
export const makeSharedCalls = (atOnce: number, patience: Duration.Input): SharedCalls => {
  const turns = Semaphore.makeUnsafe(atOnce)
  const running = new Map<string, { readonly fiber: Fiber.Fiber<unknown, unknown>; waiting: number }>()

  const inTurn = <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E | TooBusy, R> =>
    Effect.suspend(() => {
      let hasBegun = false
      const begun = turns.withPermit(
        Effect.suspend(() => {
          hasBegun = true
          return call
        }),
      )
      const tooLate = Effect.andThen(
        Effect.sleep(patience),
        Effect.suspend(() => (hasBegun ? Effect.never : Effect.fail(new TooBusy()))),
      )
      return Effect.raceFirst(begun, tooLate)
    })

  const share = <A, E, R>(key: string, call: Effect.Effect<A, E, R>) =>
    Effect.contextWith((context: Context.Context<R>) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          let one = running.get(key)
          if (one === undefined) {
            const fiber = Effect.runForkWith(context)(inTurn(call))
            one = { fiber, waiting: 0 }
            running.set(key, one)
          }
          one.waiting += 1
          return one
        }),
        ({ fiber }) => Fiber.join(fiber as Fiber.Fiber<A, E | TooBusy>),
        (one) =>
          Effect.suspend(() => {
            one.waiting -= 1
            if (one.waiting > 0) return Effect.void
            if (running.get(key) === one) running.delete(key)
            return Effect.asVoid(Fiber.interrupt(one.fiber))
          }),
      ),
    )
  return Object.assign(share, { has: (key: string) => running.has(key), count: () => running.size })
}
