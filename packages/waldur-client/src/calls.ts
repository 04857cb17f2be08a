import { type HttpAnswer, type HttpCall, httpDate, type Transport, tellingNamesOf } from "@cscs/http-transport"
import { Clock, Duration, Effect, Option, Schema, type Semaphore } from "effect"
import { type WaldurError, WaldurUnexpectedAnswer } from "./errors.ts"
import { errorFromFailure } from "./refusal.ts"

/** Query parameters in order; where Waldur wants several values of a name, the name is repeated. */
export type Query = ReadonlyArray<readonly [name: string, value: string]>

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
  /** `X-Result-Count`: rows of the whole list, as Waldur says. Believed only as far as rows come. */
  readonly total: number
  /** Of the answer's body. */
  readonly bytes: number
  /** It came out of a cache on its way (`Age`, `X-Cache`), so it may be older than its `Date`. */
  readonly cached: boolean
}

/** Milliseconds by which a `Date` may be ahead of our own clock: two clocks that are kept differ by less. */
export const maxAhead = 60_000

/** What a HEAD of a list tells. */
export interface Count {
  /** `X-Result-Count`: rows of the whole list. */
  readonly total: number
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
  /** GET of a list: the array and its count. */
  readonly page: (path: string, query: Query) => Effect.Effect<ListPage, WaldurError>
  /** HEAD of a list: its count, for the price of one row. */
  readonly count: (path: string, query: Query) => Effect.Effect<Count, WaldurError>
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
const decodeCount = (header: string | null): Option.Option<number> => {
  const count = header !== null && /^\d{1,16}$/.test(header) ? Number(header) : Number.NaN
  return Number.isSafeInteger(count) ? Option.some(count) : Option.none()
}

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
 */
export const makeCalls = (
  transport: Pick<Transport, "call" | "redact">,
  about: Pick<WaldurCalls, "apiUrl" | "concurrency" | "maxPageBytes">,
  gate: Semaphore.Semaphore,
): WaldurCalls => {
  const send = (call: HttpCall): Effect.Effect<HttpAnswer, WaldurError> =>
    Effect.mapError(transport.call(call), (failure) => errorFromFailure(failure, transport.redact))
  const read = (call: HttpCall) => gate.withPermit(send(call))

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
  const countOf = (call: HttpCall, answer: HttpAnswer) => {
    const header = answer.headers.get("x-result-count")
    return wanted(call, decodeCount(header), "the header X-Result-Count with a whole number", () =>
      header === null
        ? "no X-Result-Count"
        : `X-Result-Count: ${JSON.stringify(transport.redact(header.slice(0, 40)))}`,
    )
  }
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
    page: Effect.fnUntraced(function* (path, query) {
      const call: HttpCall = { method: "GET", path, query }
      const answer = yield* read(call)
      const rows = yield* wanted(call, decodeRows(answer.body), "a list", () => inWords(answer.body))
      return { rows, total: yield* countOf(call, answer), bytes: answer.bytes, cached: isCached(answer.headers) }
    }),
    count: Effect.fnUntraced(function* (path, query) {
      const call: HttpCall = {
        method: "HEAD",
        path,
        query: [...query, ["page_size", "1"], ["field", "uuid"]],
      }
      const [passed, answer] = yield* Effect.timed(read(call))
      const date = yield* dateOf(answer.headers)
      return {
        total: yield* countOf(call, answer),
        askedAt: date === undefined ? undefined : Math.floor(date - Duration.toMillis(passed)),
      }
    }),
    object: Effect.fnUntraced(function* (path, query, schema, words = "an object") {
      const call: HttpCall = { method: "GET", path, query }
      const answer = yield* read(call)
      return yield* wanted(call, Schema.decodeUnknownOption(schema)(answer.body), words, () => inWords(answer.body))
    }),
    action: (path, json) => Effect.asVoid(send({ method: "POST", path, ...(json === undefined ? {} : { json }) })),
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
