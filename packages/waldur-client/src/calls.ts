import {
  type CallPolicy,
  type HttpAnswer,
  type HttpCall,
  httpDate,
  type Transport,
  tellingNamesOf,
} from "@cscs/http-transport"
import { Clock, Duration, Effect, Option, Result, Schema, type Semaphore } from "effect"
import type { Concessions, Query } from "./concessions.ts"
import { isBadRequest, refuses, type WaldurError, WaldurUnexpectedAnswer } from "./errors.ts"
import { errorFromFailure } from "./refusal.ts"

export type { Query } from "./concessions.ts"

/** `field=a&field=b`: Waldur then sends these fields only. Comma-joined it does not understand them. */
export const fieldQuery = (fields: ReadonlyArray<string>): Query => fields.map((field) => ["field", field] as const)

/** An object of Waldur's as it was sent: not copied, for a copy takes a field named `__proto__` for its prototype. */
export const AnyObject = Schema.declare(
  (value): value is Readonly<Record<string, unknown>> =>
    typeof value === "object" && value !== null && !Array.isArray(value),
)

/** One page of a list. */
export interface ListPage {
  readonly rows: ReadonlyArray<unknown>
  /** `X-Result-Count`: rows of the whole list, as Waldur says. Believed only as far as rows come; `undefined` if it lacks. */
  readonly total: number | undefined
  /** What came in place of a count, in words. */
  readonly countCame: string
  /** Whether `Link` names a next page; `undefined` without that header. Where it leads does not matter: a gateway may rewrite it. */
  readonly hasNext: boolean | undefined
  /** Of the answer's body. */
  readonly bytes: number
  /** It came out of a cache on its way (`Age`, `X-Cache`), so it may be older than its `Date`. */
  readonly cached: boolean
}

/** Milliseconds by which a `Date` may be ahead of our own clock: two clocks that are kept differ by less. */
export const maxAhead = 60_000

/** What counting a list tells. */
export interface Count {
  /** `X-Result-Count`: rows of the whole list. Where Waldur does not count, the rows that came: 0, or 1 for any number. */
  readonly total: number
  /** Waldur counted. */
  readonly isCounted: boolean
  /**
   * A moment at or before that at which the count was asked for, by Waldur's own clock, in ms since 1970: the header
   * `Date`, less what has passed here between asking and having the answer.
   *
   * None where there is no such header, where the answer came out of a cache, or where `Date` is more than a minute ahead
   * of our own clock: changes made after the true moment and before that one would never be asked for. A `Date` that is
   * behind only makes us ask for more.
   */
  readonly askedAt: number | undefined
}

/** Waldur's API as lists, counts, objects and actions: where its answers are checked, and nothing more is known of it. */
export interface WaldurCalls {
  /** Ends in `/api/`. */
  readonly apiUrl: string
  /** Reads in flight at most. */
  readonly concurrency: number
  /** Of an answer; a larger one fails as `too-large`. */
  readonly maxPageBytes: number
  readonly concessions: Concessions
  /** GET of a list: the array and its count. What a list can do without is left out where Waldur refuses it by name. */
  readonly page: (path: string, query: Query) => Effect.Effect<ListPage, WaldurError>
  /** HEAD of a list, or GET where HEAD does not work: its count, for the price of one row. */
  readonly count: (
    path: string,
    query: Query,
    options?: {
      /** A 400 is enough, and need not name its parameter: only the body of a GET could. Default false. */
      readonly isRefusalEnough?: boolean
    },
  ) => Effect.Effect<Count, WaldurError>
  /** GET of one object that `schema` decodes; `wanted` says it in words. */
  readonly object: <A>(
    path: string,
    query: Query,
    schema: Schema.ConstraintDecoder<A>,
    wanted?: string,
  ) => Effect.Effect<A, WaldurError>
  /** POST, sent once; the answer's body does not matter. */
  readonly action: (path: string, json?: unknown) => Effect.Effect<void, WaldurError>
}

const decodeRows = Option.liftPredicate((body: unknown): body is ReadonlyArray<unknown> => Array.isArray(body))
/** Digits alone: not empty, negative, hex, with a fraction, or two headers joined. */
const decodeCount = (header: string | null): number | undefined => {
  const count = header !== null && /^\d{1,16}$/.test(header) ? Number(header) : Number.NaN
  return Number.isSafeInteger(count) ? count : undefined
}

/** RFC 8288: whether one of the links is of the relation `next`. Read as far as a Waldur's four links are long. */
const hasNext = (headers: Headers): boolean | undefined => {
  const link = headers.get("link")
  return link === null ? undefined : /rel\s*=\s*"?next\b/i.test(link.slice(0, 16_384))
}

/** Refusals of a HEAD that a GET may share: anything else is a gateway's dislike of the method. */
const sharedByGet: ReadonlyArray<number | undefined> = [401, 429, 500, 503]
const mayBeShared = (error: WaldurError): boolean =>
  (error._tag === "WaldurRejected" || error._tag === "WaldurUnavailable") && sharedByGet.includes(error.status)

/** Whether an answer came out of a cache: by `Age` (RFC 9111 section 5.1), or by what gateways say beside it. */
const isCached = (headers: Headers): boolean =>
  /[1-9]/.test(headers.get("age") ?? "") ||
  ["x-cache", "x-cache-status", "cf-cache-status"].some((name) =>
    /(^|[^a-z])hit/i.test((headers.get(name) ?? "").slice(0, 200)),
  )

/**
 * @param about `apiUrl` for messages, `concurrency` the permits of the gate, `maxPageBytes` the transport's limit
 * @param gate bounds the reads in flight, whoever asks: a Waldur answers a page in seconds, not in milliseconds, so a
 *   crowd of them would only queue up there and run into their timeouts
 * @param headCallPolicy what HEADs are sent through: they fail by themselves where a gateway does not let them pass
 */
export const makeCalls = (
  transport: Pick<Transport, "call" | "redact">,
  about: Pick<WaldurCalls, "apiUrl" | "concurrency" | "maxPageBytes" | "concessions">,
  gate: Semaphore.Semaphore,
  headCallPolicy?: CallPolicy,
): WaldurCalls => {
  const { concessions } = about
  const send = (call: HttpCall): Effect.Effect<HttpAnswer, WaldurError> =>
    Effect.mapError(transport.call(call), (failure) => errorFromFailure(failure, transport.redact))
  const read = (call: HttpCall) => gate.withPermit(send(call))
  /** Without what is refused by name, if it can be done without; each round leaves out one more, so it ends. */
  const readLeniently = (call: HttpCall, query: Query): Effect.Effect<HttpAnswer, WaldurError> =>
    Effect.suspend(() => {
      const sent = concessions.apply(call.path, query)
      return Effect.catchIf(read({ ...call, query: sent }), isBadRequest, (error) =>
        Effect.flatMap(concessions.leaveOut(call.path, sent, error.parameters ?? []), (leftOut) =>
          leftOut ? readLeniently(call, query) : Effect.fail(error),
        ),
      )
    })

  const wanted = <A>(call: HttpCall, found: Option.Option<A>, words: string, came: () => string) =>
    Option.match(found, {
      onSome: (value): Effect.Effect<A, WaldurError> => Effect.succeed(value),
      onNone: () =>
        Effect.fail(
          new WaldurUnexpectedAnswer({
            call: `${call.method} ${about.apiUrl}${call.path}`,
            came: came(),
            wanted: words,
          }),
        ),
    })
  const countCame = (headers: Headers): string => {
    const header = headers.get("x-result-count")
    return header === null
      ? "no X-Result-Count"
      : `X-Result-Count: ${JSON.stringify(transport.redact(header.slice(0, 40)))}`
  }
  const listPage = Effect.fnUntraced(function* (path: string, query: Query) {
    const call: HttpCall = { method: "GET", path }
    const answer = yield* readLeniently(call, query)
    const { headers } = answer
    const rows = yield* wanted(call, decodeRows(answer.body), "a list", () => inWords(answer.body))
    const page: ListPage = {
      rows,
      total: decodeCount(headers.get("x-result-count")),
      countCame: countCame(headers),
      hasNext: hasNext(headers),
      bytes: answer.bytes,
      cached: isCached(headers),
    }
    return { page, headers }
  })
  /** Where HEAD does not work, whether it is to be avoided if a GET succeeds, and why. */
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
    const answer = yield* Effect.result(head)
    if (Result.isFailure(answer)) {
      const error = answer.failure
      // A 400 is of the query; only a GET's body says of what.
      if (isBadRequest(error)) return isRefusalEnough ? yield* error : {}
      // Only a GET can tell whether Waldur is down, or a gateway says so of a method that it does not like.
      if (mayBeShared(error)) return { avoid: inShort(error) }
      yield* concessions.avoidHead(inShort(error))
      return {}
    }
    const { headers } = answer.success
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
      )
    }
    wasAhead = ahead > maxAhead
    return wasAhead ? undefined : date
  })

  return {
    ...about,
    page: (path, query) => Effect.map(listPage(path, query), ({ page }) => page),
    count: Effect.fnUntraced(function* (path, query, { isRefusalEnough = false } = {}) {
      const any: Query = [...query, ["field", "uuid"]]
      const one: Query = [...any, ["page_size", "1"]]
      // A refused size costs some rows more.
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
      const answer = yield* readLeniently(call, query)
      return yield* wanted(call, Schema.decodeUnknownOption(schema)(answer.body), words, () => inWords(answer.body))
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

/** A value's shape for a message: names that are nobody's data, never contents. */
const inWords = (value: unknown): string => {
  if (value === undefined) return "an empty body"
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  if (typeof value !== "object") return `a ${typeof value}`
  if (Object.keys(value).length === 0) return "an empty object"
  const names = tellingNamesOf(value)
  return names.length === 0 ? "an object" : `an object with ${names.map((name) => `"${name}"`).join(", ")}`
}
