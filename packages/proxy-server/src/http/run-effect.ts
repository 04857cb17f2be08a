/** Runs effects in Hono handlers. */
import { CurrentCallOrigin } from "@cscs/http-transport"
import type { WaldurClient } from "@cscs/waldur-client"
import { Context, Effect, Exit, References, Tracer } from "effect"
import type { Context as HonoContext } from "hono"
import type { Authentication } from "../auth/authentication.ts"
import type { Settings } from "../config/settings.ts"
import { observedRequest } from "../observability/observed-request.ts"
import type { RequestSpans } from "../observability/request-span.ts"
import type { GidSource } from "../refresh/gid-source.ts"
import type { Gauges } from "../serving/gauges.ts"
import type { Snapshots } from "../serving/snapshots.ts"
import { failureResponse, logFailure, type RequestError } from "./http-errors.ts"
import type { Lifecycle } from "./lifecycle.ts"

/** The services that the app's handlers use. */
export type AppServices = Settings | WaldurClient | GidSource | Snapshots | Gauges | Lifecycle | Authentication

/** Runs a handler's effects. A caller that disconnects interrupts them; a failure is logged. */
export interface EffectRunner {
  readonly exit: <A>(
    c: HonoContext,
    effect: Effect.Effect<A, RequestError, AppServices>,
  ) => Promise<Exit.Exit<A, RequestError>>
  readonly response: (c: HonoContext, effect: Effect.Effect<Response, RequestError, AppServices>) => Promise<Response>
}

/**
 * Handlers run in the context in which the app is created, within their request's span. Their log lines and upstream
 * calls carry the request's id.
 */
export const effectRunner = (spans: RequestSpans): Effect.Effect<EffectRunner, never, AppServices> =>
  Effect.map(Effect.context<AppServices>(), (services): EffectRunner => {
    const annotations = Context.get(services, References.CurrentLogAnnotations)
    const contextOf = (c: HonoContext) => {
      const request = observedRequest(c)
      const { id, traceState } = request
      const span = spans.of(c, request)
      const traceId = spans.traceId(request)
      return services.pipe(
        Context.add(Tracer.ParentSpan, span),
        Context.add(References.CurrentLogAnnotations, {
          ...annotations,
          request_id: id,
          ...(traceId === undefined ? {} : { trace_id: traceId }),
        }),
        Context.add(CurrentCallOrigin, { requestId: id, ...(traceState === undefined ? {} : { traceState }) }),
      )
    }
    const exit: EffectRunner["exit"] = (c, effect) =>
      Effect.runPromiseExitWith(contextOf(c))(Effect.tapCause(effect, logFailure), { signal: c.req.raw.signal })
    return {
      exit,
      response: async (c, effect) =>
        Exit.match(await exit(c, effect), { onSuccess: (response) => response, onFailure: failureResponse }),
    }
  })
