import { Effect, Schema } from "effect"
import { Hono } from "hono"
import { describeRoute } from "hono-openapi"
import type { ProxySettings } from "../config/settings.ts"
import type { EffectRunner } from "../http/run-effect.ts"
import { masker, maskValue, secretsIn } from "../observability/mask-secrets.ts"
import { jsonContent } from "../openapi/effect-schemas.ts"
import examples from "../openapi/examples.json" with { type: "json" }
import { ReadinessReport, readinessReport } from "./readiness.ts"

const Liveness = Schema.Struct({ status: Schema.Literal("live") }).annotate({ identifier: "Liveness" })

/** `/healthz/live` and `/healthz/ready`, without authentication. */
export const health = (settings: ProxySettings, run: EffectRunner): Hono => {
  const masked = masker(secretsIn(settings))
  const app = new Hono()
  app.get(
    "/live",
    describeRoute({
      operationId: "getLiveness",
      summary: "Liveness of the process",
      tags: ["operation"],
      security: [],
      responses: { 200: { description: "The process is alive.", content: jsonContent(Liveness, { status: "live" }) } },
    }),
    (c) => c.json({ status: "live" } satisfies typeof Liveness.Type),
  )
  app.get(
    "/ready",
    describeRoute({
      operationId: "getReadiness",
      summary: "Readiness of the proxy",
      tags: ["operation"],
      security: [],
      responses: {
        200: { description: "There is a snapshot.", content: jsonContent(ReadinessReport, examples.ready) },
        503: {
          description: "There is none yet, or the process is stopping.",
          content: jsonContent(ReadinessReport, { ...examples.ready, status: "starting", snapshot: null }),
        },
      },
    }),
    (c) =>
      run.response(
        c,
        Effect.map(readinessReport, (report) =>
          Response.json(maskValue(report, masked), { status: report.status === "ready" ? 200 : 503 }),
        ),
      ),
  )
  return app
}
