import type { HttpAnswer, HttpCall, Transport } from "@cscs/http-transport"
import { Duration, Effect, Option, Schema, type Semaphore } from "effect"
import { type WaldurError, WaldurUnexpectedAnswer } from "./errors.ts"
import { errorFromFailure } from "./refusal.ts"

/** Query parameters in order; where Waldur wants several values of a name, the name is repeated. */
export type Query = ReadonlyArray<readonly [name: string, value: string]>

/** `field=a&field=b`: Waldur then sends these fields only. Comma-joined it does not understand them. */
export const fieldQuery = (fields: ReadonlyArray<string>): Query => fields.map((field) => ["field", field] as const)

/** An object of Waldur's as it was sent. */
export const AnyObject = Schema.Record(Schema.String, Schema.Unknown)

/** One page of a list. */
export interface ListPage {
  readonly rows: ReadonlyArray<unknown>
  /** `X-Result-Count`: rows of the whole list. */
  readonly total: number
}

/** What a HEAD of a list tells. */
export interface Count {
  /** `X-Result-Count`: rows of the whole list. */
  readonly total: number
  /**
   * A moment at or before that at which the count was asked for, by Waldur's own clock, in ms since 1970: the header
   * `Date`, less what has passed here between asking and having the answer. None where there is no such header.
   */
  readonly askedAt: number | undefined
}

/** Waldur's API as lists, counts, objects and actions: where its answers are checked, and nothing more is known of it. */
export interface WaldurCalls {
  /** Ends in `/api/`. */
  readonly apiUrl: string
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
// Number("") is 0, and so is the number that FiniteFromString makes of an empty header.
const decodeCount = Schema.decodeUnknownOption(
  Schema.String.check(Schema.isPattern(/^\d+$/)).pipe(Schema.decodeTo(Schema.FiniteFromString)),
)

/**
 * @param gate bounds the reads in flight, whoever asks: a Waldur answers a page in seconds, not in milliseconds, so a
 *   crowd of them would only queue up there and run into their timeouts
 */
export const makeCalls = (
  transport: Pick<Transport, "call">,
  about: { readonly apiUrl: string },
  gate: Semaphore.Semaphore,
): WaldurCalls => {
  const send = (call: HttpCall): Effect.Effect<HttpAnswer, WaldurError> =>
    Effect.mapError(transport.call(call), errorFromFailure)
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
      header === null ? "no X-Result-Count" : `X-Result-Count: ${JSON.stringify(header)}`,
    )
  }

  return {
    apiUrl: about.apiUrl,
    page: Effect.fnUntraced(function* (path, query) {
      const call: HttpCall = { method: "GET", path, query }
      const answer = yield* read(call)
      const rows = yield* wanted(call, decodeRows(answer.body), "a list", () => inWords(answer.body))
      return { rows, total: yield* countOf(call, answer) }
    }),
    count: Effect.fnUntraced(function* (path, query) {
      const call: HttpCall = {
        method: "HEAD",
        path,
        query: [...query, ["page_size", "1"], ["field", "uuid"]],
      }
      const [passed, answer] = yield* Effect.timed(read(call))
      const date = Date.parse(answer.headers.get("date") ?? "")
      return {
        total: yield* countOf(call, answer),
        askedAt: Number.isNaN(date) ? undefined : Math.floor(date - Duration.toMillis(passed)),
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

/** A value's shape for a message: names, never contents. */
const inWords = (value: unknown): string => {
  if (value === undefined) return "an empty body"
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  if (typeof value !== "object") return `a ${typeof value}`
  const names = Object.keys(value).slice(0, 5)
  return names.length === 0 ? "an empty object" : `an object with ${names.map((name) => `"${name}"`).join(", ")}`
}
