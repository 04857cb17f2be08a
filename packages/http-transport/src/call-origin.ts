/** Request id and trace context of calls, passed on to upstreams. */
import { Context, Effect, Option, Tracer } from "effect"

/** The request on whose behalf calls are made, as passed on to upstreams. */
export interface CallOrigin {
  /** Sent as `X-Request-Id`: header characters only. */
  readonly requestId?: string
  /** Sent as `tracestate` (W3C Trace Context), as received with the trace: header characters only. */
  readonly traceState?: string
}

/** The origin of the current calls. Default: empty. */
export const CurrentCallOrigin = Context.Reference<CallOrigin>("@cscs/http-transport/CurrentCallOrigin", {
  defaultValue: () => ({}),
})

/** The headers that carry the origin of a call and its trace context. */
export const originHeaders: Effect.Effect<Readonly<Record<string, string>>> = Effect.gen(function* () {
  const { requestId, traceState } = yield* CurrentCallOrigin
  const span = Option.getOrUndefined(yield* Effect.serviceOption(Tracer.ParentSpan))
  return {
    ...(requestId === undefined ? {} : { "x-request-id": requestId }),
    ...(span === undefined ? {} : traceHeaders(span, traceState)),
  }
})

const traceHeaders = (
  { traceId, spanId, sampled, annotations }: Tracer.AnySpan,
  traceState: string | undefined,
): Readonly<Record<string, string>> => {
  // The span of a disabled tracer has no ids.
  if (Context.get(annotations, Tracer.DisablePropagation)) return {}
  const traceparent = `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`
  return traceState === undefined ? { traceparent } : { traceparent, tracestate: traceState }
}
