import { randomUUID } from "node:crypto"
import { Option, type Tracer } from "effect"
import * as Headers from "effect/http/Headers"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import type { Context } from "hono"

/** A request as log lines, spans and upstreams are told of it. */
export interface ObservedRequest {
  /** The caller's own where it is well-formed, else a new one. */
  readonly id: string
  /** The caller's span, where it names one. */
  readonly parent: Tracer.ExternalSpan | undefined
  /** What came with `parent`, to be passed on as it is. */
  readonly traceState: string | undefined
  /** The request's own span, once there is one. */
  span: Tracer.Span | undefined
  /** Who the token names, once that is known. */
  caller: string | undefined
}

const key = "observed-request"

/** The same for each call with the same context. */
export const observedRequest = (c: Context): ObservedRequest => {
  const known: ObservedRequest | undefined = c.get(key)
  if (known !== undefined) return known
  const parent = parentOf(c.req.header("traceparent"))
  const request: ObservedRequest = {
    id: idOf(c.req.header("x-request-id")),
    parent,
    traceState: parent && traceStateOf(c.req.header("tracestate")),
    span: undefined,
    caller: undefined,
  }
  c.set(key, request)
  return request
}

// What log lines, shells and upstreams take as it is. A header that is there twice arrives with a comma.
const wellFormedId = /^[A-Za-z0-9._-]{1,128}$/

const idOf = (given: string | undefined): string =>
  given !== undefined && wellFormedId.test(given) ? given : randomUUID()

/** W3C Trace Context section 3.2; nothing where the header is not as it must be, so that a new trace begins. */
const parentOf = (traceparent: string | undefined): Tracer.ExternalSpan | undefined =>
  traceparent === undefined
    ? undefined
    : Option.getOrUndefined(HttpTraceContext.w3c(Headers.fromRecordUnsafe({ traceparent })))

// W3C Trace Context section 3.3.1.5: at least 512 characters are passed on. Others than these no upstream would be sent.
const passableState = /^[\x20-\x7e]{1,512}$/

const traceStateOf = (given: string | undefined): string | undefined =>
  given !== undefined && passableState.test(given) ? given : undefined
