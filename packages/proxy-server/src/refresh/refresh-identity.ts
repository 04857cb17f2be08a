import { randomUUID } from "node:crypto"
import { CurrentCallOrigin } from "@cscs/http-transport"
import { Effect, References, Tracer } from "effect"

/**
 * Gives work that is done for whoever waits for it, and often for nobody yet, an id and a trace of its own, though one
 * request may have begun it. Its calls bear this id as `X-Request-Id` and its log lines as `refresh_id`; lines say the
 * request that began it as `request_id`, and its span has a link to that request's.
 */
export const forEverybody =
  (name: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.gen(function* () {
      const id = randomUUID()
      const beginner = yield* Effect.serviceOption(Tracer.ParentSpan)
      // The trace goes by the beginner's line of the log; these lines are of another.
      const { trace_id: _, ...annotations } = yield* References.CurrentLogAnnotations
      return yield* effect.pipe(
        Effect.withSpan(name, {
          root: true,
          attributes: { refresh_id: id },
          ...(beginner._tag === "Some" ? { links: [{ span: beginner.value, attributes: {} }] } : {}),
        }),
        Effect.provideService(CurrentCallOrigin, { requestId: id }),
        Effect.provideService(References.CurrentLogAnnotations, { ...annotations, refresh_id: id }),
      )
    })
