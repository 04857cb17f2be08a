import { Effect } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { Hono } from "hono"
import { describeRoute } from "hono-openapi"
import type { EffectRunner } from "../http/run-effect.ts"
import { metricName } from "../observability/metric-name.ts"
import { Gauges } from "../serving/gauges.ts"

/** `/metrics`, for Prometheus, without authentication: it names no project, customer or address. */
export const metrics = (run: EffectRunner): Hono => {
  const app = new Hono()
  app.get(
    "/metrics",
    describeRoute({
      operationId: "getMetrics",
      summary: "Metrics for Prometheus",
      tags: ["operation"],
      security: [],
      responses: {
        200: {
          description: "Prometheus' text format, 0.0.4.",
          content: {
            "text/plain": {
              schema: { type: "string" },
              example:
                '# TYPE storage_proxy_snapshot_entries gauge\nstorage_proxy_snapshot_entries{storage_system="capstor"} 412\n',
            },
          },
        },
      },
    }),
    (c) =>
      run.response(
        c,
        Effect.map(
          Effect.andThen(
            Gauges.use(({ measure }) => measure),
            PrometheusMetrics.format({ metricNameMapper: metricName }),
          ),
          (text) => new Response(text, { headers: { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" } }),
        ),
      ),
  )
  return app
}
