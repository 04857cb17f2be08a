import { Clock, Context, Effect, Exit, Tracer } from "effect"
import type { Context as HonoContext } from "hono"
import type { ObservedRequest } from "./observed-request.ts"

/** Begins and ends the spans of requests. */
export interface RequestSpans {
  /** Whether somebody looks at spans: else they need not be made where nothing runs in them. */
  readonly areSeen: boolean
  /** The request's span; begins it where there is none yet. */
  readonly of: (c: HonoContext, request: ObservedRequest) => Tracer.Span
  /** The trace by which a line is found elsewhere too: the caller's, or one that somebody looks at. */
  readonly traceId: (request: ObservedRequest) => string | undefined
  /** @param status of the answer */
  readonly end: (request: ObservedRequest, status: number) => void
}

/**
 * One span for each request, named and described as OpenTelemetry's conventions for HTTP servers have it, under the span
 * that the request names.
 *
 * @param routes what may stand as a route: a path that somebody makes up names no span
 */
export const requestSpans = (routes: ReadonlySet<string>): Effect.Effect<RequestSpans> =>
  Effect.map(Effect.context<never>(), (context): RequestSpans => {
    const clock = Context.get(context, Clock.Clock)
    const begin = (c: HonoContext, { parent }: ObservedRequest): Tracer.Span => {
      // Those that HTTP knows name spans; what else a caller makes up is one name.
      const method = methods.has(c.req.method) ? c.req.method : "_OTHER"
      const route = routes.has(c.req.path) ? c.req.path : undefined
      return Effect.runSyncWith(context)(
        Effect.makeSpan(route === undefined ? method : `${method} ${route}`, {
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
        // A refusal is the caller's fault and no error of this span.
        span.end(clock.currentTimeNanosUnsafe(), status >= 500 ? Exit.fail(`Answered ${status}`) : Exit.void)
      },
    }
  })

const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"])

/** Longest path that is shown. */
const shownPath = 200

/** A URL's path as it came over the wire, so that nothing in it can break a line; cut, for anybody can make up one. */
export const pathOf = (url: string): string => {
  const begin = url.indexOf("/", "https://".length)
  const end = url.indexOf("?", begin)
  const path = end < 0 ? url.slice(begin) : url.slice(begin, end)
  return path.length > shownPath ? `${path.slice(0, shownPath)}…` : path
}
