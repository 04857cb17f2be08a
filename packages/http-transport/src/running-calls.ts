/** Which calls run, so that one that hangs is known long before its deadline ends it. */
import { Context, Effect } from "effect"
import { elapsedMillis } from "./elapsed.ts"

/** The calls that run, by upstream. */
export interface RunningCalls {
  /** Lets a call of the upstream count while it runs, repeats and waits included. */
  readonly during: (upstream: string) => <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * When the oldest call of each upstream that still runs began, in milliseconds as `elapsedMillis` gives them; `undefined`
   * for an upstream without one.
   */
  readonly oldest: () => ReadonlyMap<string, number | undefined>
}

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
        // In the order of their beginning, so the first is the oldest.
        [...upstreams].map(([upstream, running]) => [upstream, running.values().next().value?.began] as const),
      ),
  }
}

/** Where endpoints say which calls run, when they are made. Default: one place for all of the process. */
export const CurrentRunningCalls = Context.Reference<RunningCalls>("@cscs/http-transport/CurrentRunningCalls", {
  defaultValue: makeRunningCalls,
})
