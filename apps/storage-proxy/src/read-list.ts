/** Reads a list of storage entries of any version, from a file or a running proxy. Everything read is bounded. */

import { createReadStream } from "node:fs"
import { environmentProxies, makeTransport, urlForDisplay } from "@cscs/http-transport"
import { escapeControls } from "@cscs/proxy-server"
import { property } from "@cscs/storage-model"
import { Data, Effect, Redacted } from "effect"

/** Maximum size of a list in bytes. 100,000 entries take 150 MB; the longest string in Node is twice as long. */
const maxBytes = 256 * 1024 * 1024
/** Maximum number of pages of a list. */
const maxPages = 5_000
/** Entries per page. 0.7.7 passes it on to Waldur, which returns fewer than asked for above 300: rows would be missed. */
const pageSize = 100
/** Maximum nesting of an entry. The model allows 20 levels for an item from Waldur. */
const maxLevels = 50

/** A list that cannot be read, or not completely. */
export class ListUnreadable extends Data.TaggedError("ListUnreadable")<{
  readonly source: string
  readonly reason: string
}> {
  override get message() {
    return escapeControls(`${this.source}: ${this.reason}`)
  }
}

/** All entries of a list, unchecked. */
export interface EntryList {
  /** The file, or the URL without query. */
  readonly source: string
  readonly entries: ReadonlyArray<unknown>
}

/** Reads a file: a page as JSON if it is the only one, a list as `export` writes it, or NDJSON. */
export const listInFile = Effect.fnUntraced(function* (path: string): Effect.fn.Return<EntryList, ListUnreadable> {
  const text = yield* Effect.tryPromise({
    try: () => boundedText(path),
    catch: (error) => unreadable(path, error instanceof Error ? error.message : String(error)),
  })
  return yield* listIn(
    path,
    yield* Effect.try({ try: () => parsed(text), catch: (error) => unreadable(path, String(error)) }),
  )
})

/**
 * Walks the pages of a running proxy, by `Link` if it sends any, else by number.
 *
 * @param url a proxy, with or without the path of the list; its query selects entries
 * @param token the bearer token, sent to this proxy only
 */
export const listAt = Effect.fnUntraced(function* (
  url: URL,
  token: string | undefined,
): Effect.fn.Return<EntryList, ListUnreadable> {
  const path = "api/storage-resources/"
  const start = url.href.replace(/[?#].*$/s, "").replace(/\/?$/, "/")
  const baseUrl = start.endsWith(`/${path}`) ? start.slice(0, -path.length) : start
  const source = urlForDisplay(`${baseUrl}${path}`)
  const read = Effect.gen(function* () {
    const { call } = yield* makeTransport({
      upstream: "proxy",
      baseUrl,
      proxy: environmentProxies(process.env),
      ...(token === undefined
        ? {}
        : { headers: { authorization: `Bearer ${token}` }, secrets: [Redacted.make(token)] }),
    })
    const entries: Array<unknown> = []
    let query: URLSearchParams | undefined = new URLSearchParams(url.search)
    if (!query.has("page_size")) query.set("page_size", String(pageSize))
    query.set("page", "1")
    let bytes = 0
    for (let page = 1; query !== undefined; page++) {
      if (page > maxPages) return yield* unreadable(source, `it has more than ${maxPages} pages`)
      const response = yield* call({ method: "GET", path, query: [...query] })
      bytes += response.bytes
      if (bytes > maxBytes) return yield* unreadable(source, `it has more than ${maxBytes} bytes`)
      const found = property(response.body, "resources")
      if (!Array.isArray(found)) return yield* unreadable(source, "it returns no list of entries")
      for (const entry of found) entries.push(entry)
      const { hasNext, total } = pageIn(response.body, page)
      const link = nextLink(response.headers)
      if (link !== undefined) query = link
      else if (hasNext) query.set("page", String(page + 1))
      else {
        query = undefined
        if (total !== undefined && total !== entries.length) {
          return yield* unreadable(
            source,
            `${entries.length} of ${total} entries were received: it has changed, try again`,
          )
        }
      }
    }
    return yield* listIn(source, entries)
  })
  return yield* Effect.scoped(read).pipe(
    Effect.mapError((error) => (error instanceof ListUnreadable ? error : unreadable(source, error.message))),
  )
})

const unreadable = (source: string, reason: string) => new ListUnreadable({ source, reason })

const boundedText = async (path: string): Promise<string> => {
  const decoder = new TextDecoder("utf-8", { fatal: true })
  const parts: Array<string> = []
  let bytes = 0
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw new Error(`it has more than ${maxBytes} bytes`)
    parts.push(decoder.decode(chunk, { stream: true }))
  }
  return parts.join("") + decoder.decode()
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text.split("\n").flatMap((line, index) => {
      if (line.trim() === "") return []
      try {
        return [JSON.parse(line)]
      } catch {
        throw `line ${index + 1} is not JSON, nor is the whole`
      }
    })
  }
}

const listIn = (source: string, body: unknown): Effect.Effect<EntryList, ListUnreadable> => {
  const resources = property(body, "resources")
  // One line of NDJSON is an object, too.
  const entries = Array.isArray(body) ? body : Array.isArray(resources) ? resources : undefined
  if (entries === undefined) {
    return property(body, "itemId") === undefined
      ? Effect.fail(unreadable(source, "it contains no list of entries"))
      : listIn(source, [body])
  }
  const { hasNext, current, total } = pageIn(body, 1)
  if (hasNext || current !== 1 || (total !== undefined && total !== entries.length)) {
    return Effect.fail(unreadable(source, "it is one page of several: compare the URL, or an export"))
  }
  return entries.every((entry) => isShallow(entry, maxLevels))
    ? Effect.succeed({ source, entries })
    : Effect.fail(unreadable(source, `an entry is nested deeper than ${maxLevels} levels`))
}

const isShallow = (value: unknown, levels: number): boolean =>
  typeof value !== "object" ||
  value === null ||
  (levels > 0 && Object.values(value).every((part) => isShallow(part, levels - 1)))

/**
 * The position of a page. `total` and `pages` of 0.7.7 count one page of Waldur's. Its `raw_total_from_api` is the number of
 * Waldur's rows, or of those on this page if Waldur sends no `X-Total-Count`: a full page may have a next one. A page
 * after the last one is an error there, so a number of rows that fills the last page is a failure, never a short list.
 */
const pageIn = (body: unknown, page: number) => {
  const pagination = property(body, "pagination")
  const count = (name: string) => {
    const value = property(pagination, name)
    return typeof value === "number" && Number.isFinite(value) ? value : undefined
  }
  const hasNext = property(pagination, "has_next")
  const rows = count("raw_total_from_api")
  const current = count("current") ?? page
  if (typeof hasNext === "boolean") return { current, hasNext, total: count("total") }
  const limit = count("limit") || pageSize
  const hasMore = rows === undefined ? current < (count("pages") ?? 1) : rows > current * limit || rows === limit
  return { current, hasNext: hasMore, total: undefined }
}

/** The query of the next page. Nothing else of the URL is used, so the token is not sent elsewhere. */
const nextLink = (headers: Headers): URLSearchParams | undefined => {
  // Enough for four links.
  const link = (headers.get("link") ?? "").slice(0, 16_384)
  const [, reference] = /<([^<>]*)>\s*;\s*rel="?next\b/i.exec(link) ?? []
  const at = reference?.indexOf("?") ?? -1
  return reference === undefined || at < 0 ? undefined : new URLSearchParams(reference.slice(at))
}
