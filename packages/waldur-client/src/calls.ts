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
  /** `X-Result-Count`: rows of the whole list. If Waldur does not count, the rows received: 0 if there are none. */
  readonly total: number
  /** Whether Waldur counted. */
  readonly isCounted: boolean
  /**
   * A moment not later than the start of the call, by Waldur's own clock, in ms since 1970: the header `Date` minus the
   * duration of the call.
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
  /** Counts a list by HEAD, or by GET of one row if HEAD does not work (of a whole page if `page_size` is refused). */
  readonly count: (
    path: string,
    query: Query,
    options?: {
      /** Whether a 400 to HEAD is final. By default a GET follows, since only its body names the refused parameter. */
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
  /** POST; repeated only if nothing was sent. The response's body is ignored, but must be empty or JSON. */
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

/** Whether a response comes from a cache: by `Age` (RFC 9111 section 5.1), or by the headers of gateways. */
const isCached = (headers: Headers): boolean =>
  /[1-9]/.test(headers.get("age") ?? "") ||
  ["x-cache", "x-cache-status", "cf-cache-status"].some((name) =>
    /(^|[^a-z])(hit|stale|updating)/i.test((headers.get(name) ?? "").slice(0, 200)),
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
  /** Omits dispensable parameters that are refused by name. Each round omits at least one more, so it terminates. */
  const readLeniently = (call: HttpCall, query: Query): Effect.Effect<HttpResponse, WaldurError> =>
    Effect.suspend(() => {
      const sent = concessions.apply(call.path, query)
      return Effect.catchIf(read({ ...call, query: sent }), isBadRequest, (error) =>
        Effect.flatMap(concessions.omit(call.path, sent, error.parameters ?? []), (isOmitted) =>
          isOmitted ? readLeniently(call, query) : Effect.fail(error),
        ),
      )
    })

  const orUnexpected = <A>(call: HttpCall, found: Option.Option<A>, wanted: string, received: () => string) =>
    Option.match(found, {
      onSome: (value): Effect.Effect<A, WaldurError> => Effect.succeed(value),
      onNone: () =>
        Effect.fail(
          new WaldurUnexpectedResponse({
            call: `${call.method} ${about.apiUrl}${call.path}`,
            received: received(),
            wanted,
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
    const rows = yield* orUnexpected(call, decodeRows(response.body), "a list", () => inWords(response.body))
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
  const countOnce = Effect.fnUntraced(function* (path: string, query: Query, isRefusalEnough: boolean) {
    const any: Query = [...query, ["field", "uuid"]]
    const one: Query = [...any, ["page_size", "1"]]
    let refused: WaldurError | undefined
    if (yield* concessions.mayHead) {
      const head = yield* Effect.result(
        read({
          method: "HEAD",
          path,
          query: concessions.apply(path, one),
          ...(headCallPolicy === undefined ? {} : { callPolicy: headCallPolicy }),
        }),
      )
      if (Result.isSuccess(head)) {
        const { headers } = head.success
        const total = decodeCount(headers.get("x-result-count"))
        if (total !== undefined) {
          yield* concessions.useHead
          return { total, isCounted: true, headers }
        }
      } else if (!isBadRequest(head.failure)) refused = head.failure
      // A 400 concerns the query; only the body of a GET names the parameter.
      else if (isRefusalEnough) return yield* head.failure
    }
    // If the size is refused, more rows are read.
    const { page, headers } = yield* Effect.catchIf(listPage(path, one), refuses("page_size"), () =>
      listPage(path, any),
    )
    // If the GET fails too, Waldur fails, not HEAD.
    if (refused !== undefined) yield* concessions.avoidHead(inShort(refused))
    return { total: page.total ?? page.rows.length, isCounted: page.total !== undefined, headers }
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
      // The whole call: a HEAD may fail slowly before the GET, whose `Date` this is.
      const [took, { total, isCounted, headers }] = yield* Effect.timed(countOnce(path, query, isRefusalEnough))
      const date = yield* dateOf(headers)
      return {
        total,
        isCounted,
        askedAt: date === undefined ? undefined : Math.floor(date - Duration.toMillis(took)),
      }
    }),
    object: Effect.fnUntraced(function* (path, query, schema, wanted = "an object") {
      const call: HttpCall = { method: "GET", path }
      const response = yield* readLeniently(call, query)
      return yield* orUnexpected(call, Schema.decodeUnknownOption(schema)(response.body), wanted, () =>
        inWords(response.body),
      )
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
