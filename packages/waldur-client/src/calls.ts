/** Waldur's API as lists, counts, objects and actions. Validates responses, and applies concessions to queries. */
import {
  type CallPolicy,
  type HttpCall,
  type HttpResponse,
  httpDate,
  type Transport,
  tellingNamesOf,
} from "@cscs/http-transport"
import { Clock, Duration, Effect, Option, Result, Schema, type Semaphore } from "effect"
import type { Concessions, Query } from "./concessions.ts"
import { isBadRequest, refuses, type WaldurError, WaldurUnexpectedResponse } from "./errors.ts"
import { errorFromFailure } from "./refusal.ts"

export type { Query } from "./concessions.ts"

/** `field=a&field=b`: Waldur then returns only these fields. It does not support them joined by commas. */
export const fieldQuery = (fields: ReadonlyArray<string>): Query => fields.map((field) => ["field", field] as const)

/** An object from Waldur, unchanged. Not copied, since a copy would use a field named `__proto__` as its prototype. */
export const AnyObject = Schema.declare(
  (value): value is Readonly<Record<string, unknown>> =>
    typeof value === "object" && value !== null && !Array.isArray(value),
)

/** One page of a list. */
export interface ListPage {
  readonly rows: ReadonlyArray<unknown>
  /** `X-Result-Count`: Waldur's count of the whole list, to be checked against the rows; `undefined` if absent or invalid. */
  readonly total: number | undefined
  /** Describes the `X-Result-Count` header, for messages about an unusable count. */
  readonly receivedCount: string
  /** Whether `Link` has a next page; `undefined` without that header. Its URL is ignored, since a gateway may rewrite it. */
  readonly hasNext: boolean | undefined
  /** Size of the response's body. */
  readonly bytes: number
  /** Whether the page comes from a cache (`Age`, `X-Cache`), so that it may be older than its `Date`. */
  readonly cached: boolean
}

/** Milliseconds by which a `Date` may be ahead of our own clock; synchronised clocks differ by less. */
export const maxAhead = 60_000

/** The result of counting a list. */
export interface Count {
  /** `X-Result-Count`: rows of the whole list. If Waldur does not count, the rows received: 0, or 1 for any number. */
  readonly total: number
  /** Whether Waldur counted. */
  readonly isCounted: boolean
  /**
   * A moment not later than the request for the count, by Waldur's own clock, in ms since 1970: the header `Date` minus the
   * duration of the request.
   *
   * `undefined` if there is no such header, if the response comes from a cache, or if `Date` is more than a minute ahead of
   * our own clock, since changes between the true moment and that one would never be requested. A `Date` that is behind
   * only leads to reading more.
   */
  readonly askedAt: number | undefined
}

/** Waldur's API as lists, counts, objects and actions. */
export interface WaldurCalls {
  /** Ends in `/api/`. */
  readonly apiUrl: string
  /** Maximum number of reads in flight. */
  readonly concurrency: number
  /** Maximum size of a response; a larger one fails as `too-large`. */
  readonly maxPageBytes: number
  readonly concessions: Concessions
  /**
   * GET of a list: the rows and their count. Dispensable parameters that Waldur refuses by name are omitted.
   *
   * @param reader how to read the body
   */
  readonly page: (
    path: string,
    query: Query,
    reader?: Pick<HttpCall, "parse" | "recognise">,
  ) => Effect.Effect<ListPage, WaldurError>
  /** Counts a list by HEAD, or by GET if HEAD does not work; reads one row at most. */
  readonly count: (
    path: string,
    query: Query,
    options?: {
      /** Accepts a 400 to HEAD, whose parameter is unknown since only a GET has a body. Default false. */
      readonly isRefusalEnough?: boolean
    },
  ) => Effect.Effect<Count, WaldurError>
  /** GET of one object, decoded by `schema`; `wanted` describes it for messages. */
  readonly object: <A>(
    path: string,
    query: Query,
    schema: Schema.ConstraintDecoder<A>,
    wanted?: string,
  ) => Effect.Effect<A, WaldurError>
  /** POST, sent once; the response's body is ignored. */
  readonly action: (path: string, json?: unknown) => Effect.Effect<void, WaldurError>
}

const decodeRows = Option.liftPredicate((body: unknown): body is ReadonlyArray<unknown> => Array.isArray(body))
/** Accepts digits only: not empty, negative, hex, with a fraction, or two joined headers. */
const decodeCount = (header: string | null): number | undefined => {
  const count = header !== null && /^\d{1,16}$/.test(header) ? Number(header) : Number.NaN
  return Number.isSafeInteger(count) ? count : undefined
}

/** RFC 8288: whether one of the links has the relation `next`. Reads enough for Waldur's four links. */
const hasNext = (headers: Headers): boolean | undefined => {
  const link = headers.get("link")
  return link === null ? undefined : /rel\s*=\s*"?next\b/i.test(link.slice(0, 16_384))
}

/** Statuses of a HEAD that a GET may return too; any other means that a gateway does not support HEAD. */
const sharedByGet: ReadonlyArray<number | undefined> = [401, 429, 500, 503]
const mayBeShared = (error: WaldurError): boolean =>
  (error._tag === "WaldurRejected" || error._tag === "WaldurUnavailable") && sharedByGet.includes(error.status)

/** Whether a response comes from a cache: by `Age` (RFC 9111 section 5.1), or by the headers of gateways. */
const isCached = (headers: Headers): boolean =>
  /[1-9]/.test(headers.get("age") ?? "") ||
  ["x-cache", "x-cache-status", "cf-cache-status"].some((name) =>
    /(^|[^a-z])hit/i.test((headers.get(name) ?? "").slice(0, 200)),
  )

/**
 * @param about `apiUrl` for messages, `concurrency` the permits of the gate, `maxPageBytes` the transport's limit
 * @param gate bounds the reads in flight over all callers: Waldur takes seconds for a page, so more requests would only
 *   queue there and time out
 * @param headCallPolicy the policy for HEADs, which may fail on their own if a gateway blocks them
 */
export const makeCalls = (
  transport: Pick<Transport, "call" | "redact">,
  about: Pick<WaldurCalls, "apiUrl" | "concurrency" | "maxPageBytes" | "concessions">,
  gate: Semaphore.Semaphore,
  headCallPolicy?: CallPolicy,
): WaldurCalls => {
  const { concessions } = about
  const send = (call: HttpCall): Effect.Effect<HttpResponse, WaldurError> =>
    Effect.mapError(transport.call(call), (failure) => errorFromFailure(failure, transport.redact))
  const read = (call: HttpCall) => gate.withPermit(send(call))
  /** Omits dispensable parameters that are refused by name. Each round omits one more, so it terminates. */
  const readLeniently = (call: HttpCall, query: Query): Effect.Effect<HttpResponse, WaldurError> =>
    Effect.suspend(() => {
      const sent = concessions.apply(call.path, query)
      return Effect.catchIf(read({ ...call, query: sent }), isBadRequest, (error) =>
        Effect.flatMap(concessions.omit(call.path, sent, error.parameters ?? []), (isOmitted) =>
          isOmitted ? readLeniently(call, query) : Effect.fail(error),
        ),
      )
    })

  const wanted = <A>(call: HttpCall, found: Option.Option<A>, words: string, received: () => string) =>
    Option.match(found, {
      onSome: (value): Effect.Effect<A, WaldurError> => Effect.succeed(value),
      onNone: () =>
        Effect.fail(
          new WaldurUnexpectedResponse({
            call: `${call.method} ${about.apiUrl}${call.path}`,
            received: received(),
            wanted: words,
          }),
        ),
    })
  const receivedCount = (headers: Headers): string => {
    const header = headers.get("x-result-count")
    return header === null
      ? "no X-Result-Count"
      : `X-Result-Count: ${JSON.stringify(transport.redact(header.slice(0, 40)))}`
  }
  const listPage = Effect.fnUntraced(function* (
    path: string,
    query: Query,
    reader: Parameters<WaldurCalls["page"]>[2] = {},
  ) {
    const call: HttpCall = { method: "GET", path, ...reader }
    const response = yield* readLeniently(call, query)
    const { headers } = response
    const rows = yield* wanted(call, decodeRows(response.body), "a list", () => inWords(response.body))
    const page: ListPage = {
      rows,
      total: decodeCount(headers.get("x-result-count")),
      receivedCount: receivedCount(headers),
      hasNext: hasNext(headers),
      bytes: response.bytes,
      cached: isCached(headers),
    }
    return { page, headers }
  })
  /** Counts by HEAD. If it fails, `avoid` is the reason to avoid HEAD once a GET succeeds. */
  const countByHead = Effect.fnUntraced(function* (
    path: string,
    query: Query,
    isRefusalEnough: boolean,
  ): Effect.fn.Return<
    { readonly found?: Pick<Count, "total" | "isCounted"> & { readonly headers: Headers }; readonly avoid?: string },
    WaldurError
  > {
    if (!(yield* concessions.mayHead)) return {}
    const head = read({
      method: "HEAD",
      path,
      query: concessions.apply(path, query),
      ...(headCallPolicy === undefined ? {} : { callPolicy: headCallPolicy }),
    })
    const response = yield* Effect.result(head)
    if (Result.isFailure(response)) {
      const error = response.failure
      // A 400 concerns the query; only the body of a GET names the parameter.
      if (isBadRequest(error)) return isRefusalEnough ? yield* error : {}
      // Only a GET shows whether Waldur is down or a gateway rejects the method.
      if (mayBeShared(error)) return { avoid: inShort(error) }
      yield* concessions.avoidHead(inShort(error))
      return {}
    }
    const { headers } = response.success
    const total = decodeCount(headers.get("x-result-count"))
    if (total === undefined) return {}
    yield* concessions.useHead
    return { found: { total, isCounted: true, headers } }
  })
  let wasAhead = false
  const dateOf = Effect.fnUntraced(function* (headers: Headers) {
    const date = httpDate(headers.get("date"))
    if (date === undefined || isCached(headers)) return undefined
    const ahead = date - (yield* Clock.currentTimeMillis)
    if (ahead > maxAhead && !wasAhead) {
      yield* Effect.logWarning(
        `The header Date of ${about.apiUrl} is ${Math.round(ahead / 1000)} s ahead of our own clock; until it agrees, every read is a full one`,
      ).pipe(Effect.annotateLogs({ event: "waldur-clock-ahead" }))
    }
    wasAhead = ahead > maxAhead
    return wasAhead ? undefined : date
  })

  return {
    ...about,
    page: (path, query, reader) => Effect.map(listPage(path, query, reader), ({ page }) => page),
    count: Effect.fnUntraced(function* (path, query, { isRefusalEnough = false } = {}) {
      const any: Query = [...query, ["field", "uuid"]]
      const one: Query = [...any, ["page_size", "1"]]
      // If the size is refused, more rows are read.
      const byGetOf = Effect.catchIf(listPage(path, one), refuses("page_size"), () => listPage(path, any))
      const [byHead, { found, avoid }] = yield* Effect.timed(countByHead(path, one, isRefusalEnough))
      const [byGet, { total, isCounted, headers }] =
        found === undefined
          ? yield* Effect.timed(
              Effect.map(byGetOf, ({ page, headers }) => ({
                total: page.total ?? page.rows.length,
                isCounted: page.total !== undefined,
                headers,
              })),
            )
          : [byHead, found]
      if (avoid !== undefined) yield* concessions.avoidHead(avoid)
      const date = yield* dateOf(headers)
      return {
        total,
        isCounted,
        askedAt: date === undefined ? undefined : Math.floor(date - Duration.toMillis(byGet)),
      }
    }),
    object: Effect.fnUntraced(function* (path, query, schema, words = "an object") {
      const call: HttpCall = { method: "GET", path }
      const response = yield* readLeniently(call, query)
      return yield* wanted(call, Schema.decodeUnknownOption(schema)(response.body), words, () => inWords(response.body))
    }),
    action: (path, json) => Effect.asVoid(send({ method: "POST", path, ...(json === undefined ? {} : { json }) })),
  }
}

const inShort = (error: WaldurError): string => {
  switch (error._tag) {
    case "WaldurRejected":
      return String(error.status)
    case "WaldurUnavailable":
      return error.status === undefined ? error.reason : String(error.status)
    default:
      return "an unexpected response"
  }
}

/** Describes a value's shape for a message: well-known names only, never contents. */
const inWords = (value: unknown): string => {
  if (value === undefined) return "an empty body"
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  if (typeof value !== "object") return `a ${typeof value}`
  if (Object.keys(value).length === 0) return "an empty object"
  const names = tellingNamesOf(value)
  return names.length === 0 ? "an object" : `an object with ${names.map((name) => `"${name}"`).join(", ")}`
}
