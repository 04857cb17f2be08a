/** Reads the whole list, as lines or by a walk through its pages, and establishes that it is whole. */
import {
  elapsedMillis,
  isRepeatable,
  type TokenError,
  type Transport,
  type TransportFailure,
} from "@cscs/http-transport"
import { isJsonObject, property } from "@cscs/storage-model"
import { Clock, Effect, Redacted } from "effect"
import type { EntryList } from "./entry-list.ts"
import {
  IncompleteList,
  ProxyRejected,
  ProxyUnavailable,
  type StorageClientError,
  UnexpectedResponse,
} from "./errors.ts"
import { makeEntryReader } from "./read-entries.ts"
import { linesType, maxEntries, maxListBytes, type Received, receive, totalOf, wholeNumber } from "./received.ts"

/** What a read of the list needs. */
export interface ListSource {
  readonly transport: Transport
  /** A valid token, other than the refused one; `undefined` without authentication. */
  readonly token: (refused?: Redacted.Redacted) => Effect.Effect<Redacted.Redacted | undefined, TokenError>
  /** Whether `token` can replace a refused one. */
  readonly isRenewable: boolean
  readonly query: ReadonlyArray<readonly [name: string, value: string]>
  /** Method and URL without query, for errors. */
  readonly call: string
}

export const listPath = "api/storage-resources/"

/** The proxy's largest page size. Ignored for lines; if the proxy returns pages, it makes them as few as possible. */
const pageSize = "500"
/** How often a list is read again if it changed meanwhile or was cut off. */
const rereads = 2

type Query = ReadonlyArray<readonly [name: string, value: string]>

/** A response whose headers are as expected. */
interface CheckedResponse {
  readonly received: Received
  readonly total: number
  readonly etag: string
  readonly age: number
  readonly link: string
  /** Milliseconds of the monotonic clock. */
  readonly sentAt: number
}

/**
 * Reads the whole list; again if it was cut off or changed during a walk, three times at most.
 *
 * @param last for a conditional request
 * @param isFresh whether the proxy must read Waldur first
 */
export const readList = (
  source: ListSource,
  last: EntryList | undefined,
  isFresh: boolean,
): Effect.Effect<EntryList, StorageClientError> => {
  const { call } = source
  // A list read page by page has a snapshot id instead of an entity tag.
  const condition = last?.etag.endsWith('"') === true ? last.etag : undefined
  const headers = {
    ...(isFresh ? { "cache-control": "no-cache" } : {}),
    ...(condition === undefined ? {} : { "if-none-match": condition }),
  }
  const attempt = Effect.gen(function* () {
    const first = yield* request(source, [...source.query, ["page_size", pageSize]], headers)
    const { received, total, etag, age, sentAt } = first
    if (received.kind === "page") return yield* walk(source, first)
    const about = { total, etag, ...(yield* timesOf(age, sentAt)) }
    if (received.kind === "unchanged") {
      if (last === undefined || !isSameTag(etag, last.etag) || total !== last.total) {
        return yield* new UnexpectedResponse({ call, detail: "a 304 for a list that the client does not have" })
      }
      return { ...about, entries: last.entries, notUnderstood: last.notUnderstood }
    }
    const { entries, notUnderstood, count, isCut } = received
    if (count !== total || isCut) {
      const detail = isCut ? "the last line is cut off" : "lines are missing"
      return yield* new IncompleteList({ call, received: count, total, detail })
    }
    return { ...about, entries, notUnderstood }
  })
  return Effect.retry(attempt, { times: rereads, while: (error) => error._tag === "IncompleteList" })
}

const timesOf = (age: number, sentAt: number) =>
  Effect.map(Clock.currentTimeMillis, (receivedAt) => ({
    age,
    receivedAt,
    // `Age` is rounded down, so the list may be older by almost a second.
    readAfter: sentAt - (age + 1) * 1000,
  }))

/** Entity tags compared weakly: a gateway that compresses makes them weak. */
export const isSameTag = (one: string, other: string): boolean => one.replace(/^W\//, "") === other.replace(/^W\//, "")

/** Reads the list page by page. All pages name one snapshot and have the same count, which equals their entries in total. */
const walk = Effect.fnUntraced(function* (source: ListSource, first: CheckedResponse) {
  const { call } = source
  const { total, sentAt } = first
  const reader = makeEntryReader()
  const snapshot = linkTo("last", first.link)?.get("snapshot")
  if (!snapshot) return yield* new UnexpectedResponse({ call, detail: "a page without a Link to its snapshot" })
  let [age, bytes] = [0, 0]
  for (let page = first; ; ) {
    const incomplete = (detail: string) => new IncompleteList({ call, received: reader.count(), total, detail })
    const { received } = page
    const resources = received.kind === "page" ? property(received.body, "resources") : undefined
    if (received.kind !== "page" || !Array.isArray(resources)) {
      return yield* new UnexpectedResponse({ call, detail: "a page without resources" })
    }
    bytes += received.bytes
    if (bytes > maxListBytes) {
      return yield* new UnexpectedResponse({ call, detail: `pages of more than ${maxListBytes} bytes together` })
    }
    age = Math.max(age, page.age)
    const next = linkTo("next", page.link)
    if (page.total !== total || linkTo("last", page.link)?.get("snapshot") !== snapshot) {
      return yield* incomplete("its pages are of different snapshots")
    }
    for (const entry of resources) reader.add(entry)
    if (reader.count() > total || (next !== undefined && resources.length === 0)) {
      return yield* incomplete("the number of entries on its pages differs from the X-Total-Count")
    }
    if (next === undefined) {
      if (reader.count() !== total) return yield* incomplete("pages are missing")
      return { ...reader.read(), total, etag: snapshot, ...(yield* timesOf(age, sentAt)) }
    }
    page = yield* Effect.catchIf(
      request(source, [...next], {}),
      (error) => error._tag === "ProxyRejected" && error.status === 410,
      () => incomplete("its snapshot is gone"),
    )
  }
})

/**
 * The query of a link of a `Link` header (RFC 8288); `undefined` if there is none. The rest of its URL is not used, so the
 * token is sent nowhere else.
 */
const linkTo = (relation: "next" | "last", header: string): URLSearchParams | undefined => {
  const link = header.split(",").find((one) => one.includes(`rel="${relation}"`)) ?? ""
  const [, query] = link.split(/[?>]/)
  return query === undefined ? undefined : new URLSearchParams(query)
}

/** Maximum length of an entity tag, in characters; the proxy's have some 50. */
const longestTag = 256

/** One request; with a fresh token if the proxy refuses the kept one. */
const request = Effect.fnUntraced(function* (
  { transport, token, isRenewable, call }: ListSource,
  query: Query,
  headers: Readonly<Record<string, string>>,
): Effect.fn.Return<CheckedResponse, StorageClientError> {
  const sentAt = yield* elapsedMillis
  const send = (bearer: Redacted.Redacted | undefined) =>
    transport.call({
      method: "GET",
      path: listPath,
      query,
      headers: {
        // A proxy that does not support lines returns a page.
        accept: `${linesType}, application/json;q=0.5`,
        ...headers,
        ...(bearer === undefined ? {} : { authorization: `Bearer ${Redacted.value(bearer)}` }),
      },
      read: (response) => receive(response, call),
    })
  const response = yield* Effect.flatMap(token(), (bearer) =>
    Effect.catchIf(
      send(bearer),
      ({ status }) => isRenewable && status === 401,
      () => Effect.flatMap(token(bearer), send),
    ),
  ).pipe(Effect.mapError(errorFrom))
  // What the call's `read` returns.
  const received = response.body as Received | UnexpectedResponse
  if (received instanceof UnexpectedResponse) return yield* received
  const total = totalOf(response.headers)
  const age = wholeNumber(response.headers.get("age"))
  const etag = response.headers.get("etag") ?? ""
  const isTag = etag.length <= longestTag && /^(?:W\/)?"[^"]+"$/.test(etag)
  if (total === undefined || total > maxEntries || age === undefined || !isTag) {
    const detail = `expected the headers X-Total-Count (at most ${maxEntries}), Age and ETag`
    return yield* new UnexpectedResponse({ call, detail })
  }
  return { received, total, age, etag, link: response.headers.get("link") ?? "", sentAt }
})

const errorFrom = (failure: TokenError): StorageClientError => {
  if (failure._tag === "TokenRefused") return failure
  if (failure._tag === "NoTokenGranted") return new UnexpectedResponse({ call: failure.call, detail: failure.detail })
  const { status, reason, detail } = failure
  if (reason === "not-json" || reason === "too-large") return new UnexpectedResponse({ call: failure.call, detail })
  if (status === undefined || isRepeatable(failure)) return new ProxyUnavailable({ failure })
  if (status < 400) return new UnexpectedResponse({ call: failure.call, detail: `a redirect (${status})` })
  return new ProxyRejected({ call: failure.call, status, detail: wordsOf(failure) })
}

/** The proxy's `detail` if the response is complete JSON, otherwise the text unchanged. */
const wordsOf = ({ detail }: TransportFailure): string => {
  try {
    const body: unknown = JSON.parse(detail)
    const words = isJsonObject(body) ? body.detail : undefined
    return typeof words === "string" ? words : detail
  } catch {
    return detail
  }
}
