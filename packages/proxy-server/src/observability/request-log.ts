/** The access log, and the `X-Request-Id` of responses. */
import { ServerResponse } from "node:http"
import { Clock, Context, Effect, Logger, LogLevel, References, Tracer } from "effect"
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

/** The status if the caller disconnected before the response: nginx's, because HTTP has none. */
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
    const annotations = Context.get(context, References.CurrentLogAnnotations)
    // A context is copied for each line, so only what loggers read is in it.
    const logging = Context.make(Clock.Clock, Context.get(context, Clock.Clock)).pipe(
      Context.add(Logger.CurrentLoggers, Context.get(context, Logger.CurrentLoggers)),
      Context.add(References.MinimumLogLevel, minimum),
    )
    const line = (level: LogLevel.Severity) => {
      const log = Effect.logWithLevel(level)("Request")
      return () =>
        LogLevel.isGreaterThan(minimum, level) || LogLevel.isGreaterThan(threshold(), level) ? undefined : log
    }
    const lines = { quiet: line("Debug"), answered: line("Info"), failed: line("Warn") }

    const ended = (c: HonoContext, request: ObservedRequest, began: number, status: number, bytes: unknown): void => {
      spans.end(request, status)
      // The reason of a 5xx has a line of its own, and that one is the error.
      const logged = (quietPaths.has(c.req.path) ? lines.quiet : status < 500 ? lines.answered : lines.failed)()
      if (logged === undefined) return
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
      // A HEAD response announces a length that is not sent.
      if (bytes !== undefined && method !== "HEAD") about.bytes = Number(bytes)
      if (request.caller !== undefined) about.caller = request.caller
      const annotated = Context.add(logging, References.CurrentLogAnnotations, about)
      Effect.runForkWith(
        request.span === undefined ? annotated : Context.add(annotated, Tracer.ParentSpan, request.span),
      )(logged)
    }

    return function logRequests(c, respond) {
      const began = performance.now()
      const request = observedRequest(c)
      if (spans.areSeen) spans.of(c, request)
      const outgoing = nodeAnswer(c)
      outgoing?.once("close", () =>
        ended(
          c,
          request,
          began,
          outgoing.writableFinished ? outgoing.statusCode : callerLeft,
          request.answered?.bytes ?? outgoing.getHeader("content-length"),
        ),
      )
      const identified = (response: Response) => {
        if (outgoing === undefined) {
          const { status, headers } = response
          headers.set(requestIdHeader, request.id)
          ended(c, request, began, status, headers.get("content-length") ?? undefined)
        } else if (request.answered === undefined) outgoing.setHeader(requestIdHeader, request.id)
        return response
      }
      const response = respond()
      return response instanceof Promise ? response.then(identified) : identified(response)
    }
  })

/** The Node response that the app writes to, if `@hono/node-server` serves it. */
const nodeAnswer = (c: HonoContext): ServerResponse | undefined => {
  const outgoing: unknown = c.env?.outgoing
  return outgoing instanceof ServerResponse ? outgoing : undefined
}

/** Maximum length of a shown value: a snapshot's id fits. */
const shownValue = 80

/** A query as sent, without unknown parameters. */
const shownQuery = (url: string, known: ReadonlySet<string>): string => {
  const begin = url.indexOf("?")
  if (begin < 0) return ""
  const shown: Array<string> = []
  for (const pair of url.slice(begin + 1).split("&", mostParameters)) {
    const equals = pair.indexOf("=")
    if (!known.has(equals < 0 ? pair : pair.slice(0, equals))) continue
    const longest = equals + 1 + shownValue
    shown.push(pair.length > longest ? `${pair.slice(0, longest)}…` : pair)
  }
  return shown.join("&")
}

/** Parameters that are inspected: a query can repeat one thousands of times. */
const mostParameters = 20
