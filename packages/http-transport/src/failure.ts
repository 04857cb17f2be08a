/** The typed failure of a call, and its classification from the errors of `fetch`. */
import { Schema } from "effect"
import { NotJson } from "./body.ts"
import { causesOf, textOf } from "./causes.ts"
import { redactor } from "./credentials.ts"
import { BodyTooLarge } from "./fetch.ts"
import { ProxyHandshakeError } from "./proxy.ts"
import type { Secret } from "./secret.ts"

/**
 * Why a call failed.
 *
 * - `dns`: the host name has no address
 * - `connect`: the port is closed, there is no route, or the connection timed out
 * - `proxy`: the proxy is unreachable, its TLS failed, it refused the request or the login, or it could not reach the
 *   upstream
 * - `tls`: the certificate was refused, or the handshake failed
 * - `reset`: the connection ended before the response was complete, or the response was not HTTP
 * - `timeout`: no complete response within the attempt's time, or the deadline passed
 * - `too-large`: the body exceeded the limit
 * - `not-json`: a success that is not a complete JSON text in UTF-8 (truncated, partial, HTML, another charset)
 * - `status`: a response that is not a success; its code is in `status`
 * - `unsendable`: a header or URL that HTTP does not allow; nothing was sent
 * - `circuit-open`: the upstream's last calls failed, so calls are suspended for some seconds; nothing was sent
 */
export const TransportFailureReason = Schema.Literals([
  "dns",
  "connect",
  "proxy",
  "tls",
  "reset",
  "timeout",
  "too-large",
  "not-json",
  "status",
  "unsendable",
  "circuit-open",
])
export type TransportFailureReason = typeof TransportFailureReason.Type

/** A call as its failures describe it. */
export interface AboutCall {
  readonly upstream: string
  /** Method and URL without query. */
  readonly call: string
  readonly proxy?: string
}

/**
 * A call without a usable response. Contains no header, query or credential and nothing of a success's body, so it can be
 * logged as is.
 */
export class TransportFailure extends Schema.TaggedError<TransportFailure>()("TransportFailure", {
  /** The upstream's name, as given to `makeTransport`. */
  upstream: Schema.String,
  /** Method and URL without query: `GET https://waldur.example.org/api/version/`. */
  call: Schema.String,
  reason: TransportFailureReason,
  /** A description: the system's error message, or the start of an error response's body. */
  detail: Schema.String,
  status: Schema.optionalKey(Schema.Int),
  /** Seconds that the upstream asks the client to wait (`Retry-After`, RFC 9110 section 10.2.3). */
  retryAfter: Schema.optionalKey(Schema.Finite),
  /** The proxy that was used, without credentials. */
  proxy: Schema.optionalKey(Schema.String),
  /** Present if nothing of the request can have reached the upstream: the name has no address, or there was no connection. */
  unsent: Schema.optionalKey(Schema.Literal(true)),
}) {
  override get message() {
    const what = this.reason === "status" ? `responded with ${this.status}` : this.reason
    const via = this.proxy === undefined ? "" : ` (through ${this.proxy})`
    return `${this.upstream}: ${this.call} ${what}: ${this.detail}${via}`
  }
}

/**
 * Whether the same call may succeed later, so that a retry makes sense if it is safe. A refused certificate, a body over the
 * limit and a refusal by status (400, 401, 403, 404, ...) are permanent.
 */
export const isRepeatable = (failure: TransportFailure): boolean => {
  switch (failure.reason) {
    case "tls":
    case "too-large":
    case "unsendable":
    case "circuit-open":
      return false
    case "status":
      return failure.status === 408 || failure.status === 429 || isPassingServerError(failure.status ?? 0)
    default:
      return true
  }
}

// 501 and 505 are permanent.
const isPassingServerError = (status: number) => status >= 500 && status !== 501 && status !== 505

const reasonByCode: Record<string, TransportFailureReason> = {
  ENOTFOUND: "dns",
  EAI_AGAIN: "dns",
  ECONNREFUSED: "connect",
  EHOSTUNREACH: "connect",
  ENETUNREACH: "connect",
  EADDRNOTAVAIL: "connect",
  ETIMEDOUT: "connect",
  UND_ERR_CONNECT_TIMEOUT: "connect",
  UND_ERR_HEADERS_TIMEOUT: "timeout",
  UND_ERR_BODY_TIMEOUT: "timeout",
  EPROTO: "tls",
  DEPTH_ZERO_SELF_SIGNED_CERT: "tls",
  SELF_SIGNED_CERT_IN_CHAIN: "tls",
  UNABLE_TO_GET_ISSUER_CERT: "tls",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "tls",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "tls",
  HOSTNAME_MISMATCH: "tls",
  Z_DATA_ERROR: "not-json",
}

/** Errors from before there is a connection. Others, such as ETIMEDOUT, can end an established one too. */
const beforeConnection = new Set(["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "UND_ERR_CONNECT_TIMEOUT"])

/** Explanations of unclear error messages. */
const explanations: Readonly<Record<string, string>> = {
  "bad response": "a response without a request, or an unrequested interim one (100)",
  "incorrect header check": "the body is not in the content coding that its header names",
}

/** Maximum length of an error message of the system or a library, in characters. */
const maxDetail = 500

/**
 * Converts whatever a `fetch` of this package threw to a failure. Node hides the reason in a chain of causes
 * (`TypeError: fetch failed`), so the first classifiable cause decides.
 *
 * @param secrets the request's secrets, which are masked: the error for an invalid header quotes the header
 */
export const transportFailureFrom = (
  thrown: unknown,
  about: AboutCall,
  secrets: ReadonlyArray<string | Secret>,
): TransportFailure => {
  const failure = (reason: TransportFailureReason, detail: string, unsent = false) =>
    new TransportFailure({
      ...about,
      reason,
      detail: redactor(secrets)(detail.slice(0, maxDetail)),
      ...(unsent ? { unsent } : {}),
    })
  let detail = String(thrown)
  for (const cause of causesOf(thrown)) {
    const text = textOf(cause)
    detail = (Object.hasOwn(explanations, text) ? `${text}: ${explanations[text]}` : text) || detail
    const reason = reasonOf(cause)
    if (reason === undefined) continue
    const { code = "" } = cause as NodeJS.ErrnoException
    return failure(reason, detail, reason !== "proxy" && beforeConnection.has(code))
  }
  // A network error has a cause; without one the request itself was invalid.
  const unsent = thrown instanceof TypeError && thrown.cause === undefined
  return failure(unsent ? "unsendable" : "reset", detail)
}

const reasonOf = (error: Error): TransportFailureReason | undefined => {
  if (error instanceof BodyTooLarge) return "too-large"
  if (error instanceof NotJson) return "not-json"
  if (error instanceof ProxyHandshakeError) return "proxy"
  if (error.name === "TimeoutError" || error.name === "AbortError") return "timeout"
  const code = (error as NodeJS.ErrnoException).code ?? ""
  if (code.startsWith("ERR_TLS_") || code.startsWith("ERR_SSL_") || code.startsWith("CERT_")) return "tls"
  return reasonByCode[code]
}
