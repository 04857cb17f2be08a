/** Shares work in flight: a caller that needs it joins it instead of beginning it again. */
import { Effect, Fiber, FiberSet, type Scope } from "effect"

/**
 * Work in flight, by key. No result is kept: when work ends, its keys are free. Both functions are synchronous, so that no
 * other caller runs between looking for work and beginning it.
 */
export interface SharedWork<K, A, E> {
  /** Waits for the work in flight for a key; `undefined` if there is none. */
  readonly inFlight: (key: K) => Effect.Effect<A, E> | undefined
  /** Begins work for these keys, in place of any in flight for them, and returns the effect that waits for it. */
  readonly begin: (keys: ReadonlyArray<K>, work: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/**
 * Runs work in the scope, without the caller's context: a caller that is interrupted stops waiting and does not end the
 * work, which ends with the scope. Callers keep waiting for work that other work has replaced.
 */
export const makeSharedWork = Effect.fnUntraced(function* <K, A, E = never>(): Effect.fn.Return<
  SharedWork<K, A, E>,
  never,
  Scope.Scope
> {
  const fork = yield* FiberSet.makeRuntime<never, A, E>()
  const inFlight = new Map<K, Effect.Effect<A, E>>()
  return {
    inFlight: (key) => inFlight.get(key),
    begin: (keys, work) => {
      const fiber = fork(work)
      const joined = Fiber.join(fiber)
      for (const key of keys) inFlight.set(key, joined)
      // Runs at once if the work has ended already.
      fiber.addObserver(() => {
        for (const key of keys) if (inFlight.get(key) === joined) inFlight.delete(key)
      })
      return joined
    },
  }
})
