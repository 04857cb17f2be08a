import { Effect, Schema } from "effect"
import { Hono } from "hono"
import { describeRoute, validator } from "hono-openapi"
import { requireToken } from "../auth/require-token.ts"
import type { ProxySettings } from "../config/settings.ts"
import { ErrorBody, InvalidQuery, QueryErrorBody, refusal } from "../http-errors.ts"
import { jsonContent } from "../openapi/effect-schemas.ts"
import type { EffectRunner } from "../run-effect.ts"
import { Snapshots } from "../snapshot/snapshots.ts"
import { DebugAnswer, debugAnswer } from "./debug-answer.ts"
import { StorageAnswer, storageAnswer } from "./storage-answer.ts"
import { queryProblem, type StorageQuery, storageQuerySchema } from "./storage-query.ts"

const description = describeRoute({
  summary: "Storage resources",
  description:
    "The tree tenant, customer, project of every storage system as a list, a parent right before what is below it.",
  security: [{ bearer: [] }],
  responses: {
    200: {
      description: "A page of entries; with debug=true Waldur's own data.",
      headers: {
        Link: { description: "first, prev, next and last page (RFC 8288), relative.", schema: { type: "string" } },
      },
      content: jsonContent(Schema.Union([StorageAnswer, DebugAnswer])),
    },
    401: {
      description: "No valid access token.",
      headers: { "WWW-Authenticate": { schema: { type: "string" } } },
      content: jsonContent(ErrorBody),
    },
    403: {
      description: "The access token lacks a required role.",
      headers: { "WWW-Authenticate": { schema: { type: "string" } } },
      content: jsonContent(ErrorBody),
    },
    422: { description: "A parameter is not as it must be.", content: jsonContent(QueryErrorBody) },
    500: { description: "A fault of the proxy.", content: jsonContent(ErrorBody) },
    502: { description: "An upstream fails and no good answer is held.", content: jsonContent(ErrorBody) },
    503: {
      description: "Access tokens cannot be checked, because their issuer does not answer.",
      headers: { "Retry-After": { description: "Seconds.", schema: { type: "integer" } } },
      content: jsonContent(ErrorBody),
    },
  },
})

/** `GET /api/storage-resources/`: authenticate, decode the query, take the snapshot, select, page, encode. */
export const storageResources = (settings: ProxySettings, run: EffectRunner): Hono => {
  const systems = settings.model.storageSystems
  const querySchema = Schema.toStandardSchemaV1(storageQuerySchema(systems), { parseOptions: { errors: "all" } })
  const app = new Hono()
  app.get(
    "/",
    description,
    requireToken(run),
    validator(
      "query",
      querySchema,
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
      return run.response(
        c,
        query.debug
          ? Effect.map(debugAnswer(query), (body) => Response.json(body))
          : Effect.map(
              Snapshots.use(({ current }) => current),
              (snapshot) => {
                const { answer, link } = storageAnswer(snapshot, query, settings)
                return Response.json(answer, { headers: { Link: link } })
              },
            ),
      )
    },
  )
  return app
}
