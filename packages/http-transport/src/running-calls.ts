/** Tracks running calls, so that a hanging call is noticed long before its deadline. */
import { Context, Effect } from "effect"
import { elapsedMillis } from "./elapsed.ts"

/** The running calls, by upstream. */
export interface RunningCalls {
  /** Tracks a call to the upstream while it runs, including retries and waits. */
  readonly during: (upstream: string) => <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * When the oldest running call of each upstream began, in milliseconds of `elapsedMillis`; `undefined` for an upstream
   * without running calls.
   */
  readonly oldest: () => ReadonlyMap<string, number | undefined>
}

/** An empty register of running calls. */
export const makeRunningCalls = (): RunningCalls => {
  const upstreams = new Map<string, Set<{ readonly began: number }>>()
  return {
    during: (upstream) => {
      const running = upstreams.get(upstream) ?? new Set()
      upstreams.set(upstream, running)
      return (call) =>
        Effect.flatMap(elapsedMillis, (began) => {
          const one = { began }
          running.add(one)
          return Effect.ensuring(
            call,
            Effect.sync(() => running.delete(one)),
          )
        })
    },
    oldest: () =>
      new Map(
        // In the order in which they began, so the first is the oldest.
        [...upstreams].map(([upstream, running]) => [upstream, running.values().next().value?.began] as const),
      ),
  }
}

/** The tracker that call policies use; read when they are created. Default: one for the whole process. */
export const CurrentRunningCalls = Context.Reference<RunningCalls>("@cscs/http-transport/CurrentRunningCalls", {
  defaultValue: makeRunningCalls,
})
