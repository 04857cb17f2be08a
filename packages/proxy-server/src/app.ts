import type { WaldurClient } from "@cscs/waldur-client"
import { Effect, Schema } from "effect"
import { type Context, Hono } from "hono"
import { describeRoute, openAPIRouteHandler, validator } from "hono-openapi"
import { requireToken } from "./auth/require-token.ts"
import { Settings } from "./config/settings.ts"
import {
  ErrorBody,
  InvalidQuery,
  logFailure,
  MethodNotAllowed,
  NotFound,
  QueryErrorBody,
  type RequestError,
  refusal,
  responseTo,
} from "./http-errors.ts"
import type { Lifecycle } from "./lifecycle.ts"
import { jsonContent, teachEffectSchemas } from "./openapi/effect-schemas.ts"
import { referencePage } from "./openapi/reference-page.ts"
import { DebugAnswer, debugAnswer } from "./routes/debug-answer.ts"
import { ReadinessReport, readinessReport } from "./routes/readiness.ts"
import { StorageAnswer, storageAnswer } from "./routes/storage-answer.ts"
import { queryProblem, type StorageQuery, storageQuerySchema } from "./routes/storage-query.ts"
import { Snapshots } from "./snapshot/snapshots.ts"
import { version } from "./version.ts"

/** What the app's handlers use. */
export type AppServices = Settings | WaldurClient | Snapshots | Lifecycle

const storagePath = "/api/storage-resources"

/**
 * The storage proxy as a Hono app: `app.fetch` answers a request. It reads the services from the context that it is made
 * in and owns nothing that would have to be closed.
 */
export const makeApp = Effect.gen(function* () {
  const settings = yield* Settings
  const services = yield* Effect.context<AppServices>()
  const systems = settings.model.storageSystems
  teachEffectSchemas()

  /** Runs a handler's effect; a caller who leaves interrupts it. */
  const answer = async (c: Context, effect: Effect.Effect<Response, RequestError, AppServices>): Promise<Response> =>
    responseTo(
      await Effect.runPromiseExitWith(services)(Effect.tapCause(effect, logFailure), { signal: c.req.raw.signal }),
    )

  const app = new Hono({ strict: false })

  app.get(
    storagePath,
    describeRoute({
      summary: "Storage resources",
      description:
        "The tree tenant, customer, project of every storage system as a list, a parent right before what is below it.",
      security: [{ bearer: [] }],
      responses: {
        200: {
          description: "A page of entries; with debug=true Waldur's own data.",
          headers: {
            Link: {
              description: "first, prev, next and last page (RFC 8288), relative.",
              schema: { type: "string" },
            },
          },
          content: jsonContent(Schema.Union([StorageAnswer, DebugAnswer])),
        },
        401: { description: "No valid access token.", content: jsonContent(ErrorBody) },
        422: { description: "A parameter is not as it must be.", content: jsonContent(QueryErrorBody) },
        500: { description: "A fault of the proxy.", content: jsonContent(ErrorBody) },
        502: { description: "An upstream fails and no good answer is held.", content: jsonContent(ErrorBody) },
      },
    }),
    requireToken(settings),
    validator(
      "query",
      Schema.toStandardSchemaV1(storageQuerySchema(systems), { parseOptions: { errors: "all" } }),
      (result, c) => {
        if (result.success) return undefined
        const problems = result.error.map(({ path, message }) => {
          const name = String(path?.[0])
          return queryProblem(name, message, c.req.queries(name)?.at(-1) ?? "", systems)
        })
        return refusal(new InvalidQuery({ problems }))
      },
      { options: { side: "type" } },
    ),
    (c) => {
      const query: StorageQuery = c.req.valid("query")
      return answer(
        c,
        query.debug
          ? Effect.map(debugAnswer(query), (body) => Response.json(body))
          : Effect.map(
              Snapshots.use(({ current }) => current),
              (snapshot) => {
                const { answer: body, link } = storageAnswer(snapshot, query, settings)
                return Response.json(body, { headers: { Link: link } })
              },
            ),
      )
    },
  )
  app.get(
    "/healthz/live",
    describeRoute({
      summary: "The process serves",
      responses: { 200: { description: "It does.", content: jsonContent(Schema.Struct({ status: Schema.String })) } },
    }),
    (c) => c.json({ status: "live" }),
  )
  app.get(
    "/healthz/ready",
    describeRoute({
      summary: "The proxy can answer",
      responses: {
        200: { description: "There is a snapshot.", content: jsonContent(ReadinessReport) },
        503: { description: "None yet, or the process is stopping.", content: jsonContent(ReadinessReport) },
      },
    }),
    (c) =>
      answer(
        c,
        Effect.map(readinessReport, (report) =>
          Response.json(report, { status: report.status === "ready" ? 200 : 503 }),
        ),
      ),
  )
  app.get(
    "/openapi.json",
    openAPIRouteHandler(app, {
      documentation: {
        info: {
          title: "CSCS storage proxy",
          version,
          description: "Storage resources of Waldur for the storage management systems.",
          license: { name: "MIT", identifier: "MIT" },
        },
        components: { securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } } },
      },
    }),
  )
  app.route("/", referencePage())
  for (const path of [storagePath, "/healthz/live", "/healthz/ready", "/openapi.json", "/docs"]) {
    app.all(path, () => refusal(new MethodNotAllowed({ allow: "GET, HEAD" })))
  }
  app.notFound(() => refusal(new NotFound()))
  app.onError((error, c) => answer(c, Effect.die(error)))
  return app
})
