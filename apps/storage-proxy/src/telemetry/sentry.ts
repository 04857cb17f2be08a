/** Sentry's client, loaded only if it is configured. */
import { hostname } from "node:os"
import { createStackParser, createTransport, exceptionFromError } from "@sentry/core"
import { nodeStackLineParser, ServerRuntimeClient } from "@sentry/core/server"
import manifest from "../../package.json" with { type: "json" }
import type { Deliver } from "./delivery.ts"
import type { Scrub } from "./scrubber.ts"
import type { Report } from "./sentry-events.ts"

/** Sends an event to Sentry. */
export interface SentryReporter {
  readonly report: (one: Report) => void
  /** Waits until all events are delivered, at most `milliseconds`. */
  readonly flush: (milliseconds: number) => Promise<unknown>
}

/**
 * Sentry's own client without its integrations, which would patch Node's modules and read requests and variables, and
 * without its global state. It implements the protocol and Sentry's rate limits.
 */
export const sentryReporter = (options: {
  readonly dsn: string
  readonly environment: string | undefined
  readonly deliver: Deliver
  readonly scrub: Scrub
}): SentryReporter => {
  const { dsn, environment, deliver, scrub } = options
  const fetch = deliver({ what: "errors", timeout: 10_000 })
  const stackParser = createStackParser(nodeStackLineParser())
  const client = new ServerRuntimeClient({
    dsn,
    release: `storage-proxy@${manifest.version}`,
    ...(environment === undefined ? {} : { environment }),
    serverName: hostname(),
    platform: "node",
    runtime: { name: "node", version: process.version },
    stackParser,
    integrations: [],
    sendClientReports: false,
    // This client makes no spans.
    traceLifecycle: "static",
    // The last hook to see an event.
    beforeSend: ({ event_id, ...event }) => ({
      ...scrub(event),
      ...(event_id === undefined ? {} : { event_id }),
      type: undefined,
    }),
    transport: ({ url, headers, recordDroppedEvent }) =>
      createTransport({ recordDroppedEvent }, async ({ body }) => {
        const response = await fetch(url, { method: "POST", headers: headers ?? {}, body: body as string })
        await response.arrayBuffer()
        return {
          statusCode: response.status,
          headers: {
            "x-sentry-rate-limits": response.headers.get("X-Sentry-Rate-Limits"),
            "retry-after": response.headers.get("Retry-After"),
          },
        }
      }),
  })
  client.init()
  return {
    report: ({ message, level, errors, details, fingerprint }) =>
      void client.captureEvent({
        message,
        level,
        logger: "storage-proxy",
        fingerprint: [...fingerprint],
        extra: { ...details },
        ...(errors.length === 0
          ? {}
          : { exception: { values: errors.map((error) => exceptionFromError(stackParser, error)) } }),
      }),
    flush: async (milliseconds) => client.flush(milliseconds),
  }
}
