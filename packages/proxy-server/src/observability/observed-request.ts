/** The id, trace and caller of a request. */
import { randomUUID } from "node:crypto"
import { Option, type Tracer } from "effect"
import * as Headers from "effect/http/Headers"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import type { Context } from "hono"

/** The attributes of a request for log lines, spans and upstream calls. */
export interface ObservedRequest {
  /** The caller's id if it is well-formed, else a new one. */
  readonly id: string
  /** The caller's span, if it names one. */
  readonly parent: Tracer.ExternalSpan | undefined
  /** The `tracestate` that came with `parent`, passed on unchanged. */
  readonly traceState: string | undefined
  /** The request's own span, once it exists. */
  span: Tracer.Span | undefined
  /** The name in the token, once it is verified. */
  caller: string | undefined
  /** Whether the verified token has the roles that debug mode requires. */
  mayDebug: boolean | undefined
  /** The length of the response's body, if any, once a response is made that already has the request's id. */
  responded: { readonly bytes: number | undefined } | undefined
}

/**
 * Surrounds the response to a request. Unlike Hono's middlewares, it adds no promise to one that is made at once: a promise
 * for each layer would cost as much as a cached page.
 */
export type Observer = (c: Context, respond: () => Response | Promise<Response>) => Response | Promise<Response>

/** The response header with the request's id. */
export const requestIdHeader = "X-Request-Id"

/** Kept in the `Request`, which the apps that handle it share: each has a context, and a host may have one environment for all. */
const observed = Symbol("observed")
interface Observable {
  [observed]?: ObservedRequest
}

/** Returns the same object for each call with the same request. */
export const observedRequest = (c: Context): ObservedRequest => {
  const raw: Request & Observable = c.req.raw
  if (raw[observed] !== undefined) return raw[observed]
  const parent = parentOf(c.req.header("traceparent"))
  const request: ObservedRequest = {
    id: idOf(c.req.header("x-request-id")),
    parent,
    traceState: parent && traceStateOf(c.req.header("tracestate")),
    span: undefined,
    caller: undefined,
    mayDebug: undefined,
    responded: undefined,
  }
  raw[observed] = request
  return request
}

// Safe in log lines, shells and upstream headers. A duplicate header arrives with a comma.
const wellFormedId = /^[A-Za-z0-9._-]{1,128}$/

const idOf = (given: string | undefined): string =>
  given !== undefined && wellFormedId.test(given) ? given : randomUUID()

/** W3C Trace Context section 3.2; `undefined` if the header is invalid, so that a new trace begins. */
const parentOf = (traceparent: string | undefined): Tracer.ExternalSpan | undefined =>
  traceparent === undefined
    ? undefined
    : Option.getOrUndefined(HttpTraceContext.w3c(Headers.fromRecordUnsafe({ traceparent })))

// W3C Trace Context section 3.3.1.5: at least 512 characters are passed on. Other characters could not be sent to an
// upstream.
const passableState = /^[\x20-\x7e]{1,512}$/

const traceStateOf = (given: string | undefined): string | undefined =>
  given !== undefined && passableState.test(given) ? given : undefined
