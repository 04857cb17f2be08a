/** OpenTelemetry spans of requests. */
import { Clock, Context, Effect, Exit, Tracer } from "effect"
import type { Context as HonoContext } from "hono"
import type { ObservedRequest } from "./observed-request.ts"

/** Begins and ends the spans of requests. */
export interface RequestSpans {
  /** Whether spans are exported; otherwise a request that runs no effect needs none. */
  readonly areSeen: boolean
  /** The request's span; begins it if there is none yet. */
  readonly of: (c: HonoContext, request: ObservedRequest) => Tracer.Span
  /** The trace id for log lines: that of the caller's trace, or of one that is exported. */
  readonly traceId: (request: ObservedRequest) => string | undefined
  /** @param status of the response */
  readonly end: (request: ObservedRequest, status: number) => void
}

/**
 * One span per request, named and described by OpenTelemetry's conventions for HTTP servers, below the span that the
 * request names.
 *
 * @param routeOf the route of a path; any other path names no span
 */
export const requestSpans = (routeOf: (path: string) => string | undefined): Effect.Effect<RequestSpans> =>
  Effect.map(Effect.context<never>(), (context): RequestSpans => {
    const clock = Context.get(context, Clock.Clock)
    const begin = (c: HonoContext, { parent }: ObservedRequest): Tracer.Span => {
      // Only standard methods name spans; all others share the conventions' name.
      const [name, method] = methods.has(c.req.method) ? [c.req.method, c.req.method] : ["HTTP", "_OTHER"]
      const route = routeOf(c.req.path)
      return Effect.runSyncWith(context)(
        Effect.makeSpan(route === undefined ? name : `${name} ${route}`, {
          kind: "server",
          attributes: {
            "http.request.method": method,
            "url.path": pathOf(c.req.raw.url),
            ...(route === undefined ? {} : { "http.route": route }),
          },
          ...(parent === undefined ? { root: true } : { parent }),
        }),
      )
    }
    const areSeen = Context.get(context, Tracer.Tracer) !== Tracer.nativeTracer
    return {
      areSeen,
      of: (c, request) => {
        request.span ??= begin(c, request)
        return request.span
      },
      traceId: ({ parent, span }) => parent?.traceId ?? (areSeen ? span?.traceId : undefined),
      end: ({ span }, status) => {
        if (span === undefined) return
        span.attribute("http.response.status_code", status)
        // A rejection is the caller's fault and no error of this span.
        span.end(clock.currentTimeNanosUnsafe(), status >= 500 ? Exit.fail(`Responded ${status}`) : Exit.void)
      },
    }
  })

const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"])

/** Maximum length of a shown path. */
const maxPathLength = 200

/** A URL's path as sent, so that it contains no line break; truncated, because callers can send any path. */
export const pathOf = (url: string): string => {
  const begin = url.indexOf("/", "https://".length)
  const end = url.indexOf("?", begin)
  const path = end < 0 ? url.slice(begin) : url.slice(begin, end)
  return path.length > maxPathLength ? `${path.slice(0, maxPathLength)}…` : path
}
