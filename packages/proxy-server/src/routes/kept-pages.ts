/**
 * A cache of rendered pages of the list, bounded in bytes and number whatever callers request; keys, headers and
 * compressed forms are included.
 */
import { LRUCache } from "lru-cache"
import { tokenBucket } from "../concurrency/token-bucket.ts"
import { dataHeaders } from "../http/http-headers.ts"
import { type Coding, compressed, worthCompressing } from "./content-coding.ts"
import type { StoragePage } from "./storage-list.ts"

/** A page as sent in one coding, without the time headers. */
export interface CodedPage {
  readonly body: Uint8Array<ArrayBuffer>
  readonly etag: string
  readonly headers: Readonly<Record<string, string>>
  /** Headers of a 304. */
  readonly headersWithoutBody: Readonly<Record<string, string>>
  /** The offerings whose entries it may contain. */
  readonly slugs: ReadonlyArray<string>
}

/** Limit of the bytes of all cached pages in all codings, over all snapshots. */
const maxBytes = 16 * 1024 * 1024
/** Limit of the pages in all codings: several walks through a long list in its largest pages. */
const maxPages = 2000
/** Bytes of a page besides its body and the texts whose length callers determine: headers, objects. */
const overhead = 2048

/** Concurrent compressions, on other threads. Beyond them a response is sent uncompressed. */
const compressionsAtOnce = 2
/**
 * Burst of compressions, and rate per second after it. A large page takes about 10 ms, so a caller that varies a
 * parameter with each request uses at most a tenth of a processor.
 */
const compressionsInARow = 64
const compressionsPerSecond = 10

/** Headers of every response from a snapshot, except body and time headers. */
export const headersOf = (etag: string, total: number) => ({
  ...dataHeaders,
  ETag: etag,
  // Lets a reader check that it has the whole list.
  "X-Total-Count": String(total),
  // Only the caller's own cache may store it, and must revalidate it before each use.
  "Cache-Control": "private, no-cache",
  Vary: "Accept, Accept-Encoding",
})

/** A page in one coding. */
export const codedPage = (
  { digest, link, total, slugs }: StoragePage,
  coding: Coding,
  body: Uint8Array<ArrayBuffer>,
): CodedPage => {
  const etag = coding === "identity" ? `"${digest}"` : `"${digest}-${coding}"`
  const headersWithoutBody = { ...headersOf(etag, total), ...(link === undefined ? {} : { Link: link }) }
  const headers = {
    ...headersWithoutBody,
    "Content-Type": "application/json",
    // Set here, so that HEAD has it too.
    "Content-Length": String(body.length),
    ...(coding === "identity" ? {} : { "Content-Encoding": coding }),
  }
  return { body, etag, headers, headersWithoutBody, slugs }
}

export interface KeptPages {
  /** Bytes used by the cached pages. */
  readonly bytes: () => number
  /**
   * The page with this key in the wanted coding, or uncompressed if it cannot be compressed now; `undefined` if none is
   * cached.
   */
  readonly get: (key: string, wanted: Coding) => CodedPage | Promise<CodedPage> | undefined
  /** Caches a page. */
  readonly put: (key: string, page: StoragePage) => void
}

/** @param now milliseconds of a monotonic clock */
export const keptPages = (now: () => number = () => performance.now()): KeptPages => {
  const kept = new LRUCache<string, { readonly page: StoragePage; readonly coded: CodedPage }>({
    max: maxPages,
    maxSize: maxBytes,
    sizeCalculation: ({ page, coded }, key) =>
      coded.body.length + 2 * (key.length + (page.link?.length ?? 0)) + overhead,
  })
  const compressing = new Map<string, Promise<CodedPage>>()
  const allowed = tokenBucket(compressionsInARow, compressionsPerSecond, now())
  const mayCompress = (): boolean => compressing.size < compressionsAtOnce && allowed.hasToken(now())
  const compress = async (codedKey: string, page: StoragePage, coding: Exclude<Coding, "identity">) => {
    try {
      const coded = codedPage(page, coding, await compressed(page.body, coding))
      kept.set(codedKey, { page, coded })
      return coded
    } finally {
      compressing.delete(codedKey)
    }
  }
  return {
    bytes: () => kept.calculatedSize,
    get: (key, wanted) => {
      const plain = kept.get(key)
      if (plain === undefined || wanted === "identity" || plain.page.body.length < worthCompressing) return plain?.coded
      const codedKey = `${wanted} ${key}`
      const coded = kept.get(codedKey)?.coded ?? compressing.get(codedKey)
      if (coded !== undefined || !mayCompress()) return coded ?? plain.coded
      allowed.take()
      const made = compress(codedKey, plain.page, wanted)
      compressing.set(codedKey, made)
      return made
    },
    put: (key, page) => void kept.set(key, { page, coded: codedPage(page, "identity", page.body) }),
  }
}
