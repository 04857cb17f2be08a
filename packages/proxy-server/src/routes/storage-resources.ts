import { Clock, Effect, Schema } from "effect"
import { type Context, Hono, type MiddlewareHandler } from "hono"
import { validator } from "hono-openapi"
import { LRUCache } from "lru-cache"
import { requireToken } from "../auth/require-token.ts"
import type { ProxySettings } from "../config/settings.ts"
import { InvalidQuery, type RequestError, refusal, SnapshotGone } from "../http-errors.ts"
import { dataHeaders } from "../http-headers.ts"
import type { EffectRunner } from "../run-effect.ts"
import type { TakenSnapshot } from "../snapshot/snapshot.ts"
import { Snapshots } from "../snapshot/snapshots.ts"
import { steadyNow } from "../snapshot/steady-clock.ts"
import { debugAnswer } from "./debug-answer.ts"
import { pathOf, storageLines, storagePage } from "./storage-answer.ts"
import { describeStorage } from "./storage-description.ts"
import { queryProblem, type StorageQuery, storageQuerySchema } from "./storage-query.ts"
import { type KeptPage, keptPage, linesResponse, pageResponse, wantsLines } from "./storage-response.ts"

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
    const now = steadyNow(clock)
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
      if (taken && page) return pageResponse(c, page, taken, steadyNow(clock))
    }
    return next()
  }

  const app = new Hono()
  // Where nobody is asked who he is, nothing need be run.
  if (!settings.auth.disabled) app.get("/", requireToken(run))
  app.get("/", fromKeptPages)
  app.get(
    "/",
    describeStorage(settings),
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
