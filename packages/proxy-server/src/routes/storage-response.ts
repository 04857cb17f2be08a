/** HTTP responses with entries: pages, 304, and the whole list as a stream. */
import type { Context } from "hono"
import { observedRequest, requestIdHeader } from "../observability/observed-request.ts"
import { oldestReadAt, type TimedSnapshot } from "../snapshot/snapshot.ts"
import { isNoneMatchMet } from "./conditional.ts"
import { type CodedPage, headersOf } from "./kept-pages.ts"
import { preferred } from "./negotiation.ts"
import type { StorageLines } from "./storage-list.ts"

export const linesType = "application/x-ndjson"

/** Whether the caller prefers the whole list, one entry per line, to a page. */
export const wantsLines = (c: Context): boolean => preferred(c, "Accept", ["application/json", linesType]) === linesType

/**
 * The `Age` header: the age of the oldest entries that the response may contain. Those that a guard keeps for another system do
 * not count.
 */
const ageOf = (taken: TimedSnapshot, slugs: ReadonlyArray<string>, now: number): string =>
  String(Math.max(0, Math.floor((now - oldestReadAt(taken, slugs)) / 1000)))

const httpDates = new WeakMap<TimedSnapshot, string>()

/** An HTTP date, formatted once: in a poll its cost would be noticeable. */
const lastModified = (taken: TimedSnapshot): string => {
  let date = httpDates.get(taken)
  if (date === undefined) {
    date = new Date(taken.changedAt).toUTCString()
    httpDates.set(taken, date)
  }
  return date
}

/** A page as a response; 304 if the caller already has it. */
export const pageResponse = (c: Context, page: CodedPage, taken: TimedSnapshot, now: number): Response => {
  const { body, etag, headers, headersWithoutBody, slugs } = page
  const request = observedRequest(c)
  const isUnchanged = isNoneMatchMet(c.req.header("If-None-Match"), etag)
  // All headers at once, in a plain object: `@hono/node-server` passes it on as it is.
  const all = {
    ...(isUnchanged ? headersWithoutBody : headers),
    Age: ageOf(taken, slugs, now),
    "Last-Modified": lastModified(taken),
    [requestIdHeader]: request.id,
  }
  request.responded = { bytes: isUnchanged ? undefined : body.length }
  return isUnchanged ? new Response(null, { status: 304, headers: all }) : new Response(body, { headers: all })
}

/** The whole list as a stream: each block is made when the caller has taken the previous one. */
export const linesResponse = (c: Context, lines: StorageLines, taken: TimedSnapshot, now: number): Response => {
  const etag = `"${lines.digest}"`
  const headers = {
    ...headersOf(etag, lines.total),
    Age: ageOf(taken, lines.slugs, now),
    "Last-Modified": lastModified(taken),
  }
  if (isNoneMatchMet(c.req.header("If-None-Match"), etag)) return new Response(null, { status: 304, headers })
  let blocks: Iterator<Uint8Array> | undefined
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        blocks ??= lines.blocks()[Symbol.iterator]()
        const { value, done } = blocks.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      },
      cancel: () => void blocks?.return?.(),
    },
    // Nothing is made ahead: otherwise each caller that does not read would keep one more block in memory.
    { highWaterMark: 0 },
  )
  return new Response(stream, {
    headers: { ...headers, "Content-Type": linesType },
  })
}
