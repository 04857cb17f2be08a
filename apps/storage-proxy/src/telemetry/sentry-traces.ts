import type { Destination } from "./otel-variables.ts"
import type { Sampler } from "./sampling.ts"

/**
 * Sentry's OTLP endpoint for traces (https://docs.sentry.io/concepts/otlp/direct/traces/). The share applies to all
 * traces, regardless of a caller's decision: anyone can call, and Sentry counts spans.
 *
 * @param dsn `https://<key>@<host>/<project>`
 */
export const sentryTraces = (
  dsn: string,
  ratio: number,
): Destination & { readonly sampler: Sampler; readonly interval: number } => {
  const { protocol, username, host, pathname } = new URL(dsn)
  const [, path = "/", project = ""] = /^(.*\/)(\d+)$/.exec(pathname) ?? []
  return {
    url: `${protocol}//${host}${path}api/${project}/integration/otlp/v1/traces/`,
    headers: { "x-sentry-auth": `sentry sentry_key=${username}` },
    encoding: "protobuf",
    compression: "gzip",
    timeout: 10_000,
    sampler: { ratio, isParentBased: false },
    interval: 5000,
  }
}
