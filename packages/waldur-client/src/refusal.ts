/** Maps transport failures to the client's errors. */
import type { TransportFailure } from "@cscs/http-transport"
import { Option, Schema } from "effect"
import { WaldurRejected, WaldurUnavailable, WaldurUnexpectedResponse } from "./errors.ts"

/**
 * Converts a transport failure to an error of the client.
 *
 * @param redact masks secrets again, since JSON escapes can hide one until Waldur's message is decoded
 */
export const errorFromFailure = (
  failure: TransportFailure,
  redact: (text: string) => string,
): WaldurUnavailable | WaldurRejected | WaldurUnexpectedResponse => {
  const { call, reason, status, detail } = failure
  if (reason === "not-json") {
    return new WaldurUnexpectedResponse({ call, received: `no JSON (${detail})`, wanted: "JSON" })
  }
  if (status !== undefined && status < 400) {
    return new WaldurUnexpectedResponse({ call, received: `a redirect (${status})`, wanted: "no redirect" })
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

/** Parameters whose names are not ordinary words, so that they can be recognised in a sentence. */
const unmistakable = ["offering_slug", "order_state", "page_size", "visible_to_providers"]

/**
 * The parameters that a 400 names: the keys of `{"order_state": ["…"]}`, which may be truncated; if there are none, quoted or
 * unmistakable names in `{"detail": "…"}` or any other text.
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

/** Renders `{"detail": "…"}` and `{"state": ["…"]}` as plain text; anything else, or a truncated body, is unchanged. */
const waldursWords = (detail: string): string =>
  Option.match(decodeRefusal(detail), {
    onNone: () => detail,
    onSome: (refusal) =>
      Object.entries(refusal)
        .map(([field, messages]) => {
          const words = typeof messages === "string" ? messages : messages.join(" ")
          return field === "detail" ? words : `${field}: ${words}`
        })
        .join("; "),
  })
