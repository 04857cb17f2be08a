import { Clock, Effect, Schema } from "effect"
import { type Context, Hono, type MiddlewareHandler } from "hono"
import { describeRoute, validator } from "hono-openapi"
import { LRUCache } from "lru-cache"
import { requireToken } from "../auth/require-token.ts"
import type { ProxySettings } from "../config/settings.ts"
import { ErrorBody, InvalidQuery, QueryErrorBody, type RequestError, refusal, SnapshotGone } from "../http-errors.ts"
import { dataHeaders } from "../http-headers.ts"
import { jsonContent } from "../openapi/effect-schemas.ts"
import type { EffectRunner } from "../run-effect.ts"
import type { TakenSnapshot } from "../snapshot/snapshot.ts"
import { Snapshots } from "../snapshot/snapshots.ts"
import { DebugAnswer, debugAnswer } from "./debug-answer.ts"
import { pathOf, StorageAnswer, storageLines, storagePage } from "./storage-answer.ts"
import { queryProblem, type StorageQuery, storageQuerySchema } from "./storage-query.ts"
import { type KeptPage, keptPage, linesResponse, linesType, pageResponse, wantsLines } from "./storage-response.ts"

const text = { schema: { type: "string" } } as const
const link = {
  description:
    "first, prev, next and last page (RFC 8288), relative. All but first are of the same snapshot, so that a walk sees one list though it changes.",
  ...text,
} as const
const snapshotHeaders = {
  ETag: { description: "Of this answer in this coding; the same on every replica.", ...text },
  Age: { description: "Seconds since the read of Waldur began.", schema: { type: "integer", minimum: 0 } },
  "Last-Modified": { description: "When the list was first like this.", ...text },
} as const
const challenge = { "WWW-Authenticate": { description: "RFC 6750 section 3.", required: true, ...text } } as const

const describe = ({ auth }: ProxySettings) =>
  describeRoute({
    summary: "Storage resources",
    description:
      "The tree tenant, customer, project of every storage system as a list, a parent right before what is below it. " +
      "`Cache-Control: no-cache` asks for a list that is read after the request came.",
    // Where nobody is asked who he is, a token may be sent all the same.
    security: [...(auth.disabled ? [{}] : []), { bearer: [] }],
    parameters: [
      { name: "If-None-Match", in: "header", description: "The ETag of an answer that the caller has.", ...text },
      { name: "Cache-Control", in: "header", description: "`no-cache`: read Waldur first.", ...text },
    ],
    responses: {
      200: {
        description: "A page of entries, or the whole list, one to a line; with debug=true Waldur's own data.",
        headers: {
          // Debug mode has none of these, and the whole list no pages.
          Link: link,
          ...snapshotHeaders,
        },
        content: {
          ...jsonContent(Schema.Union([StorageAnswer, DebugAnswer])),
          [linesType]: {
            schema: { type: "string", description: "Every entry that the filters leave, as JSON, one to a line." },
          },
        },
      },
      304: {
        description: "The caller has this answer already.",
        headers: {
          Link: link,
          ETag: { ...snapshotHeaders.ETag, required: true },
          Age: { ...snapshotHeaders.Age, required: true },
          "Last-Modified": { ...snapshotHeaders["Last-Modified"], required: true },
        },
      },
      401: {
        description: "No valid access token.",
        headers: challenge,
        content: jsonContent(ErrorBody),
      },
      403: {
        description: "The access token lacks a required role.",
        headers: challenge,
        content: jsonContent(ErrorBody),
      },
      410: {
        description: "The snapshot is no longer held: the walk must start again.",
        headers: { Link: { description: "first: where to start again.", required: true, ...text } },
        content: jsonContent(ErrorBody),
      },
      422: { description: "A parameter is not as it must be.", content: jsonContent(QueryErrorBody) },
      500: { description: "A fault of the proxy.", content: jsonContent(ErrorBody) },
      502: { description: "An upstream fails and no good answer is held.", content: jsonContent(ErrorBody) },
      503: {
        description: "Access tokens cannot be checked, because their issuer does not answer.",
        headers: { "Retry-After": { description: "Seconds.", required: true, schema: { type: "integer" } } },
        content: jsonContent(ErrorBody),
      },
    },
  })

/** Room for pages, in bytes, over all snapshots and without their compressed forms. */
const keptPageBytes = 8 * 1024 * 1024

/**
 * `GET /api/storage-resources/`: authenticate, decode the query, take the snapshot, select, page, encode. A page that was
 * asked for before is there already, under the very text of its query.
 */
export const storageResources = Effect.fnUntraced(function* (settings: ProxySettings, run: EffectRunner) {
  const snapshots = yield* Snapshots
  const clock = yield* Clock.Clock
  const systems = settings.model.storageSystems
  const querySchema = Schema.toStandardSchemaV1(storageQuerySchema(systems), { parseOptions: { errors: "all" } })
  const pages = new LRUCache<string, KeptPage>({
    maxSize: keptPageBytes,
    sizeCalculation: ({ size }) => size,
  })
  const keyOf = ({ snapshot }: TakenSnapshot, c: Context) => `${snapshot.entries.id}${queryText(c)}`

  const answerFrom = (c: Context, taken: TakenSnapshot, query: StorageQuery) => {
    const now = clock.currentTimeMillisUnsafe()
    if (wantsLines(c)) return linesResponse(c, storageLines(taken.snapshot, query, settings), taken, now)
    const key = keyOf(taken, c)
    let page = pages.get(key)
    if (page === undefined) {
      page = keptPage(storagePage(taken.snapshot, query, settings))
      pages.set(key, page)
    }
    return pageResponse(c, page, taken, now)
  }

  const answerFor = (c: Context, found: Effect.Effect<TakenSnapshot, RequestError>, query: StorageQuery) =>
    run.response(
      c,
      Effect.flatMap(found, (taken) => Effect.promise(async () => answerFrom(c, taken, query))),
    )

  /** A page that is there already: what a poll costs, so nothing here decodes, waits or logs. */
  const fromKeptPages: MiddlewareHandler = async (c, next) => {
    if (!asksForRenewal(c) && !wantsLines(c)) {
      const taken = snapshots.ready()
      const page = taken && pages.get(keyOf(taken, c))
      if (taken && page) return pageResponse(c, page, taken, clock.currentTimeMillisUnsafe())
    }
    return next()
  }

  const app = new Hono()
  // Where nobody is asked who he is, nothing need be run.
  if (!settings.auth.disabled) app.get("/", requireToken(run))
  app.get("/", fromKeptPages)
  app.get(
    "/",
    describe(settings),
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
      if (query.debug) {
        return run.response(
          c,
          Effect.map(debugAnswer(query), (body) => Response.json(body, { headers: dataHeaders })),
        )
      }
      if (query.snapshot !== undefined) {
        const walked = Effect.filterOrFail(
          snapshots.walkable(query.snapshot),
          (taken) => taken !== undefined,
          () => new SnapshotGone({ startAgainAt: pathOf(query, 1) }),
        )
        return answerFor(c, walked, query)
      }
      return answerFor(c, asksForRenewal(c) ? snapshots.renewed : snapshots.current, query)
    },
  )
  return app
})

/** The query as it was sent, with its question mark; empty where there is none. */
const queryText = (c: Context): string => {
  const { url } = c.req
  const start = url.indexOf("?")
  return start < 0 ? "" : url.slice(start)
}

const asksForRenewal = (c: Context): boolean =>
  /(?:^|,)\s*no-cache\s*(?:,|$)/i.test(c.req.header("Cache-Control") ?? "")
