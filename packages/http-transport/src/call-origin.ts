import { Context, Effect, Option, Tracer } from "effect"

/** What calls are made for, as their upstreams are told of it. */
export interface CallOrigin {
  /** Sent as `X-Request-Id`: header characters only. */
  readonly requestId?: string
  /** Sent as `tracestate` (W3C Trace Context), as it came with the trace: header characters only. */
  readonly traceState?: string
}

/** For whom calls are made. Default: nobody in particular. */
export const CurrentCallOrigin = Context.Reference<CallOrigin>("@cscs/http-transport/CurrentCallOrigin", {
  defaultValue: () => ({}),
})

/** The headers that tell an upstream what a call is made for, and which span of which trace it belongs to. */
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
  // The span of a tracer that is switched off has no ids.
  if (Context.get(annotations, Tracer.DisablePropagation)) return {}
  const traceparent = `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`
  return traceState === undefined ? { traceparent } : { traceparent, tracestate: traceState }
}
