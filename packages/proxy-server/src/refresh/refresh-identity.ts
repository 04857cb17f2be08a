import { randomUUID } from "node:crypto"
import { CurrentCallOrigin } from "@cscs/http-transport"
import { Effect, References, Tracer } from "effect"

/**
 * Gives work that is shared by all callers its own id and trace, even if one request began it. Its calls carry the id
 * as `X-Request-Id` and its log lines as `refresh_id`. The lines name the request that began it as `request_id`, and
 * its span links to that request's span.
 */
export const forEverybody =
  (name: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.gen(function* () {
      const id = randomUUID()
      const beginner = yield* Effect.serviceOption(Tracer.ParentSpan)
      // The request's trace id stays on the request's log lines; these lines belong to another trace.
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
