/**
 * An HTTP transport for one upstream: a `fetch` with its own proxy and TLS profile, and a JSON call with deadlines, bounded
 * retries and a typed failure that names the upstream, the call and the cause.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { makeTransport } from "@cscs/http-transport"
 *
 * const version = Effect.scoped(
 *   Effect.gen(function* () {
 *     const waldur = yield* makeTransport({
 *       upstream: "waldur",
 *       baseUrl: "https://waldur.example.org/api/",
 *       proxy: "socks5h://proxy.example.org:1080",
 *     })
 *     const response = yield* waldur.call({ method: "GET", path: "version/" })
 *     return response.body
 *   }),
 * )
 * ```
 */
export { withoutTrailingSlashes } from "./base-url.ts"
export { readErrorText, readJson, tellingNamesOf } from "./body.ts"
export { type CallOrigin, CurrentCallOrigin } from "./call-origin.ts"
export { type CallPolicy, type CallPolicyOptions, makeCallPolicy } from "./call-policy.ts"
export {
  makeTokenSource,
  NoTokenGranted,
  type TokenError,
  TokenRefused,
  type TokenSource,
  type TokenSourceOptions,
} from "./client-credentials.ts"
export { addressTimeout, serverName } from "./connector.ts"
export { cooperatively, turnIfDue } from "./cooperatively.ts"
export { redactor, urlForDisplay } from "./credentials.ts"
export { elapsedMillis, elapsedOf } from "./elapsed.ts"
export { type EnvironmentProxies, environmentProxies } from "./environment-proxies.ts"
export {
  type AboutCall,
  isRepeatable,
  TransportFailure,
  type TransportFailureReason,
  transportFailureFrom,
} from "./failure.ts"
export { InvalidProxy, proxyForDisplay } from "./proxy.ts"
export { defaultRetryPolicy, httpDate, type RetryPolicy, retryAfterSeconds, retrySchedule } from "./retry.ts"
export { environmentProxyWarnings, type Route } from "./route.ts"
export { CurrentRunningCalls, makeRunningCalls, type RunningCalls } from "./running-calls.ts"
export { RotatingSecret, type Secret, secretNow } from "./secret.ts"
export { makeSharedWork, type SharedWork } from "./shared-work.ts"
export type { TlsProfile } from "./tls-profile.ts"
export { type HttpCall, type HttpResponse, makeTransport, type Transport, type TransportOptions } from "./transport.ts"
