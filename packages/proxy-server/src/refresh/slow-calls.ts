/** Calls of upstreams that run for longer than they should: a server that takes requests and never answers fails nothing. */
import { CurrentRunningCalls, elapsedMillis } from "@cscs/http-transport"
import { Effect } from "effect"

/** Milliseconds after which a call, or a refresh, is slow. A full page of a real Waldur takes 15 seconds. */
export const slowAfter = 30_000

/** For how many milliseconds the oldest running call of each upstream has run; 0 if none runs. */
export const oldestCalls: Effect.Effect<ReadonlyMap<string, number>> = Effect.gen(function* () {
  const now = yield* elapsedMillis
  const running = yield* CurrentRunningCalls
  return new Map([...running.oldest()].map(([upstream, began]) => [upstream, now - (began ?? now)] as const))
})

/** The same, but 0 also for a call that has not run for long. */
export const slowCalls: Effect.Effect<ReadonlyMap<string, number>> = Effect.map(
  oldestCalls,
  (lengths) => new Map([...lengths].map(([upstream, length]) => [upstream, length < slowAfter ? 0 : length])),
)
