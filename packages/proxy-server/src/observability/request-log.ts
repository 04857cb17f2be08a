/** The access log, and the `X-Request-Id` of responses. */
import { ServerResponse } from "node:http"
import { Cause, Clock, Context, Effect, Logger, LogLevel, References, Tracer } from "effect"
import type { Context as HonoContext } from "hono"
import type { LogEvent } from "./log-events.ts"
import { LogThreshold } from "./log-threshold.ts"
import { type ObservedRequest, type Observer, observedRequest, requestIdHeader } from "./observed-request.ts"
import { pathOf, type RequestSpans } from "./request-span.ts"

export interface RequestLogOptions {
  readonly spans: RequestSpans
  /** Paths that machines poll every few seconds: their lines have debug level. */
  readonly quiet: Iterable<string>
  /** The query parameters whose values are shown. Others may contain anything, even a token. */
  readonly parameters: Iterable<string>
}

/** In the form that loggers expect. */
const message = ["Request"]

/** The status if the caller disconnected before the response was complete: nginx's, because HTTP has none. */
const callerLeft = 499

/**
 * Adds the request's id to each response, logs each request in one line once its response has been sent, with the
 * loggers of the context in which it is created, and ends the request's span.
 */
export const logRequests = ({ spans, quiet, parameters }: RequestLogOptions): Effect.Effect<Observer> =>
  Effect.map(Effect.context<never>(), (context) => {
    const quietPaths = new Set(quiet)
    const shownParameters = new Set(parameters)
    const minimum = Context.get(context, References.MinimumLogLevel)
    const threshold = Context.get(context, LogThreshold)
    const loggers = Context.get(context, Logger.CurrentLoggers)
    const clock = Context.get(context, Clock.Clock)
    const annotations = Context.get(context, References.CurrentLogAnnotations)
    const base = Context.make(Clock.Clock, clock)
    // Loggers read annotations and span from a fiber. One that waits forever is lent to every line: an effect for each would
    // be a tenth of the cost of a cached page.
    const fiber = Effect.runForkWith(base)(Effect.never)
    const log = (logLevel: LogLevel.Severity, about: Record<string, unknown>, span: Tracer.Span | undefined): void => {
      const annotated = Context.add(base, References.CurrentLogAnnotations, about)
      fiber.setContext(span === undefined ? annotated : Context.add(annotated, Tracer.ParentSpan, span))
      const line = { message, logLevel, cause: Cause.empty, fiber, date: new Date(clock.currentTimeMillisUnsafe()) }
      for (const logger of loggers) {
        try {
          logger.log(line)
        } catch {
          // Only this line is lost.
        }
      }
    }

    const ended = (c: HonoContext, request: ObservedRequest, began: number, status: number, bytes: unknown): void => {
      spans.end(request, status)
      // The reason of a 5xx has a line of its own, and that one is the error.
      const level = quietPaths.has(c.req.path) ? "Debug" : status < 500 ? "Info" : "Warn"
      if (LogLevel.isGreaterThan(minimum, level) || LogLevel.isGreaterThan(threshold(), level)) return
      const { method, raw } = c.req
      const traceId = spans.traceId(request)
      const query = shownQuery(raw.url, shownParameters)
      // Filled step by step: its cost is part of that of a cached page.
      const about: Record<string, unknown> = {
        ...annotations,
        event: "request" satisfies LogEvent,
        request_id: request.id,
      }
      if (traceId !== undefined) about.trace_id = traceId
      about.method = method
      about.path = pathOf(raw.url)
      if (query !== "") about.query = query
      about.status = status
      about.milliseconds = Math.round((performance.now() - began) * 100) / 100
      // What a HEAD response announces is not sent, nor all of a response that its caller left.
      if (bytes !== undefined && method !== "HEAD" && status !== callerLeft) about.bytes = Number(bytes)
      if (request.caller !== undefined) about.caller = request.caller
      log(level, about, request.span)
    }

    return function logRequests(c, respond) {
      const began = performance.now()
      const request = observedRequest(c)
      if (spans.areSeen) spans.of(c, request)
      const outgoing = nodeResponse(c)
      outgoing?.once("close", () =>
        ended(
          c,
          request,
          began,
          outgoing.writableFinished ? outgoing.statusCode : callerLeft,
          request.responded?.bytes ?? outgoing.getHeader("content-length"),
        ),
      )
      const identified = (response: Response) => {
        if (outgoing === undefined) {
          const { status, headers } = response
          headers.set(requestIdHeader, request.id)
          ended(c, request, began, status, headers.get("content-length") ?? undefined)
        } else if (request.responded === undefined) outgoing.setHeader(requestIdHeader, request.id)
        return response
      }
      const response = respond()
      return response instanceof Promise ? response.then(identified) : identified(response)
    }
  })

/** The Node response that the app writes to, if `@hono/node-server` serves it. */
const nodeResponse = (c: HonoContext): ServerResponse | undefined => {
  const outgoing: unknown = c.env?.outgoing
  return outgoing instanceof ServerResponse ? outgoing : undefined
}

/** Maximum length of a shown value: a snapshot's id fits. */
const maxValueLength = 80

/** A query as sent, without unknown parameters. */
const shownQuery = (url: string, known: ReadonlySet<string>): string => {
  const begin = url.indexOf("?")
  if (begin < 0) return ""
  const shown: Array<string> = []
  for (const pair of url.slice(begin + 1).split("&", maxParameters)) {
    const equals = pair.indexOf("=")
    if (!known.has(equals < 0 ? pair : pair.slice(0, equals))) continue
    const longest = equals + 1 + maxValueLength
    shown.push(pair.length > longest ? `${pair.slice(0, longest)}…` : pair)
  }
  return shown.join("&")
}

/** Parameters that are inspected: a query can repeat one thousands of times. */
const maxParameters = 20
