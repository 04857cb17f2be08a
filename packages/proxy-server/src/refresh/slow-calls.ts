/**
 * Upstream calls that take longer than they should: a server that accepts requests and never responds causes no
 * failure.
 */
import { CurrentRunningCalls, elapsedMillis } from "@cscs/http-transport"
import { Effect } from "effect"

/** Milliseconds after which a call, or a refresh, is slow. A full page of a real Waldur takes 15 seconds. */
export const slowAfter = 30_000

/** How long the oldest running call of each upstream has run, in milliseconds; 0 if none runs. */
export const oldestCalls: Effect.Effect<ReadonlyMap<string, number>> = Effect.gen(function* () {
  const now = yield* elapsedMillis
  const running = yield* CurrentRunningCalls
  return new Map([...running.oldest()].map(([upstream, began]) => [upstream, now - (began ?? now)] as const))
})

/** The same, but 0 also for a call that is not slow yet. */
export const slowCalls: Effect.Effect<ReadonlyMap<string, number>> = Effect.map(
  oldestCalls,
  (lengths) => new Map([...lengths].map(([upstream, length]) => [upstream, length < slowAfter ? 0 : length])),
)
