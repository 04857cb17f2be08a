import type { TransportFailure } from "@cscs/http-transport"
import { Option, Schema } from "effect"
import { WaldurRejected, WaldurUnavailable, WaldurUnexpectedAnswer } from "./errors.ts"

/**
 * What a failed call means with Waldur.
 *
 * @param redact masks secrets: in Waldur's words an escape of JSON can hide one until they are read
 */
export const errorFromFailure = (
  failure: TransportFailure,
  redact: (text: string) => string,
): WaldurUnavailable | WaldurRejected | WaldurUnexpectedAnswer => {
  const { call, reason, status, detail } = failure
  if (reason === "not-json") {
    return new WaldurUnexpectedAnswer({ call, came: `no JSON (${detail})`, wanted: "JSON" })
  }
  if (status !== undefined && status < 400) {
    return new WaldurUnexpectedAnswer({ call, came: `a redirect (${status})`, wanted: "an answer in place" })
  }
  if (status !== undefined && status < 500 && status !== 408 && status !== 429) {
    return new WaldurRejected({
      call,
      status,
      detail: redact(waldursWords(detail)),
      ...(status === 400 ? { parameters: namedIn(detail) } : {}),
    })
  }
  return new WaldurUnavailable({
    call,
    reason,
    detail: redact(waldursWords(detail)),
    ...(status === undefined ? {} : { status }),
    ...(failure.retryAfter === undefined ? {} : { retryAfter: failure.retryAfter }),
    ...(failure.proxy === undefined ? {} : { proxy: failure.proxy }),
  })
}

/** Parameters whose names are no words of any language, so that a sentence may name them. */
const unmistakable = ["offering_slug", "order_state", "page_size", "visible_to_providers"]

/**
 * The parameters that a 400 names: the keys of `{"order_state": ["…"]}`, whose text may be cut; failing those, the names in
 * quotes or unmistakable in `{"detail": "…"}` or whatever else it is.
 */
const namedIn = (detail: string): ReadonlyArray<string> => {
  const keys = [...detail.matchAll(/(?<!\\)"([A-Za-z_]{1,64})(?<!\\)"\s{0,8}:/g)].map(([, name = ""]) => name)
  const named = keys.filter((name) => name !== "detail" && name !== "non_field_errors")
  if (named.length > 0) return [...new Set(named)]
  const quoted = [...detail.matchAll(/[`'"]([a-z_]{1,64})\\?[`'"]/g)].map(([, name = ""]) => name)
  // safe-regex: fixed words
  return [...new Set([...quoted, ...unmistakable.filter((name) => new RegExp(`\\b${name}\\b`).test(detail))])]
}

const decodeRefusal = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Array(Schema.String)]))),
)

/** `{"detail": "…"}` and `{"state": ["…"]}` as a person would say them; what is neither, or was cut, as it came. */
const waldursWords = (detail: string): string =>
  Option.match(decodeRefusal(detail), {
    onNone: () => detail,
    onSome: (refusal) =>
      Object.entries(refusal)
        .map(([field, said]) => {
          const words = typeof said === "string" ? said : said.join(" ")
          return field === "detail" ? words : `${field}: ${words}`
        })
        .join("; "),
  })
