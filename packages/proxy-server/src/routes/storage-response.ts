import { Readable } from "node:stream"
import type { Context } from "hono"
import { accepts } from "hono/accepts"
import { dataHeaders } from "../http-headers.ts"
import { oldestReadAt, type TakenSnapshot } from "../snapshot/snapshot.ts"
import { isNoneMatchMet } from "./conditional.ts"
import { acceptedCoding, type Coding, compressed, worthCompressing } from "./content-coding.ts"
import type { StorageLines, StoragePage } from "./storage-answer.ts"

export const linesType = "application/x-ndjson"

/** Whether the caller wants the whole list, one entry to a line, rather than a page. */
export const wantsLines = (c: Context): boolean =>
  c.req.header("Accept")?.toLowerCase().includes(linesType) === true &&
  accepts(c, { header: "Accept", supports: ["application/json", linesType], default: "application/json" }) === linesType

/** What every answer from a snapshot says besides its body, whatever the time. */
const headersOf = (etag: string) => ({
  ...dataHeaders,
  ETag: etag,
  // Whoever keeps it asks before each use whether it still holds, and no one else sees it.
  "Cache-Control": "private, no-cache",
  Vary: "Accept, Accept-Encoding",
})

const timesOf = (taken: TakenSnapshot, now: number) => ({
  Age: String(Math.max(0, Math.floor((now - oldestReadAt(taken)) / 1000))),
  "Last-Modified": lastModified(taken),
})

const httpDates = new WeakMap<TakenSnapshot, string>()

/** An HTTP date, written once: for a poll it would be a part of the cost that shows. */
const lastModified = (taken: TakenSnapshot): string => {
  let date = httpDates.get(taken)
  if (date === undefined) {
    date = new Date(taken.changedAt).toUTCString()
    httpDates.set(taken, date)
  }
  return date
}

/** A page as it goes out in one coding, save the times. */
interface CodedPage {
  readonly body: Uint8Array<ArrayBuffer>
  readonly etag: string
  readonly headers: Readonly<Record<string, string>>
  /** Of a 304. */
  readonly headersWithoutBody: Readonly<Record<string, string>>
}

/** A page with its codings, each made once, when it is first asked for. */
export interface KeptPage {
  /** In bytes, uncompressed. */
  readonly size: number
  readonly in: (coding: Coding) => CodedPage | Promise<CodedPage>
}

export const keptPage = ({ body, digest, link }: StoragePage): KeptPage => {
  const coded = (coding: Coding, bytes: Uint8Array<ArrayBuffer>): CodedPage => {
    const etag = coding === "identity" ? `"${digest}"` : `"${digest}-${coding}"`
    const headersWithoutBody = { ...headersOf(etag), Link: link }
    const headers = {
      ...headersWithoutBody,
      "Content-Type": "application/json",
      // Said here, so that HEAD says it too.
      "Content-Length": String(bytes.length),
      ...(coding === "identity" ? {} : { "Content-Encoding": coding }),
    }
    return { body: bytes, etag, headers, headersWithoutBody }
  }
  const asItIs = coded("identity", body)
  const pages: { gzip?: CodedPage | Promise<CodedPage>; br?: CodedPage | Promise<CodedPage> } = {}
  const make = async (coding: Exclude<Coding, "identity">) => {
    const page = coded(coding, await compressed(body, coding))
    pages[coding] = page
    return page
  }
  return {
    size: body.length,
    in: (wanted) => {
      if (wanted === "identity" || body.length < worthCompressing) return asItIs
      pages[wanted] ??= make(wanted)
      return pages[wanted]
    },
  }
}

/** A page as a response: 304 where the caller has it already, else in the coding that the caller likes best. */
export const pageResponse = (
  c: Context,
  kept: KeptPage,
  taken: TakenSnapshot,
  now: number,
): Response | Promise<Response> => {
  const respond = ({ body, etag, headers, headersWithoutBody }: CodedPage) => {
    const times = timesOf(taken, now)
    return isNoneMatchMet(c.req.header("If-None-Match"), etag)
      ? new Response(null, { status: 304, headers: { ...headersWithoutBody, ...times } })
      : new Response(body, { headers: { ...headers, ...times } })
  }
  const page = kept.in(acceptedCoding(c))
  return page instanceof Promise ? page.then(respond) : respond(page)
}

/** The whole list as a stream, sent as fast as the caller reads. */
export const linesResponse = (c: Context, lines: StorageLines, taken: TakenSnapshot, now: number): Response => {
  const etag = `"${lines.digest}"`
  const headers = { ...headersOf(etag), ...timesOf(taken, now) }
  if (isNoneMatchMet(c.req.header("If-None-Match"), etag)) return new Response(null, { status: 304, headers })
  return new Response(Readable.toWeb(Readable.from(lines.blocks())) as ReadableStream, {
    headers: { ...headers, "Content-Type": linesType },
  })
}
