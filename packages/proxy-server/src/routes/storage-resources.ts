/** The route of the list. */
import { Clock, Effect, Schema } from "effect"
import { type Context, Hono } from "hono"
import { validator } from "hono-openapi"
import { LRUCache } from "lru-cache"
import { Authentication } from "../auth/authentication.ts"
import { makeSharedCalls } from "../concurrency/shared-calls.ts"
import type { ProxySettings } from "../config/settings.ts"
import { InvalidQuery, type RequestError, refusal, SnapshotGone } from "../http/http-errors.ts"
import { dataHeaders } from "../http/http-headers.ts"
import { debugRoleMissing, hasKnownToken, mayDebug, requireToken } from "../http/require-token.ts"
import type { EffectRunner } from "../http/run-effect.ts"
import { Snapshots } from "../serving/snapshots.ts"
import type { TimedSnapshot } from "../snapshot/snapshot.ts"
import { steadyNow } from "../snapshot/steady-clock.ts"
import { acceptedCoding, type Coding } from "./content-coding.ts"
import { debugResponse } from "./debug-response.ts"
import { codedPage, keptPages } from "./kept-pages.ts"
import { describeStorage } from "./storage-description.ts"
import { firstPageOf, storageLines, storagePage } from "./storage-list.ts"
import { defaultPage, queryProblem, type StorageQuery, storageQuerySchema } from "./storage-query.ts"
import { linesResponse, pageResponse, wantsLines } from "./storage-response.ts"

/** Debug mode reads Waldur live: the limit of concurrent reads, and how long a request waits for its turn. */
const debugReadsAtOnce = 2
const debugPatience = "5 seconds"

/** How many requests are cached with their decoded form, and their longest `formOf`: others are decoded each time. */
const knownForms = 1000
const longestKnownForm = 1024

/** The form of a snapshot's id; nothing else is looked up. */
const snapshotId = /^[\w-]{22}$/

/**
 * `GET /api/storage-resources/`: authenticate, decode the query, take the snapshot, select, page, encode. Rendered
 * pages are cached by their decoded query.
 *
 * @returns the route, and `kept`: the response to a request for a cached page with a known token, made at once
 */
export const storageResources = Effect.fnUntraced(function* (settings: ProxySettings, run: EffectRunner) {
  const snapshots = yield* Snapshots
  const authentication = settings.auth.disabled ? undefined : yield* Authentication
  const clock = yield* Clock.Clock
  const systems = settings.model.storageSystems
  const querySchema = Schema.toStandardSchemaV1(storageQuerySchema(systems), { parseOptions: { errors: "all" } })
  const pages = keptPages()
  const decoded = new LRUCache<
    string,
    { readonly key: string; readonly snapshot: string | undefined; readonly coding: Coding }
  >({ max: knownForms })
  const debugReads = makeSharedCalls(debugReadsAtOnce, debugPatience)
  const keyIn = ({ snapshot }: TimedSnapshot, key: string) => `${snapshot.entries.id} ${key}`

  const responseFrom = (c: Context, taken: TimedSnapshot, query: StorageQuery): Response | Promise<Response> => {
    const now = steadyNow(clock)
    if (wantsLines(c)) return linesResponse(c, storageLines(taken.snapshot, query, settings), taken, now)
    const decodedKey = decodedKeyOf(query)
    const key = keyIn(taken, decodedKey)
    const coding = acceptedCoding(c)
    let page = pages.get(key, coding)
    if (page === undefined) {
      const made = storagePage(taken.snapshot, query, settings)
      // A page without entries is cheap to make, and the number of queries that select none is unlimited.
      if (!made.hasEntries) return pageResponse(c, codedPage(made, "identity", made.body), taken, now)
      pages.put(key, made)
      page = pages.get(key, coding) ?? codedPage(made, "identity", made.body)
    }
    const form = formOf(c)
    if (form.length <= longestKnownForm) decoded.set(form, { key: decodedKey, snapshot: query.snapshot, coding })
    return page instanceof Promise
      ? page.then((coded) => pageResponse(c, coded, taken, now))
      : pageResponse(c, page, taken, now)
  }

  const responseFor = (c: Context, found: Effect.Effect<TimedSnapshot, RequestError>, query: StorageQuery) =>
    run.response(
      c,
      Effect.flatMap(found, (taken) => Effect.promise(async () => responseFrom(c, taken, query))),
    )

  /** This is the cost of a poll, so nothing here decodes or waits. */
  const kept = (c: Context): Response | undefined => {
    if (c.req.method !== "GET" && c.req.method !== "HEAD") return undefined
    // Only requests of this route for a page are there: neither another path, nor one for lines.
    const known = decoded.get(formOf(c))
    if (known === undefined || asksForRenewal(c)) return undefined
    if (authentication !== undefined && !hasKnownToken(c, authentication)) return undefined
    const taken = snapshots.ready()
    if (taken === undefined || (known.snapshot !== undefined && known.snapshot !== taken.snapshot.entries.id)) {
      return undefined
    }
    const page = pages.get(keyIn(taken, known.key), known.coding)
    // One that is being compressed is waited for in the ordinary way.
    return page === undefined || page instanceof Promise ? undefined : pageResponse(c, page, taken, steadyNow(clock))
  }

  const app = new Hono()
  if (authentication !== undefined) app.get("/", requireToken(run, authentication))
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
        if (!mayDebug(c, settings)) return run.response(c, Effect.fail(debugRoleMissing(settings)))
        // Encoded once for all callers that share the call.
        const read = Effect.map(debugResponse(query), (response) => Buffer.from(JSON.stringify(response)))
        return run.response(
          c,
          Effect.map(
            debugReads(decodedKeyOf(query), read),
            (body) => new Response(body, { headers: { ...dataHeaders, "Content-Type": "application/json" } }),
          ),
        )
      }
      if (query.snapshot !== undefined) {
        const { snapshot } = query
        const walked = Effect.filterOrFail(
          snapshotId.test(snapshot) ? snapshots.retained(snapshot) : Effect.undefined,
          (taken) => taken !== undefined,
          () => new SnapshotGone({ startAgainAt: firstPageOf(query) }),
        )
        return responseFor(c, walked, query)
      }
      return responseFor(c, asksForRenewal(c) ? snapshots.renewed : snapshots.current, query)
    },
  )
  return { app, kept }
})

/** A decoded query as a text, equal for equal queries; the snapshot is not part of it. */
const decodedKeyOf = ({ storage_system, data_type, status, state, page, page_size }: StorageQuery): string =>
  JSON.stringify([storage_system, data_type, status, state, page ?? defaultPage, page_size])

/** All of a request that decides which page in which form is returned, apart from `Cache-Control`. */
const formOf = ({ req }: Context): string =>
  `${req.header("Accept") ?? ""}\n${req.header("Accept-Encoding") ?? ""}\n${req.url}`

const asksForRenewal = ({ req }: Context): boolean => {
  const directives = req.header("Cache-Control")
  return directives !== undefined && /(?:^|,)\s*no-cache\s*(?:,|$)/i.test(directives)
}
