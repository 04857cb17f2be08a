/** The Hono app: middleware, routes, and the OpenAPI document. */
import { Effect } from "effect"
import { type Context, Hono } from "hono"
import { generateSpecs } from "hono-openapi"
import { Settings } from "./config/settings.ts"
import { version } from "./config/version.ts"
import { MethodNotAllowed, NotFound, refusal } from "./http/http-errors.ts"
import { asData, crossOrigin } from "./http/http-headers.ts"
import { effectRunner } from "./http/run-effect.ts"
import { logRequests } from "./observability/request-log.ts"
import { countRequests } from "./observability/request-metrics.ts"
import { requestSpans } from "./observability/request-span.ts"
import { teachEffectSchemas } from "./openapi/effect-schemas.ts"
import { referencePage, referencePaths } from "./openapi/reference-page.ts"
import { explanation, explanationPath } from "./routes/explanation.ts"
import { explorer, explorerFolder } from "./routes/explorer.ts"
import { health } from "./routes/health.ts"
import { metrics } from "./routes/metrics.ts"
import { startPage } from "./routes/start-page.ts"
import { describeDebug, separated } from "./routes/storage-description.ts"
import { storageQuerySchema } from "./routes/storage-query.ts"
import { storageResources } from "./routes/storage-resources.ts"

/** Served with and without the trailing slash. In the API's description, the second stands for debug mode. */
const listPath = "/api/storage-resources/"
const debugPath = "/api/storage-resources"
const storagePaths = [listPath, debugPath]
/** Polled by machines. */
const probedPaths = ["/healthz/live", "/healthz/ready", "/metrics"]
const getOnly = [...storagePaths, explanationPath, ...probedPaths, "/openapi.json", "/favicon.svg", ...referencePaths]
/** `/` exists for browsers only: any other request for it is a 404. */
const everyPath = new Set(["/", ...getOnly])

/** A path's route for metrics and spans; `undefined` for any other path, so that callers cannot create labels. */
const routeOf = (path: string): string | undefined => {
  if (everyPath.has(path)) return path
  if (path.startsWith(listPath) && path.endsWith("/explanation")) return explanationPath
  return path.startsWith("/explorer/") ? "/explorer/" : undefined
}

/**
 * The storage proxy as a Hono app: `app.fetch` handles a request. It takes its services from the context in which it is
 * created and owns nothing that needs closing.
 */
export const makeApp = Effect.gen(function* () {
  const settings = yield* Settings
  const spans = yield* requestSpans(routeOf)
  const run = yield* effectRunner(spans)
  teachEffectSchemas()
  const storage = yield* storageResources(settings, run)
  const page = explorer(settings, explorerFolder())

  const app = new Hono()
  const hasOrigins = settings.cors.allowedOrigins.length > 0
  if (hasOrigins) app.use(crossOrigin(settings.cors.allowedOrigins), async (c, next) => storage.kept(c) ?? next())
  for (const path of storagePaths) app.route(path, storage.app)
  app.route("/", yield* explanation(settings, run))
  if (page !== undefined) {
    app.get("/explorer", (c) => c.redirect("explorer/"))
    app.route("/explorer/", page)
  }
  app.route("/", referencePage())
  app.route("/", startPage(page !== undefined))
  app.use(asData)
  app.route("/healthz", health(settings, run))
  app.route("/", metrics(run))
  app.get(debugPath, describeDebug())
  const described = () =>
    generateSpecs(app, {
      // An invalid query returns 422, which its route documents.
      defaultValidationErrorResponse: false,
      documentation: {
        info: {
          title: "CSCS storage proxy",
          version,
          description: "Storage resources of Waldur for the storage management systems.",
          license: { name: "MIT", identifier: "MIT" },
        },
        tags: [
          { name: "storage", description: "The list, for provisioners." },
          { name: "operation", description: "For operators and monitoring." },
        ],
        // Relative to this document, so that it also holds behind a path prefix.
        servers: [{ url: "." }],
        components: { securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } } },
      },
    })
  let document: ReturnType<typeof described> | undefined
  app.get("/openapi.json", async (c) => {
    document ??= described().then((both) => separated(both, listPath, debugPath))
    return c.json(await document)
  })
  for (const path of getOnly) app.all(path, () => refusal(new MethodNotAllowed({ allow: "GET, HEAD" })))
  app.notFound(() => refusal(new NotFound()))
  const failed = (error: unknown, c: Context) => run.response(c, Effect.die(error))
  app.onError(failed)

  const parameters = Object.keys(storageQuerySchema(settings.model.storageSystems).fields)
  const log = yield* logRequests({ spans, quiet: probedPaths, parameters })
  const count = yield* countRequests(routeOf)
  const { fetch } = app
  const respond = (c: Context) => {
    try {
      // For other origins a cached page needs headers too, which the middleware adds.
      return (hasOrigins ? undefined : storage.kept(c)) ?? fetch(c.req.raw, c.env)
    } catch (error) {
      return failed(error, c)
    }
  }
  // In front, as the only handler: with middlewares Hono makes a response only through promises.
  app.fetch = new Hono().all("*", (c) => log(c, () => count(c, () => respond(c)))).fetch
  return app
})
